//! Scores of predicted real values.

use super::{Bootstrap, Metric, Weights, ascending, check_shapes, metrics};
use crate::base::error::Error;

/// Predictions and truth of N samples for one target, in its unit.
#[derive(Clone, Debug)]
pub struct Regression<'a> {
    /// Prediction − truth (N).
    errors: Vec<f64>,
    /// True values (N).
    truth: Vec<f64>,
    weights: Weights<'a>,
    /// The samples in ascending order of |error| (N).
    order: Vec<u32>,
}

impl<'a> Regression<'a> {
    /// The names of the scores, in the order of [`Regression::metrics`].
    pub const NAMES: [&'static str; 4] = ["RMSE", "MAE", "median absolute error", "R²"];

    /// The targets one by one: predictions (N, T), truth (N, T), weights (N).
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no samples, if the lengths contradict each other, or if a weight is negative or not
    /// finite.
    pub fn of_targets(
        predictions: &[f32],
        truth: &[f32],
        targets: usize,
        weights: Option<&'a [f32]>,
    ) -> Result<Vec<Self>, Error> {
        let samples = check_shapes(predictions.len(), truth.len(), targets)?;
        let weights = Weights::new(weights, samples)?;
        let of_target = |target: usize| {
            let column = |values: &[f32]| -> Vec<f64> {
                values.iter().skip(target).step_by(targets).map(|&value| f64::from(value)).collect()
            };
            let truth = column(truth);
            let errors: Vec<f64> = column(predictions).iter().zip(&truth).map(|(own, truth)| own - truth).collect();
            let order = ascending(samples, |a, b| errors[a].abs().total_cmp(&errors[b].abs()));
            Regression { errors, truth, weights, order }
        };
        Ok((0..targets).map(of_target).collect())
    }

    /// Root of the mean squared error, in the unit of the target.
    pub fn rmse(&self) -> Option<f64> {
        self.rmse_of(self.weights)
    }

    /// Mean absolute error, in the unit of the target.
    pub fn mae(&self) -> Option<f64> {
        self.mae_of(self.weights)
    }

    /// Median of the absolute errors, in the unit of the target.
    pub fn median_error(&self) -> Option<f64> {
        self.median_of(self.weights)
    }

    /// R² = 1 − Σ error² / Σ (truth − mean)²: 1 is perfect, 0 is as good as the mean. `None` if the truth is constant.
    pub fn r2(&self) -> Option<f64> {
        self.r2_of(self.weights)
    }

    /// All scores, with 95 % intervals if a bootstrap is given.
    pub fn metrics(&self, bootstrap: Option<Bootstrap>) -> Vec<Metric> {
        metrics(Self::NAMES, self.errors.len(), self.weights, bootstrap, |weights| {
            [self.rmse_of(weights), self.mae_of(weights), self.median_of(weights), self.r2_of(weights)]
        })
    }

    fn mean_square(&self, weights: Weights) -> Option<f64> {
        weights.mean(self.errors.iter().map(|error| error * error))
    }

    fn rmse_of(&self, weights: Weights) -> Option<f64> {
        self.mean_square(weights).map(f64::sqrt)
    }

    fn mae_of(&self, weights: Weights) -> Option<f64> {
        weights.mean(self.errors.iter().map(|error| error.abs()))
    }

    fn median_of(&self, weights: Weights) -> Option<f64> {
        weights.median(&self.order, |sample| self.errors[sample].abs())
    }

    fn r2_of(&self, weights: Weights) -> Option<f64> {
        let mut weighted = (0..self.truth.len()).filter(|&sample| weights.of(sample) > 0.0).map(|at| self.truth[at]);
        let first = weighted.next()?;
        // The mean of equal values is rounded, so their variance may not be exactly 0.
        if weighted.all(|truth| truth == first) {
            return None;
        }
        let mean = weights.mean(self.truth.iter().copied())?;
        let variance = weights.mean(self.truth.iter().map(|truth| (truth - mean).powi(2)))?;
        self.mean_square(weights).map(|square| 1.0 - square / variance)
    }
}
