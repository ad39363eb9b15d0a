//! Predicts with an engine that is made once.

use super::{Predictions, softmax};
use crate::base::error::Error;
use crate::data::features::Recode;
use crate::data::{Samples, Task};
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::net::{EVAL_BATCH, Evaluation, Net};
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
        let batch = batch.clamp(1, EVAL_BATCH);
        let mut net = net(machine, description, batch)?;
        if net.evaluation.micro < batch {
            net = self::net(machine, description, net.evaluation.micro)?;
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
        Ok(Predictor { engine, evaluation: net.evaluation, description, task, recode })
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
            let values =
                StepValues { rows: rows as u32, batch: rows as u32, total: rows as f32, ..StepValues::default() };
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
        let classes = self.task.outputs();
        let outputs = self.outputs(samples).await?;
        Ok(Predictions { classes, probabilities: outputs.chunks_exact(classes).flat_map(softmax).collect() })
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
        let mut outputs = self.outputs(samples).await?;
        in_units(&self.task, self.description.counts(), &mut outputs);
        Ok(outputs)
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

/// The plan that evaluates a model on this number of samples.
pub(super) fn net(machine: &Machine, description: &Description, samples: usize) -> Result<Net, Error> {
    let sizes = description.sizes(samples, machine)?;
    Ok(Net::for_evaluation(&description.config(), sizes, &description.inputs))
}
