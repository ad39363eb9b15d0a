//! Scores of predictions for every task, with weights and 95 % intervals.
//!
//! Each score is a function of predictions, truth and the weights of the samples, and knows no engine. A sample of weight 2
//! counts as two equal samples, one of weight 0 as none. A score without a value, such as the ROC-AUC of a class without
//! samples, is `None`.
//!
//! | task | type | scores |
//! |---|---|---|
//! | classes | [`Classification`] | accuracy, balanced accuracy, macro F1, ROC-AUC, log loss, Brier score |
//! | real values | [`Regression`], one per target | RMSE, MAE, median absolute error, R² |
//! | labels | [`Labels`] and [`Label`], one per label | exact match; accuracy, F1, ROC-AUC |
//!
//! [`Bootstrap`] gives the intervals, [`importance`] the importance of features.

mod bootstrap;
mod classification;
mod importance;
mod labels;
mod regression;
mod roc;

pub use bootstrap::{Bootstrap, Interval};
pub use classification::Classification;
pub use importance::{Importance, importance};
pub use labels::{Label, Labels};
pub use regression::Regression;

use crate::base::error::Error;
use crate::base::text::counted;
use std::cmp::Ordering;

/// A score with its interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// Its name, such as `balanced accuracy`.
    pub name: &'static str,
    /// Its value; `None` if it is not defined for these samples.
    pub value: Option<f64>,
    /// Its 95 % interval; `None` if none was asked for, or if the score was undefined in most resamples.
    pub interval: Option<Interval>,
}

/// The scores of one group of samples, with intervals if a bootstrap is given. `values` computes the scores for any weights.
fn metrics<const K: usize>(
    names: [&'static str; K],
    samples: usize,
    weights: Weights,
    bootstrap: Option<Bootstrap>,
    values: impl Fn(Weights) -> [Option<f64>; K] + Sync,
) -> Vec<Metric> {
    let found = values(weights);
    let resampled = |drawn: &[f32]| values(Weights(Some(drawn)));
    let intervals = bootstrap.map_or([None; K], |bootstrap| bootstrap.intervals(samples, weights.0, resampled));
    let parts = names.into_iter().zip(found).zip(intervals);
    parts
        .map(|((name, value), interval)| Metric { name, value, interval: interval.filter(|_| value.is_some()) })
        .collect()
}

/// The weights of samples; `None` if all are 1.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights<'a>(Option<&'a [f32]>);

impl<'a> Weights<'a> {
    /// Checks the weights of N samples.
    pub(super) fn new(weights: Option<&'a [f32]>, samples: usize) -> Result<Weights<'a>, Error> {
        let Some(given) = weights else { return Ok(Weights(None)) };
        if given.len() != samples {
            let [weights, samples] = [counted(given.len(), "weight"), counted(samples, "sample")];
            return Err(Error::Setting(format!("{weights} for {samples}: give one for each sample")));
        }
        match given.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
            Some(at) => Err(Error::Setting(format!(
                "the weight of sample {at} is {}: give a finite number from 0 upwards",
                given[at]
            ))),
            None => Ok(Weights(weights)),
        }
    }

    /// The weight of a sample.
    fn of(self, sample: usize) -> f64 {
        self.0.map_or(1.0, |weights| f64::from(weights[sample]))
    }

    /// The weighted mean of the samples' values; `None` if no sample has a weight.
    pub(super) fn mean(self, values: impl Iterator<Item = f64>) -> Option<f64> {
        let (mut sum, mut total) = (0.0, 0.0);
        for (sample, value) in values.enumerate() {
            let weight = self.of(sample);
            // 0 · ∞ would be NaN.
            if weight > 0.0 {
                sum += weight * value;
                total += weight;
            }
        }
        (total > 0.0).then(|| sum / total)
    }

    /// The weighted median of the samples' values, given the samples in ascending order of their values: the mean of the two
    /// middle values if the weights below and above are equal. `None` if no sample has a weight.
    fn median(self, order: &[u32], value: impl Fn(usize) -> f64) -> Option<f64> {
        let mut weighted = order.iter().map(|&at| at as usize).filter(|&at| self.of(at) > 0.0);
        let half = weighted.clone().map(|at| self.of(at)).sum::<f64>() / 2.0;
        let mut below = 0.0;
        while let Some(at) = weighted.next() {
            below += self.of(at);
            if below > half {
                return Some(value(at));
            }
            if below == half {
                return Some((value(at) + value(weighted.next().unwrap_or(at))) / 2.0);
            }
        }
        None
    }
}

/// Checks that predictions and truth hold `width` values for each of N samples, and returns N.
fn check_shapes(predictions: usize, truth: usize, width: usize) -> Result<usize, Error> {
    if width == 0 || truth == 0 || predictions != truth || !truth.is_multiple_of(width) {
        return Err(Error::Setting(format!(
            "{} for {} cannot be samples of {}: give at least one sample, and all values of each in both",
            counted(predictions, "prediction"),
            counted(truth, "true value"),
            counted(width, "value")
        )));
    }
    Ok(truth / width)
}

/// The samples (N) in ascending order.
fn ascending(samples: usize, compare: impl Fn(usize, usize) -> Ordering) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples as u32).collect();
    order.sort_by(|&a, &b| compare(a as usize, b as usize));
    order
}
