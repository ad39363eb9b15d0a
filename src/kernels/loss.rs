//! Losses of values and of yes/no labels: score = w·(mean loss, mean metric) over the T targets of a sample, and the
//! gradient dz = w·slope / (T·total), where w is the sample's weight and total that of the batch.

mod cases;
mod kind;

pub use cases::cases;
pub use kind::LossKind;

use super::EPSILON;
use super::softmax_xent::WEIGHTED;
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};

/// The loss of a net whose outputs are values or labels; [`super::softmax_xent`] is that of classes. The mean over the
/// batch is weighted: Σ wᵢ·lossᵢ / Σ wᵢ, as in scikit-learn. Without weights it is the mean of all losses, as in PyTorch.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Outputs of the net (B, T).
    pub z: TensorId,
    /// Targets (B, T).
    pub y: TensorId,
    /// Weights of the samples (B); ignored, and of any shape, unless `weighted`.
    pub weights: TensorId,
    /// Whether the samples have weights.
    pub weighted: bool,
    /// Loss and metric of each sample, each times the weight (B, 2).
    pub score: TensorId,
    /// Gradient of the mean loss with respect to the outputs (B, T).
    pub dz: TensorId,
    /// Which loss.
    pub kind: LossKind,
}

uniform! {
    /// Uniform block of the shaders.
    struct Params { batch: u32, targets: u32, targets4: u32, pad: u32, }
}

const ARGS: &[Arg] = &[read(1, "z"), read(2, "y"), read(3, "weights"), write(4, "score"), write(5, "dz")];

/// Pipeline constants with their defaults. Only Huber's loss uses δ, but all entry points share a function that names it.
const OVERRIDES: &[(&str, f64)] = &[("DELTA", 1.0), WEIGHTED[0]];

const fn shader(name: &'static str) -> Shader {
    let source = include_str!("../../shaders/loss.wgsl");
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: OVERRIDES }
}

/// One for each kind.
pub static SHADERS: &[Shader] =
    &[shader("loss_mse"), shader("loss_mae"), shader("loss_huber"), shader("loss_poisson"), shader("loss_bce")];

impl Loss {
    /// The weight of a sample.
    fn weight(&self, weights: &[f32], sample: usize) -> f32 {
        if self.weighted { weights[sample] } else { 1.0 }
    }
}

impl Kernel for Loss {
    fn shader(&self) -> &'static Shader {
        &SHADERS[match self.kind {
            LossKind::Mse => 0,
            LossKind::Mae => 1,
            LossKind::Huber(_) => 2,
            LossKind::Poisson => 3,
            LossKind::Bce => 4,
        }]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.z, self.y, self.weights, self.score, self.dz]
    }

    fn params(&self) -> Vec<u8> {
        let Loss { z, y, weights, score, dz, .. } = *self;
        let because = format!("z is {}", z.shape());
        expect("loss", "z", z, DType::F32, z.rows, z.cols, "outputs are values");
        expect("loss", "y", y, DType::F32, z.rows, z.cols, &because);
        if self.weighted {
            expect("loss", "weights", weights, DType::F32, 1, z.rows, &because);
        }
        expect("loss", "score", score, DType::F32, z.rows, 2, &because);
        expect("loss", "dz", dz, DType::F32, z.rows, z.cols, &because);
        let (batch, targets, targets4) = (z.rows as u32, z.cols as u32, z.stride() as u32 / 4);
        bytemuck::bytes_of(&Params { batch, targets, targets4, pad: 0 }).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        let delta = if let LossKind::Huber(delta) = self.kind { Some(("DELTA", f64::from(delta))) } else { None };
        delta.into_iter().chain(self.weighted.then_some(("WEIGHTED", 1.0))).collect()
    }

    fn groups(&self) -> u32 {
        groups(self.z.rows, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [z, y, weights] = [0, 1, 2].map(|i| args.f32(i));
        let (score, dz) = (args.f32_mut(3), args.f32_mut(4));
        let (stride, targets, kind) = (self.z.stride(), self.z.cols, self.kind);
        let rows = z.chunks_exact(stride).zip(y.chunks_exact(stride));
        let outputs = score.chunks_exact_mut(4).zip(dz.chunks_exact_mut(stride));
        for (b, ((z, y), (score, dz))) in rows.zip(outputs).enumerate() {
            score.fill(0.0);
            dz.fill(0.0);
            if b >= now.rows as usize {
                continue;
            }
            let weight = self.weight(weights, b);
            let (mut loss, mut metric) = (0.0, 0.0);
            for ((&z, &y), dz) in z.iter().zip(y).zip(dz).take(targets) {
                loss += kind.value(z, y);
                metric += kind.metric(z, y);
                *dz = weight * kind.slope(z, y) / (targets as f32 * now.total);
            }
            // A product with 1 changes no bit, so there is one formula for samples with and without weights.
            [score[0], score[1]] = [loss, metric].map(|sum| weight * (sum / targets as f32));
        }
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [z, y, weights] = [0, 1, 2].map(|i| witness.f32(i));
        let (stride, targets, kind) = (self.z.stride(), self.z.cols, self.kind);
        let mut score = vec![0.0; self.score.words()];
        let mut gradient = vec![0.0; self.dz.words()];
        for b in 0..(now.rows as usize).min(self.z.rows) {
            let weight = self.weight(weights, b).abs();
            let mut errors = [0.0; 2];
            for at in b * stride..b * stride + targets {
                let (z, y) = (z[at], y[at]);
                let error = kind.errors(z, y);
                // Sum of T values, division (2.5 units, and 1 for the twin), product with the weight.
                let units = (targets as f32 + 5.0) * EPSILON;
                errors[0] += error.value + units * kind.value(z, y).abs();
                errors[1] += error.metric + units * kind.metric(z, y);
                // The division, and products with the weight and of the divisor.
                let error = error.slope + 6.0 * EPSILON * kind.slope(z, y).abs();
                gradient[at] = finite(weight * error / (targets as f32 * now.total) + f32::MIN_POSITIVE);
            }
            let means = errors.map(|error| finite(weight * error / targets as f32 + f32::MIN_POSITIVE));
            score[4 * b..4 * b + 2].copy_from_slice(&means);
        }
        vec![None, None, None, Some(score), Some(gradient)]
    }

    fn flops(&self) -> u64 {
        10 * (self.z.rows * self.z.cols) as u64
    }
}

/// A bound that is not finite belongs to a value that overflows, which must be the same infinity everywhere.
fn finite(bound: f32) -> f32 {
    if bound.is_finite() { bound } else { 0.0 }
}
