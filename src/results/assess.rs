//! Evaluation of a model: accuracy with its confidence interval, loss, scores per class, calibration, importance of columns.

mod calibration;
mod classes;
mod evaluator;
mod importance;
mod mc_dropout;
pub mod metrics;
mod predictions;
mod predictor;

pub use calibration::{BINS, Bin, expected_error};
pub use classes::{ClassScore, Confusion, Mixup};
pub use evaluator::Evaluator;
pub use importance::{Importances, importances};
pub use mc_dropout::McDropout;
pub(in crate::results) use predictions::most_probable;
pub use predictions::{Predictions, softmax};
pub use predictor::{Predictor, in_units};

use crate::base::error::Error;
use crate::data::{Samples, Split};
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use crate::train::{Metric, Score};

/// A model's results on a split.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Loss and metric.
    pub score: Score,
    /// The metric of the score.
    pub metric: Metric,
    /// What the model predicted, and what follows from it.
    pub findings: Findings,
}

/// Predictions of a split's samples, by task.
#[derive(Clone, Debug)]
pub enum Findings {
    /// One of several classes.
    Classes(ClassFindings),
    /// Real values in their own units.
    Values(ValueFindings),
    /// Yes/no labels.
    Labels(LabelFindings),
}

/// Findings about classes.
#[derive(Clone, Debug)]
pub struct ClassFindings {
    /// Predicted probabilities of all samples.
    pub predictions: Predictions,
    /// The confusion matrix.
    pub confusion: Confusion,
    /// Confidence and accuracy in [`BINS`] bins.
    pub calibration: Vec<Bin>,
}

/// Findings about real values (N, T), in their own units.
#[derive(Clone, Debug)]
pub struct ValueFindings {
    /// Predicted values (N, T).
    pub predicted: Vec<f32>,
    /// True values (N, T).
    pub truth: Vec<f32>,
}

/// Findings about labels (N, T).
#[derive(Clone, Debug)]
pub struct LabelFindings {
    /// Predicted probabilities (N, T).
    pub probabilities: Vec<f32>,
    /// True labels (N, T): 1 or 0.
    pub truth: Vec<f32>,
}

impl ClassFindings {
    /// What follows from predicted probabilities and the true classes (N).
    pub fn of(predictions: Predictions, truth: &[u32]) -> ClassFindings {
        let pairs = truth.iter().enumerate().map(|(sample, &label)| (label as usize, predictions.class(sample)));
        let confusion = Confusion::of(predictions.classes, pairs);
        let calibration = calibration::bins(&predictions, truth);
        ClassFindings { predictions, confusion, calibration }
    }
}

impl Assessment {
    /// The findings about classes, if the model predicts classes.
    pub fn classes(&self) -> Option<&ClassFindings> {
        if let Findings::Classes(findings) = &self.findings { Some(findings) } else { None }
    }
}

/// Wilson's 95 % confidence interval for a proportion (Wilson, JASA 22, 1927). It stays inside 0 … 1 and is also correct for
/// proportions near 1.
pub fn wilson(hits: u64, samples: u64) -> (f64, f64) {
    let z = 1.959_963_984_540_054;
    let n = samples as f64;
    let p = hits as f64 / n;
    let centre = p + z * z / (2.0 * n);
    let half = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    (((centre - half) / scale).max(0.0), ((centre + half) / scale).min(1.0))
}

/// Evaluates a model on a split of encoded samples.
///
/// # Errors
/// Those of [`Evaluator::new`] and [`Evaluator::assess`].
pub async fn assess(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    split: &Split,
    item: &[usize],
) -> Result<Assessment, Error> {
    Evaluator::new(machine, model, description, split, item).await?.assess().await
}

/// Classifies samples (N, I) of shape `item` without labels. For many calls make a [`Predictor`], which this function makes
/// and drops.
///
/// # Errors
/// [`Error::Setting`] if the samples do not fit the model; those of [`Predictor::new`] and [`Predictor::classify`].
pub async fn classify(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    samples: impl Into<Samples>,
    item: &[usize],
) -> Result<Predictions, Error> {
    description.check_shape(item)?;
    let samples = samples.into();
    let count = samples.len() / item.iter().product::<usize>().max(1);
    Predictor::new(machine, model, description, count).await?.classify(samples).await
}

#[cfg(test)]
mod tests {
    use super::wilson;

    /// Computed by hand from the formula, for 98 hits of 100.
    #[test]
    fn the_interval_of_98_in_100_is_the_textbook_one() {
        let (low, high) = wilson(98, 100);
        assert!((low - 0.929988).abs() < 1e-6 && (high - 0.994498).abs() < 1e-6, "{low} {high}");
        assert!((wilson(10, 10).1 - 1.0).abs() < 1e-12 && wilson(0, 10).0 < 1e-12);
    }
}
