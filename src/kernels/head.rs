//! The last layer, its loss, and the gradients they start, in one dispatch: what [`super::linear`],
//! [`super::softmax_xent`], [`super::tally`] and [`super::linear_dx`] do in four.

use super::activation::{self, activate, slope};
use super::dropout::drop_out;
use super::softmax_xent::{Share, row_bound, softmax};
use super::{Activation, EPSILON, Form};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::base::audited::parts::for_each_part;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{
    Arg, Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update, write,
};
use crate::plan::tensor::{DType, TensorId};

/// From the last hidden layer to its error signal. Samples do not depend on each other here, so one dispatch does it
/// all; on a GPU, each dispatch saved is a synchronisation saved. Not for samples with weights: all eight bindings are
/// in use, so their plan has the four dispatches.
#[derive(Clone, Debug)]
pub struct Head {
    /// Outputs of the last hidden layer (B, I), after dropout.
    pub x: TensorId,
    /// Weights (C, I), with C at most [`MAX_CLASSES`].
    pub w: TensorId,
    /// Biases (C).
    pub b: TensorId,
    /// Classes (B).
    pub t: TensorId,
    /// Dropout mask of the hidden layer (B, I); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Sums of losses and hits (S·⌈B/[`ROWS`]⌉, 2): [`Head::record_rows`] of them are written, from row
    /// `StepValues::slot` times that many on.
    pub record: TensorId,
    /// Gradient of the mean loss with respect to the logits (B, C).
    pub dlogits: TensorId,
    /// Error signal of the hidden layer (B, I).
    pub dx: TensorId,
    /// Activation of the hidden layer.
    pub act: Activation,
    /// Keep probability of the hidden layer.
    pub keep: f32,
    /// Label smoothing ε, as in [`super::softmax_xent`].
    pub smoothing: f32,
    /// Which shader: `Registers` has its own, all other forms use the one with workgroup memory.
    pub form: Form,
}

/// Most classes that an invocation keeps in registers.
pub const MAX_CLASSES: usize = 16;
/// Samples whose scores are added up in one row of the record.
pub const ROWS: usize = 4;

uniform! {
    /// Uniform block of the shaders.
    struct Params {
        batch: u32, inputs4: u32, classes: u32, classes4: u32,
        mask_stride: u32, scale: f32, keep: f32, smoothing: f32,
        record_len: u32, pad0: u32, pad1: u32, pad2: u32,
    }
}

const ARGS: &[Arg] = &[
    read(1, "x"),
    read(2, "w"),
    read(3, "b"),
    read(4, "t"),
    read(5, "mask"),
    update(6, "record"),
    write(7, "dlogits"),
    write(8, "dx"),
];

const fn shader(name: &'static str) -> Shader {
    let source = include_str!("../../shaders/head.wgsl");
    Shader { name, source, args: ARGS, params: Params::FIELDS, overrides: activation::OVERRIDES }
}

/// One for GPUs, one for software adapters.
pub static SHADERS: &[Shader] = &[shader("head"), shader("head_registers")];

impl Head {
    /// Number of rows of the record for a micro-batch of `batch` samples.
    pub fn record_rows(batch: usize) -> usize {
        batch.div_ceil(ROWS)
    }

    /// x·wᵀ or dlogits·w, for some rows.
    fn product<'a>(&self, rows: usize, k: usize, n: usize, a: &'a [f32], b: Operand<'a>) -> Gemm<'a> {
        let wide = |cols: usize| cols.next_multiple_of(4);
        let a = Operand::rows(a, wide(k));
        Gemm { m: rows, k, n, a, b, alpha: 1.0, beta: 0.0, stride: wide(n), columns: false }
    }
}

impl Kernel for Head {
    fn shader(&self) -> &'static Shader {
        &SHADERS[usize::from(self.form == Form::Registers)]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.x, self.w, self.b, self.t, self.mask, self.record, self.dlogits, self.dx]
    }

    fn params(&self) -> Vec<u8> {
        let Head { x, w, b, t, mask, record, dlogits, dx, .. } = *self;
        let because = format!("x is {} and w is {}", x.shape(), w.shape());
        assert!(w.rows <= MAX_CLASSES, "head: w is {} but holds at most {MAX_CLASSES} classes", w.shape());
        expect("head", "w", w, DType::F32, w.rows, x.cols, &because);
        expect("head", "b", b, DType::F32, 1, w.rows, &because);
        expect("head", "t", t, DType::U32, 1, x.rows, &because);
        expect("head", "record", record, DType::F32, record.rows, 2, "a row is a sum of losses and one of hits");
        expect("head", "dlogits", dlogits, DType::F32, x.rows, w.rows, &because);
        expect("head", "dx", dx, DType::F32, x.rows, x.cols, &because);
        if self.keep < 1.0 {
            expect("head", "mask", mask, DType::Bits, x.rows, x.cols, &because);
        }
        let params = Params {
            batch: x.rows as u32,
            inputs4: x.stride() as u32 / 4,
            classes: w.rows as u32,
            classes4: dlogits.stride() as u32 / 4,
            mask_stride: mask.stride() as u32,
            scale: 1.0 / self.keep,
            keep: self.keep,
            smoothing: self.smoothing,
            record_len: self.record.rows as u32,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.act.overrides(self.keep)
    }

    fn groups(&self) -> u32 {
        groups(Head::record_rows(self.x.rows), if self.form == Form::Registers { 8 } else { 1 })
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let [x, w, b] = [0, 1, 2].map(|i| args.f32(i));
        let [t, mask] = [3, 4].map(|i| args.words(i));
        let [record, dlogits, dx] = [5, 6, 7].map(|i| args.f32_mut(i));
        let (batch, inputs, classes) = (self.x.rows, self.x.cols, self.w.rows);
        let (wide, narrow, scale) = (self.x.stride(), self.dlogits.stride(), 1.0 / self.keep);
        let rows = Head::record_rows(batch);
        let record = &mut record[4 * rows * now.slot as usize..][..4 * rows];
        // The size of a part does not depend on the number of threads (see `Gemm::run`), and a part has whole rows of
        // the record.
        let part = if Gemm::is_worth_sharing(batch * inputs * classes) { 64 } else { batch.next_multiple_of(ROWS) };
        let outputs = [(dlogits, part * narrow), (dx, part * wide), (record, part / ROWS * 4)];
        for_each_part(outputs, |number, [dlogits, dx, record]| {
            let (first, rows) = (number * part, dlogits.len() / narrow);
            let x = &x[first * wide..];
            let forward = self.product(rows, inputs, classes, x, Operand::transposed(w, wide));
            forward.run_here([dlogits], |_, _, [line]| {
                let (values, padding) = line.split_at_mut(classes);
                activate(values, b, Activation::Identity);
                padding.fill(0.0);
            });
            record.fill(0.0);
            for (row, line) in dlogits.chunks_exact_mut(narrow).enumerate() {
                if first + row >= now.rows as usize {
                    line.fill(0.0);
                    continue;
                }
                let share = Share { weight: 1.0, total: now.total };
                let [loss, hit] = softmax(&mut line[..classes], t[first + row] as usize, share, self.smoothing);
                record[row / ROWS * 4] += loss;
                record[row / ROWS * 4 + 1] += hit;
            }
            let backward = self.product(rows, classes, inputs, dlogits, Operand::rows(w, wide));
            backward.run_here([dx], |row, _, [line]| {
                let (values, padding) = line.split_at_mut(inputs);
                slope(values, &x[row * wide..], self.act, self.keep);
                if self.keep < 1.0 {
                    drop_out(values, &mask[(first + row) * self.mask.stride()..], 0, scale);
                }
                padding.fill(0.0);
            });
        });
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [x, w, b] = [0, 1, 2].map(|i| witness.f32(i));
        let t = &witness.before[3];
        let dlogits: &[f32] = bytemuck::cast_slice(&witness.after[6]);
        let (inputs, classes) = (self.x.cols, self.w.rows);
        let (wide, narrow) = (self.x.stride(), self.dlogits.stride());
        let mut record = vec![0.0; self.record.words()];
        let first = 4 * Head::record_rows(self.x.rows) * now.slot as usize;
        let mut of_dlogits = vec![0.0; self.dlogits.words()];
        let mut of_dx = vec![0.0; self.dx.words()];
        for row in 0..self.x.rows {
            let term = |c: usize, i: usize| x[row * wide + i] * w[c * wide + i];
            let sum = |c: usize, of: fn(f32) -> f32| (0..inputs).map(|i| of(term(c, i))).sum::<f32>() + of(b[c]);
            let logits: Vec<f32> = (0..classes).map(|c| sum(c, |v| v)).collect();
            let magnitude = (0..classes).map(|c| sum(c, f32::abs)).fold(0.0, f32::max);
            // Once for each of the two evaluations that are compared.
            let slack = 2.0 * (inputs + 2) as f32 * EPSILON * magnitude;
            let at = row * narrow;
            let errors = &mut of_dlogits[at..at + classes];
            if row < now.rows as usize {
                let label = t[row] as usize;
                let record = &mut record[first + row / ROWS * 4..];
                let loss =
                    row_bound(&logits, label, Share { weight: 1.0, total: now.total }, self.smoothing, slack, errors);
                let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                record[0] += loss + 4.0 * EPSILON * (loss + (largest - logits[label]).abs() + (classes as f32).ln());
                // Where two logits are too close to tell, either may be the largest.
                let close = logits.iter().filter(|&&z| largest - z <= 2.0 * slack).count() > 1;
                record[1] += f32::from(close && slack > 0.0);
            }
            for i in 0..inputs {
                let size = |c: usize| (dlogits[at + c] * w[c * wide + i]).abs();
                let product: f32 = (0..classes).map(size).sum::<f32>() * (classes + 2) as f32 * EPSILON;
                let carried: f32 = (0..classes).map(|c| errors[c] * w[c * wide + i].abs()).sum();
                let magnitude: f32 = (0..classes).map(size).sum();
                let slope = self.act.slope(x[row * wide + i] * self.keep).abs();
                let error = (product + carried) * slope + 4.0 * self.act.lipschitz() * EPSILON * magnitude;
                of_dx[row * wide + i] = error / self.keep + f32::MIN_POSITIVE;
            }
        }
        vec![None, None, None, None, None, Some(record), Some(of_dlogits), Some(of_dx)]
    }

    fn flops(&self) -> u64 {
        (4 * self.x.cols as u64 + 8) * (self.x.rows * self.w.rows) as u64
    }
}

/// Class numbers around a vec4, whole and partial batches, any slot; whole numbers whose logits are so far apart that every
/// probability is 0 or 1, then every activation, dropout and smoothed labels with real ones.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case =
        |form, (batch, rows, inputs, classes): (usize, usize, usize, usize), act, keep: f32, smoothing: Option<f32>| {
            // Whole numbers where labels are not smoothed.
            let (exact, smoothing) = (smoothing.is_none(), smoothing.unwrap_or(0.0));
            let label = if exact { "integers" } else { "reals" };
            let mut case = Case::new(format!(
                "{label} {act:?} keep {keep} smoothing {smoothing} ({rows} of {batch},{inputs},{classes})"
            ));
            let (fine, coarse) =
                if exact { (Fill::Integers(4095), Fill::Far(4)) } else { (Fill::Reals(1.0), Fill::Reals(1.0)) };
            let x = case.f32("x", batch, inputs, fine);
            let w = case.f32("w", classes, inputs, coarse);
            let b = case.f32("b", 1, classes, coarse);
            let t = case.u32("t", batch, Fill::Below(classes as u32));
            let mask = case.mask("mask", batch, inputs, keep);
            let record = case.f32("record", 3 * Head::record_rows(batch), 2, Fill::Reals(1.0));
            let (dlogits, dx) = (case.output("dlogits", batch, classes), case.output("dx", batch, inputs));
            // A power of two, so that whole numbers stay exact.
            (case.now.rows, case.now.total, case.now.slot) = (rows as u32, 64.0, 1);
            case.push(Head { x, w, b, t, mask, record, dlogits, dx, act, keep, smoothing, form });
            cases.push(if exact { case.exact() } else { case });
        };
    for form in [Form::Tiled, Form::Registers] {
        for (act, keep) in [(Activation::Identity, 1.0), (Activation::Relu, 0.5), (Activation::LeakyRelu(0.25), 0.25)] {
            for sizes in [(2, 2, 13, 10), (7, 5, 33, 4), (64, 60, 132, 10), (65, 40, 37, 16), (131, 131, 1024, 3)] {
                case(form, sizes, act, keep, None);
            }
        }
        for act in [Activation::Relu, Activation::LeakyRelu(0.01), Activation::Sigmoid, Activation::Tanh] {
            for (sizes, keep) in
                [((33, 33, 35, 10), 1.0), ((64, 50, 128, 10), 0.8), ((6, 6, 5, 2), 1.0), ((9, 9, 64, 15), 0.5)]
            {
                case(form, sizes, act, keep, Some(0.0));
                case(form, sizes, act, keep, Some(0.1));
            }
        }
    }
    cases
}
