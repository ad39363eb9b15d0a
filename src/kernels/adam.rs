//! Adam and AdamW: a step scaled by running moments of the gradient.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Now, Shader, Witness, expect, groups, read, update};
use crate::plan::tensor::{Id, Kind};
use multiversion::multiversion;

/// Adam (Kingma and Ba, ICLR 2015), the penalty added to the gradient; or AdamW (Loshchilov and Hutter, ICLR 2019),
/// where the weights decay apart from it. β₁ is `Now::momentum`.
#[derive(Clone, Debug)]
pub struct Adam {
    /// Gradient (O, I) or (O).
    pub dw: Id,
    /// Weights or biases, of the same shape.
    pub w: Id,
    /// First moment, of the same shape.
    pub m: Id,
    /// Second moment, of the same shape.
    pub v: Id,
    /// Strength of the penalty or decay.
    pub l2: f32,
    /// Memory of the second moment.
    pub beta2: f32,
    /// Keeps the divisor from zero.
    pub epsilon: f32,
    /// AdamW instead of Adam.
    pub decoupled: bool,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { count4: u32, l2: f32, beta2: f32, epsilon: f32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "adam",
    source: include_str!("../../shaders/adam.wgsl"),
    args: &[read("dw"), update("w"), update("m"), update("v")],
    params: Params::FIELDS,
    overrides: &[("DECOUPLED", 0.0)],
}];

impl Kernel for Adam {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<Id> {
        vec![self.dw, self.w, self.m, self.v]
    }

    fn params(&self) -> Vec<u8> {
        let because = format!("w is {}", self.w.shape());
        for (name, id) in [("dw", self.dw), ("m", self.m), ("v", self.v)] {
            expect("adam", name, id, Kind::F32, self.w.rows, self.w.cols, &because);
        }
        let count4 = (self.w.words() / 4) as u32;
        let params = Params { count4, l2: self.l2, beta2: self.beta2, epsilon: self.epsilon };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.decoupled { vec![("DECOUPLED", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.w.words() / 4, 64)
    }

    fn twin(&self, now: &Now, mut args: Args<'_>) {
        let dw = args.f32(0);
        let [w, m, v] = [1, 2, 3].map(|i| args.f32_mut(i));
        descend(self, w, m, v, dw, now);
    }

    fn bounds(&self, now: &Now, witness: &Witness<'_>) -> Bounds {
        let [dw, w, m, v] = [0, 1, 2, 3].map(|i| witness.f32(i));
        let mut bounds = [vec![], vec![], vec![]];
        for i in 0..dw.len() {
            let decay = self.l2 * w[i].abs();
            let g = dw[i].abs() + if self.decoupled { 0.0 } else { decay };
            let m1 = now.momentum * m[i].abs() + (1.0 - now.momentum) * g;
            let v1 = self.beta2 * v[i] + (1.0 - self.beta2) * g * g;
            // The true second moment uses the signed gradient, which the penalty may have made smaller than g.
            let signed = dw[i] + if self.decoupled { 0.0 } else { self.l2 * w[i] };
            let least = self.beta2 * v[i] + (1.0 - self.beta2) * signed * signed;
            let divisor = (least / now.bias2).sqrt() + self.epsilon;
            // Errors of m and v, then square root (5 units), three divisions (2.5 each) and the remaining roundings.
            let v_error = 6.0 * EPSILON * v1 + f32::MIN_POSITIVE;
            let sqrt_error = (v_error / now.bias2) / divisor;
            let update = m1 / now.bias1 / divisor;
            let update_error = update * (20.0 * EPSILON + sqrt_error / divisor);
            bounds[0].push(now.lr.abs() * (update_error + 3.0 * EPSILON * decay) + EPSILON * w[i].abs());
            bounds[1].push(4.0 * EPSILON * m1 + f32::MIN_POSITIVE);
            bounds[2].push(v_error);
        }
        let [w, m, v] = bounds;
        vec![None, Some(w), Some(m), Some(v)]
    }

    fn flops(&self) -> u64 {
        14 * (self.w.rows * self.w.cols) as u64
    }
}

/// The loop, for the widest registers there are.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn descend(adam: &Adam, w: &mut [f32], m: &mut [f32], v: &mut [f32], dw: &[f32], now: &Now) {
    let Adam { l2, beta2, epsilon, decoupled, .. } = *adam;
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
