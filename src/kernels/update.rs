//! g = dyᵀ·x, used as soon as it is computed: a layer's gradients and its optimizer in one dispatch.

mod bounds;
mod cases;
mod rule;
mod shaders;

use super::{Form, linear_db::add_rows, sgd};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect};
use crate::plan::tensor::{DType, TensorId};
pub use cases::cases;
pub use rule::Rule;
pub(in crate::kernels) use shaders::FORMS;
pub use shaders::SHADERS;
pub(super) use shaders::{Params, SOURCE};
use std::cell::RefCell;

/// Fuses [`super::linear_dw`], [`super::linear_db`] and an optimizer for both parameters of a layer. The gradients are
/// not stored (when the net's health is measured, the kernels of the plain plan store them). Not usable with gradient
/// accumulation.
#[derive(Clone, Debug)]
pub struct Update {
    /// Error signal (B, O).
    pub dy: TensorId,
    /// Inputs of the layer (B, I).
    pub x: TensorId,
    /// Weights (O, I).
    pub w: TensorId,
    /// Biases (O).
    pub b: TensorId,
    /// Optimizer state: of the weights, then of the biases.
    pub state: Vec<TensorId>,
    /// Strength of the penalty or decay; for the weights only.
    pub l2: f32,
    /// The optimizer.
    pub rule: Rule,
    /// Which shader: one of [`MatmulShape::forms`](super::forms::MatmulShape::forms) of an update.
    pub form: Form,
}

impl Update {
    /// Name of the kernel, regardless of form: `update_sgd`.
    pub fn name(&self) -> &'static str {
        self.rule.name()
    }

    /// Index of this form in [`FORMS`].
    ///
    /// # Panics
    /// If updates do not have this form.
    fn own_form(&self) -> usize {
        let place = FORMS.iter().position(|&form| form == self.form);
        place.unwrap_or_else(|| panic!("update: there is no form {}", self.form.name()))
    }

    /// The gradient of the weights, for `finish` to use row by row.
    fn product<'a>(&self, dy: &'a [f32], x: &'a [f32]) -> Gemm<'a> {
        Gemm {
            m: self.w.rows,
            k: self.x.rows,
            n: self.w.stride(),
            a: Operand::transposed(dy, self.dy.stride()),
            b: Operand::rows(x, self.x.stride()),
            alpha: 1.0,
            beta: 0.0,
            stride: self.w.stride(),
            columns: false,
        }
    }
}

thread_local! {
    /// Memory for a gradient; it grows to the size of the largest layer and is kept.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Kernel for Update {
    fn shader(&self) -> &'static Shader {
        &SHADERS[FORMS.len() * self.rule.number() + self.own_form()]
    }

    fn tensors(&self) -> Vec<TensorId> {
        [&[self.dy, self.x, self.w, self.b], self.state.as_slice()].concat()
    }

    fn params(&self) -> Vec<u8> {
        let Update { dy, x, w, b, .. } = *self;
        let because = format!("dy is {} and x is {}", dy.shape(), x.shape());
        expect("update", "x", x, DType::F32, dy.rows, x.cols, &because);
        expect("update", "w", w, DType::F32, dy.cols, x.cols, &because);
        expect("update", "b", b, DType::F32, 1, dy.cols, &because);
        self.own_form();
        let kinds = self.rule.state();
        assert_eq!(self.state.len(), 2 * kinds.len(), "update: number of state tensors");
        for (at, &id) in self.state.iter().enumerate() {
            let of = if at < kinds.len() { w } else { b };
            expect("update", kinds[at % kinds.len()], id, DType::F32, of.rows, of.cols, &because);
        }
        let (memory, epsilon) = self.rule.constants();
        let params = Params {
            batch: x.rows as u32,
            inputs4: x.stride() as u32 / 4,
            outputs: dy.cols as u32,
            outputs4: dy.stride() as u32 / 4,
            l2: self.l2,
            memory,
            epsilon,
            pad: 0,
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.rule.overrides()
    }

    fn groups(&self) -> u32 {
        FORMS[self.own_form()].groups(self.w.rows, self.w.cols, 4)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (dy, x) = (args.f32(0), args.f32(1));
        let (w, b) = (args.f32_mut(2), args.f32_mut(3));
        let states = self.rule.state().len();
        let (mut of_w, mut of_b): ([&mut [f32]; 2], [&mut [f32]; 2]) = Default::default();
        for at in 0..states {
            of_w[at] = args.f32_mut(4 + at);
            of_b[at] = args.f32_mut(4 + states + at);
        }
        let product = self.product(dy, x);
        let (rule, l2) = (self.rule, self.l2);
        let mut scratch = SCRATCH.take();
        scratch.resize(scratch.len().max(w.len() + b.len()), 0.0);
        let (g, db) = scratch[..w.len() + b.len()].split_at_mut(w.len());
        db.fill(0.0);
        add_rows(db, dy);
        match (rule, of_w) {
            (Rule::Sgd, _) => {
                // The weights α and β of the product do the step: w ← (1 − lr·l2)·w − lr·dyᵀ·x.
                Gemm { alpha: -now.lr, beta: 1.0 - now.lr * l2, ..product }.run([w], |_, _, _| {});
            }
            (Rule::Momentum { nesterov: false }, [v, _]) if l2 == 0.0 => {
                // Straight into the velocity: v ← μ·v + dyᵀ·x.
                Gemm { beta: now.momentum, ..product }.run([v, w], |_, _, [v, w]| sgd::descend(w, v, now.lr, 0.0));
            }
            (_, [first, _]) if states == 1 => {
                product.run([g, w, first], |_, _, [g, w, first]| rule.descend(l2, w, [first, &mut []], g, now));
            }
            (_, [first, second]) => {
                let outputs = [g, w, first, second];
                product.run(outputs, |_, _, [g, w, first, second]| rule.descend(l2, w, [first, second], g, now));
            }
        }
        // Biases are not penalised.
        rule.descend(0.0, b, of_b, db, now);
        SCRATCH.set(scratch);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        self.bounds_of_all(now, witness)
    }

    fn flops(&self) -> u64 {
        2 * (self.w.rows * self.w.cols) as u64 * self.x.rows as u64
    }
}
