//! What happens in each layer: how activations, gradients and updates are distributed.

use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::explain::{BatchLayer, BatchValues};
use serde::Serialize;

/// Bars of a histogram.
const BARS: usize = 33;
/// Ends of the scale of gradients: powers of ten.
const GRADIENTS: [f64; 2] = [-10.0, 1.0];
/// Ends of the scale of updates relative to weights: powers of ten.
const UPDATES: [f64; 2] = [-8.0, 3.0];

/// Counts of values between two ends, in bars of equal width. Values beyond an end count in the last bar.
#[derive(Serialize)]
struct Histogram {
    low: f64,
    high: f64,
    counts: Vec<u32>,
    /// Values that are exactly zero; they are in no bar.
    zeros: u32,
}

impl Histogram {
    fn new([low, high]: [f64; 2], values: impl Iterator<Item = f64>) -> Histogram {
        let mut histogram = Histogram { low, high, counts: vec![0; BARS], zeros: 0 };
        let width = (high - low).max(f64::MIN_POSITIVE);
        for value in values {
            // The logarithm of zero.
            if value == f64::NEG_INFINITY {
                histogram.zeros += 1;
                continue;
            }
            // A NaN becomes 0 in the conversion to a whole number; a net with one has stopped before.
            let bar = ((value - low) / width * BARS as f64) as usize;
            histogram.counts[bar.min(BARS - 1)] += 1;
        }
        histogram
    }

    /// Of the magnitudes, on a logarithmic scale.
    fn logarithmic(ends: [f64; 2], values: impl Iterator<Item = f64>) -> Histogram {
        Histogram::new(ends, values.map(|value| value.abs().log10()))
    }
}

/// A layer in one update.
#[derive(Serialize)]
pub(crate) struct LayerView {
    /// Number of the layer, from 1.
    layer: usize,
    units: usize,
    /// Units whose output is zero for every sample of the probe.
    dead: usize,
    /// Outputs of the layer that are not zero, from the smallest to the largest.
    activations: Histogram,
    /// Gradient of the mean loss of the probe by the weights.
    gradients: Histogram,
    gradient_norm: f64,
    weight_norm: f64,
    /// Change of each weight that is not zero, relative to it; `null` if the run has ended.
    updates: Option<Histogram>,
    /// Norm of the change divided by the norm of the parameters.
    update_ratio: Option<f64>,
}

fn norm<'a>(values: impl Iterator<Item = &'a f32>) -> f64 {
    values.map(|&value| f64::from(value) * f64::from(value)).sum::<f64>().sqrt()
}

fn ends(values: impl Iterator<Item = f64>) -> [f64; 2] {
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low <= high { [low, high] } else { [0.0, 1.0] }
}

/// The layers of a net: `before` an update, and `after` it.
pub(crate) fn views(values: &BatchValues, before: &Mlp, after: Option<&Mlp>) -> Vec<LayerView> {
    let view = |(at, (found, old)): (usize, (&BatchLayer, &gpu_mlp::net::mlp::Layer))| {
        let all = || found.h.iter().map(|&h| f64::from(h));
        let zeros = all().filter(|h| *h == 0.0).count() as u32;
        let nonzero = || all().filter(|h| *h != 0.0);
        let dead = |unit: &usize| found.h.iter().skip(*unit).step_by(found.outputs).all(|&h| h == 0.0);
        let weight_norm = norm(old.weight.iter().chain(&old.bias));
        let new = after.and_then(|after| after.layers.get(at));
        let changes = |new: &gpu_mlp::net::mlp::Layer| -> Vec<f32> {
            let pairs = new.weight.iter().chain(&new.bias).zip(old.weight.iter().chain(&old.bias));
            pairs.map(|(new, old)| new - old).collect()
        };
        let changes = new.map(changes);
        let relative = |changes: &Vec<f32>| {
            let pairs = changes.iter().zip(&old.weight).filter(|(_, old)| **old != 0.0);
            Histogram::logarithmic(UPDATES, pairs.map(|(change, old)| f64::from(*change) / f64::from(*old)))
        };
        LayerView {
            layer: at + 1,
            units: found.outputs,
            dead: (0..found.outputs).filter(dead).count(),
            activations: Histogram { zeros, ..Histogram::new(ends(nonzero()), nonzero()) },
            gradients: Histogram::logarithmic(GRADIENTS, found.weight_gradient.iter().map(|&g| f64::from(g))),
            gradient_norm: norm(found.weight_gradient.iter().chain(&found.bias_gradient)),
            weight_norm,
            updates: changes.as_ref().map(relative),
            update_ratio: changes.as_ref().map(|changes| norm(changes.iter()) / weight_norm),
        }
    };
    values.layers.iter().zip(&before.layers).enumerate().map(view).collect()
}
