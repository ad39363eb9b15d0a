//! The built-in data set: generated handwritten digits, for a machine without a network.
//!
//! The steps from number to image, one file each:
//!
//! 1. `skeletons`: the label selects a hand-made skeleton, a few strokes through control points.
//! 2. `hand`: two forms of the skeleton are mixed; then points are displaced, and the whole is warped and slanted.
//! 3. `pen`: the strokes are drawn with a soft round nib, and scaled and centred as in MNIST.
//!
//! # The same bytes everywhere
//!
//! A sample is a function of (seed, split, index) alone; these numbers are the key of its ChaCha8 generator. So a smaller
//! split is a prefix of a larger one, the number of threads has no influence, and the two splits share no random numbers.
//! All arithmetic is on integers and on `f32` with `+ - * /`, `sqrt`, `min`, `max` and conversions, whose results IEEE 754
//! defines exactly. There is no `sin`, no `exp` and no fused multiply-add. Every target whose `f32` is IEEE 754 binary32
//! therefore gets the same bytes; among Rust's hosts the only exception is 32-bit x86 without SSE2. A later version of this
//! crate may draw other digits, but not by accident: the `digits` tests (tests/pure) check a hash.

mod hand;
mod pen;
mod skeletons;

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{DataSet, Split, Task};
use crate::base::hash::hex;
use skeletons::Family;

/// Pixels, and bytes, of one image.
const PIXELS: usize = pen::SIDE * pen::SIDE;
const CLASSES: usize = 10;

/// Sizes and seed of the generated set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Number of training samples.
    pub train: usize,
    /// Number of test samples.
    pub test: usize,
    /// Seed of the random numbers. Another seed gives other digits from the same skeletons.
    pub seed: u64,
}

impl Default for Options {
    /// The sizes of MNIST.
    fn default() -> Self {
        Self { train: 60_000, test: 10_000, seed: 1 }
    }
}

/// Generates both splits: images of 28×28 bytes, background 0, ink up to 255; labels 0 to 9.
///
/// Each group of ten samples holds every digit once, in random order. So in any prefix the classes differ by at most one
/// sample. A size of zero gives an empty split. The work is divided among rayon's threads. `sha256` covers training pixels,
/// training labels, test pixels and test labels, in that order.
///
/// The geometry is MNIST's (LeCun et al., "Gradient-based learning applied to document recognition", 1998): a digit is
/// scaled to fit a box of 20×20 with its aspect ratio kept, and its centre of mass is moved to the middle of the image, to
/// the nearest pixel.
///
/// ```
/// use gpu_mlp::data::digits::{Options, generate};
///
/// let digits = generate(&Options { train: 20, test: 10, ..Options::default() });
/// assert_eq!(digits.train.pixels().len(), 20 * 28 * 28);
/// assert_eq!(digits.test.classes().len(), 10);
/// ```
pub fn generate(options: &Options) -> DataSet {
    let families = skeletons::all();
    let train = draw(&families, options.seed, 0, options.train);
    let test = draw(&families, options.seed, 1, options.test);
    let mut hash = Sha256::new();
    for (pixels, labels) in [&train, &test] {
        hash.update(pixels);
        hash.update(labels);
    }
    let [train, test] = [train, test].map(|(pixels, labels)| Split::new(pixels, labels));
    let origin = format!("generated from strokes, seed {}", options.seed);
    let (item, task) = (vec![pen::SIDE, pen::SIDE], Task::numbered(CLASSES));
    DataSet::new("digits".into(), origin, item, task, train, test, hex(&hash.finalize()))
}

/// Pixels (N, 28, 28) and labels (N) of a split.
fn draw(families: &[Vec<Family>], seed: u64, split: u64, len: usize) -> (Vec<u8>, Vec<u8>) {
    // Saturating: a size beyond memory must fail in the allocator; an overflow would give a short split.
    let mut pixels = vec![0; len.saturating_mul(PIXELS)];
    let mut labels = vec![0; len];
    let images = pixels.par_chunks_exact_mut(PIXELS);
    images.zip(&mut labels).enumerate().for_each(|(index, (image, label))| {
        *label = label_of(seed, split, index);
        let mut rng = stream(seed, split, Purpose::Image, index);
        let strokes = hand::write(&families[usize::from(*label)], &mut rng);
        pen::draw(*label, &strokes, &mut rng, image);
    });
    (pixels, labels)
}

/// The label of a sample: entry `index % 10` of the ten digits, which are shuffled for each group of ten (Fisher-Yates).
fn label_of(seed: u64, split: u64, index: usize) -> u8 {
    let mut rng = stream(seed, split, Purpose::Label, index / CLASSES);
    let mut order: [u8; CLASSES] = std::array::from_fn(|digit| digit as u8);
    for last in (1..CLASSES).rev() {
        order.swap(last, hand::below(last as u32 + 1, &mut rng) as usize);
    }
    order[index % CLASSES]
}

/// The use of a stream of random numbers.
#[derive(Clone, Copy)]
enum Purpose {
    Image,
    Label,
}

/// A random generator for each combination of these four numbers, which are its ChaCha key.
fn stream(seed: u64, split: u64, purpose: Purpose, index: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    let numbers = [seed, split, purpose as u64, index as u64];
    for (bytes, number) in key.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
