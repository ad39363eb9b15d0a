//! How unlike the training pictures a picture is.
//!
//! A net trained on digits gives a letter some class, often with a probability near 1, so probabilities do not show that it has
//! never seen one. The distance to the training pictures does. The pictures are described by their edges (`edges`), which
//! depend little on the width and brightness of strokes. Typical descriptions, found by k-means, are stored in the model file,
//! with the distance that few training pictures exceed.
//!
//! Only the training split decides, in a fixed order and without an engine: equal data give equal bits.

mod edges;

use super::Split;
use super::shape::picture_size;
use crate::base::rng::{Stream, host};
use base64::prelude::{BASE64_STANDARD, Engine};
use edges::{Edges, VALUES};
use multiversion::multiversion;
use rand::seq::SliceRandom;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Training pictures that the typical descriptions are found from, and that the limit is measured on.
const PICTURES: [usize; 2] = [4_500, 1_500];
/// With fewer training pictures the limit would be a guess.
const FEWEST: usize = 200;
/// Most typical descriptions. Twice as many find one letter in fifty more, and double the size in the file.
const MOST_CENTRES: usize = 384;
/// Steps of k-means. More do not find more letters.
const STEPS: usize = 3;
/// Share of the training pictures that lie beyond the limit.
const BEYOND: f64 = 0.04;
/// A description has length 1, so its values fit into a signed byte.
const UNIT: f32 = 127.0;

/// What the training pictures look like, and how far from it a picture may be.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Novelty {
    /// Typical descriptions, one after another, in 127ths; base64 in the file.
    #[serde(serialize_with = "to_text", deserialize_with = "from_text")]
    centres: Vec<i8>,
    /// 96 % of the training pictures are nearer than this to a typical description.
    limit: f32,
}

impl Novelty {
    /// Measures a split of samples of shape `item`. `None` if they are not grey pictures, or are too few or too plain.
    pub fn of(item: &[usize], split: &Split) -> Option<Novelty> {
        let (rows, columns) = picture_size(item)?;
        if split.pixels().is_empty() || split.len() < FEWEST {
            return None;
        }
        // In a random order, because labels may follow a pattern.
        let mut order: Vec<usize> = (0..split.len()).collect();
        order.shuffle(&mut host(0, Stream::Novelty, 0));
        order.truncate(PICTURES.iter().sum());
        let share = order.len() * PICTURES[0] / PICTURES.iter().sum::<usize>();
        let edges = Edges::of(rows, columns);
        let describe = |&sample: &usize| edges.describe(split.sample(sample));
        let found: Vec<_> = order[..share].iter().map(describe).collect();
        let centres = typical(&found, MOST_CENTRES.min(share / 2));
        let mut novelty = Novelty { centres, limit: 0.0 };
        let distance = |sample| novelty.nearest(&describe(sample));
        let mut others: Vec<f32> = order[share..].iter().map(distance).collect();
        others.sort_by(f32::total_cmp);
        novelty.limit = others[((others.len() - 1) as f64 * (1.0 - BEYOND)).round() as usize];
        novelty.problem().is_none().then_some(novelty)
    }

    /// The distance of a picture of shape `item` to the nearest typical description: 0, or up to about 2. `None` if the shape
    /// is not a picture's.
    pub fn distance(&self, item: &[usize], picture: &[u8]) -> Option<f32> {
        let (rows, columns) = picture_size(item).filter(|(rows, columns)| rows * columns == picture.len())?;
        Some(self.nearest(&Edges::of(rows, columns).describe(picture)))
    }

    /// Why the answer for a picture may be wrong: it is unlike the training pictures.
    pub fn doubt(&self, item: &[usize], picture: &[u8]) -> Option<String> {
        let distance = self.distance(item, picture).filter(|distance| *distance > self.limit)?;
        let nearer = 100.0 * (1.0 - BEYOND);
        Some(format!(
            "the picture is unlike the training pictures (distance {distance:.3}; {nearer:.0} % of them are within {:.3})",
            self.limit
        ))
    }

    /// What is wrong with values from a file.
    pub fn problem(&self) -> Option<String> {
        let (values, limit) = (self.centres.len(), self.limit);
        if values == 0 || !values.is_multiple_of(VALUES) {
            return Some(format!("{values} values are not descriptions of {VALUES} values each"));
        }
        (!(limit.is_finite() && limit > 0.0)).then(|| format!("the limit is {limit}, but it must be above 0"))
    }

    fn nearest(&self, description: &[f32; VALUES]) -> f32 {
        let square = |centre: &[i8]| -> f32 {
            centre.iter().zip(description).map(|(&c, value)| (f32::from(c) / UNIT - value).powi(2)).sum()
        };
        self.centres.chunks_exact(VALUES).map(square).fold(f32::INFINITY, f32::min).sqrt()
    }
}

/// Centres of the descriptions by k-means (Lloyd, "Least squares quantization in PCM", 1982), from the first ones.
fn typical(found: &[[f32; VALUES]], centres: usize) -> Vec<i8> {
    // Value by value, so that a vector of the processor holds one value of several centres.
    let mut at: Vec<Vec<f32>> =
        (0..VALUES).map(|value| found[..centres].iter().map(|description| description[value]).collect()).collect();
    for _ in 0..STEPS {
        let mut sums = vec![[0f32; VALUES]; centres];
        let mut members = vec![0u32; centres];
        let mut squares = vec![0f32; centres];
        for description in found {
            distances(&at, description, &mut squares);
            let nearest = (1..centres).fold(0, |best, next| if squares[next] < squares[best] { next } else { best });
            members[nearest] += 1;
            sums[nearest].iter_mut().zip(description).for_each(|(sum, value)| *sum += value);
        }
        // A centre without members stays.
        for centre in (0..centres).filter(|&centre| members[centre] > 0) {
            at.iter_mut().zip(&sums[centre]).for_each(|(column, sum)| column[centre] = sum / members[centre] as f32);
        }
    }
    (0..centres).flat_map(|centre| at.iter().map(move |column| (column[centre] * UNIT).round() as i8)).collect()
}

/// The squares of the distances of a description to all centres.
// Wider vectors of the processor give the same bits: every centre has its own sum.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn distances(centres: &[Vec<f32>], description: &[f32; VALUES], squares: &mut [f32]) {
    squares.fill(0.0);
    for (column, &value) in centres.iter().zip(description) {
        for (square, centre) in squares.iter_mut().zip(column) {
            *square += (centre - value) * (centre - value);
        }
    }
}

fn to_text<S: Serializer>(centres: &[i8], to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&BASE64_STANDARD.encode(bytemuck::cast_slice::<i8, u8>(centres)))
}

fn from_text<'a, D: Deserializer<'a>>(from: D) -> Result<Vec<i8>, D::Error> {
    let bytes = BASE64_STANDARD.decode(String::deserialize(from)?).map_err(D::Error::custom)?;
    Ok(bytes.into_iter().map(|byte| byte as i8).collect())
}
