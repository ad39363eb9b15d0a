//! p = softmax(z), loss = −Σ y·log p, dz = p − y in integers, with y = onehot(t) or smoothed.

use super::fixed::{LARGEST_LOSS, LOGIT_SHIFT, LOSS_BITS, PROBABILITY_BITS, exp_minus, ln, narrow, shift};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Kernel, Shader, StepValues, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};

/// Losses and hits of a micro-batch, and the error signal of the logits. A loss is limited to [`LARGEST_LOSS`] nats. Errors
/// below 2⁻⁸ are rounded to 0.
#[derive(Clone, Debug)]
pub struct IntSoftmax {
    /// Logits (B, C), i32.
    pub z: TensorId,
    /// True classes (B).
    pub t: TensorId,
    /// Loss and hit of each sample (B, 2), i32. The loss has [`LOSS_BITS`] fractional bits; a hit is 1.
    pub score: TensorId,
    /// Error signal p − y (B, C), i8 with [`ERROR_BITS`] fractional bits. It is not divided by the batch.
    pub dz: TensorId,
    /// Label smoothing ε: see [`super::softmax_xent`].
    pub smoothing: f32,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { batch: u32, classes: u32, stride: u32, dz_words: u32, bits: u32, hot: u32, even: u32, pad: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "int_softmax",
    source: include_str!("../../shaders/int_softmax.wgsl"),
    args: &[read(1, "z"), read(2, "t"), write(3, "score"), write(4, "dz")],
    params: Params::FIELDS,
    overrides: &[],
}];

/// Maximum number of classes: the sum of their exponentials must fit in 32 bits.
pub const MOST_CLASSES: usize = 1 << 16;
/// Fractional bits of the error signal.
pub const ERROR_BITS: u8 = PROBABILITY_BITS - LOGIT_SHIFT;

impl IntSoftmax {
    fn bits(&self) -> u32 {
        let DType::I32(bits) = self.z.dtype else { panic!("int_softmax: z is {:?}, not i32", self.z.dtype) };
        u32::from(bits)
    }

    /// Target probabilities y with 16 fractional bits, `[hot, even]`: `even` for each class, and `hot` in addition for the
    /// true one.
    fn targets(&self) -> [u32; 2] {
        let (one, classes) = (f64::from(1u32 << PROBABILITY_BITS), self.z.cols as f64);
        let smoothing = f64::from(self.smoothing);
        [(1.0 - smoothing) * one, smoothing / classes * one].map(|value| value.round() as u32)
    }
}

/// How far a logit lies below the largest, at most [`LARGEST_LOSS`]. The logits have `bits` fractional bits, the result has
/// `to`.
#[inline(always)]
fn distance(largest: i32, z: i32, bits: u32, to: u32) -> u32 {
    let d = largest.cast_unsigned().wrapping_sub(z.cast_unsigned());
    if bits >= to { (d >> (bits - to)).min(LARGEST_LOSS << to) } else { d.min(LARGEST_LOSS << bits) << (to - bits) }
}

impl Kernel for IntSoftmax {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.z, self.t, self.score, self.dz]
    }

    fn params(&self) -> Vec<u8> {
        let IntSoftmax { z, t, score, dz, .. } = *self;
        let because = format!("z is {}", z.shape());
        assert!(z.cols <= MOST_CLASSES, "int_softmax: z is {} but holds at most {MOST_CLASSES} classes", z.shape());
        expect("int_softmax", "t", t, DType::U32, 1, z.rows, &because);
        expect("int_softmax", "score", score, DType::I32(0), z.rows, 2, &because);
        expect("int_softmax", "dz", dz, DType::I8(ERROR_BITS), z.rows, z.cols, &because);
        let [hot, even] = self.targets();
        let params = Params {
            batch: z.rows as u32,
            classes: z.cols as u32,
            stride: z.stride() as u32,
            dz_words: dz.stride() as u32,
            bits: self.bits(),
            hot,
            even,
            pad: 0,
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.z.rows, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let z: &[i32] = bytemuck::cast_slice(args.words(0));
        let (t, score, dz) = (args.words(1), args.words_mut(2), args.words_mut(3));
        let (bits, [hot, even]) = (self.bits(), self.targets());
        score.fill(0);
        dz.fill(0);
        let mut exponentials = vec![0; self.z.cols];
        let rows = score.chunks_exact_mut(4).zip(dz.chunks_exact_mut(self.dz.stride()));
        for (row, (score, dz)) in rows.enumerate().take(now.rows as usize) {
            let z = &z[row * self.z.stride()..][..self.z.cols];
            let best = (1..z.len()).fold(0, |best, class| if z[class] > z[best] { class } else { best });
            let mut all = 0;
            for (e, &z_c) in exponentials.iter_mut().zip(z) {
                *e = exp_minus(distance(z[best], z_c, bits, 8));
                all += (distance(z[best], z_c, bits, u32::from(LOSS_BITS)) * even) >> 16;
            }
            let sum: u32 = exponentials.iter().sum();
            let label = t[row] as usize;
            let far = (distance(z[best], z[label], bits, u32::from(LOSS_BITS)) * hot) >> 16;
            let loss = (ln(sum) - ln(1 << 15) + far + all).min(LARGEST_LOSS << LOSS_BITS);
            (score[0], score[1]) = (loss, u32::from(best == label));
            let dz: &mut [u8] = bytemuck::cast_slice_mut(dz);
            for (class, (d, e)) in dz.iter_mut().zip(&exponentials).enumerate() {
                let y = even + if class == label { hot } else { 0 };
                let p = (e << PROBABILITY_BITS) / sum;
                *d = narrow(shift(p.cast_signed() - y.cast_signed(), LOGIT_SHIFT.into())) as u8;
            }
        }
    }

    fn flops(&self) -> u64 {
        8 * (self.z.rows * self.z.cols) as u64
    }
}

/// Classes around a word, logits near and far, with and without smoothing, partial batches.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, classes, rows) in [(1, 1, 1), (5, 2, 3), (64, 10, 64), (65, 17, 65), (33, 100, 20), (200, 3, 199)] {
        for (bits, most, smoothing) in
            [(11, 1 << 14, 0.0), (11, 1 << 20, 0.0), (10, i32::MAX, 0.0), (5, 300, 0.1), (12, 1 << 15, 0.2)]
        {
            let mut case =
                Case::new(format!("({batch},{classes}) rows {rows} up to {most} bits {bits} smoothing {smoothing}"));
            let z = case.i32("z", batch, classes, bits, Fill::Integers(most));
            let t = case.u32("t", batch, Fill::Below(classes as u32));
            let score = case.output_of("score", DType::I32(0), batch, 2);
            let dz = case.output_of("dz", DType::I8(ERROR_BITS), batch, classes);
            case.now.rows = rows as u32;
            case.push(IntSoftmax { z, t, score, dz, smoothing });
            cases.push(case);
        }
    }
    cases
}
