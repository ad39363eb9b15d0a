//! Evaluates a model with an engine that is made once.

use super::predictor::{in_units, net};
use super::{Assessment, ClassFindings, Findings, LabelFindings, McDropout, Predictions, ValueFindings, softmax};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::{Split, Targets, Task};
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::net::Evaluation;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use crate::train::feed::Feed;
use crate::train::{Metric, WorstLoss, evaluate_pass, load_parameters, not_finite};

/// A model and a split of encoded samples on an engine.
pub struct Evaluator<'a> {
    engine: Box<dyn Engine>,
    evaluation: Evaluation,
    feed: Feed,
    description: &'a Description,
    task: Task,
    split: &'a Split,
}

impl<'a> Evaluator<'a> {
    /// Makes an engine on the machine, and loads the model and the split. `item`: shape of a sample.
    ///
    /// # Errors
    /// [`Error::Setting`] if the samples or targets do not fit the model; [`Error::TooLarge`] if the model does not fit the
    /// machine; errors of the device.
    pub async fn new(
        machine: &Machine,
        model: &Mlp,
        description: &'a Description,
        split: &'a Split,
        item: &[usize],
    ) -> Result<Self, Error> {
        Evaluator::make(machine, model, description, split, item, None).await
    }

    /// As [`Evaluator::new`], with dropout: each [`Evaluator::pass`] draws masks of its own.
    ///
    /// # Errors
    /// As [`Evaluator::new`].
    pub async fn with_dropout(
        machine: &Machine,
        model: &Mlp,
        description: &'a Description,
        split: &'a Split,
        item: &[usize],
        dropout: &McDropout,
    ) -> Result<Self, Error> {
        Evaluator::make(machine, model, description, split, item, Some(dropout)).await
    }

    async fn make(
        machine: &Machine,
        model: &Mlp,
        description: &'a Description,
        split: &'a Split,
        item: &[usize],
        dropout: Option<&McDropout>,
    ) -> Result<Self, Error> {
        let task = description.task();
        check(description, &task, split, item)?;
        let net = net(machine, description, split.len(), dropout)?;
        let mut engine = machine.engine(&net.plan).await?;
        load_parameters(engine.as_mut(), &net.layers, model);
        let feed = Feed::new(net.evaluation.source, split, engine.as_mut());
        Ok(Evaluator { engine, evaluation: net.evaluation, feed, description, task, split })
    }

    /// Evaluates the model.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if an output or a loss is not finite; errors of the device.
    pub async fn assess(&mut self) -> Result<Assessment, Error> {
        self.evaluate(None).await
    }

    /// Evaluates the model with the dropout masks of a pass, counted from 0.
    ///
    /// # Errors
    /// As [`Evaluator::assess`].
    pub async fn pass(&mut self, pass: u32) -> Result<Assessment, Error> {
        self.evaluate(Some(pass)).await
    }

    async fn evaluate(&mut self, pass: Option<u32>) -> Result<Assessment, Error> {
        let (split, description) = (self.split, self.description);
        let Evaluator { engine, evaluation, feed, task, .. } = self;
        let width = task.outputs();
        let mut outputs = Vec::with_capacity(split.len() * width);
        let mut problem = None;
        let mut worst = WorstLoss::default();
        let mut collect = |first: usize, part: &[f32]| {
            problem = problem.take().or_else(|| not_finite("sample", first, part, width));
            worst.add(first, part, split, width);
            outputs.extend_from_slice(part);
        };
        let score = evaluate_pass(engine.as_mut(), evaluation, feed, split, pass, Some(&mut collect)).await?;
        if let Some(problem) = problem {
            return Err(problem);
        }
        if !score.loss_sum.is_finite() {
            return Err(worst.error("sample", score.loss_sum as f32));
        }
        Ok(Assessment { score, metric: Metric::of(task), findings: findings(description, task, split, outputs) })
    }
}

/// Checks that samples and targets fit the model.
fn check(description: &Description, task: &Task, split: &Split, item: &[usize]) -> Result<(), Error> {
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
    let fits = match (&split.targets, task) {
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
    description.check_shape(item)
}

fn findings(description: &Description, task: &Task, split: &Split, mut outputs: Vec<f32>) -> Findings {
    let width = task.outputs();
    let numbers = || split.targets.numbers().unwrap_or_default().to_vec();
    in_units(task, description.counts(), &mut outputs);
    match task {
        Task::Classes { .. } => {
            let probabilities = outputs.chunks_exact(width).flat_map(softmax).collect();
            let predictions = Predictions { classes: width, probabilities };
            Findings::Classes(ClassFindings::of(predictions, split.classes()))
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
