//! g = dyᵀ·x in integers, used as soon as it is computed: a layer's gradients and gradient descent in one dispatch.

use super::int_gradient::add_rows;
use super::int_step::{Factors, descend, descend_all, limit, momentum, momentum_all};
use super::{Form, fixed::WEIGHT_BITS};
use crate::base::audited::gemm8::{Bytes, Gemm8, Rows, Target};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Fuses [`super::int_gradient`] and [`super::int_step`] for both parameters of a layer. The gradients are not stored, so
/// this is not usable with gradient accumulation. The bits are those of the separate kernels.
#[derive(Clone, Debug)]
pub struct IntUpdate {
    /// Error signal (B, O), i8.
    pub dy: TensorId,
    /// Inputs of the layer (B, I), i8.
    pub x: TensorId,
    /// Weights (O, I), i32.
    pub w: TensorId,
    /// Biases (O), i32.
    pub b: TensorId,
    /// Velocities of the weights and of the biases, i32; `None` for descent without momentum.
    pub v: Option<[TensorId; 2]>,
    /// Levels (L, 8), i32. Only the layer's sum of levels is used: see [`super::int_levels`].
    pub levels: TensorId,
    /// The layer, from 0.
    pub layer: usize,
    /// Fractional bits of dy if all levels are 0. The layer's sum of levels is subtracted from them.
    pub base: u8,
    /// Largest magnitude of a mean gradient; 0 for no limit.
    pub clip: f32,
    /// Strength of the penalty l2/2·‖w‖². As usual, biases are not penalised.
    pub l2: f32,
    /// Nesterov's variant.
    pub nesterov: bool,
    /// Which shader: `Tiled` for GPUs, or `Registers` for software adapters.
    pub form: Form,
}

uniform! {
    /// Uniform block of all shaders in `int_update.wgsl`.
    pub(super) struct Params {
        batch: u32, words: u32, inputs4: u32, outputs: u32, dy_words: u32, outputs4: u32,
        count: u32, layer: u32, layers: u32, base: i32, base_b: i32, clip: i32, l2: f32, pad0: u32, pad1: u32, pad2: u32,
    }
}

impl Params {
    /// Sizes of a product dyᵀ·x.
    pub(super) fn of(dy: TensorId, x: TensorId) -> Params {
        Params {
            batch: dy.rows as u32,
            words: x.stride() as u32,
            outputs: dy.cols as u32,
            dy_words: dy.stride() as u32,
            outputs4: dy.cols.div_ceil(4) as u32,
            ..Params::default()
        }
    }
}

/// From `bits` fractional bits of a sum to those of a mean gradient.
pub(super) fn base(bits: u8) -> i32 {
    i32::from(bits) - i32::from(WEIGHT_BITS)
}

pub(super) const NESTEROV: &[(&str, f64)] = &[("NESTEROV", 0.0)];

/// An entry point of `int_update.wgsl`.
pub(super) const fn shader(
    name: &'static str,
    args: &'static [Arg],
    overrides: &'static [(&'static str, f64)],
) -> Shader {
    const SOURCE: &str = include_str!("../../shaders/int_update.wgsl");
    Shader { name, source: SOURCE, args, params: Params::FIELDS, overrides }
}

const SGD: &[Arg] = &[read(1, "dy"), read(2, "x"), read(5, "levels"), update(6, "w"), update(7, "b")];
const MOMENTUM: &[Arg] =
    &[read(1, "dy"), read(2, "x"), read(5, "levels"), update(6, "w"), update(7, "b"), update(8, "v"), update(9, "v_b")];

/// The forms of an update, in the order of [`SHADERS`].
const FORMS: [Form; 2] = [Form::Tiled, Form::Registers];

/// Without momentum and with it, one per form.
pub static SHADERS: &[Shader] = &[
    shader("int_update_sgd_tiled", SGD, &[]),
    shader("int_update_sgd_registers", SGD, &[]),
    shader("int_update_momentum_tiled", MOMENTUM, NESTEROV),
    shader("int_update_momentum_registers", MOMENTUM, NESTEROV),
];

impl Kernel for IntUpdate {
    fn shader(&self) -> &'static Shader {
        let form = FORMS.iter().position(|&form| form == self.form);
        let form = form.unwrap_or_else(|| panic!("int_update: there is no form {}", self.form.name()));
        &SHADERS[FORMS.len() * usize::from(self.v.is_some()) + form]
    }

    fn tensors(&self) -> Vec<TensorId> {
        [&[self.dy, self.x, self.levels, self.w, self.b], self.v.as_slice().as_flattened()].concat()
    }

    fn params(&self) -> Vec<u8> {
        let IntUpdate { dy, x, w, b, levels, layer, .. } = *self;
        let because = format!("dy is {} and x is {}", dy.shape(), x.shape());
        expect("int_update", "x", x, x.dtype, dy.rows, x.cols, &because);
        let of_v = self.v.unwrap_or([w, b]);
        for (name, id) in [("w", w), ("v of w", of_v[0])] {
            expect("int_update", name, id, DType::I32(WEIGHT_BITS), dy.cols, x.cols, &because);
        }
        for (name, id) in [("b", b), ("v of b", of_v[1])] {
            expect("int_update", name, id, DType::I32(WEIGHT_BITS), 1, dy.cols, &because);
        }
        assert!(layer < levels.rows, "int_update: levels is {} but there is layer {layer}", levels.shape());
        let params = Params {
            inputs4: w.stride() as u32 / 4,
            layer: layer as u32,
            layers: levels.rows as u32,
            base: base(self.base_of_w()),
            base_b: base(self.base),
            clip: limit(self.clip),
            l2: self.l2,
            ..Params::of(dy, x)
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.nesterov { vec![("NESTEROV", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        self.form.groups(self.w.rows, self.w.stride(), 1)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [dy, x, levels] = [0, 1, 2].map(|i| args.words(i));
        let sum = levels[self.layer * self.levels.stride() + 2].cast_signed();
        let factors = |base, l2| Factors::of(now, base, sum, [self.clip, l2], self.nesterov);
        let (of_w, of_b) = (factors(self.base_of_w(), self.l2), factors(self.base, 0.0));
        let product = Gemm8 {
            m: self.dy.cols,
            k: self.dy.rows,
            n: self.x.cols,
            a: Bytes { words: dy, stride: self.dy.stride(), along: false },
            b: Bytes { words: x, stride: self.x.stride(), along: false },
        };
        let (stride, per_word) = (self.w.stride(), 1);
        let (w, b) = (args.words_mut(3), args.words_mut(4));
        let mut sums = vec![0; b.len()];
        add_rows(&mut sums, dy, self.dy.stride());
        if self.v.is_none() {
            product.run(Target { words: [w], stride, per_word }, |_, rows| descend_rows(rows, &of_w));
            descend(bytemuck::cast_slice_mut(b), &sums, &of_b);
        } else {
            let (v, v_b) = (args.words_mut(5), args.words_mut(6));
            product.run(Target { words: [w, v], stride, per_word }, |_, rows| momentum_rows(rows, &of_w));
            momentum(bytemuck::cast_slice_mut(b), bytemuck::cast_slice_mut(v_b), &sums, &of_b);
        }
    }

    fn flops(&self) -> u64 {
        2 * (self.w.rows * self.w.cols) as u64 * self.x.rows as u64
    }
}

// Several rows per call, so that the factors are prepared once.

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn descend_rows(rows: Rows<'_, 1>, f: &Factors) {
    let columns = rows.columns;
    for (_, sums, [w]) in rows {
        descend_all(bytemuck::cast_slice_mut(w), &sums[..columns], f);
    }
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn momentum_rows(rows: Rows<'_, 2>, f: &Factors) {
    let columns = rows.columns;
    for (_, sums, [w, v]) in rows {
        momentum_all(bytemuck::cast_slice_mut(w), bytemuck::cast_slice_mut(v), &sums[..columns], f);
    }
}

impl IntUpdate {
    /// Fractional bits of the gradient of the weights if all levels are 0.
    fn base_of_w(&self) -> u8 {
        let DType::I8(bits) = self.x.dtype else { panic!("int_update: x is {:?}, not i8", self.x.dtype) };
        self.base + bits
    }
}

/// Every form, with and without momentum, penalty and clipping; sizes around a word, a tile and 1024 samples.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, inputs, outputs) in
        [(1, 1, 1), (3, 5, 7), (33, 65, 31), (64, 784, 128), (70, 36, 10), (1030, 20, 17), (5, 3, 70)]
    {
        for (kind, l2, clip, lr) in
            [(0, 0.0, 0.0, 0.2f32), (0, 1e-3, 0.01, 3.0), (1, 0.0, 0.0, 0.2), (2, 0.01, 0.01, 3.0)]
        {
            for form in FORMS {
                let shape = format!("({batch},{inputs},{outputs})");
                let mut case = Case::new(format!("{} kind {kind} l2 {l2} clip {clip} {shape}", form.name()));
                let dy = case.i8("dy", batch, outputs, 7);
                let x = case.i8("x", batch, inputs, 4);
                let mut weights = |name: &str, rows: usize, cols: usize| {
                    case.i32(name, rows, cols, WEIGHT_BITS, Fill::Integers(1 << 30))
                };
                let (w, b) = (weights("w", outputs, inputs), weights("b", 1, outputs));
                let v = (kind > 0).then(|| [weights("v", outputs, inputs), weights("v_b", 1, outputs)]);
                let levels = case.i32("levels", 2, 8, 0, Fill::Below(9));
                (case.now.lr, case.now.momentum, case.now.batch) = (lr, 0.9, batch as u32);
                let nesterov = kind == 2;
                case.push(IntUpdate { dy, x, w, b, v, levels, layer: 1, base: 7, clip, l2, nesterov, form });
                cases.push(case);
            }
        }
    }
    cases
}
