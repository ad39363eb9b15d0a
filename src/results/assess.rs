//! Evaluation of a model: accuracy with its confidence interval, loss, scores per class, calibration.

mod calibration;
mod classes;
mod predictions;
mod predictor;

pub use calibration::{BINS, Bin, expected_error};
pub use classes::{ClassScore, Confusion, Mixup};
pub use predictions::{Predictions, softmax};
pub use predictor::Predictor;

use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::Split;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use crate::train::feed::Feed;
use crate::train::{Score, WorstLoss, evaluate, load_parameters, not_finite};

/// A model's results on a split.
#[derive(Clone, Debug)]
pub struct Assessment {
    /// Loss and number of correct predictions.
    pub score: Score,
    /// Predicted probabilities of all samples.
    pub predictions: Predictions,
    /// The confusion matrix.
    pub confusion: Confusion,
    /// Confidence and accuracy in [`BINS`] bins.
    pub calibration: Vec<Bin>,
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

/// Evaluates a model on a split.
///
/// # Errors
/// [`Error::Setting`] if the samples or labels do not fit the model; [`Error::NotFinite`] if an output or a loss is not finite;
/// errors of the device.
pub async fn assess(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    split: &Split,
    item: &[usize],
) -> Result<Assessment, Error> {
    let classes = model.classes();
    if let Some(sample) = split.labels.iter().position(|&label| usize::from(label) >= classes) {
        let label = split.labels[sample];
        return Err(Error::Setting(format!(
            "sample {sample} has label {label}, but the model has {}",
            counted(classes, "class")
        )));
    }
    description.check_shape(item)?;
    let net = predictor::net(machine, model, description, split.len());
    let mut engine = machine.engine(&net.plan).await?;
    load_parameters(engine.as_mut(), &net.layers, model);
    let mut feed = Feed::new(net.evaluation.source, split, engine.as_mut());
    let mut probabilities = Vec::with_capacity(split.len() * classes);
    let mut problem = None;
    let mut worst = WorstLoss::default();
    let mut collect = |first: usize, logits: &[f32]| {
        problem = problem.take().or_else(|| not_finite("sample", first, logits, classes));
        worst.add(first, logits, &split.labels[first..], classes);
        probabilities.extend(logits.chunks_exact(classes).flat_map(softmax));
    };
    let score = evaluate(engine.as_mut(), &net.evaluation, &mut feed, split, Some(&mut collect)).await?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    if !score.loss_sum.is_finite() {
        return Err(worst.error("sample", score.loss_sum as f32));
    }
    let predictions = Predictions { classes, probabilities };
    let pairs = split.labels.iter().enumerate().map(|(sample, &label)| (usize::from(label), predictions.class(sample)));
    let confusion = Confusion::of(classes, pairs);
    let calibration = calibration::bins(&predictions, &split.labels);
    Ok(Assessment { score, predictions, confusion, calibration })
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
    pixels: Vec<u8>,
    item: &[usize],
) -> Result<Predictions, Error> {
    description.check_shape(item)?;
    let samples = pixels.len() / model.inputs();
    Predictor::new(machine, model, description, samples).await?.classify(&pixels).await
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
