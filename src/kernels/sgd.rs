//! w ← w − lr·(dw + l2·w): gradient descent.

use super::EPSILON;
use super::update::{Params, SOURCE};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// One step down the gradient, with the gradient of the penalty l2/2·‖w‖².
#[derive(Clone, Debug)]
pub struct Sgd {
    /// Gradient (O, I) or (O).
    pub dw: TensorId,
    /// Weights or biases, of the same shape.
    pub w: TensorId,
    /// Strength of the penalty.
    pub l2: f32,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "sgd",
    source: SOURCE,
    args: &[read(9, "g"), update(2, "w")],
    params: Params::FIELDS,
    overrides: &[],
}];

/// State of each parameter: nothing.
pub(super) const STATE: &[&str] = &[];

impl Kernel for Sgd {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dw, self.w]
    }

    fn params(&self) -> Vec<u8> {
        expect("sgd", "dw", self.dw, DType::F32, self.w.rows, self.w.cols, &format!("w is {}", self.w.shape()));
        bytemuck::bytes_of(&Params { l2: self.l2, ..Params::of(self.w) }).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (dw, w) = (args.f32(0), args.f32_mut(1));
        descend(w, dw, now.lr, self.l2);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [dw, w] = [0, 1].map(|i| witness.f32(i));
        vec![None, Some(errors(self.l2, now, dw, &vec![0.0; dw.len()], w))]
    }

    fn flops(&self) -> u64 {
        4 * (self.w.rows * self.w.cols) as u64
    }
}

/// Largest allowed difference of w, where each gradient may be off by `slack`: three roundings of the step, one of the
/// sum. A device may avoid any of them by fusing operations.
pub(super) fn errors(l2: f32, now: &StepValues, dw: &[f32], slack: &[f32], w: &[f32]) -> Vec<f32> {
    let triples = dw.iter().zip(slack).zip(w);
    let error = triples.map(|((dw, slack), w)| {
        let step = now.lr.abs() * (dw.abs() + slack + l2 * w.abs());
        EPSILON * (3.0 * step + w.abs()) + now.lr.abs() * slack
    });
    error.collect()
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn descend(w: &mut [f32], dw: &[f32], lr: f32, l2: f32) {
    for (w, dw) in w.iter_mut().zip(dw) {
        *w -= lr * (dw + l2 * *w);
    }
}

/// Shapes of weights and biases; one with more workgroups than a dimension may have.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols, l2) in
        [(1, 1, 0.0), (1, 10, 0.0), (7, 13, 0.01), (128, 784, 0.0), (65, 257, 1e-4), (4100, 4100, 0.0)]
    {
        let mut case = Case::new(format!("({rows},{cols}) l2 {l2}"));
        let dw = case.f32("dw", rows, cols, Fill::Reals(1.0));
        let w = case.f32("w", rows, cols, Fill::Reals(1.0));
        case.now.lr = 0.1;
        case.push(Sgd { dw, w, l2 });
        cases.push(case);
    }
    let mut case = Case::new("integers (33,35)".into());
    let dw = case.f32("dw", 33, 35, Fill::Integers(4095));
    let w = case.f32("w", 33, 35, Fill::Integers(4095));
    case.now.lr = 0.25;
    case.push(Sgd { dw, w, l2: 0.5 });
    cases.push(case.exact());
    cases
}
