//! Classifies samples with an engine that is made once.

use super::{Predictions, softmax};
use crate::base::error::Error;
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::net::{EVAL_BATCH, Evaluation, Net, Sizes};
use crate::plan::kernel::StepValues;
use crate::plan::tensor::pack_bytes;
use crate::run::model_file::Description;
use crate::train::{load_parameters, not_finite};

/// A model on an engine, ready to classify any number of samples, any number of times.
pub struct Predictor {
    engine: Box<dyn Engine>,
    evaluation: Evaluation,
    inputs: usize,
    classes: usize,
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
        let mut net = net(machine, model, description, batch);
        if net.evaluation.micro < batch {
            net = self::net(machine, model, description, net.evaluation.micro);
        }
        let mut engine = machine.engine(&net.plan).await?;
        load_parameters(engine.as_mut(), &net.layers, model);
        let source = net.evaluation.source;
        // Every batch is written to the first rows. The plan needs labels for its score, which is not read.
        engine.write(source.order, 0, &(0..source.order.cols as u32).collect::<Vec<_>>());
        engine.write(source.labels, 0, &vec![0; source.labels.cols]);
        Ok(Predictor { engine, evaluation: net.evaluation, inputs: model.inputs(), classes: model.classes() })
    }

    /// Classifies samples (N, I), row by row.
    ///
    /// # Errors
    /// [`Error::Setting`] if `pixels` ends within a sample; [`Error::NotFinite`] if the model has no answer for a sample;
    /// errors of the device.
    pub async fn classify(&mut self, pixels: &[u8]) -> Result<Predictions, Error> {
        let Predictor { inputs, classes, .. } = *self;
        if !pixels.len().is_multiple_of(inputs) {
            let values = pixels.len();
            return Err(Error::Setting(format!(
                "{values} values are not a whole number of samples of {inputs} values"
            )));
        }
        let Evaluation { source, micro, logits, .. } = self.evaluation;
        let mut probabilities = Vec::with_capacity(pixels.len() / inputs * classes);
        for (number, batch) in pixels.chunks(micro * inputs).enumerate() {
            let rows = batch.len() / inputs;
            self.engine.write(source.pixels, 0, &pack_bytes(batch, inputs));
            let values = StepValues { rows: rows as u32, batch: rows as u32, ..StepValues::default() };
            self.engine.run(&[(self.evaluation.steps.clone(), values)]).await?;
            let logits = logits.unpack(&self.engine.read(logits, 0..rows * logits.stride()).await?);
            if let Some(error) = not_finite("sample", number * micro, &logits, classes) {
                return Err(error);
            }
            probabilities.extend(logits.chunks_exact(classes).flat_map(softmax));
        }
        Ok(Predictions { classes, probabilities })
    }
}

/// The plan that evaluates a model on this number of samples.
pub(super) fn net(machine: &Machine, model: &Mlp, description: &Description, samples: usize) -> Net {
    let sizes = Sizes {
        inputs: model.inputs(),
        classes: model.classes(),
        train: 0,
        validation: 0,
        test: samples,
        forms: machine.form().into(),
        limit: machine.limit(),
    };
    Net::for_evaluation(&description.config(), sizes, &description.inputs)
}
