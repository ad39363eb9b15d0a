//! The running average of the weights; it starts as a copy.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Exponential moving average a ← d·a + (1 − d)·w, which starts as the weights after the first update: PyTorch's
/// `AveragedModel` with `get_ema_multi_avg_fn(d)`. (Polyak and Juditsky, 1992, average all weights alike.)
#[derive(Clone, Debug)]
pub struct Average {
    /// Weights or biases (O, I) or (O).
    pub w: TensorId,
    /// Their average, of the same shape. Where `StepValues::step` is 0 it becomes w.
    pub a: TensorId,
    /// d: the share of the old average that is kept.
    pub decay: f32,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { count4: u32, decay: f32, pad0: u32, pad1: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "average",
    source: include_str!("../../shaders/average.wgsl"),
    args: &[read(1, "w"), update(2, "a")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for Average {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.w, self.a]
    }

    fn params(&self) -> Vec<u8> {
        let Average { w, a, decay } = *self;
        expect("average", "a", a, DType::F32, w.rows, w.cols, &format!("w is {}", w.shape()));
        bytemuck::bytes_of(&Params { count4: (w.words() / 4) as u32, decay, ..Params::default() }).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (w, a) = (args.f32(0), args.f32_mut(1));
        if now.step == 0 { a.copy_from_slice(w) } else { blend(a, w, self.decay) }
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let pairs = witness.f32(0).iter().zip(witness.f32(1));
        let bound = pairs.map(|(w, a)| 3.0 * EPSILON * (self.decay * a.abs() + (1.0 - self.decay) * w.abs()));
        vec![None, (now.step > 0).then(|| bound.collect())]
    }

    fn flops(&self) -> u64 {
        3 * (self.w.rows * self.w.cols) as u64
    }
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn blend(a: &mut [f32], w: &[f32], decay: f32) {
    for (a, w) in a.iter_mut().zip(w) {
        *a = decay * *a + (1.0 - decay) * w;
    }
}

/// First and later updates, whole numbers and real ones.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (1, 10), (7, 13), (65, 257), (128, 784)] {
        for (step, exact) in [(0, true), (3, true), (1, false)] {
            let (label, fill, decay) = match exact {
                true => ("integers", Fill::Integers(4095), 0.5),
                false => ("reals", Fill::Reals(1.0), 0.999),
            };
            let mut case = Case::new(format!("{label} ({rows},{cols}) step {step}"));
            let [w, a] = ["w", "a"].map(|name| case.f32(name, rows, cols, fill));
            case.now.step = step;
            case.push(Average { w, a, decay });
            cases.push(if exact { case.exact() } else { case });
        }
    }
    cases
}
