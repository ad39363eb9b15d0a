//! The importance of features by permutation (Breiman, "Random Forests", 2001).

use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::base::text::counted;
use rand::seq::SliceRandom;

/// How much a score drops if the values of one column are permuted among the samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Importance {
    /// Mean drop over the repeats. Near 0, or below, the model does not use the column.
    pub mean: f64,
    /// Standard deviation of the drops (divisor: number of repeats).
    pub deviation: f64,
}

/// The importance of each column (F) of raw rows (N, F). `score` evaluates the model on raw rows; higher is better. It is called
/// once for the rows as they are, then `repeats` times per column. Columns are permuted before they are encoded, so a column of
/// categories is one feature. The rows are copied once.
///
/// # Errors
/// [`Error::Setting`] if there are no rows, if the last one is incomplete, or if `repeats` is 0; errors of `score`.
pub async fn importance(
    raw: &[f32],
    columns: usize,
    repeats: usize,
    seed: u64,
    mut score: impl AsyncFnMut(&[f32]) -> Result<f64, Error>,
) -> Result<Vec<Importance>, Error> {
    if columns == 0 || raw.is_empty() || !raw.len().is_multiple_of(columns) || repeats == 0 {
        return Err(Error::Setting(format!(
            "the importance of {} cannot be computed from {} with {}: give at least one whole row and one repeat",
            counted(columns, "column"),
            counted(raw.len(), "value"),
            counted(repeats, "repeat")
        )));
    }
    let base = score(raw).await?;
    let mut rows = raw.to_vec();
    let mut found = Vec::with_capacity(columns);
    for column in 0..columns {
        let mut drops = Vec::with_capacity(repeats);
        let mut values: Vec<f32> = raw.iter().copied().skip(column).step_by(columns).collect();
        for repeat in 0..repeats {
            let number = (column as u64) << 32 | repeat as u64;
            values.shuffle(&mut host(seed, Stream::Importance, number));
            put(&mut rows, column, columns, values.iter().copied());
            drops.push(base - score(&rows).await?);
        }
        put(&mut rows, column, columns, raw.iter().copied().skip(column).step_by(columns));
        found.push(summary(&drops));
    }
    Ok(found)
}

/// Writes a column.
fn put(rows: &mut [f32], column: usize, columns: usize, values: impl Iterator<Item = f32>) {
    rows.iter_mut().skip(column).step_by(columns).zip(values).for_each(|(place, value)| *place = value);
}

fn summary(drops: &[f64]) -> Importance {
    let count = drops.len() as f64;
    let mean = drops.iter().sum::<f64>() / count;
    let variance = drops.iter().map(|drop| (drop - mean).powi(2)).sum::<f64>() / count;
    Importance { mean, deviation: variance.sqrt() }
}
