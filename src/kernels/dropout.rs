//! mask\[b, c\] = 1 with probability keep: which units a step trains.

use crate::base::audited::parts::for_each_part;
use crate::base::rng::{keep_threshold, threefry, threefry_lanes};
use crate::plan::case::Case;
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Kernel, Shader, StepValues, groups, write};
use crate::plan::tensor::TensorId;
use multiversion::multiversion;

/// Draws a dropout mask (Srivastava et al., JMLR 15, 2014). The bits are a function of (key, step, row, column), where
/// the row counts from the start of the whole batch.
#[derive(Clone, Debug)]
pub struct Dropout {
    /// Mask (B, C).
    pub mask: TensorId,
    /// Probability that a unit is kept.
    pub keep: f32,
    /// Key of this layer's stream.
    pub key: [u32; 2],
}

uniform! {
    /// Uniform block of the shader.
    struct Params {
        words: u32, cols: u32, stride: u32, threshold: u32,
        key0: u32, key1: u32, pad0: u32, pad1: u32,
    }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "dropout",
    source: include_str!("../../shaders/dropout.wgsl"),
    args: &[write(1, "mask")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for Dropout {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.mask]
    }

    fn params(&self) -> Vec<u8> {
        let params = Params {
            words: self.mask.words() as u32,
            cols: self.mask.cols as u32,
            stride: self.mask.stride() as u32,
            threshold: keep_threshold(self.keep),
            key0: self.key[0],
            key1: self.key[1],
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.mask.words(), 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let threshold = keep_threshold(self.keep);
        let pairs = self.mask.cols.div_ceil(2) as u32;
        let stride = self.mask.stride();
        // Sixteen rows of 512 units are about 30 µs of work.
        let rows = 1 + 8192 / self.mask.cols;
        for_each_part([(args.words_mut(0), rows * stride)], |part, [lines]| {
            for (row, line) in (part * rows..).zip(lines.chunks_exact_mut(stride)) {
                let row = now.first.wrapping_add(row as u32);
                draw(line, self.key, now.step, row.wrapping_mul(pairs), threshold);
                if let Some(last) = line.last_mut() {
                    *last &= u32::MAX >> (32 * stride - self.mask.cols);
                }
            }
        });
    }

    fn flops(&self) -> u64 {
        0
    }
}

/// Dropout of part of a row, from column `first` on: values whose bit is set are multiplied by `scale`, the others
/// become 0.
///
/// # Panics
/// If `first` is not a multiple of 32, the width of a word of bits; parts of a product start at such columns.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn drop_out(values: &mut [f32], bits: &[u32], first: usize, scale: f32) {
    assert!(first.is_multiple_of(32), "a part of a row starts at column {first}");
    let (whole, rest) = values.as_chunks_mut::<32>();
    let last = bits.get(first / 32 + whole.len());
    for (values, &word) in whole.iter_mut().zip(&bits[first / 32..]) {
        // Without a branch, so that the compiler can use wide registers.
        for (bit, value) in values.iter_mut().enumerate() {
            *value *= (word >> bit & 1) as f32 * scale;
        }
    }
    for (bit, value) in rest.iter_mut().enumerate() {
        *value *= last.map_or(0.0, |word| (word >> bit & 1) as f32 * scale);
    }
}

/// Draws a row of bits from counter `first` on, 32 counters and so 64 bits at a time: enough lanes to fill the widest
/// registers twice, because one round must wait for the one before.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn draw(line: &mut [u32], key: [u32; 2], step: u32, first: u32, threshold: u32) {
    for (at, words) in (0..).zip(line.chunks_mut(2)) {
        let counters = std::array::from_fn(|pair| first.wrapping_add(32 * at + pair as u32));
        let [a, b] = threefry_lanes(key, [[step; 32], counters]);
        // Each lane sets its two bits, then the lanes of a word are joined: no branch, no lane waits for another.
        let mut bits = [0; 32];
        for lane in 0..32 {
            let (even, odd) = (u32::from(a[lane] >> 8 < threshold), u32::from(b[lane] >> 8 < threshold));
            bits[lane] = (even | odd << 1) << (2 * (lane % 16));
        }
        for (word, bits) in words.iter_mut().zip(bits.as_chunks::<16>().0) {
            *word = bits.iter().fold(0, |word, bits| word | bits);
        }
    }
}

/// Widths around a word, several probabilities, a batch that starts in the middle of a larger one.
pub fn cases() -> Vec<Case> {
    let sizes = [(1, 1), (1, 31), (2, 32), (3, 33), (7, 10), (64, 63), (65, 64), (66, 65), (128, 512), (5, 784)];
    let mut cases = Vec::new();
    for (batch, cols) in sizes {
        for (keep, step, first) in [(0.8, 0, 0), (0.5, 12_345, 64), (0.0, 1, 0), (1.0, 1, 0)] {
            let mut case = Case::new(format!("keep {keep} ({batch},{cols}) step {step}"));
            let mask = case.bits_output("mask", batch, cols);
            (case.now.step, case.now.first) = (step, first);
            case.push(Dropout { mask, keep, key: [0x1234_5678, 0x9abc_def0] });
            cases.push(case);
        }
    }
    // The first word drawn is exactly at the threshold: not below it, so not kept.
    let key = [7, 9];
    let keep = (threefry(key, [0, 0])[0] >> 8) as f32 / (1 << 24) as f32;
    let mut case = Case::new("at the threshold (3,40)".into());
    let mask = case.bits_output("mask", 3, 40);
    case.push(Dropout { mask, keep, key });
    cases.push(case);
    cases
}
