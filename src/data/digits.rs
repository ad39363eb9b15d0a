//! The built-in data set: digits drawn by a random hand, for a machine with no network.
//!
//! From number to image, a file each:
//!
//! 1. `skeletons`: the label picks a hand-made skeleton, a few strokes through control points.
//! 2. `hand`: two forms of the skeleton are mixed, misplaced, warped and slanted.
//! 3. `pen`: the strokes are drawn with a soft round nib and placed as MNIST places its digits.
//!
//! # The same bytes everywhere
//!
//! A sample is a function of (seed, split, index) alone, through a ChaCha8 key of its own. So a
//! smaller split is a prefix of a larger one, the number of threads changes nothing, and the two
//! splits share no random numbers. All arithmetic is on integers and on `f32` with `+ - * /`,
//! `sqrt`, `min`, `max` and conversions, which IEEE 754 defines to the bit; there is no `sin`, no
//! `exp`, no fused multiply-add. Every target whose `f32` is IEEE 754 binary32 therefore gets the
//! same bytes; 32-bit x86 without SSE2 is the one exception among Rust's hosts. A later version
//! of this crate may draw better, but never unseen: `tests/pure/digits.rs` pins a digest.

mod hand;
mod pen;
mod skeletons;

use rand::{SeedableRng, rngs::ChaCha8Rng};
use rayon::prelude::*;
use sha2::{Digest, Sha256};

use super::{DataSet, Split};
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
    /// Another seed draws other digits from the same skeletons.
    pub seed: u64,
}

impl Default for Options {
    /// The sizes of MNIST.
    fn default() -> Self {
        Self { train: 60_000, test: 10_000, seed: 1 }
    }
}

/// Draws both splits: images of 28 by 28 bytes, background 0, ink up to 255; labels 0 to 9.
///
/// Every ten samples in a row hold each digit once, in an order of their own, so any prefix is
/// balanced to within one. A size of zero gives an empty split. The work is shared among rayon's
/// threads. `sha256` covers training pixels, training labels, test pixels and test labels, in
/// that order.
///
/// The geometry is MNIST's (LeCun et al., "Gradient-based learning applied to document
/// recognition", 1998): a digit fills a box of 20 by 20 with its aspect kept, and its centre of
/// mass lies in the middle of the image, to the nearest pixel.
///
/// ```
/// use gpu_mlp::data::digits::{Options, generate};
///
/// let digits = generate(&Options { train: 20, test: 10, ..Options::default() });
/// assert_eq!(digits.train.pixels.len(), 20 * 28 * 28);
/// assert_eq!(digits.test.labels.len(), 10);
/// ```
pub fn generate(options: &Options) -> DataSet {
    let families = skeletons::all();
    let train = draw(&families, options.seed, 0, options.train);
    let test = draw(&families, options.seed, 1, options.test);
    let mut hash = Sha256::new();
    for bytes in [&train.pixels, &train.labels, &test.pixels, &test.labels] {
        hash.update(bytes);
    }
    DataSet {
        name: "digits".into(),
        item: vec![pen::SIDE, pen::SIDE],
        classes: CLASSES,
        train,
        validation: None,
        test,
        sha256: hex(&hash.finalize()),
        origin: format!("generated from strokes, seed {}", options.seed),
    }
}

fn draw(families: &[Vec<Family>], seed: u64, split: u64, len: usize) -> Split {
    // Saturating, so that a size beyond memory fails in the allocator and not as a short split.
    let mut pixels = vec![0; len.saturating_mul(PIXELS)];
    let mut labels = vec![0; len];
    let images = pixels.par_chunks_exact_mut(PIXELS);
    images.zip(&mut labels).enumerate().for_each(|(index, (image, label))| {
        *label = label_of(seed, split, index);
        let mut rng = stream(seed, split, Purpose::Image, index);
        let strokes = hand::write(&families[usize::from(*label)], &mut rng);
        pen::draw(*label, &strokes, &mut rng, image);
    });
    Split { pixels, labels }
}

/// Entry `index % 10` of the shuffled digits (Fisher and Yates) that belong to this run of ten.
fn label_of(seed: u64, split: u64, index: usize) -> u8 {
    let mut rng = stream(seed, split, Purpose::Label, index / CLASSES);
    let mut order: [u8; CLASSES] = std::array::from_fn(|digit| digit as u8);
    for last in (1..CLASSES).rev() {
        order.swap(last, hand::below(last as u32 + 1, &mut rng) as usize);
    }
    order[index % CLASSES]
}

/// What random numbers are for.
#[derive(Clone, Copy)]
enum Purpose {
    Image,
    Label,
}

/// A generator of its own for every four of these numbers: together they are the ChaCha key.
fn stream(seed: u64, split: u64, purpose: Purpose, index: usize) -> ChaCha8Rng {
    let mut key = [0; 32];
    let numbers = [seed, split, purpose as u64, index as u64];
    for (bytes, number) in key.chunks_exact_mut(8).zip(numbers) {
        bytes.copy_from_slice(&number.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}
