//! A batch on its way through a net and back: the values of each layer, for pictures of their distribution.

use super::{Explainer, Traced};
use crate::base::error::Error;
use crate::data::Split;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::plan::kernel::StepValues;
use crate::run::model_file::Description;
use crate::train::feed::Feed;

/// The values of a training step on a batch of B samples, without dropout.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchValues {
    /// The layers, first to last.
    pub layers: Vec<BatchLayer>,
}

/// The values of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchLayer {
    /// The outputs h = act(z) (B, O); the logits for the last layer.
    pub h: Vec<f32>,
    /// Number of outputs O.
    pub outputs: usize,
    /// Gradient of the mean loss with respect to the weights (O, I).
    pub weight_gradient: Vec<f32>,
    /// Gradient of the mean loss with respect to the biases (O).
    pub bias_gradient: Vec<f32>,
}

impl Explainer {
    /// Makes an engine for the training step of the textbook on `samples` samples at a time: see [`Explainer::batch`].
    ///
    /// # Errors
    /// As [`Explainer::new`]; [`Error::Setting`] if there are no samples.
    pub async fn for_batch(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        samples: usize,
    ) -> Result<Explainer, Error> {
        if samples == 0 {
            return Err(Error::Setting("a batch has at least one sample".into()));
        }
        Explainer::of_rows(machine, model, description, 1.0, samples).await
    }

    /// The values of each layer for a batch, an encoded split of as many samples as [`Explainer::for_batch`] was told.
    ///
    /// # Errors
    /// [`Error::Setting`] if the number of samples differs; errors of the device.
    pub async fn batch(&mut self, samples: &Split) -> Result<BatchValues, Error> {
        self.fits(samples)?;
        let rows = samples.len();
        let Some(training) = self.net.training.clone() else { unreachable!("the net was made for training") };
        let _ = Feed::new(training.source, samples, self.engine.as_mut());
        let now = StepValues { rows: rows as u32, batch: rows as u32, total: rows as f32, ..StepValues::default() };
        self.engine.run(&[(training.gradients, now)]).await?;
        let mut layers = Vec::new();
        for at in 0..self.traced.len() {
            let Traced { h, dw, db, .. } = self.traced[at];
            layers.push(BatchLayer {
                h: self.read(h).await?,
                outputs: h.cols,
                weight_gradient: self.read(dw).await?,
                bias_gradient: self.read(db).await?,
            });
        }
        Ok(BatchValues { layers })
    }
}
