//! RMSprop: a step scaled by the running mean square of the gradient.

use super::EPSILON;
use super::update::{Params, SOURCE};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// RMSprop (Hinton, lecture 6e of Neural Networks for Machine Learning, 2012) as in `torch.optim.RMSprop`: not centred,
/// ε added to the root, and momentum of the scaled gradients.
#[derive(Clone, Debug)]
pub struct Rmsprop {
    /// Gradient (O, I) or (O).
    pub dw: TensorId,
    /// Weights or biases, of the same shape.
    pub w: TensorId,
    /// Velocity, of the same shape.
    pub v: TensorId,
    /// Mean square of the gradient, of the same shape.
    pub s: TensorId,
    /// Strength of the penalty l2/2·‖w‖².
    pub l2: f32,
    /// Decay rate ρ of the mean square: PyTorch's α.
    pub rho: f32,
    /// ε, added to the divisor to avoid a division by zero.
    pub epsilon: f32,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "rmsprop",
    source: SOURCE,
    args: &[read(9, "g"), update(2, "w"), update(10, "first_w"), update(11, "second_w")],
    params: Params::FIELDS,
    overrides: &[],
}];

/// State of each parameter: velocity and mean square.
pub(super) const STATE: &[&str] = &["v", "s"];

impl Rmsprop {
    fn rule(&self) -> Rule {
        Rule { l2: self.l2, rho: self.rho, epsilon: self.epsilon }
    }
}

impl Kernel for Rmsprop {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dw, self.w, self.v, self.s]
    }

    fn params(&self) -> Vec<u8> {
        let because = format!("w is {}", self.w.shape());
        for (name, id) in [("dw", self.dw), ("v", self.v), ("s", self.s)] {
            expect("rmsprop", name, id, DType::F32, self.w.rows, self.w.cols, &because);
        }
        let Rmsprop { w, l2, rho, epsilon, .. } = *self;
        bytemuck::bytes_of(&Params { l2, memory: rho, epsilon, ..Params::of(w) }).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let dw = args.f32(0);
        let [w, v, s] = [1, 2, 3].map(|i| args.f32_mut(i));
        self.rule().descend(w, v, s, dw, now);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [dw, w, v, s] = [0, 1, 2, 3].map(|i| witness.f32(i));
        let [w, v, s] = self.rule().errors(now, dw, &vec![0.0; dw.len()], w, v, s);
        vec![None, Some(w), Some(v), Some(s)]
    }

    fn flops(&self) -> u64 {
        9 * (self.w.rows * self.w.cols) as u64
    }
}

/// The optimizer without its tensors, see [`Rmsprop`].
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub l2: f32,
    pub rho: f32,
    pub epsilon: f32,
}

impl Rule {
    /// One step.
    pub fn descend(self, w: &mut [f32], v: &mut [f32], s: &mut [f32], dw: &[f32], now: &StepValues) {
        descend(self, w, v, s, dw, now);
    }

    /// Largest allowed differences of w, v and s, where each gradient may be off by `slack`.
    pub fn errors(self, now: &StepValues, dw: &[f32], slack: &[f32], w: &[f32], v: &[f32], s: &[f32]) -> [Vec<f32>; 3] {
        let Rule { l2, rho, epsilon } = self;
        let mut errors = [vec![], vec![], vec![]];
        for i in 0..w.len() {
            let g = dw[i].abs() + slack[i] + l2 * w[i].abs();
            let square = rho * s[i] + (1.0 - rho) * g * g;
            let s_error = 6.0 * EPSILON * square + (1.0 - rho) * 2.0 * g * slack[i] + f32::MIN_POSITIVE;
            // The true mean square uses the signed gradient, which the penalty may have made smaller than g.
            let smallest = ((dw[i] + l2 * w[i]).abs() - slack[i]).max(0.0);
            let divisor = (rho * s[i] + (1.0 - rho) * smallest * smallest).sqrt() + epsilon;
            // The gradient's error and that of s, then square root (5 units), division (2.5) and the remaining roundings.
            let scaled = g / divisor;
            let scaled_error = slack[i] / divisor + scaled * (16.0 * EPSILON + s_error / divisor / divisor);
            let velocity = now.momentum * v[i].abs() + scaled;
            let v_error = scaled_error + 3.0 * EPSILON * velocity + f32::MIN_POSITIVE;
            errors[0].push(now.lr.abs() * (v_error + 2.0 * EPSILON * velocity) + EPSILON * w[i].abs());
            errors[1].push(v_error);
            errors[2].push(s_error);
        }
        errors
    }
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn descend(rule: Rule, w: &mut [f32], v: &mut [f32], s: &mut [f32], dw: &[f32], now: &StepValues) {
    let Rule { l2, rho, epsilon } = rule;
    for (((w, v), s), dw) in w.iter_mut().zip(v).zip(s).zip(dw) {
        let g = dw + l2 * *w;
        *s = rho * *s + (1.0 - rho) * g * g;
        *v = now.momentum * *v + g / (s.sqrt() + epsilon);
        *w -= now.lr * *v;
    }
}

/// With and without momentum and penalty.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols, l2) in [(1, 1, 0.0), (1, 10, 0.0), (7, 13, 0.01), (128, 784, 0.0), (65, 257, 1e-4)] {
        for momentum in [0.0, 0.9] {
            let mut case = Case::new(format!("({rows},{cols}) l2 {l2} momentum {momentum}"));
            let [dw, w, v] = ["dw", "w", "v"].map(|name| case.f32(name, rows, cols, Fill::Reals(1.0)));
            let s = case.f32("s", rows, cols, Fill::Positive(1.0));
            (case.now.lr, case.now.momentum) = (0.001, momentum);
            case.push(Rmsprop { dw, w, v, s, l2, rho: 0.99, epsilon: 1e-8 });
            cases.push(case);
        }
    }
    cases
}
