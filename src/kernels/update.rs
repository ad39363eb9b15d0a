//! g = dyᵀ·x, used where it is made: a layer's gradients and its optimizer in one visit.

use super::linear::SIZES;
use super::{EPSILON, Form, Operand, Product, adam, linear_db::add_rows, momentum, rmsprop, sgd};
use crate::court::{Case, Fill};
use crate::kernel::{Arg, Args, Bounds, Field, Kernel, Now, Shader, Witness, expect, read, update};
use crate::tensor::{Id, Kind};
use crate::uniform;
use std::cell::RefCell;

/// [`super::linear_dw`], [`super::linear_db`] and an optimizer for both parameters of a layer, without the gradients ever
/// taking memory. It cannot add up micro-batches.
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

uniform! {
    /// Uniform block of the shaders of SGD and momentum.
    struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, l2: f32, pad0: u32, pad1: u32, pad2: u32, }
}

uniform! {
    /// Uniform block of the shaders of Adam.
    struct AdamParams {
        batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
        l2: f32, beta2: f32, epsilon: f32, pad: u32,
    }
}

uniform! {
    /// Uniform block of the shaders of RMSprop.
    struct RmspropParams {
        batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
        l2: f32, rho: f32, epsilon: f32, pad: u32,
    }
}

const SGD: &[Arg] = &[read("dy"), read("x"), update("w"), update("b")];
const MOMENTUM: &[Arg] = &[read("dy"), read("x"), update("w"), update("b"), update("v_w"), update("v_b")];
const ADAM: &[Arg] =
    &[read("dy"), read("x"), update("w"), update("b"), update("m_w"), update("v_w"), update("m_b"), update("v_b")];
const RMSPROP: &[Arg] =
    &[read("dy"), read("x"), update("w"), update("b"), update("v_w"), update("s_w"), update("v_b"), update("s_b")];

const fn shader(
    name: &'static str,
    source: &'static str,
    args: &'static [Arg],
    params: &'static [Field],
    overrides: &'static [(&'static str, f64)],
) -> Shader {
    Shader { name, source, args, params, overrides }
}

const NESTEROV: &[(&str, f64)] = &[("NESTEROV", 0.0)];
const DECOUPLED: &[(&str, f64)] = &[("DECOUPLED", 0.0)];

/// Forms that have a shader of their own, in the order of [`SHADERS`]. Outputs of an update are as many as weights: too
/// many for [`Form::Split`], but for a last layer, which is the smallest part of the work.
const FORMS: [Form; 3] = [Form::Tiled, Form::Regs, Form::Wide];

/// For each rule a shader of each of `FORMS`.
pub static SHADERS: &[Shader] = &[
    shader("update_sgd_tiled", include_str!("../../shaders/update_sgd_tiled.wgsl"), SGD, Params::FIELDS, &[]),
    shader("update_sgd_regs", include_str!("../../shaders/update_sgd_regs.wgsl"), SGD, Params::FIELDS, &[]),
    shader("update_sgd_wide", include_str!("../../shaders/update_sgd_wide.wgsl"), SGD, Params::FIELDS, &[]),
    shader(
        "update_momentum_tiled",
        include_str!("../../shaders/update_momentum_tiled.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_momentum_regs",
        include_str!("../../shaders/update_momentum_regs.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_momentum_wide",
        include_str!("../../shaders/update_momentum_wide.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_adam_tiled",
        include_str!("../../shaders/update_adam_tiled.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_adam_regs",
        include_str!("../../shaders/update_adam_regs.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_adam_wide",
        include_str!("../../shaders/update_adam_wide.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_rmsprop_tiled",
        include_str!("../../shaders/update_rmsprop_tiled.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
    shader(
        "update_rmsprop_regs",
        include_str!("../../shaders/update_rmsprop_regs.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
    shader(
        "update_rmsprop_wide",
        include_str!("../../shaders/update_rmsprop_wide.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
];

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
    fn product<'a>(&self, dy: &'a [f32], x: &'a [f32]) -> Product<'a> {
        Product {
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
                Product { alpha: -now.lr, beta: 1.0 - now.lr * l2, ..product }.run([w], |_, _, _| {});
                sgd::descend(b, db, now.lr, 0.0);
            }
            (Rule::Momentum { nesterov: false }, [v, v_b, ..]) if l2 == 0.0 => {
                // Straight into the velocity: v ← μ·v + dyᵀ·x.
                Product { beta: now.momentum, ..product }.run([v, w], |_, _, [v, w]| sgd::descend(w, v, now.lr, 0.0));
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
        let (dy, x) = (witness.f32(0), witness.f32(1));
        // The gradients, and how far two machines may differ in them.
        let (rows, stride, count) = (self.w.rows, self.w.stride(), (self.x.rows + 2) as f32);
        let (mut g, mut g_error) = (vec![0.0; self.w.words()], vec![0.0; self.w.words()]);
        let (mut g_b, mut g_b_error) = (vec![0.0; self.b.words()], vec![0.0; self.b.words()]);
        for sample in 0..self.x.rows {
            for row in 0..rows {
                let d = dy[sample * self.dy.stride() + row];
                g_b[row] += d;
                g_b_error[row] += count * EPSILON * d.abs();
                for col in 0..self.w.cols {
                    let term = d * x[sample * self.x.stride() + col];
                    g[row * stride + col] += term;
                    g_error[row * stride + col] += count * EPSILON * term.abs();
                }
            }
        }
        let states = self.state.len() / 2;
        let of = |weights: bool| {
            let first = if weights { 4 } else { 4 + states };
            let w = witness.f32(if weights { 2 } else { 3 });
            let (g, error) = if weights { (&g, &g_error) } else { (&g_b, &g_b_error) };
            let state: Vec<&[f32]> = (first..first + states).map(|at| witness.f32(at)).collect();
            self.bounds_of(now, g, error, w, &state, if weights { self.l2 } else { 0.0 })
        };
        let (mut weights, mut biases) = (of(true), of(false));
        let (w, b) = (weights.remove(0), biases.remove(0));
        [vec![None, None, Some(w), Some(b)], weights.into_iter().chain(biases).map(Some).collect()].concat()
    }

    fn flops(&self) -> u64 {
        2 * (self.w.rows * self.w.cols) as u64 * self.x.rows as u64
    }
}

impl Update {
    /// Bounds of one parameter and its state: those of the optimizer for gradients that large, and what the error of the
    /// gradient adds.
    fn bounds_of(&self, now: &Now, g: &[f32], g_error: &[f32], w: &[f32], state: &[&[f32]], l2: f32) -> Vec<Vec<f32>> {
        let lr = now.lr.abs();
        let each = |f: &dyn Fn(usize) -> f32| (0..w.len()).map(f).collect::<Vec<f32>>();
        let full = |i: usize| g[i].abs() + g_error[i] + l2 * w[i].abs();
        match (self.rule, state) {
            (Rule::Momentum { .. }, [v]) => {
                let velocity = |i: usize| full(i) + now.momentum * v[i].abs();
                vec![
                    each(&|i| EPSILON * (12.0 * lr * velocity(i) + w[i].abs()) + 2.0 * lr * g_error[i]),
                    each(&|i| 4.0 * EPSILON * velocity(i) + g_error[i]),
                ]
            }
            (Rule::Adam { beta2, epsilon, decoupled }, [m, v]) => {
                let (beta1, decay) = (now.momentum, |i: usize| l2 * w[i].abs());
                let g_full = |i: usize| g[i].abs() + if decoupled { 0.0 } else { decay(i) };
                let m_error = |i: usize| {
                    let m1 = beta1 * m[i].abs() + (1.0 - beta1) * (g_full(i) + g_error[i]);
                    4.0 * EPSILON * m1 + (1.0 - beta1) * g_error[i] + f32::MIN_POSITIVE
                };
                let v_error = |i: usize| {
                    let v1 = beta2 * v[i] + (1.0 - beta2) * (g_full(i) + g_error[i]).powi(2);
                    6.0 * EPSILON * v1 + (1.0 - beta2) * 2.0 * (g_full(i) + g_error[i]) * g_error[i] + f32::MIN_POSITIVE
                };
                let w_error = |i: usize| {
                    let signed = g[i] + if decoupled { 0.0 } else { l2 * w[i] };
                    let smallest = (signed.abs() - g_error[i]).max(0.0);
                    let least = beta2 * v[i] + (1.0 - beta2) * smallest * smallest;
                    let divisor = (least / now.bias2).sqrt() + epsilon;
                    let largest = (beta1 * m[i].abs() + (1.0 - beta1) * (g_full(i) + g_error[i])) / now.bias1 / divisor;
                    let sqrt_error = v_error(i) / now.bias2 / divisor;
                    let update = m_error(i) / now.bias1 / divisor + largest * (20.0 * EPSILON + sqrt_error / divisor);
                    lr * (update + 3.0 * EPSILON * decay(i)) + EPSILON * w[i].abs()
                };
                vec![each(&w_error), each(&m_error), each(&v_error)]
            }
            (Rule::Rmsprop { .. }, [v, s]) => self.rmsprop(l2).errors(now, g, g_error, w, v, s).into(),
            // The twin's w is rounded three times: 1 − lr·l2, its product with w, and the sum.
            _ => vec![each(&|i| EPSILON * (4.0 * lr * full(i) + 3.0 * w[i].abs()) + lr * g_error[i])],
        }
    }
}

/// Every rule in every form of its own, at the sizes of products, with and without penalty.
pub fn cases() -> Vec<Case> {
    let adam = |decoupled| Rule::Adam { beta2: 0.999, epsilon: 1e-8, decoupled };
    let rules = [
        Rule::Sgd,
        Rule::Momentum { nesterov: false },
        Rule::Momentum { nesterov: true },
        adam(false),
        adam(true),
        Rule::Rmsprop { rho: 0.99, epsilon: 1e-8 },
    ];
    let mut cases = Vec::new();
    for form in FORMS {
        for rule in rules {
            for (batch, inputs, outputs) in SIZES {
                for l2 in [0.0, 0.01] {
                    let mut case = Case::new(format!("{rule:?} l2 {l2} ({batch},{inputs},{outputs})"));
                    let dy = case.f32("dy", batch, outputs, Fill::Reals(1.0 / batch as f32));
                    let x = case.f32("x", batch, inputs, Fill::Reals(1.0));
                    let w = case.f32("w", outputs, inputs, Fill::Reals(1.0));
                    let b = case.f32("b", 1, outputs, Fill::Reals(1.0));
                    let kinds: &[(&str, Fill)] = match rule {
                        Rule::Sgd => &[],
                        Rule::Momentum { .. } => &[("v", Fill::Reals(1.0))],
                        Rule::Adam { .. } => &[("m", Fill::Reals(1.0)), ("v", Fill::Positive(1.0))],
                        Rule::Rmsprop { .. } => &[("v", Fill::Reals(1.0)), ("s", Fill::Positive(1.0))],
                    };
                    let mut state = Vec::new();
                    for (of, id) in [("w", w), ("b", b)] {
                        for &(kind, fill) in kinds {
                            state.push(case.f32(&format!("{kind}_{of}"), id.rows, id.cols, fill));
                        }
                    }
                    (case.now.lr, case.now.momentum) = (0.05, 0.9);
                    (case.now.bias1, case.now.bias2) = (1.0 - 0.9f32.powi(7), 1.0 - 0.999f32.powi(7));
                    case.push(Update { dy, x, w, b, state, l2, rule, form });
                    cases.push(case);
                }
            }
        }
    }
    // Whole numbers come out exactly where nothing but sums and powers of two is done to them.
    for form in FORMS {
        let mut case = Case::new("integers (33,36,31)".into());
        let dy = case.f32("dy", 33, 31, Fill::Integers(4));
        let x = case.f32("x", 33, 36, Fill::Integers(4095));
        let (w, b) = (case.f32("w", 31, 36, Fill::Integers(4095)), case.f32("b", 1, 31, Fill::Integers(4095)));
        case.now.lr = 0.5;
        case.push(Update { dy, x, w, b, state: vec![], l2: 0.0, rule: Rule::Sgd, form });
        cases.push(case.exact());
    }
    cases
}
