//! The importance of features by permutation (Breiman, "Random Forests", 2001).

use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::base::text::counted;
use rand::seq::SliceRandom;
use std::ops::Range;

/// How much a score drops if the values of one feature are permuted among the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance {
    /// Mean drop over the repeats. Near or below 0 means that the model does not use the feature.
    pub mean: f64,
    /// Standard deviation of the drops (divisor: number of repeats).
    pub deviation: f64,
}

/// The score of rows (N, I), and the importance of each feature. A feature is `widths[f]` adjacent values of a row, such as the
/// inputs of a category; they are permuted together. The widths sum to I. `score` evaluates the model on rows; higher is better.
/// It is called once for the rows as they are, then `repeats` times per feature. The rows are copied once.
///
/// # Errors
/// [`Error::Setting`] if there are no rows, if the last one is incomplete, or if `repeats` is 0; errors of `score`.
pub async fn importance(
    rows: &[f32],
    widths: &[usize],
    repeats: usize,
    seed: u64,
    mut score: impl AsyncFnMut(&[f32]) -> Result<f64, Error>,
) -> Result<(f64, Vec<Importance>), Error> {
    let inputs: usize = widths.iter().sum();
    if inputs == 0 || rows.is_empty() || !rows.len().is_multiple_of(inputs) || repeats == 0 {
        return Err(Error::Setting(format!(
            "the importance of {} cannot be computed from {} with {}: give at least one whole row and one repeat",
            counted(widths.len(), "feature"),
            counted(rows.len(), "value"),
            counted(repeats, "repeat")
        )));
    }
    let base = score(rows).await?;
    let mut permuted = rows.to_vec();
    let mut order: Vec<usize> = (0..rows.len() / inputs).collect();
    let mut found = Vec::with_capacity(widths.len());
    let mut first = 0;
    for (feature, &width) in widths.iter().enumerate() {
        let values = first..first + width;
        let mut drops = Vec::with_capacity(repeats);
        for repeat in 0..repeats {
            let number = (feature as u64) << 32 | repeat as u64;
            order.shuffle(&mut host(seed, Stream::Importance, number));
            put(&mut permuted, rows, inputs, &values, order.iter().copied());
            drops.push(base - score(&permuted).await?);
        }
        put(&mut permuted, rows, inputs, &values, 0..order.len());
        found.push(summary(&drops));
        first = values.end;
    }
    Ok((base, found))
}

/// Writes these values of every row, taken from the rows of `order`.
fn put(to: &mut [f32], from: &[f32], inputs: usize, values: &Range<usize>, order: impl Iterator<Item = usize>) {
    for (row, other) in to.chunks_exact_mut(inputs).zip(order) {
        row[values.clone()].copy_from_slice(&from[other * inputs..][values.clone()]);
    }
}

fn summary(drops: &[f64]) -> Importance {
    let count = drops.len() as f64;
    let mean = drops.iter().sum::<f64>() / count;
    let variance = drops.iter().map(|drop| (drop - mean).powi(2)).sum::<f64>() / count;
    Importance { mean, deviation: variance.sqrt() }
}
