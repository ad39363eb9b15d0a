//! dx = (dy·w) ⊙ act'(x) ⊙ mask: the error signal δ, one layer down.

use super::activation::{self, slope};
use super::dropout::drop_out;
use super::half::{COOP, HALF, factor, loss_scale, roundings, with_factors};
use super::linear::{Params, SIZES};
use super::{Activation, EPSILON, Form};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Arg, Args, Bounds, Kernel, Shader, StepValues, Witness, expect, read, write};
use crate::plan::tensor::{DType, TensorId};

/// The gradient of [`super::linear::Linear`] with respect to its input, propagated through the activation and the
/// dropout that made that input: the error signal of the layer below.
#[derive(Clone, Debug)]
pub struct LinearDx {
    /// Error signal above (B, O).
    pub dy: TensorId,
    /// Weights (O, I).
    pub w: TensorId,
    /// Outputs of the layer below (B, I), after dropout.
    pub x: TensorId,
    /// Dropout mask of the layer below (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Error signal below (B, I).
    pub dx: TensorId,
    /// Activation of the layer below; `Identity` gives the plain input gradient.
    pub act: Activation,
    /// Keep probability of the layer below.
    pub keep: f32,
    /// Which shader.
    pub form: Form,
}

const ARGS: &[Arg] = &[read(6, "dy"), read(2, "w"), read(1, "x"), read(4, "mask"), write(7, "dx")];

const fn shader(name: &'static str, source: &'static str) -> Shader {
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: activation::OVERRIDES }
}

const SINGLE: &str = include_str!("../../shaders/linear_dx.wgsl");

/// One shader for each [`Form`], in its order.
pub static SHADERS: &[Shader] = &[
    shader("linear_dx", SINGLE),
    shader("linear_dx_tiled", SINGLE),
    shader("linear_dx_registers", SINGLE),
    shader("linear_dx_wide", SINGLE),
    shader("linear_dx_split", SINGLE),
    shader("linear_dx_half", HALF),
    shader("linear_dx_coop", COOP),
];

impl Kernel for LinearDx {
    fn shader(&self) -> &'static Shader {
        &SHADERS[self.form as usize]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dy, self.w, self.x, self.mask, self.dx]
    }

    fn params(&self) -> Vec<u8> {
        let LinearDx { dy, w, x, mask, dx, .. } = *self;
        expect("linear_dx", "dy", dy, DType::F32, x.rows, w.rows, &format!("x is {}, w is {}", x.shape(), w.shape()));
        expect("linear_dx", "x", x, DType::F32, x.rows, w.cols, &format!("w is {}", w.shape()));
        expect("linear_dx", "dx", dx, DType::F32, x.rows, x.cols, &format!("x is {}", x.shape()));
        if self.keep < 1.0 {
            expect("linear_dx", "mask", mask, DType::Bits, x.rows, x.cols, &format!("x is {}", x.shape()));
        }
        let params = Params {
            batch: x.rows as u32,
            inputs4: x.stride() as u32 / 4,
            outputs: w.rows as u32,
            outputs4: dy.stride() as u32 / 4,
            mask_stride: mask.stride() as u32,
            scale: 1.0 / self.keep,
            keep: self.keep,
            pad: 0,
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.act.overrides(self.keep)
    }

    fn groups(&self) -> u32 {
        self.form.groups(self.dx.rows, self.dx.cols, 1)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [dy, w, x] = [0, 1, 2].map(|i| args.f32(i));
        let (mask, dx) = (args.words(3), args.f32_mut(4));
        let (stride, cols, scale) = (self.dx.stride(), self.dx.cols, 1.0 / self.keep);
        with_factors(self.form, dy, loss_scale(now.batch), w, |dy, w| {
            let product = Gemm {
                m: self.dx.rows,
                k: self.w.rows,
                n: cols,
                a: Operand::rows(dy, self.dy.stride()),
                b: Operand::rows(w, self.w.stride()),
                alpha: 1.0,
                beta: 0.0,
                stride,
                columns: true,
            };
            product.run([dx], |row, first, [line]| {
                let (values, padding) = line.split_at_mut(line.len().min(cols - first));
                slope(values, &x[row * stride + first..], self.act, self.keep);
                if self.keep < 1.0 {
                    drop_out(values, &mask[row * self.mask.stride()..], first, scale);
                }
                padding.fill(0.0);
            });
        });
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let dy = factor(self.form, witness.f32(0), loss_scale(now.batch));
        let (w, x) = (factor(self.form, witness.f32(1), 1.0), witness.f32(2));
        let mut bound = vec![0.0; self.dx.words()];
        for row in 0..self.dx.rows {
            for col in 0..self.dx.cols {
                let at = row * self.dx.stride() + col;
                let term = |o| dy[row * self.dy.stride() + o] * w[o * self.w.stride() + col];
                let magnitude: f32 = (0..self.w.rows).map(|o| term(o).abs()).sum();
                // The slope is a product of two rounded factors, at most 1 in size: four roundings in all.
                let slope = self.act.slope(x[at] * self.keep).abs();
                let sum = roundings(self.form) * (self.w.rows + 2) as f32;
                let error = (sum * slope + 4.0 * self.act.lipschitz()) * EPSILON * magnitude;
                bound[at] = error / self.keep + f32::MIN_POSITIVE;
            }
        }
        vec![None, None, None, None, Some(bound)]
    }

    fn flops(&self) -> u64 {
        2 * (self.dx.rows * self.dx.cols) as u64 * self.w.rows as u64
    }
}

/// Sizes of error signals: one that would underflow without the loss scale, and one that overflows with it.
pub(super) const SCALED: [f32; 2] = [1e-7, 10.0];

/// Every form at every size with exact integers, then every activation and dropout with real values.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |label: &str, form: Form, (batch, inputs, outputs), act, keep: f32, exact: bool| {
        let mut case = Case::new(format!("{label} ({batch},{inputs},{outputs})"));
        let (fine, coarse) =
            if exact { (Fill::Integers(4095), Fill::Integers(4)) } else { (Fill::Reals(1.0), Fill::Reals(1.0)) };
        // Large numbers times the loss scale would overflow.
        let (of_dy, of_w) = if form.is_half() { (coarse, fine) } else { (fine, coarse) };
        let dy = case.f32("dy", batch, outputs, of_dy);
        let w = case.f32("w", outputs, inputs, of_w);
        // Outputs of sigmoid and tanh lie in (−1, 1), which Reals(1) draws.
        let x = case.f32("x", batch, inputs, coarse);
        let mask = case.mask("mask", batch, inputs, keep);
        let dx = case.output("dx", batch, inputs);
        case.push(LinearDx { dy, w, x, mask, dx, act, keep, form });
        cases.push(if exact { case.exact() } else { case });
    };
    for form in Form::all() {
        for size in SIZES {
            case("integers", form, size, Activation::Identity, 1.0, true);
        }
        case("integers ReLU keep 0.5", form, (33, 36, 31), Activation::Relu, 0.5, true);
        case("integers leaky ReLU keep 0.25", form, (9, 130, 66), Activation::LeakyRelu(0.25), 0.25, true);
        for act in [Activation::Relu, Activation::LeakyRelu(0.01), Activation::Sigmoid, Activation::Tanh] {
            case(&format!("{act:?}"), form, (33, 34, 67), act, 1.0, false);
            case(&format!("{act:?} keep 0.8"), form, (64, 128, 10), act, 0.8, false);
        }
    }
    for (form, size) in Form::MIXED.into_iter().flat_map(|form| SCALED.map(|size| (form, size))) {
        let mut case = Case::new(format!("error signals up to {size} (50,20,34)"));
        let dy = case.f32("dy", 50, 34, Fill::Reals(size));
        let (w, x) = (case.f32("w", 34, 20, Fill::Reals(1.0)), case.f32("x", 50, 20, Fill::Reals(1.0)));
        let (mask, dx) = (case.mask("mask", 50, 20, 1.0), case.output("dx", 50, 20));
        case.now.batch = 50;
        case.push(LinearDx { dy, w, x, mask, dx, act: Activation::Identity, keep: 1.0, form });
        cases.push(case);
    }
    cases
}
