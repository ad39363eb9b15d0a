//! y = act(x·wᵀ + b) ⊙ mask / keep in integers: the forward pass of a layer. The last layer stores x·wᵀ + b.

use super::fixed::{self, Strip, WEIGHT_BITS, activate_all, alpha, drop_out, narrow, pack, shift, twelve};
use super::{Activation, Form};
use crate::base::audited::gemm8::{Bytes, Gemm8, PANEL, Rows, Target};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, groups, read, update, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// The forward pass of a layer. Counts the outputs that do not fit in 8 bits; they are limited.
#[derive(Clone, Debug)]
pub struct IntLinear {
    /// Inputs (B, I), i8.
    pub x: TensorId,
    /// Weights as factors (O, I), i8.
    pub w: TensorId,
    /// Biases (O), i32.
    pub b: TensorId,
    /// Dropout mask (B, O); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Outputs (B, O), i8; or i32 for the sums of the last layer, without activation and dropout.
    pub y: TensorId,
    /// Levels (L, 8), i32. The layer's count of outputs is updated: see [`super::int_levels`].
    pub levels: TensorId,
    /// Activation of each sum; one for which [`fixed::hidden_bits`] is not `None`.
    pub act: Activation,
    /// Probability that dropout keeps an output; kept outputs are divided by it.
    pub keep: f32,
    /// The layer, from 0.
    pub layer: usize,
    /// Which shader of a hidden layer: `Plain`, `Tiled` for GPUs, or `Registers` for software adapters.
    pub form: Form,
}

uniform! {
    /// Uniform block of the shaders.
    struct Params {
        batch: u32, words: u32, outputs: u32, out_words: u32, mask_stride: u32, bits: u32,
        bias_shift: u32, out_shift: u32, keep: i32, alpha: i32, layer: u32, layers: u32,
    }
}

const SOURCE: &str = include_str!("../../shaders/int_linear.wgsl");

const HIDDEN: &[Arg] = &[read(1, "x"), read(2, "w"), read(3, "b"), read(4, "mask"), update(5, "levels"), write(6, "y")];
const LAST: &[Arg] = &[read(1, "x"), read(2, "w"), read(3, "b"), write(7, "z")];

const fn shader(name: &'static str, args: &'static [Arg], overrides: &'static [(&'static str, f64)]) -> Shader {
    Shader { name, source: SOURCE, args, params: Params::FIELDS, overrides }
}

/// One for hidden layers in each of [`fixed::FORMS`], one for the last layer.
pub static SHADERS: &[Shader] = &[
    shader("int_linear", HIDDEN, fixed::OVERRIDES),
    shader("int_linear_tiled", HIDDEN, fixed::OVERRIDES),
    shader("int_linear_registers", HIDDEN, fixed::OVERRIDES),
    shader("int_logits", LAST, &[]),
];

impl IntLinear {
    fn last(&self) -> bool {
        matches!(self.y.dtype, DType::I32(_))
    }

    /// Fractional bits of the sums.
    fn bits(&self) -> u8 {
        let (DType::I8(x), DType::I8(w)) = (self.x.dtype, self.w.dtype) else {
            panic!("int_linear: x is {:?} and w is {:?}, not i8", self.x.dtype, self.w.dtype)
        };
        x + w
    }

    /// Bits by which a value is shifted right after activation and dropout.
    fn out_shift(&self) -> u32 {
        let of_act = match self.act {
            Activation::Sigmoid | Activation::Tanh => 14,
            _ => self.bits(),
        };
        match self.y.dtype {
            DType::I8(bits) => u32::from(of_act - bits),
            _ => 0,
        }
    }

    fn params_of(&self) -> Params {
        Params {
            batch: self.x.rows as u32,
            words: self.x.stride() as u32,
            outputs: self.w.rows as u32,
            out_words: self.y.stride() as u32,
            mask_stride: self.mask.stride() as u32,
            bits: u32::from(self.bits()),
            bias_shift: u32::from(WEIGHT_BITS - self.bits()),
            out_shift: self.out_shift(),
            keep: twelve(1.0 / self.keep),
            alpha: alpha(self.act),
            layer: self.layer as u32,
            layers: self.levels.rows as u32,
        }
    }
}

impl Kernel for IntLinear {
    fn shader(&self) -> &'static Shader {
        &SHADERS[if self.last() { 3 } else { fixed::form(self.form) }]
    }

    fn tensors(&self) -> Vec<TensorId> {
        match self.last() {
            true => vec![self.x, self.w, self.b, self.y],
            false => vec![self.x, self.w, self.b, self.mask, self.levels, self.y],
        }
    }

    fn params(&self) -> Vec<u8> {
        let IntLinear { x, w, b, mask, y, .. } = *self;
        expect("int_linear", "w", w, w.dtype, w.rows, x.cols, &format!("x is {}", x.shape()));
        expect("int_linear", "b", b, DType::I32(WEIGHT_BITS), 1, w.rows, &format!("w is {}", w.shape()));
        let dtype = if self.last() { DType::I32(self.bits()) } else { y.dtype };
        expect("int_linear", "y", y, dtype, x.rows, w.rows, &format!("x is {} and w is {}", x.shape(), w.shape()));
        if self.keep < 1.0 {
            expect("int_linear", "mask", mask, DType::Bits, y.rows, y.cols, &format!("y is {}", y.shape()));
        }
        bytemuck::bytes_of(&self.params_of()).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.last() { Vec::new() } else { fixed::overrides(self.act, self.keep) }
    }

    fn groups(&self) -> u32 {
        match (self.last(), self.form) {
            (true, _) => groups(self.y.words() / 4, 64),
            (false, Form::Tiled | Form::Registers) => self.form.groups(self.y.rows, 4 * self.y.stride(), 1),
            (false, _) => groups(self.y.words(), 64),
        }
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [x, w, b] = [0, 1, 2].map(|i| args.words(i));
        let b: &[i32] = bytemuck::cast_slice(b);
        let params = self.params_of();
        let product = Gemm8 {
            m: self.x.rows,
            k: self.x.cols,
            n: self.w.rows,
            a: Bytes { words: x, stride: self.x.stride(), along: true },
            b: Bytes { words: w, stride: self.w.stride(), along: true },
        };
        if self.last() {
            let target = Target { words: [args.words_mut(3)], stride: self.y.stride(), per_word: 1 };
            return product.run(target, |first, rows| {
                let columns = rows.columns;
                let b = biases(b, first, params.bias_shift);
                for (_, sums, [words]) in rows {
                    words.fill(0);
                    for ((word, sum), b) in words.iter_mut().zip(&sums[..columns]).zip(&b) {
                        *word = (sum + b).cast_unsigned();
                    }
                }
            });
        }
        let (mask, levels) = (args.words(3), args.words_mut(4));
        let target = Target { words: [args.words_mut(5)], stride: self.y.stride(), per_word: 4 };
        let limited = AtomicI32::new(0);
        product.run(target, |first, rows| {
            let b = biases(b, first, params.bias_shift);
            let mask = (self.keep < 1.0).then(|| (&mask[first / 32..], self.mask.stride()));
            let count = finish(&params, self.act, &b, rows, now.rows as usize, mask);
            if count > 0 {
                limited.fetch_add(count, Relaxed);
            }
        });
        let count = &mut levels[self.layer * self.levels.stride() + 4];
        *count = count.wrapping_add(limited.into_inner().cast_unsigned());
    }

    fn flops(&self) -> u64 {
        2 * (self.y.rows * self.y.cols) as u64 * self.x.cols as u64
    }
}

/// The biases of a panel, rounded for its sums.
fn biases(b: &[i32], first: usize, drop: u32) -> [i32; PANEL] {
    let mut of_panel = [0; PANEL];
    of_panel.iter_mut().zip(&b[first..]).for_each(|(to, &b)| *to = shift(b, drop));
    of_panel
}

/// Adds the biases to the sums, applies activation and dropout, rounds and packs. `mask`: the dropout mask, if there
/// is one. Returns how many values of the first `real` rows do not fit in 8 bits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn finish(
    params: &Params,
    act: Activation,
    b: &[i32; PANEL],
    rows: Rows<'_, 1>,
    real: usize,
    mask: Option<Strip<'_>>,
) -> i32 {
    let columns = rows.columns;
    let mut limited = 0;
    for (row, sums, [words]) in rows {
        let mut values = *sums;
        values.iter_mut().zip(b).for_each(|(value, b)| *value += b);
        activate_all(act, params.alpha, &mut values, params.bits);
        if let Some((mask, stride)) = mask {
            drop_out(&mut values, params.keep, mask[row * stride]);
        }
        let mut beyond = 0;
        for value in &mut values {
            let rounded = shift(*value, params.out_shift);
            *value = narrow(rounded);
            beyond += i32::from(*value != rounded);
        }
        if row < real {
            limited += beyond;
        }
        pack(&values, columns, words);
    }
    limited
}

/// Sizes around a word, a vec4 and a panel, every activation, with and without dropout; hidden and last layers.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let sizes =
        [(1, 1, 1), (3, 5, 7), (8, 16, 33), (33, 65, 31), (64, 784, 128), (5, 300, 10), (17, 2100, 20), (65, 9, 200)];
    for (number, (batch, inputs, outputs)) in sizes.into_iter().enumerate() {
        for (form, act, keep) in fixed::variants() {
            let mut case = Case::new(format!("{act} keep {keep} ({batch},{inputs},{outputs})"));
            let x = case.i8("x", batch, inputs, 4);
            let w = case.i8("w", outputs, inputs, 6);
            let b = case.i32("b", 1, outputs, WEIGHT_BITS, Fill::Integers(1 << 30));
            let mask = case.mask("mask", batch, outputs, keep);
            let levels = case.i32("levels", 2, 8, 0, Fill::Integers(20));
            let bits = fixed::hidden_bits(act).unwrap_or(4);
            let y = case.output_of("y", DType::I8(bits), batch, outputs);
            case.now.rows = if number % 2 == 0 { u32::MAX } else { 2 };
            case.push(IntLinear { x, w, b, mask, y, levels, act, keep, layer: 1, form });
            cases.push(case);
        }
        let mut case = Case::new(format!("sums ({batch},{inputs},{outputs})"));
        let (x, w) = (case.i8("x", batch, inputs, 4), case.i8("w", outputs, inputs, 6));
        let b = case.i32("b", 1, outputs, WEIGHT_BITS, Fill::Integers(1 << 30));
        let y = case.output_of("z", DType::I32(10), batch, outputs);
        case.push(IntLinear {
            x,
            w,
            b,
            mask: x,
            y,
            levels: x,
            act: Activation::Identity,
            keep: 1.0,
            layer: 0,
            form: Form::Plain,
        });
        cases.push(case);
    }
    cases
}
