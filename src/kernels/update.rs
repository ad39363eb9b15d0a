//! g = dyᵀ·x, used where it is made: a layer's gradients and its optimizer in one visit.

mod bounds;
mod cases;
mod shaders;

use super::{Form, adam, linear_db::add_rows, momentum, rmsprop, sgd};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::plan::kernel::{Args, Bounds, Kernel, Now, Shader, Witness, expect};
use crate::plan::tensor::{Id, Kind};
pub use cases::cases;
pub use shaders::SHADERS;
use shaders::{AdamParams, FORMS, Params, RmspropParams};
use std::cell::RefCell;

/// [`super::linear_dw`], [`super::linear_db`] and an optimizer for both parameters of a layer, without the gradients
/// taking memory (they do where the net's health is measured, now and then, by the kernels of the plain plan). It cannot add up
/// micro-batches.
#[derive(Clone, Debug)]
pub struct Update {
    /// Error signal (B, O).
    pub dy: Id,
    /// Inputs of the layer (B, I).
    pub x: Id,
    /// Weights (O, I).
    pub w: Id,
    /// Biases (O).
    pub b: Id,
    /// What the optimizer remembers: of the weights, then of the biases.
    pub state: Vec<Id>,
    /// Strength of the penalty or decay; for the weights only.
    pub l2: f32,
    /// The optimizer.
    pub rule: Rule,
    /// Which shader; `Plain` and `Split` have none of their own and take `Tiled`.
    pub form: Form,
}

/// How a gradient becomes a change.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// As [`super::sgd`].
    Sgd,
    /// As [`super::momentum`].
    Momentum {
        /// Nesterov's variant.
        nesterov: bool,
    },
    /// As [`super::adam`].
    Adam {
        /// Memory of the second moment.
        beta2: f32,
        /// Keeps the divisor from zero.
        epsilon: f32,
        /// AdamW instead of Adam.
        decoupled: bool,
    },
    /// As [`super::rmsprop`].
    Rmsprop {
        /// Memory of the mean square.
        rho: f32,
        /// Keeps the divisor from zero.
        epsilon: f32,
    },
}

impl Update {
    /// Name of the kernel, whatever the form: `update_sgd`.
    pub fn name(&self) -> &'static str {
        let shader = self.shader().name;
        shader.rsplit_once('_').map_or(shader, |(name, _)| name)
    }

    /// Place in [`FORMS`] of the form that is run.
    fn own_form(&self) -> usize {
        FORMS.iter().position(|&form| form == self.form).unwrap_or(0)
    }

    /// The optimizer alone, for loops and bounds that it shares.
    fn adam(&self) -> adam::Adam {
        let (beta2, epsilon, decoupled) = match self.rule {
            Rule::Adam { beta2, epsilon, decoupled } => (beta2, epsilon, decoupled),
            _ => (0.0, 1.0, false),
        };
        adam::Adam { dw: self.w, w: self.w, m: self.w, v: self.w, l2: self.l2, beta2, epsilon, decoupled }
    }

    /// As `adam`.
    fn rmsprop(&self, l2: f32) -> rmsprop::Rmsprop {
        let (rho, epsilon) = if let Rule::Rmsprop { rho, epsilon } = self.rule { (rho, epsilon) } else { (0.0, 1.0) };
        rmsprop::Rmsprop { dw: self.w, w: self.w, v: self.w, s: self.w, l2, rho, epsilon }
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
    /// Room for a gradient; it grows to the largest layer's and stays.
    static SCRATCH: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Kernel for Update {
    fn shader(&self) -> &'static Shader {
        let rule = match self.rule {
            Rule::Sgd => 0,
            Rule::Momentum { .. } => 1,
            Rule::Adam { .. } => 2,
            Rule::Rmsprop { .. } => 3,
        };
        &SHADERS[FORMS.len() * rule + self.own_form()]
    }

    fn tensors(&self) -> Vec<Id> {
        [&[self.dy, self.x, self.w, self.b], self.state.as_slice()].concat()
    }

    fn params(&self) -> Vec<u8> {
        let Update { dy, x, w, b, .. } = *self;
        let because = format!("dy is {} and x is {}", dy.shape(), x.shape());
        expect("update", "x", x, Kind::F32, dy.rows, x.cols, &because);
        expect("update", "w", w, Kind::F32, dy.cols, x.cols, &because);
        expect("update", "b", b, Kind::F32, 1, dy.cols, &because);
        assert_eq!(self.shader().args.len(), 4 + self.state.len(), "update: as many states as the rule has");
        for (at, &id) in self.state.iter().enumerate() {
            let of = if at < self.state.len() / 2 { w } else { b };
            expect("update", self.shader().args[4 + at].name, id, Kind::F32, of.rows, of.cols, &because);
        }
        let (batch, outputs) = (x.rows as u32, dy.cols as u32);
        let (inputs4, outputs4) = (x.stride() as u32 / 4, dy.stride() as u32 / 4);
        match self.rule {
            Rule::Adam { beta2, epsilon, .. } => {
                let l2 = self.l2;
                bytemuck::bytes_of(&AdamParams { batch, inputs4, outputs, outputs4, l2, beta2, epsilon, pad: 0 })
                    .to_vec()
            }
            Rule::Rmsprop { rho, epsilon } => {
                let l2 = self.l2;
                bytemuck::bytes_of(&RmspropParams { batch, inputs4, outputs, outputs4, l2, rho, epsilon, pad: 0 })
                    .to_vec()
            }
            _ => {
                let params = Params { batch, inputs4, outputs, outputs4, l2: self.l2, ..Params::default() };
                bytemuck::bytes_of(&params).to_vec()
            }
        }
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        match self.rule {
            Rule::Momentum { nesterov: true } => vec![("NESTEROV", 1.0)],
            Rule::Adam { decoupled: true, .. } => vec![("DECOUPLED", 1.0)],
            _ => vec![],
        }
    }

    fn groups(&self) -> u32 {
        FORMS[self.own_form()].groups(self.w.rows, self.w.cols, 4)
    }

    fn twin(&self, now: &Now, mut args: Args<'_>) {
        let (dy, x) = (args.f32(0), args.f32(1));
        let (w, b) = (args.f32_mut(2), args.f32_mut(3));
        let mut state: [&mut [f32]; 4] = Default::default();
        for (at, place) in (4..).zip(&mut state[..self.state.len()]) {
            *place = args.f32_mut(at);
        }
        let product = self.product(dy, x);
        let l2 = self.l2;
        // Taken out and put back: while this thread waits for another it may be given the work of another engine.
        let mut scratch = SCRATCH.take();
        scratch.resize(scratch.len().max(w.len() + b.len()), 0.0);
        let (g, db) = scratch[..w.len() + b.len()].split_at_mut(w.len());
        db.fill(0.0);
        add_rows(db, dy);
        match (self.rule, state) {
            (Rule::Sgd, _) => {
                // The product's own weights do the step: w ← (1 − lr·l2)·w − lr·dyᵀ·x.
                Gemm { alpha: -now.lr, beta: 1.0 - now.lr * l2, ..product }.run([w], |_, _, _| {});
                sgd::descend(b, db, now.lr, 0.0);
            }
            (Rule::Momentum { nesterov: false }, [v, v_b, ..]) if l2 == 0.0 => {
                // Straight into the velocity: v ← μ·v + dyᵀ·x.
                Gemm { beta: now.momentum, ..product }.run([v, w], |_, _, [v, w]| sgd::descend(w, v, now.lr, 0.0));
                momentum::descend(b, v_b, db, now, 0.0, false);
            }
            (Rule::Momentum { nesterov }, [v, v_b, ..]) => {
                product.run([g, w, v], |_, _, [g, w, v]| momentum::descend(w, v, g, now, l2, nesterov));
                momentum::descend(b, v_b, db, now, 0.0, nesterov);
            }
            (Rule::Adam { .. }, [m, v, m_b, v_b]) => {
                let adam = self.adam();
                product.run([g, w, m, v], |_, _, [g, w, m, v]| adam::descend(&adam, w, m, v, g, now));
                adam::descend(&adam::Adam { l2: 0.0, ..adam }, b, m_b, v_b, db, now);
            }
            (Rule::Rmsprop { .. }, [v, s, v_b, s_b]) => {
                let rmsprop = self.rmsprop(l2);
                product.run([g, w, v, s], |_, _, [g, w, v, s]| rmsprop::descend(&rmsprop, w, v, s, g, now));
                rmsprop::descend(&self.rmsprop(0.0), b, v_b, s_b, db, now);
            }
        }
        SCRATCH.set(scratch);
    }

    fn bounds(&self, now: &Now, witness: &Witness<'_>) -> Bounds {
        self.bounds_of_all(now, witness)
    }

    fn flops(&self) -> u64 {
        2 * (self.w.rows * self.w.cols) as u64 * self.x.rows as u64
    }
}
