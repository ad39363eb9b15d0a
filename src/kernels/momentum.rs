//! v ← μ·v + g, w ← w − lr·v: gradient descent with momentum, plain or Nesterov's.

use super::EPSILON;
use super::update::{Params, SOURCE};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// One step with momentum in PyTorch's form: the learning rate multiplies the velocity, not the gradient, and the
/// velocity is not damped. Nesterov's variant steps by g + μ·v (Sutskever et al., ICML 2013).
#[derive(Clone, Debug)]
pub struct Momentum {
    /// Gradient (O, I) or (O).
    pub dw: TensorId,
    /// Weights or biases, of the same shape.
    pub w: TensorId,
    /// Velocity, of the same shape.
    pub v: TensorId,
    /// Strength of the penalty l2/2·‖w‖².
    pub l2: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "momentum",
    source: SOURCE,
    args: &[read(9, "g"), update(2, "w"), update(10, "first_w")],
    params: Params::FIELDS,
    overrides: &[("NESTEROV", 0.0)],
}];

/// State of each parameter: its velocity.
pub(super) const STATE: &[&str] = &["v"];

impl Kernel for Momentum {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dw, self.w, self.v]
    }

    fn params(&self) -> Vec<u8> {
        let because = format!("w is {}", self.w.shape());
        expect("momentum", "dw", self.dw, DType::F32, self.w.rows, self.w.cols, &because);
        expect("momentum", "v", self.v, DType::F32, self.w.rows, self.w.cols, &because);
        bytemuck::bytes_of(&Params { l2: self.l2, ..Params::of(self.w) }).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.nesterov { vec![("NESTEROV", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (dw, w, v) = (args.f32(0), args.f32_mut(1), args.f32_mut(2));
        descend(w, v, dw, now, self.l2, self.nesterov);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [dw, w, v] = [0, 1, 2].map(|i| witness.f32(i));
        let [w, v] = errors(self.l2, now, dw, &vec![0.0; dw.len()], w, v);
        vec![None, Some(w), Some(v)]
    }

    fn flops(&self) -> u64 {
        6 * (self.w.rows * self.w.cols) as u64
    }
}

/// Largest allowed differences of w and v, where each gradient may be off by `slack`.
pub(super) fn errors(l2: f32, now: &StepValues, dw: &[f32], slack: &[f32], w: &[f32], v: &[f32]) -> [Vec<f32>; 2] {
    let (mut of_w, mut of_v) = (Vec::new(), Vec::new());
    for (((dw, slack), w), v) in dw.iter().zip(slack).zip(w).zip(v) {
        let velocity = dw.abs() + slack + l2 * w.abs() + now.momentum * v.abs();
        of_v.push(4.0 * EPSILON * velocity + slack);
        // Nesterov's step is at most twice a velocity of positive terms; six roundings lead to it.
        of_w.push(EPSILON * (12.0 * now.lr.abs() * velocity + w.abs()) + 2.0 * now.lr.abs() * slack);
    }
    [of_w, of_v]
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn descend(w: &mut [f32], v: &mut [f32], dw: &[f32], now: &StepValues, l2: f32, nesterov: bool) {
    for ((w, v), dw) in w.iter_mut().zip(v).zip(dw) {
        let g = dw + l2 * *w;
        *v = now.momentum * *v + g;
        *w -= now.lr * if nesterov { g + now.momentum * *v } else { *v };
    }
}

/// Both variants, with and without penalty.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols, l2) in [(1, 1, 0.0), (1, 10, 0.0), (7, 13, 0.01), (128, 784, 0.0), (65, 257, 1e-4)] {
        for nesterov in [false, true] {
            let mut case = Case::new(format!("({rows},{cols}) l2 {l2}{}", if nesterov { " Nesterov" } else { "" }));
            let [dw, w, v] = ["dw", "w", "v"].map(|name| case.f32(name, rows, cols, Fill::Reals(1.0)));
            (case.now.lr, case.now.momentum) = (0.05, 0.9);
            case.push(Momentum { dw, w, v, l2, nesterov });
            cases.push(case);
        }
    }
    cases
}
