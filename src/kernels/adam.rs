//! Adam and AdamW: a step scaled by running moments of the gradient.

use super::EPSILON;
use super::update::{Params, SOURCE};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Adam (Kingma and Ba, ICLR 2015), which adds the penalty to the gradient, or AdamW (Loshchilov and Hutter, ICLR
/// 2019), which decays the weights separately. β₁ is `StepValues::momentum`.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Gradient (O, I) or (O).
    pub dw: TensorId,
    /// Weights or biases, of the same shape.
    pub w: TensorId,
    /// First moment, of the same shape.
    pub m: TensorId,
    /// Second moment, of the same shape.
    pub v: TensorId,
    /// Strength of the penalty or decay.
    pub l2: f32,
    /// Decay rate of the second moment.
    pub beta2: f32,
    /// ε, added to the divisor to avoid a division by zero.
    pub epsilon: f32,
    /// AdamW instead of Adam.
    pub decoupled: bool,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "adam",
    source: SOURCE,
    args: &[read(9, "g"), update(2, "w"), update(10, "first_w"), update(11, "second_w")],
    params: Params::FIELDS,
    overrides: &[("DECOUPLED", 0.0)],
}];

/// State of each parameter: the two moments.
pub(super) const STATE: &[&str] = &["m", "v"];

impl Adam {
    fn rule(&self) -> Rule {
        Rule { l2: self.l2, beta2: self.beta2, epsilon: self.epsilon, decoupled: self.decoupled }
    }
}

impl Kernel for Adam {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dw, self.w, self.m, self.v]
    }

    fn params(&self) -> Vec<u8> {
        let because = format!("w is {}", self.w.shape());
        for (name, id) in [("dw", self.dw), ("m", self.m), ("v", self.v)] {
            expect("adam", name, id, DType::F32, self.w.rows, self.w.cols, &because);
        }
        let Adam { w, l2, beta2, epsilon, .. } = *self;
        bytemuck::bytes_of(&Params { l2, memory: beta2, epsilon, ..Params::of(w) }).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.decoupled { vec![("DECOUPLED", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let dw = args.f32(0);
        let [w, m, v] = [1, 2, 3].map(|i| args.f32_mut(i));
        self.rule().descend(w, m, v, dw, now);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [dw, w, m, v] = [0, 1, 2, 3].map(|i| witness.f32(i));
        let [w, m, v] = self.rule().errors(now, dw, &vec![0.0; dw.len()], w, m, v);
        vec![None, Some(w), Some(m), Some(v)]
    }

    fn flops(&self) -> u64 {
        14 * (self.w.rows * self.w.cols) as u64
    }
}

/// The optimizer without its tensors, see [`Adam`].
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub l2: f32,
    pub beta2: f32,
    pub epsilon: f32,
    pub decoupled: bool,
}

impl Rule {
    /// One step.
    pub fn descend(self, w: &mut [f32], m: &mut [f32], v: &mut [f32], dw: &[f32], now: &StepValues) {
        descend(self, w, m, v, dw, now);
    }

    /// Largest allowed differences of w, m and v, where each gradient may be off by `slack`.
    pub fn errors(self, now: &StepValues, dw: &[f32], slack: &[f32], w: &[f32], m: &[f32], v: &[f32]) -> [Vec<f32>; 3] {
        let Rule { l2, beta2, epsilon, decoupled } = self;
        let mut errors = [vec![], vec![], vec![]];
        for i in 0..w.len() {
            let decay = l2 * w[i].abs();
            let penalty = if decoupled { 0.0 } else { l2 * w[i] };
            let g = dw[i].abs() + penalty.abs() + slack[i];
            let m1 = now.momentum * m[i].abs() + (1.0 - now.momentum) * g;
            let v1 = beta2 * v[i] + (1.0 - beta2) * g * g;
            // The true second moment uses the signed gradient, which the penalty may have made smaller than g.
            let smallest = ((dw[i] + penalty).abs() - slack[i]).max(0.0);
            let least = beta2 * v[i] + (1.0 - beta2) * smallest * smallest;
            let divisor = (least / now.bias2).sqrt() + epsilon;
            // Effect of the gradient's error on m and on the step.
            let of_slack = (1.0 - now.momentum) * slack[i];
            // Errors of m and v, then square root (5 units), three divisions (2.5 each) and the remaining roundings.
            let v_error = 6.0 * EPSILON * v1 + (1.0 - beta2) * 2.0 * g * slack[i] + f32::MIN_POSITIVE;
            let sqrt_error = (v_error / now.bias2) / divisor;
            let update = m1 / now.bias1 / divisor;
            let update_error = update * (20.0 * EPSILON + sqrt_error / divisor) + of_slack / now.bias1 / divisor;
            errors[0].push(now.lr.abs() * (update_error + 3.0 * EPSILON * decay) + EPSILON * w[i].abs());
            errors[1].push(4.0 * EPSILON * m1 + of_slack + f32::MIN_POSITIVE);
            errors[2].push(v_error);
        }
        errors
    }
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn descend(rule: Rule, w: &mut [f32], m: &mut [f32], v: &mut [f32], dw: &[f32], now: &StepValues) {
    let Rule { l2, beta2, epsilon, decoupled } = rule;
    for (((w, m), v), dw) in w.iter_mut().zip(m).zip(v).zip(dw) {
        let decay = l2 * *w;
        let g = if decoupled { *dw } else { dw + decay };
        *m = now.momentum * *m + (1.0 - now.momentum) * g;
        *v = beta2 * *v + (1.0 - beta2) * g * g;
        let update = (*m / now.bias1) / ((*v / now.bias2).sqrt() + epsilon);
        *w -= now.lr * if decoupled { update + decay } else { update };
    }
}

/// Adam and AdamW, early and late in a run, with and without penalty.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols, l2, step) in
        [(1, 1, 0.0, 1), (1, 10, 0.0, 2), (7, 13, 0.01, 1), (128, 784, 0.0, 1000), (65, 257, 1e-4, 7)]
    {
        for decoupled in [false, true] {
            let name = if decoupled { "AdamW" } else { "Adam" };
            let mut case = Case::new(format!("{name} ({rows},{cols}) l2 {l2} update {step}"));
            let [dw, w, m] = ["dw", "w", "m"].map(|name| case.f32(name, rows, cols, Fill::Reals(1.0)));
            let v = case.f32("v", rows, cols, Fill::Positive(1.0));
            (case.now.lr, case.now.momentum) = (0.001, 0.9);
            (case.now.bias1, case.now.bias2) = (1.0 - 0.9f32.powi(step), 1.0 - 0.999f32.powi(step));
            case.push(Adam { dw, w, m, v, l2, beta2: 0.999, epsilon: 1e-8, decoupled });
            cases.push(case);
        }
    }
    cases
}
