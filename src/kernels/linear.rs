//! y = act(x·wᵀ + b) ⊙ mask: a layer's forward step.

use super::activation::{self, activate};
use super::dropout::drop_out;
use super::half::{COOP, HALF, factor, roundings, with_factors};
use super::{Activation, EPSILON, Form};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Bounds, Kernel, Shader, StepValues, Witness, expect, read, write};
use crate::plan::tensor::{DType, TensorId};

/// A layer, forward.
#[derive(Clone, Debug)]
pub struct Linear {
    /// Inputs (B, I).
    pub x: TensorId,
    /// Weights (O, I), PyTorch's layout.
    pub w: TensorId,
    /// Biases (O).
    pub b: TensorId,
    /// Dropout mask (B, O); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Outputs (B, O).
    pub y: TensorId,
    /// Activation of each sum.
    pub act: Activation,
    /// Probability that dropout keeps an output; kept outputs are divided by it.
    pub keep: f32,
    /// Which shader.
    pub form: Form,
}

uniform! {
    /// Uniform block of the products of a layer.
    pub(super) struct Params {
        /// B.
        batch: u32,
        /// I in vec4.
        inputs4: u32,
        /// O.
        outputs: u32,
        /// O in vec4.
        outputs4: u32,
        /// Words of a row of the mask.
        mask_stride: u32,
        /// 1/keep.
        scale: f32,
        /// Probability that dropout keeps a value.
        keep: f32,
        /// Unused; keeps the block a multiple of 16 bytes.
        pad: u32,
    }
}

const ARGS: &[Arg] = &[read(1, "x"), read(2, "w"), read(3, "b"), read(4, "mask"), write(5, "y")];

const fn shader(name: &'static str, source: &'static str) -> Shader {
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: activation::OVERRIDES }
}

const SINGLE: &str = include_str!("../../shaders/linear.wgsl");

/// One shader for each [`Form`], in its order.
pub static SHADERS: &[Shader] = &[
    shader("linear", SINGLE),
    shader("linear_tiled", SINGLE),
    shader("linear_registers", SINGLE),
    shader("linear_wide", SINGLE),
    shader("linear_split", SINGLE),
    shader("linear_half", HALF),
    shader("linear_coop", COOP),
];

impl Kernel for Linear {
    fn shader(&self) -> &'static Shader {
        &SHADERS[self.form as usize]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.x, self.w, self.b, self.mask, self.y]
    }

    fn params(&self) -> Vec<u8> {
        let Linear { x, w, b, mask, y, .. } = *self;
        expect("linear", "w", w, DType::F32, w.rows, x.cols, &format!("x is {}", x.shape()));
        expect("linear", "b", b, DType::F32, 1, w.rows, &format!("w is {}", w.shape()));
        expect("linear", "y", y, DType::F32, x.rows, w.rows, &format!("x is {} and w is {}", x.shape(), w.shape()));
        if self.keep < 1.0 {
            expect("linear", "mask", mask, DType::Bits, y.rows, y.cols, &format!("y is {}", y.shape()));
        }
        let params = Params {
            batch: x.rows as u32,
            inputs4: x.stride() as u32 / 4,
            outputs: w.rows as u32,
            outputs4: y.stride() as u32 / 4,
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
        self.form.groups(self.y.rows, self.y.cols, 1)
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        let [x, w, b] = [0, 1, 2].map(|i| args.f32(i));
        let (mask, y) = (args.words(3), args.f32_mut(4));
        let (stride, outputs, scale) = (self.y.stride(), self.y.cols, 1.0 / self.keep);
        with_factors(self.form, x, 1.0, w, |x, w| {
            let product = Gemm {
                m: self.y.rows,
                k: self.x.cols,
                n: outputs,
                a: Operand::rows(x, self.x.stride()),
                b: Operand::transposed(w, self.w.stride()),
                alpha: 1.0,
                beta: 0.0,
                stride,
                columns: true,
            };
            product.run([y], |row, first, [line]| {
                let (values, padding) = line.split_at_mut(line.len().min(outputs - first));
                activate(values, &b[first..], self.act);
                if self.keep < 1.0 {
                    drop_out(values, &mask[row * self.mask.stride()..], first, scale);
                }
                padding.fill(0.0);
            });
        });
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [x, w] = [0, 1].map(|i| factor(self.form, witness.f32(i), 1.0));
        let b = witness.f32(2);
        let mut bound = vec![0.0; self.y.words()];
        for row in 0..self.y.rows {
            for col in 0..self.y.cols {
                let (mut sum, mut magnitude) = (f64::from(b[col]), f64::from(b[col].abs()));
                for i in 0..self.x.cols {
                    let term = f64::from(x[row * self.x.stride() + i]) * f64::from(w[col * self.w.stride() + i]);
                    sum += term;
                    magnitude += term.abs();
                }
                let product = roundings(self.form) * (self.x.cols + 2) as f32 * EPSILON * magnitude as f32;
                let act = self.act.lipschitz() * product + self.act.evaluation_error(sum as f32);
                let rounding = EPSILON * self.act.apply(sum as f32).abs();
                bound[row * self.y.stride() + col] = (act + rounding) / self.keep + f32::MIN_POSITIVE;
            }
        }
        vec![None, None, None, None, Some(bound)]
    }

    fn flops(&self) -> u64 {
        2 * (self.y.rows * self.y.cols) as u64 * self.x.cols as u64
    }
}

/// Sizes (B, I, O) at which products break: one, primes, one less and one more than a tile, awkward last batches.
pub(super) const SIZES: [(usize, usize, usize); 10] = [
    (1, 1, 1),
    (7, 13, 10),
    (31, 33, 7),
    (32, 32, 32),
    (33, 36, 31),
    (64, 784, 128),
    (65, 66, 65),
    (131, 67, 100),
    (1, 784, 10),
    (8, 5, 130),
];

/// Every form at every size with exact integers, then every activation and dropout with real values.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |label: &str, form, (batch, inputs, outputs), act, keep: f32, exact: bool| {
        let mut case = Case::new(format!("{label} ({batch},{inputs},{outputs})"));
        let (fine, coarse) =
            if exact { (Fill::Integers(4095), Fill::Integers(4)) } else { (Fill::Reals(1.0), Fill::Reals(1.0)) };
        let x = case.f32("x", batch, inputs, fine);
        let w = case.f32("w", outputs, inputs, coarse);
        let b = case.f32("b", 1, outputs, coarse);
        let mask = case.mask("mask", batch, outputs, keep);
        let y = case.output("y", batch, outputs);
        case.push(Linear { x, w, b, mask, y, act, keep, form });
        cases.push(if exact { case.exact() } else { case });
    };
    for form in Form::all() {
        for size in SIZES {
            case("integers", form, size, Activation::Identity, 1.0, true);
        }
        // Slopes and scales that are powers of two keep integers exact.
        case("integers ReLU keep 0.5", form, (33, 36, 31), Activation::Relu, 0.5, true);
        case("integers leaky ReLU keep 0.25", form, (9, 130, 66), Activation::LeakyRelu(0.25), 0.25, true);
        for act in [Activation::Relu, Activation::LeakyRelu(0.01), Activation::Sigmoid, Activation::Tanh] {
            case(&format!("{act:?}"), form, (33, 67, 34), act, 1.0, false);
            case(&format!("{act:?} keep 0.8"), form, (64, 784, 128), act, 0.8, false);
        }
    }
    // Sums so large that a naive exp would overflow.
    for act in [Activation::Sigmoid, Activation::Tanh] {
        let mut case = Case::new(format!("{act:?} saturated (5,6,7)"));
        let x = case.f32("x", 5, 6, Fill::Reals(100.0));
        let w = case.f32("w", 7, 6, Fill::Reals(100.0));
        let b = case.f32("b", 1, 7, Fill::Reals(1.0));
        let (mask, y) = (case.mask("mask", 5, 7, 1.0), case.output("y", 5, 7));
        case.push(Linear { x, w, b, mask, y, act, keep: 1.0, form: Form::Plain });
        cases.push(case);
    }
    cases
}
