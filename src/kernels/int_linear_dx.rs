//! dx = (dy·w) ⊙ act'(x) ⊙ mask / keep in integers: the error signal of the layer below.

use super::fixed::{self, Strip, alpha, drop_out, narrow, pack, shift, slope_all, times12, twelve};
use super::{Activation, Form};
use crate::base::audited::gemm8::{Bytes, Gemm8, PANEL, Rows, Target};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, groups, read, update, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// The error signal of a layer, from that of the layer above. It is shifted right by the layer's level to fit in 8 bits.
#[derive(Clone, Debug)]
pub struct IntLinearDx {
    /// Error signal of the layer above (B, O), i8.
    pub dy: TensorId,
    /// Weights of the layer above as factors (O, I), i8.
    pub w: TensorId,
    /// Outputs of this layer (B, I), i8.
    pub x: TensorId,
    /// Dropout mask of this layer (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Levels (L, 8), i32. This layer's largest |δ| and count of errors are updated: see [`super::int_levels`].
    pub levels: TensorId,
    /// Error signal of this layer (B, I), i8.
    pub dx: TensorId,
    /// Activation of this layer.
    pub act: Activation,
    /// Probability that dropout keeps an output of this layer.
    pub keep: f32,
    /// This layer, from 0.
    pub layer: usize,
    /// Which shader: `Plain`, `Tiled` for GPUs, or `Registers` for software adapters.
    pub form: Form,
}

uniform! {
    /// Uniform block of the shader.
    struct Params {
        batch: u32, words: u32, inputs: u32, outputs: u32, dy_words: u32, mask_stride: u32,
        keep: i32, back: i32, alpha: i32, layer: u32, layers: u32, pad: u32,
    }
}

const fn shader(name: &'static str) -> Shader {
    const ARGS: &[Arg] =
        &[read(1, "dy"), read(2, "w"), read(3, "x"), read(4, "mask"), update(5, "levels"), write(6, "dx")];
    let source = include_str!("../../shaders/int_linear_dx.wgsl");
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: fixed::OVERRIDES }
}

/// One for each of [`fixed::FORMS`].
pub static SHADERS: &[Shader] =
    &[shader("int_linear_dx"), shader("int_linear_dx_tiled"), shader("int_linear_dx_registers")];

impl IntLinearDx {
    fn params_of(&self) -> Params {
        Params {
            batch: self.x.rows as u32,
            words: self.x.stride() as u32,
            inputs: self.x.cols as u32,
            outputs: self.w.rows as u32,
            dy_words: self.dy.stride() as u32,
            mask_stride: self.mask.stride() as u32,
            keep: twelve(1.0 / self.keep),
            back: twelve(self.keep),
            alpha: alpha(self.act),
            layer: self.layer as u32,
            layers: self.levels.rows as u32,
            ..Params::default()
        }
    }
}

impl Kernel for IntLinearDx {
    fn shader(&self) -> &'static Shader {
        &SHADERS[fixed::form(self.form)]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dy, self.w, self.x, self.mask, self.levels, self.dx]
    }

    fn params(&self) -> Vec<u8> {
        let IntLinearDx { dy, w, x, mask, levels, dx, layer, .. } = *self;
        let because = format!("dy is {} and x is {}", dy.shape(), x.shape());
        expect("int_linear_dx", "w", w, w.dtype, dy.cols, x.cols, &because);
        expect("int_linear_dx", "dx", dx, dx.dtype, dy.rows, x.cols, &because);
        expect("int_linear_dx", "x", x, x.dtype, dy.rows, x.cols, &because);
        assert!(layer < levels.rows, "int_linear_dx: levels is {} but there is layer {layer}", levels.shape());
        if self.keep < 1.0 {
            expect("int_linear_dx", "mask", mask, DType::Bits, x.rows, x.cols, &because);
        }
        bytemuck::bytes_of(&self.params_of()).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        fixed::overrides(self.act, self.keep)
    }

    fn groups(&self) -> u32 {
        match self.form {
            Form::Tiled | Form::Registers => self.form.groups(self.dx.rows, 4 * self.dx.stride(), 1),
            _ => groups(self.dx.words(), 64),
        }
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        let [dy, w, x, mask] = [0, 1, 2, 3].map(|i| args.words(i));
        let levels = args.words_mut(4);
        let params = self.params_of();
        let own = &mut levels[self.layer * self.levels.stride()..][..8];
        let level = own[0];
        let product = Gemm8 {
            m: self.dy.rows,
            k: self.dy.cols,
            n: self.x.cols,
            a: Bytes { words: dy, stride: self.dy.stride(), along: true },
            b: Bytes { words: w, stride: self.w.stride(), along: false },
        };
        let (peak, limited) = (AtomicI32::new(own[1].cast_signed()), AtomicI32::new(0));
        let target = Target { words: [args.words_mut(5)], stride: self.dx.stride(), per_word: 4 };
        product.run(target, |first, rows| {
            let below = (&x[first / 4..], self.x.stride());
            let mask = (self.keep < 1.0).then(|| (&mask[first / 32..], self.mask.stride()));
            let (largest, count) = finish(&params, self.act, level, below, rows, mask);
            peak.fetch_max(largest, Relaxed);
            limited.fetch_add(count, Relaxed);
        });
        own[1] = peak.into_inner().cast_unsigned();
        own[5] = own[5].wrapping_add(limited.into_inner().cast_unsigned());
    }

    fn flops(&self) -> u64 {
        2 * (self.dy.rows * self.dy.cols) as u64 * self.x.cols as u64
    }
}

/// Applies slope, dropout and level to the sums, and packs them. `below` are the layer's outputs, `mask` the dropout mask, if
/// there is one. Returns the largest magnitude before the shift, and how many values do not fit in 8 bits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn finish(
    params: &Params,
    act: Activation,
    level: u32,
    below: Strip<'_>,
    rows: Rows<'_, 1>,
    mask: Option<Strip<'_>>,
) -> (i32, i32) {
    let columns = rows.columns;
    let (mut peak, mut limited) = (0, 0);
    for (row, sums, [words]) in rows {
        let mut values = *sums;
        let bytes: &[i8] = bytemuck::cast_slice(&below.0[row * below.1..][..columns.div_ceil(4)]);
        let mut outputs = [0; PANEL];
        outputs.iter_mut().zip(bytes).for_each(|(output, &byte)| *output = byte.into());
        if mask.is_some() {
            outputs.iter_mut().for_each(|output| *output = times12(*output, params.back));
        }
        slope_all(act, params.alpha, &outputs, &mut values);
        if let Some((mask, stride)) = mask {
            drop_out(&mut values, params.keep, mask[row * stride]);
        }
        for value in &mut values {
            peak = peak.max(value.abs());
            let rounded = shift(*value, level);
            *value = narrow(rounded);
            limited += i32::from(*value != rounded);
        }
        pack(&values, columns, words);
    }
    (peak, limited)
}

/// Sizes around a word and a panel, every activation, with and without dropout, several levels.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, inputs, outputs) in
        [(1, 1, 1), (3, 5, 7), (8, 33, 16), (33, 31, 65), (64, 128, 10), (5, 300, 40), (17, 20, 2100), (65, 200, 9)]
    {
        for (form, act, keep) in fixed::variants() {
            let most = if keep < 1.0 { 12 } else { 9 };
            let mut case = Case::new(format!("{act} keep {keep} levels up to {most} ({batch},{inputs},{outputs})"));
            let dy = case.i8("dy", batch, outputs, 7);
            let w = case.i8("w", outputs, inputs, 6);
            let x = case.i8("x", batch, inputs, fixed::hidden_bits(act).unwrap_or(4));
            let mask = case.mask("mask", batch, inputs, keep);
            let levels = case.i32("levels", 2, 8, 0, Fill::Below(most + 1));
            let dx = case.output_of("dx", DType::I8(0), batch, inputs);
            case.push(IntLinearDx { dy, w, x, mask, levels, dx, act, keep, layer: 1, form });
            cases.push(case);
        }
    }
    cases
}
