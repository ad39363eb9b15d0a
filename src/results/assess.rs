//! Evaluation of a model: accuracy with its confidence interval, loss, scores per class, calibration, importance of columns.

mod calibration;
mod classes;
mod importance;
pub mod metrics;
mod predictions;
mod predictor;

pub use calibration::{BINS, Bin, expected_error};
pub use classes::{ClassScore, Confusion, Mixup};
pub use importance::{Importances, importances};
pub use predictions::{Predictions, softmax};
pub use predictor::{Predictor, in_units};

use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::{Samples, Split, Targets, Task};
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use crate::train::feed::Feed;
use crate::train::{Metric, Score, WorstLoss, evaluate, load_parameters, not_finite};

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
/// [`Error::Setting`] if the samples or targets do not fit the model; [`Error::NotFinite`] if an output or a loss is not
/// finite; errors of the device.
pub async fn assess(
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    split: &Split,
    item: &[usize],
) -> Result<Assessment, Error> {
    let task = description.task();
    let width = task.outputs();
    if split.is_empty() {
        return Err(Error::Setting(
            "there are no test samples to evaluate the model on: name a data set with a test split".into(),
        ));
    }
    if let Some(sample) = split.classes().iter().position(|&label| label as usize >= width) {
        let label = split.classes()[sample];
        return Err(Error::Setting(format!("sample {sample} has label {label}, but the model has {}", task.counted())));
    }
    let fits = match (&split.targets, &task) {
        (Targets::Classes(_), Task::Classes { .. }) => true,
        (Targets::Values { width: given, .. }, Task::Values { .. })
        | (Targets::Labels { width: given, .. }, Task::Labels { .. }) => *given == width,
        _ => false,
    };
    if !fits {
        let targets = match &split.targets {
            Targets::Classes(_) => "classes".into(),
            Targets::Values { width, .. } => counted(*width, "value"),
            Targets::Labels { width, .. } => counted(*width, "label"),
        };
        return Err(Error::Setting(format!(
            "the model predicts {}, but the targets of the data set are {targets}: evaluate it on a data set with the same targets",
            task.counted()
        )));
    }
    description.check_shape(item)?;
    let net = predictor::net(machine, description, split.len())?;
    let mut engine = machine.engine(&net.plan).await?;
    load_parameters(engine.as_mut(), &net.layers, model);
    let mut feed = Feed::new(net.evaluation.source, split, engine.as_mut());
    let mut outputs = Vec::with_capacity(split.len() * width);
    let mut problem = None;
    let mut worst = WorstLoss::default();
    let mut collect = |first: usize, part: &[f32]| {
        problem = problem.take().or_else(|| not_finite("sample", first, part, width));
        worst.add(first, part, split, width);
        outputs.extend_from_slice(part);
    };
    let score = evaluate(engine.as_mut(), &net.evaluation, &mut feed, split, Some(&mut collect)).await?;
    if let Some(problem) = problem {
        return Err(problem);
    }
    if !score.loss_sum.is_finite() {
        return Err(worst.error("sample", score.loss_sum as f32));
    }
    Ok(Assessment { score, metric: Metric::of(&task), findings: findings(description, &task, split, outputs) })
}

fn findings(description: &Description, task: &Task, split: &Split, mut outputs: Vec<f32>) -> Findings {
    let width = task.outputs();
    let numbers = || split.targets.numbers().unwrap_or_default().to_vec();
    in_units(task, description.counts(), &mut outputs);
    match task {
        Task::Classes { .. } => {
            let probabilities = outputs.chunks_exact(width).flat_map(softmax).collect();
            let predictions = Predictions { classes: width, probabilities };
            let truth = split.classes();
            let pairs = truth.iter().enumerate().map(|(sample, &label)| (label as usize, predictions.class(sample)));
            let confusion = Confusion::of(width, pairs);
            let calibration = calibration::bins(&predictions, truth);
            Findings::Classes(ClassFindings { predictions, confusion, calibration })
        }
        Task::Values { .. } => {
            let mut truth = numbers();
            // Not the logarithm, also of counts.
            in_units(task, false, &mut truth);
            Findings::Values(ValueFindings { predicted: outputs, truth })
        }
        Task::Labels { .. } => Findings::Labels(LabelFindings { probabilities: outputs, truth: numbers() }),
    }
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
