//! x0\[b\] = samples\[order\[cursor + b\]\] ⊙ mask / keep as 8-bit integers: the mini-batch of training in integers.

use super::fixed::{self, narrow, times12};
use super::gather::prefetch_next;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Picks the samples of a micro-batch by `order` and applies the input's dropout, as [`super::gather`] does in floats.
#[derive(Clone, Debug)]
pub struct IntGather {
    /// Samples (N, I): u8, or i8 with the fractional bits of `x0`.
    pub samples: TensorId,
    /// Classes of the samples (N).
    pub targets: TensorId,
    /// Sample numbers, in the order of use (M).
    pub order: TensorId,
    /// Dropout mask of the input (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Inputs of the net (B, I), i8.
    pub x0: TensorId,
    /// Classes of the batch (B).
    pub t: TensorId,
    /// Map of bytes: input = (byte·scale + shift) >> 16; ignored for i8. See [`fixed::integer_map`].
    pub map: [i32; 2],
    /// Probability that dropout keeps an input; kept inputs are divided by it.
    pub keep: f32,
}

uniform! {
    /// Uniform block of the shaders.
    struct Params {
        batch: u32, inputs: u32, words: u32, sample_words: u32, mask_stride: u32, scale: i32, shift: i32, keep: i32,
        order_words: u32, pad0: u32, pad1: u32, pad2: u32,
    }
}

const ARGS: &[Arg] =
    &[read(1, "samples"), read(2, "targets"), read(3, "order"), read(4, "mask"), write(5, "x0"), write(6, "t")];

const fn shader(name: &'static str) -> Shader {
    let source = include_str!("../../shaders/int_gather.wgsl");
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: &[("MASKED", 0.0)] }
}

/// For samples of bytes, and of i8.
pub static SHADERS: &[Shader] = &[shader("int_gather"), shader("int_gather_fixed")];

impl IntGather {
    fn bytes(&self) -> bool {
        self.samples.dtype == DType::U8
    }
}

impl Kernel for IntGather {
    fn shader(&self) -> &'static Shader {
        &SHADERS[usize::from(!self.bytes())]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.samples, self.targets, self.order, self.mask, self.x0, self.t]
    }

    fn params(&self) -> Vec<u8> {
        let IntGather { samples, targets, mask, x0, t, .. } = *self;
        let because = format!("samples is {}", samples.shape());
        if !self.bytes() {
            expect(
                "int_gather",
                "samples",
                samples,
                x0.dtype,
                samples.rows,
                samples.cols,
                "samples are bytes or like x0",
            );
        }
        let DType::I8(_) = x0.dtype else { panic!("int_gather: x0 is {:?}, not i8", x0.dtype) };
        expect("int_gather", "x0", x0, x0.dtype, x0.rows, samples.cols, &because);
        expect("int_gather", "targets", targets, DType::U32, 1, samples.rows, &because);
        expect("int_gather", "t", t, DType::U32, 1, x0.rows, &format!("x0 is {}", x0.shape()));
        if self.keep < 1.0 {
            expect("int_gather", "mask", mask, DType::Bits, x0.rows, x0.cols, &format!("x0 is {}", x0.shape()));
        }
        let params = Params {
            batch: x0.rows as u32,
            inputs: x0.cols as u32,
            words: x0.stride() as u32,
            sample_words: samples.stride() as u32,
            mask_stride: mask.stride() as u32,
            scale: self.map[0],
            shift: self.map[1],
            keep: fixed::twelve(1.0 / self.keep),
            order_words: self.order.words() as u32,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.keep < 1.0 { vec![("MASKED", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.x0.words(), 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [samples, targets, order, mask] = [0, 1, 2, 3].map(|i| args.words(i));
        let (x0, t) = (args.words_mut(4), args.words_mut(5));
        let [scale, shift] = self.map;
        let (bytes, keep, inputs) = (self.bytes(), fixed::twelve(1.0 / self.keep), self.x0.cols);
        for (b, (line, t)) in x0.chunks_exact_mut(self.x0.stride()).zip(t).enumerate() {
            line.fill(0);
            if b >= now.rows as usize {
                *t = 0;
                continue;
            }
            let number = order[now.cursor as usize + b] as usize;
            *t = targets[number];
            prefetch_next(samples, self.samples.stride(), &order[now.cursor as usize..], now.rows as usize + b);
            let sample: &[u8] =
                bytemuck::cast_slice(&samples[number * self.samples.stride()..][..self.samples.stride()]);
            let line: &mut [u8] = &mut bytemuck::cast_slice_mut(line)[..inputs];
            match bytes {
                true => integers(line, sample, scale, shift),
                false => line.copy_from_slice(&sample[..inputs]),
            }
            if self.keep < 1.0 {
                let bits = &mask[b * self.mask.stride()..];
                for (col, value) in line.iter_mut().enumerate() {
                    let kept =
                        times12(i32::from(value.cast_signed()), keep) * (bits[col / 32] >> (col % 32) & 1) as i32;
                    *value = narrow(kept) as u8;
                }
            }
        }
    }

    fn flops(&self) -> u64 {
        2 * (self.x0.rows * self.x0.cols) as u64
    }
}

/// A row of bytes as i8, by the map of bytes.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn integers(line: &mut [u8], bytes: &[u8], scale: i32, shift: i32) {
    for (to, &byte) in line.iter_mut().zip(bytes) {
        *to = narrow((i32::from(byte) * scale + shift) >> 16) as u8;
    }
}

/// Item sizes around a word and a vec4, whole and partial batches, with and without dropout; bytes and i8.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (samples, inputs, batch, rows) in
        [(1, 1, 1, 1), (5, 3, 4, 4), (9, 17, 8, 5), (40, 25, 33, 33), (70, 784, 64, 64)]
    {
        for (bytes, keep) in [(true, 1.0), (true, 0.8), (false, 1.0), (false, 0.5)] {
            let kind = if bytes { "bytes" } else { "fixed" };
            let mut case = Case::new(format!("{kind} keep {keep} {samples}×{inputs} batch {rows} of {batch}"));
            let from = match bytes {
                true => case.bytes("samples", samples, inputs),
                false => case.i8("samples", samples, inputs, 5),
            };
            let targets = case.u32("targets", samples, Fill::Below(10_000));
            let order = case.u32("order", rows + 2, Fill::Below(samples as u32));
            let mask = case.mask("mask", batch, inputs, keep);
            let x0 = case.output_of("x0", DType::I8(5), batch, inputs);
            let t = case.u32_output("t", batch);
            (case.now.cursor, case.now.rows) = (2, rows as u32);
            case.push(IntGather { samples: from, targets, order, mask, x0, t, map: [26_701, -888_000], keep });
            cases.push(case);
        }
    }
    cases
}
