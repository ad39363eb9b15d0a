//! q = w·2⁻ᵏ, rounded and limited to 8 bits: the weights as factors of a product.

use super::fixed::{WEIGHT_BITS, narrow, shift};
use super::int_levels::{Params, SOURCE};
use crate::base::audited::parts::for_each_part;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Kernel, Shader, StepValues, expect, groups, read, update, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;
use std::sync::atomic::{AtomicI32, Ordering::Relaxed};

/// Rounds the weights of a layer to the fractional bits of `q`. Counts the weights that do not fit, once per update.
#[derive(Clone, Debug)]
pub struct IntQuantise {
    /// Weights (O, I), i32.
    pub w: TensorId,
    /// Factors (O, I), i8.
    pub q: TensorId,
    /// Levels (L, 8), i32. The layer's count of weights is updated: see [`super::int_levels`].
    pub levels: TensorId,
    /// The layer, from 0.
    pub layer: usize,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "int_quantise",
    source: SOURCE,
    args: &[read(1, "w"), write(2, "q"), update(3, "counts")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl IntQuantise {
    /// k: the fractional bits that are dropped.
    fn dropped(&self) -> u32 {
        let DType::I8(bits) = self.q.dtype else { panic!("int_quantise: q is {:?}, not i8", self.q.dtype) };
        u32::from(WEIGHT_BITS - bits)
    }
}

impl Kernel for IntQuantise {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.w, self.q, self.levels]
    }

    fn params(&self) -> Vec<u8> {
        let IntQuantise { w, q, levels, layer } = *self;
        expect("int_quantise", "w", w, DType::I32(WEIGHT_BITS), w.rows, w.cols, "weights have 28 fractional bits");
        expect("int_quantise", "q", q, q.dtype, w.rows, w.cols, &format!("w is {}", w.shape()));
        assert!(layer < levels.rows, "int_quantise: levels is {} but there is layer {layer}", levels.shape());
        let params = Params {
            count: q.words() as u32,
            words: q.stride() as u32,
            stride: w.stride() as u32 / 4,
            layer: layer as u32,
            drop: self.dropped(),
            layers: levels.rows as u32,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.q.words(), 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (w, q, levels) = (args.words(0), args.words_mut(1), args.words_mut(2));
        let (dropped, from, to) = (self.dropped(), self.w.stride(), self.q.stride());
        let limited = AtomicI32::new(0);
        let rows = 1 + (1 << 15) / from;
        for_each_part([(q, rows * to)], |part, [lines]| {
            for (row, line) in (part * rows..).zip(lines.chunks_exact_mut(to)) {
                limited
                    .fetch_add(quantise(bytemuck::cast_slice(&w[row * from..][..self.w.cols]), line, dropped), Relaxed);
            }
        });
        if now.first == 0 {
            let count = &mut levels[self.layer * self.levels.stride() + 3];
            *count = count.wrapping_add(limited.into_inner().cast_unsigned());
        }
    }

    fn flops(&self) -> u64 {
        (self.w.rows * self.w.cols) as u64
    }
}

/// Rounds and packs a row. Returns the number of values that do not fit in 8 bits.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn quantise(weights: &[i32], words: &mut [u32], dropped: u32) -> i32 {
    let (bytes, padding) = bytemuck::cast_slice_mut::<u32, i8>(words).split_at_mut(weights.len());
    padding.fill(0);
    let mut limited = 0;
    for (byte, &weight) in bytes.iter_mut().zip(weights) {
        let rounded = shift(weight, dropped);
        let value = narrow(rounded);
        *byte = value as i8;
        limited += i32::from(value != rounded);
    }
    limited
}

/// Sizes around a word; weights that fit and weights that do not.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols, most) in
        [(1, 1, 1 << 28), (3, 5, 1 << 28), (10, 128, 1 << 29), (128, 784, 1 << 27), (33, 65, i32::MAX)]
    {
        let mut case = Case::new(format!("({rows},{cols}) up to {most}"));
        let w = case.i32("w", rows, cols, WEIGHT_BITS, Fill::Integers(most));
        let q = case.output_of("q", DType::I8(6), rows, cols);
        let levels = case.i32("levels", 3, 8, 0, Fill::Integers(20));
        case.push(IntQuantise { w, q, levels, layer: 1 });
        cases.push(case);
    }
    cases
}
