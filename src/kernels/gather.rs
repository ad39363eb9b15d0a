//! x0\[b\] = normalise(pixels\[order\[cursor + b\]\]): the mini-batch, picked from the data set.

use super::dropout::drop_out;
use super::{EPSILON, InputMap};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Cost, Kernel, Shader, StepValues, Witness, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Picks the samples of a micro-batch by `order`, turns bytes into values and applies the input's dropout.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Samples (N, I), bytes.
    pub pixels: TensorId,
    /// Their classes (N).
    pub labels: TensorId,
    /// Sample numbers, in the order of use (M).
    pub order: TensorId,
    /// Dropout mask of the input (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Inputs of the net (B, I).
    pub x0: TensorId,
    /// Classes of the batch (B).
    pub t: TensorId,
    /// Map from bytes to inputs.
    pub map: InputMap,
    /// Keep probability of the input.
    pub keep: f32,
}

uniform! {
    /// Uniform block of the shader.
    struct Params {
        batch: u32, inputs: u32, inputs4: u32, mask_stride: u32,
        scale: f32, shift: f32, keep_scale: f32, pad: u32,
    }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "gather",
    source: include_str!("../../shaders/gather.wgsl"),
    args: &[read(1, "pixels"), read(2, "labels"), read(3, "order"), read(4, "mask"), write(5, "x0"), write(6, "t")],
    params: Params::FIELDS,
    overrides: &[("MASKED", 0.0)],
}];

impl Kernel for Gather {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.pixels, self.labels, self.order, self.mask, self.x0, self.t]
    }

    fn params(&self) -> Vec<u8> {
        let Gather { pixels, labels, mask, x0, t, .. } = *self;
        expect("gather", "labels", labels, DType::U32, 1, pixels.rows, &format!("pixels is {}", pixels.shape()));
        expect("gather", "x0", x0, DType::F32, x0.rows, pixels.cols, &format!("pixels is {}", pixels.shape()));
        expect("gather", "t", t, DType::U32, 1, x0.rows, &format!("x0 is {}", x0.shape()));
        if self.keep < 1.0 {
            expect("gather", "mask", mask, DType::Bits, x0.rows, x0.cols, &format!("x0 is {}", x0.shape()));
        }
        let params = Params {
            batch: x0.rows as u32,
            inputs: x0.cols as u32,
            inputs4: x0.stride() as u32 / 4,
            mask_stride: mask.stride() as u32,
            scale: self.map.scale,
            shift: self.map.shift,
            keep_scale: 1.0 / self.keep,
            pad: 0,
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.keep < 1.0 { vec![("MASKED", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.x0.words() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [pixels, labels, order, mask] = [0, 1, 2, 3].map(|i| args.words(i));
        let (x0, t) = (args.f32_mut(4), args.words_mut(5));
        let pixels: &[u8] = bytemuck::cast_slice(pixels);
        let row_bytes = 4 * self.pixels.stride();
        let InputMap { scale, shift } = self.map;
        let keep_scale = 1.0 / self.keep;
        for (b, (line, t)) in x0.chunks_exact_mut(self.x0.stride()).zip(t).enumerate() {
            if b >= now.rows as usize {
                line.fill(0.0);
                *t = 0;
                continue;
            }
            let sample = order[now.cursor as usize + b] as usize;
            *t = labels[sample];
            let (values, padding) = line.split_at_mut(self.x0.cols);
            normalise(values, &pixels[sample * row_bytes..], scale, shift);
            if self.keep < 1.0 {
                drop_out(values, &mask[b * self.mask.stride()..], 0, keep_scale);
            }
            padding.fill(0.0);
        }
    }

    fn bounds(&self, _: &StepValues, _: &Witness<'_>) -> Bounds {
        // Three roundings of values no larger than the brightest pixel; none without shift and dropout.
        let largest = self.map.largest() / self.keep;
        let error = if self.map.shift == 0.0 && self.keep == 1.0 { 0.0 } else { 3.0 * EPSILON * largest };
        vec![None, None, None, None, Some(vec![error; self.x0.words()]), None]
    }

    fn cost(&self) -> Cost {
        // Only the batch's rows of the data set are read.
        let row = 4 * (self.pixels.stride() + 2) as u64;
        let bytes = self.x0.rows as u64 * row + self.x0.bytes() + self.t.bytes();
        Cost { flops: self.flops(), bytes }
    }

    fn flops(&self) -> u64 {
        2 * (self.x0.rows * self.x0.cols) as u64
    }
}

/// Bytes to values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn normalise(values: &mut [f32], bytes: &[u8], scale: f32, shift: f32) {
    for (value, &byte) in values.iter_mut().zip(bytes) {
        *value = f32::from(byte) * scale + shift;
    }
}

/// Item sizes around a word, whole and partial batches, with and without dropout and shift.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (samples, inputs, batch, rows) in [
        (1, 1, 1, 1),
        (5, 3, 4, 4),
        (9, 7, 8, 5),
        (40, 25, 33, 33),
        (100, 784, 64, 64),
        (70, 64, 64, 1),
        (11, 33, 7, 7),
    ] {
        for (shift, keep) in [(0.0, 1.0), (0.0, 0.8), (-0.4242, 1.0), (-0.4242, 0.5)] {
            let mut case = Case::new(format!("shift {shift} keep {keep} {samples}×{inputs} batch {rows} of {batch}"));
            let pixels = case.bytes("pixels", samples, inputs);
            let labels = case.u32("labels", samples, Fill::Below(10));
            let order = case.u32("order", rows + 2, Fill::Below(samples as u32));
            let mask = case.mask("mask", batch, inputs, keep);
            let (x0, t) = (case.output("x0", batch, inputs), case.u32_output("t", batch));
            (case.now.cursor, case.now.rows) = (2, rows as u32);
            let map = InputMap { shift, ..InputMap::UNIT };
            case.push(Gather { pixels, labels, order, mask, x0, t, map, keep });
            cases.push(case);
        }
    }
    cases
}
