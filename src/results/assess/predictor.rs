//! Predicts with an engine that is made once.

use super::{McDropout, Predictions, softmax};
use crate::base::error::Error;
use crate::config::Config;
use crate::data::features::Recode;
use crate::data::{Samples, Task};
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::net::{EVAL_BATCH, Evaluation, Net, exact};
use crate::plan::kernel::StepValues;
use crate::run::model_file::Description;
use crate::train::{load_parameters, not_finite, write_samples};
use std::path::Path;

/// A model on an engine, ready to predict any number of samples, any number of times.
pub struct Predictor {
    engine: Box<dyn Engine>,
    evaluation: Evaluation,
    description: Description,
    task: Task,
    /// From the categories of the table's header to those of the training rows.
    recode: Option<Recode>,
    /// The pass, and the number of the first sample of a call: they choose the dropout masks, if there are any.
    at: (u32, u32),
}

impl Predictor {
    /// Makes an engine on the machine and loads the model. The engine computes `batch` samples at a time, from 1 to
    /// [`EVAL_BATCH`]; fewer samples take as long. A device with little memory gets a smaller batch.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the model does not fit the machine; errors of the device.
    pub async fn new(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        batch: usize,
    ) -> Result<Predictor, Error> {
        Predictor::make(machine, model, description, batch, None).await
    }

    /// As [`Predictor::new`], with dropout: see [`Predictor::answers_of_pass`].
    ///
    /// # Errors
    /// As [`Predictor::new`].
    pub async fn with_dropout(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        batch: usize,
        dropout: &McDropout,
    ) -> Result<Predictor, Error> {
        Predictor::make(machine, model, description, batch, Some(dropout)).await
    }

    async fn make(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        batch: usize,
        dropout: Option<&McDropout>,
    ) -> Result<Predictor, Error> {
        let batch = batch.clamp(1, EVAL_BATCH);
        let mut net = net(machine, description, batch, dropout)?;
        if net.evaluation.micro < batch {
            net = self::net(machine, description, net.evaluation.micro, dropout)?;
        }
        let mut engine = machine.engine(&net.plan).await?;
        load_parameters(engine.as_mut(), &net.layers, model);
        let source = net.evaluation.source;
        // Every batch is written to the first rows. The plan needs targets for its score, which is not read.
        engine.write(source.order, 0, &(0..source.order.cols as u32).collect::<Vec<_>>());
        engine.write(source.targets, 0, &vec![0; source.targets.words()]);
        let recode = match (&description.features, &description.header) {
            (Some(features), Some(header)) => Some(features.recode(Path::new("the samples"), &header.columns)?),
            _ => None,
        };
        let (description, task) = (description.clone(), description.task());
        Ok(Predictor { engine, evaluation: net.evaluation, description, task, recode, at: (0, 0) })
    }

    /// What the model predicts.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// The outputs of the net (N, C) for samples (N, F) as they are stored: bytes, or raw numbers, which are encoded first.
    /// These are logits, or values in standard units.
    ///
    /// # Errors
    /// [`Error::Setting`] if the samples are of another type than the model's, or end within a sample;
    /// [`Error::NotFinite`] if the model has no answer for a sample; errors of the device.
    pub async fn outputs(&mut self, samples: impl Into<Samples>) -> Result<Vec<f32>, Error> {
        let samples = samples.into();
        let stored = self.description.item.iter().product::<usize>();
        if !samples.len().is_multiple_of(stored) {
            let values = samples.len();
            return Err(Error::Setting(format!(
                "{values} values are not a whole number of samples of {stored} values"
            )));
        }
        let count = samples.len() / stored;
        let samples = match (samples, &self.description.features) {
            (Samples::Floats(_), Some(_)) if count == 0 => return Ok(Vec::new()),
            (Samples::Floats(raw), Some(features)) => {
                let raw = if let Some(recode) = &self.recode { recode.rows(raw)? } else { raw };
                Samples::Floats(features.apply_in_place(raw)?)
            }
            (samples @ Samples::Bytes(_), None) => samples,
            (Samples::Floats(_), None) => {
                return Err(Error::Setting("the model takes samples of bytes, but was given floats".into()));
            }
            (Samples::Bytes(_), Some(_)) => {
                return Err(Error::Setting("the model takes samples of floats, but was given bytes".into()));
            }
        };
        self.forward(&samples).await
    }

    /// The outputs of the net (N, C) for encoded samples (N, I).
    pub(super) async fn forward(&mut self, samples: &Samples) -> Result<Vec<f32>, Error> {
        let Evaluation { source, micro, logits, .. } = self.evaluation;
        let count = samples.len() / source.samples.cols;
        let mut outputs = Vec::with_capacity(count * logits.cols);
        for first in (0..count).step_by(micro) {
            let rows = micro.min(count - first);
            write_samples(source.samples, 0, samples, first..first + rows, self.engine.as_mut());
            let values = StepValues {
                rows: rows as u32,
                batch: rows as u32,
                total: rows as f32,
                step: self.at.0,
                first: self.at.1.wrapping_add(first as u32),
                ..StepValues::default()
            };
            self.engine.run(&[(self.evaluation.steps.clone(), values)]).await?;
            let part = logits.unpack(&self.engine.read(logits, 0..rows * logits.stride()).await?);
            if let Some(error) = not_finite("sample", first, &part, logits.cols) {
                return Err(error);
            }
            outputs.extend(part);
        }
        Ok(outputs)
    }

    /// Classifies samples (N, F), row by row.
    ///
    /// # Errors
    /// Those of [`Predictor::outputs`]; [`Error::Setting`] if the model does not predict classes.
    pub async fn classify(&mut self, samples: impl Into<Samples>) -> Result<Predictions, Error> {
        if !self.task.is_classes() {
            return Err(Error::Setting(format!(
                "the model predicts {}, not classes: use `Predictor::predict`",
                self.task.counted()
            )));
        }
        Ok(Predictions { classes: self.task.outputs(), probabilities: self.answers(samples).await? })
    }

    /// Predicts values (N, T) of samples (N, F), row by row: real values in their own units, or the probability of each
    /// label.
    ///
    /// # Errors
    /// Those of [`Predictor::outputs`]; [`Error::Setting`] if the model predicts classes.
    pub async fn predict(&mut self, samples: impl Into<Samples>) -> Result<Vec<f32>, Error> {
        if self.task.is_classes() {
            return Err(Error::Setting(format!(
                "the model predicts {}, not values: use `Predictor::classify`",
                self.task.counted()
            )));
        }
        self.answers(samples).await
    }

    /// Answers (N, C) for samples (N, F), row by row, for any task: probabilities of the classes, real values in their own
    /// units, or the probability of each label.
    ///
    /// # Errors
    /// Those of [`Predictor::outputs`].
    pub async fn answers(&mut self, samples: impl Into<Samples>) -> Result<Vec<f32>, Error> {
        let mut outputs = self.outputs(samples).await?;
        if self.task.is_classes() {
            return Ok(outputs.chunks_exact(self.task.outputs()).flat_map(softmax).collect());
        }
        in_units(&self.task, self.description.counts(), &mut outputs);
        Ok(outputs)
    }

    /// As [`Predictor::answers`], with the dropout masks of a pass, counted from 0, for samples whose numbers begin with
    /// `first`. Passes and samples have different masks. Without dropout, all passes are equal.
    ///
    /// # Errors
    /// As [`Predictor::answers`].
    pub async fn answers_of_pass(
        &mut self,
        samples: impl Into<Samples>,
        pass: u32,
        first: u32,
    ) -> Result<Vec<f32>, Error> {
        self.at = (pass, first);
        let answers = self.answers(samples).await;
        self.at = (0, 0);
        answers
    }
}

/// Turns outputs (N, T) of a net into values in their own units, counts, or probabilities. Class logits do not change.
pub fn in_units(task: &Task, counts: bool, outputs: &mut [f32]) {
    match task {
        Task::Classes { .. } => {}
        Task::Labels { .. } => outputs.iter_mut().for_each(|z| *z = 1.0 / (1.0 + (-*z).exp())),
        Task::Values { .. } if counts => outputs.iter_mut().for_each(|z| *z = z.exp()),
        Task::Values { scales, .. } if scales.is_empty() => {}
        Task::Values { scales, .. } => {
            for row in outputs.chunks_exact_mut(scales.len()) {
                row.iter_mut().zip(scales).for_each(|(z, scale)| *z = scale.restore(*z));
            }
        }
    }
}

/// The plan that evaluates a model on this number of samples, with dropout or without.
pub(super) fn net(
    machine: &Machine,
    description: &Description,
    samples: usize,
    dropout: Option<&McDropout>,
) -> Result<Net, Error> {
    let sizes = description.sizes(samples, machine)?;
    let config = description.config();
    let Some(&McDropout { input_keep_prob, keep_prob, seed }) = dropout else {
        return Ok(Net::for_evaluation(&config, sizes, &description.inputs));
    };
    let config = Config { input_keep_prob, keep_prob, seed, ..config };
    // With a keep probability below 1 the sums of an integer net are larger.
    exact::check(&config, &sizes, &description.inputs)?;
    Ok(Net::for_mc_dropout(&config, sizes, &description.inputs))
}
