//! x0\[b\] = normalise(samples\[order\[cursor + b\]\]): the mini-batch, picked from the data set.

use super::dropout::drop_out;
use super::{EPSILON, InputMap};
use crate::base::audited::parts::prefetch;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Bounds, Cost, Kernel, Shader, StepValues, Witness, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Picks the samples of a micro-batch by `order`, turns bytes into values and applies the input's dropout.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Samples (N, I): bytes, or floats that are normalised already.
    pub samples: TensorId,
    /// Their targets: classes (N) as `U32`, or values or labels (N, T) as `F32`.
    pub targets: TensorId,
    /// Sample numbers, in the order of use (M).
    pub order: TensorId,
    /// Dropout mask of the input (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Inputs of the net (B, I).
    pub x0: TensorId,
    /// Targets of the batch: (B) or (B, T), of the type of `targets`.
    pub t: TensorId,
    /// Map from bytes to inputs; ignored for floats.
    pub map: InputMap,
    /// Keep probability of the input.
    pub keep: f32,
}

uniform! {
    /// Uniform block of the shaders.
    struct Params {
        batch: u32, inputs: u32, inputs4: u32, mask_stride: u32,
        scale: f32, shift: f32, keep_scale: f32, target_words: u32,
        order_words: u32, pad0: u32, pad1: u32, pad2: u32,
    }
}

const fn args(samples: Arg) -> [Arg; 6] {
    [samples, read(2, "targets"), read(3, "order"), read(4, "mask"), write(5, "x0"), write(6, "t")]
}

const BYTES: &[Arg] = &args(read(1, "samples"));
const FLOATS: &[Arg] = &args(read(7, "floats"));

const fn shader(name: &'static str, args: &'static [Arg]) -> Shader {
    let source = include_str!("../../shaders/gather.wgsl");
    Shader { name, source, args, params: Params::FIELDS, overrides: &[("MASKED", 0.0)] }
}

/// One for bytes, one for floats.
pub static SHADERS: &[Shader] = &[shader("gather", BYTES), shader("gather_floats", FLOATS)];

impl Gather {
    fn floats(&self) -> bool {
        self.samples.dtype == DType::F32
    }

    /// Words of the target of a sample: 1, or the length of a row with its padding.
    fn target_words(&self) -> usize {
        match self.targets.dtype {
            DType::F32 => self.targets.stride(),
            _ => 1,
        }
    }
}

impl Kernel for Gather {
    fn shader(&self) -> &'static Shader {
        &SHADERS[usize::from(self.floats())]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.samples, self.targets, self.order, self.mask, self.x0, self.t]
    }

    fn params(&self) -> Vec<u8> {
        let Gather { samples, targets, order, mask, x0, t, .. } = *self;
        let because = format!("samples is {}", samples.shape());
        if !self.floats() {
            expect("gather", "samples", samples, DType::U8, samples.rows, samples.cols, "samples are bytes or floats");
        }
        expect("gather", "x0", x0, DType::F32, x0.rows, samples.cols, &because);
        if targets.dtype == DType::F32 {
            expect("gather", "targets", targets, DType::F32, samples.rows, targets.cols, &because);
            let because = format!("x0 is {} and targets is {}", x0.shape(), targets.shape());
            expect("gather", "t", t, DType::F32, x0.rows, targets.cols, &because);
        } else {
            expect("gather", "targets", targets, DType::U32, 1, samples.rows, &because);
            expect("gather", "t", t, DType::U32, 1, x0.rows, &format!("x0 is {}", x0.shape()));
        }
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
            target_words: self.target_words() as u32,
            order_words: order.words() as u32,
            ..Params::default()
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
        let [samples, targets, order, mask] = [0, 1, 2, 3].map(|i| args.words(i));
        let (x0, t) = (args.f32_mut(4), args.words_mut(5));
        let (stride, words, floats) = (self.samples.stride(), self.target_words(), self.floats());
        let InputMap { scale, shift } = self.map;
        let rows = x0.chunks_exact_mut(self.x0.stride()).zip(t.chunks_exact_mut(words));
        for (b, (line, t)) in rows.enumerate() {
            if b >= now.rows as usize {
                line.fill(0.0);
                t.fill(0);
                continue;
            }
            let number = order[now.cursor as usize + b] as usize;
            t.copy_from_slice(&targets[number * words..][..words]);
            prefetch_next(samples, stride, &order[now.cursor as usize..], now.rows as usize + b);
            let sample = &samples[number * stride..][..stride];
            let (values, padding) = line.split_at_mut(self.x0.cols);
            if floats {
                values.copy_from_slice(&bytemuck::cast_slice(sample)[..self.x0.cols]);
            } else {
                normalise(values, bytemuck::cast_slice(sample), scale, shift);
            }
            if self.keep < 1.0 {
                drop_out(values, &mask[b * self.mask.stride()..], 0, 1.0 / self.keep);
            }
            padding.fill(0.0);
        }
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let bound = match (self.floats(), self.keep == 1.0) {
            (true, true) => None,
            // Two roundings of each value, of 1/keep and of the product.
            (true, false) => {
                let (floats, order) = (witness.f32(0), &witness.before[2]);
                let mut bound = vec![0.0; self.x0.words()];
                for (b, line) in bound.chunks_exact_mut(self.x0.stride()).enumerate().take(now.rows as usize) {
                    let sample = order[now.cursor as usize + b] as usize;
                    let values = &floats[sample * self.samples.stride()..];
                    line.iter_mut().zip(values).for_each(|(bound, x)| *bound = 3.0 * EPSILON * x.abs() / self.keep);
                }
                Some(bound)
            }
            // Three roundings of values no larger than the brightest pixel; none without shift and dropout.
            (false, whole) => {
                let largest = self.map.largest() / self.keep;
                let error = if self.map.shift == 0.0 && whole { 0.0 } else { 3.0 * EPSILON * largest };
                Some(vec![error; self.x0.words()])
            }
        };
        vec![None, None, None, None, bound, None]
    }

    fn cost(&self) -> Cost {
        // Only the batch's rows of the data set are read.
        let row = 4 * (self.samples.stride() + self.target_words() + 1) as u64;
        let bytes = self.x0.rows as u64 * row + self.x0.bytes() + self.t.bytes();
        Cost { flops: self.flops(), bytes }
    }

    fn flops(&self) -> u64 {
        let per_value = if self.floats() { u64::from(self.keep < 1.0) } else { 2 };
        per_value * (self.x0.rows * self.x0.cols) as u64
    }
}

/// Loads the sample at a place of the order, if there is one, into the processor's cache. The next batch needs it. Samples
/// lie far apart, so the processor cannot guess.
pub(super) fn prefetch_next(samples: &[u32], stride: usize, order: &[u32], place: usize) {
    let sample = order.get(place).and_then(|&number| samples.get(number as usize * stride..)?.get(..stride));
    sample.into_iter().for_each(prefetch);
}

/// Bytes to values.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn normalise(values: &mut [f32], bytes: &[u8], scale: f32, shift: f32) {
    for (value, &byte) in values.iter_mut().zip(bytes) {
        *value = f32::from(byte) * scale + shift;
    }
}

/// Samples of a case: rows, inputs; then the rows of the micro-batch, and those in use.
type Sizes = (usize, usize, usize, usize);

/// A case with samples of either type, and classes or `values` targets per sample.
fn case((samples, inputs, batch, rows): Sizes, floats: bool, values: Option<usize>, shift: f32, keep: f32) -> Case {
    let mut name = format!("shift {shift} keep {keep} {samples}×{inputs} batch {rows} of {batch}");
    if floats {
        name = format!("floats {name}");
    }
    if let Some(values) = values {
        name = format!("{name} {values} targets");
    }
    let mut case = Case::new(name);
    let from = match floats {
        true => case.f32("samples", samples, inputs, Fill::Reals(3.0)),
        false => case.bytes("samples", samples, inputs),
    };
    let targets = match values {
        Some(values) => case.f32("targets", samples, values, Fill::Reals(3.0)),
        None => case.u32("targets", samples, Fill::Below(10_000)),
    };
    let order = case.u32("order", rows + 2, Fill::Below(samples as u32));
    let mask = case.mask("mask", batch, inputs, keep);
    let x0 = case.output("x0", batch, inputs);
    let t = match values {
        Some(values) => case.output("t", batch, values),
        None => case.u32_output("t", batch),
    };
    (case.now.cursor, case.now.rows) = (2, rows as u32);
    let map = InputMap { shift, ..InputMap::UNIT };
    case.push(Gather { samples: from, targets, order, mask, x0, t, map, keep });
    case
}

/// Item sizes around a word, whole and partial batches, with and without dropout and shift; bytes and floats; classes,
/// and values, also more of them than inputs.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for sizes in [
        (1, 1, 1, 1),
        (5, 3, 4, 4),
        (9, 7, 8, 5),
        (40, 25, 33, 33),
        (100, 784, 64, 64),
        (70, 64, 64, 1),
        (11, 33, 7, 7),
    ] {
        for (shift, keep) in [(0.0, 1.0), (0.0, 0.8), (-0.4242, 1.0), (-0.4242, 0.5)] {
            cases.push(case(sizes, false, None, shift, keep));
        }
        cases.push(case(sizes, true, None, 0.0, 1.0));
        cases.push(case(sizes, true, None, 0.0, 0.8));
        for values in [1, 3, 22] {
            cases.push(case(sizes, false, Some(values), 0.0, 1.0));
            cases.push(case(sizes, true, Some(values), 0.0, 0.5));
        }
    }
    cases
}
