//! How a net is doing, layer by layer.

use super::Trainer;
use crate::base::error::Error;
use crate::config::ActivationName;
use crate::net::LayerIds;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an update found and did in one layer, weights and biases taken together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerHealth {
    /// The layer, from 1.
    pub layer: usize,
    /// Euclidean norm of the gradient of the mean loss, as it was before any clipping and without the penalty.
    pub gradient_norm: f64,
    /// Euclidean norm of the parameters before the update.
    pub weight_norm: f64,
    /// Norm of the change over norm of the parameters. About 10⁻³ is usual; far less hardly learns, far more is unstable.
    pub update_ratio: f64,
    /// Share of the units that were zero for every sample of the (last) micro-batch; for hidden layers of ReLU only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_share: Option<f64>,
}

/// In a line.
impl fmt::Display for LayerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LayerHealth { layer, gradient_norm, weight_norm, update_ratio, dead_share } = self;
        write!(
            f,
            "  layer {layer}  gradient {gradient_norm:.2e}  weights {weight_norm:.2e}  update {update_ratio:.2e}"
        )?;
        dead_share.map_or(Ok(()), |share| write!(f, "  dead {:.1} %", 100.0 * share))
    }
}

impl LayerHealth {
    /// Whether all of it are numbers, and finite.
    pub fn is_finite(&self) -> bool {
        [self.gradient_norm, self.weight_norm, self.update_ratio].iter().all(|value| value.is_finite())
    }

    /// From the sums of squares of gradient, parameters and change, and the number of dead units among all, if counted.
    pub(crate) fn new(layer: usize, [gradient, weights, change, dead]: [f32; 4], units: Option<usize>) -> Self {
        let norm = |squares: f32| f64::from(squares).sqrt();
        LayerHealth {
            layer,
            gradient_norm: norm(gradient),
            weight_norm: norm(weights),
            update_ratio: norm(change) / norm(weights),
            dead_share: units.map(|units| f64::from(dead) / units as f64),
        }
    }
}

impl Trainer<'_> {
    /// The health of the net in the update that was measured last, layer by layer, if one of the epoch was.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn health(&mut self) -> Result<Option<Vec<LayerHealth>>, Error> {
        let epoch = |step: u64| step / self.updates_per_epoch();
        let measured = self.measured.is_some_and(|step| epoch(step) == epoch(self.step.saturating_sub(1)));
        let health = self.net.training.as_ref().and_then(|training| training.health.clone());
        let Some(health) = health.filter(|_| measured) else { return Ok(self.recalled.clone()) };
        let values = health.values.unpack(&self.engine.read(health.values, 0..health.values.words()).await?);
        let layers = values.as_chunks::<4>().0.iter().zip(&self.net.layers).enumerate();
        let counts = |at: usize| self.config.activation == ActivationName::Relu && at + 1 < self.net.layers.len();
        let of = |(at, (values, ids)): (usize, (&[f32; 4], &LayerIds))| {
            LayerHealth::new(at + 1, *values, counts(at).then_some(ids.w.rows))
        };
        Ok(Some(layers.map(of).collect()))
    }
}
