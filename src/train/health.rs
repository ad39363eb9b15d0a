//! The health of a net, layer by layer.

use crate::base::text::percent;
use crate::config::{ActivationName, Config};
use crate::net::{LayerIds, Net};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Measurements of one layer in one update, weights and biases taken together.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerHealth {
    /// The layer, from 1.
    pub layer: usize,
    /// Euclidean norm of the gradient of the mean loss, before clipping and without the penalty.
    pub gradient_norm: f64,
    /// Euclidean norm of the parameters before the update.
    pub weight_norm: f64,
    /// Norm of the change divided by the norm of the parameters. About 10⁻³ is usual; a far lower ratio means hardly
    /// any learning, a far higher one instability.
    pub update_ratio: f64,
    /// Share of the units that were zero for every sample of the last micro-batch; for hidden layers with ReLU only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dead_share: Option<f64>,
}

/// Writes one line.
impl fmt::Display for LayerHealth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let LayerHealth { layer, gradient_norm, weight_norm, update_ratio, dead_share } = self;
        write!(
            f,
            "  layer {layer}  gradient {gradient_norm:.2e}  weights {weight_norm:.2e}  update/weights {update_ratio:.2e}"
        )?;
        dead_share.map_or(Ok(()), |share| write!(f, "  dead {} %", percent(share, 1)))
    }
}

/// For training in integers: the shares of a layer's values that did not fit in 8 bits and were limited, since the start of
/// the run. Counts stop at 2³⁰, so the shares of a very long run can be too low.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limited {
    /// The layer, from 1.
    pub layer: usize,
    /// Share of its weights, counted once per update.
    pub weights: f64,
    /// Share of its outputs; 0 for the last layer, whose outputs have 32 bits.
    pub outputs: f64,
    /// Share of its error signals; 0 for the last layer, whose errors are within ±1 and not counted.
    pub errors: f64,
}

impl Limited {
    /// The shares, from the levels after `updates` updates and `samples` samples: see [`crate::kernels::int_levels`].
    pub(super) fn of(net: &Net, levels: &[u32], updates: u64, samples: u64) -> Vec<Limited> {
        let share = |count: u32, all: f64| if all > 0.0 { f64::from(count) / all } else { 0.0 };
        let layer = |(at, (row, ids)): (usize, (&[u32; 8], &LayerIds))| Limited {
            layer: at + 1,
            weights: share(row[3], updates as f64 * (ids.w.rows * ids.w.cols) as f64),
            outputs: share(row[4], samples as f64 * ids.w.rows as f64),
            errors: share(row[5], samples as f64 * ids.w.rows as f64),
        };
        levels.as_chunks::<8>().0.iter().zip(&net.layers).enumerate().map(layer).collect()
    }

    /// The largest share, from 0 to 1, and the name of its values.
    pub fn worst(&self) -> (f64, &'static str) {
        let all = [(self.weights, "weights"), (self.outputs, "outputs"), (self.errors, "error signals")];
        all.into_iter().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, ""))
    }
}

/// Writes one line.
impl fmt::Display for Limited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limited { layer, weights, outputs, errors } = *self;
        let [weights, outputs, errors] = [weights, outputs, errors].map(|share| percent(share, 3));
        write!(f, "  layer {layer}  limited: weights {weights} %  outputs {outputs} %  errors {errors} %")
    }
}

impl LayerHealth {
    /// Whether all norms and the ratio are finite.
    pub fn is_finite(&self) -> bool {
        [self.gradient_norm, self.weight_norm, self.update_ratio].iter().all(|value| value.is_finite())
    }

    /// `units`: number of units of the layer, if dead units are counted. The array holds the sums of squares of
    /// gradient, parameters and change, and the number of dead units.
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

/// The health of each layer, from the values that [`crate::net::Health`] lists.
pub(super) fn layers(config: &Config, net: &Net, values: &[f32]) -> Vec<LayerHealth> {
    let counts = |at: usize| config.activation == ActivationName::Relu && at + 1 < net.layers.len();
    let of = |(at, (values, ids)): (usize, (&[f32; 4], &LayerIds))| {
        LayerHealth::new(at + 1, *values, counts(at).then_some(ids.w.rows))
    };
    values.as_chunks::<4>().0.iter().zip(&net.layers).enumerate().map(of).collect()
}
