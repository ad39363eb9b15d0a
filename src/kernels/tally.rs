//! One row of the epoch's record: the sums of the losses and of the metrics (hits, for classes) of a micro-batch.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Args, Bounds, Cost, Kernel, Shader, StepValues, Witness, expect, read, update};
use crate::plan::tensor::{DType, TensorId};

/// Adds up the scores of a micro-batch. Every micro-batch has a row, so the host can add the rows in double precision,
/// draw a curve of them, or find the step in which a loss became infinite or NaN.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Loss and metric of each sample (B, 2): floats, or integers.
    pub score: TensorId,
    /// Their sums (S, 2), of which row `StepValues::slot` is written.
    pub tally: TensorId,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { batch: u32, record_len: u32, pad0: u32, pad1: u32, }
}

const SOURCE: &str = include_str!("../../shaders/tally.wgsl");

const FLOATS: &[Arg] = &[read(1, "score"), update(2, "record")];
const INTEGERS: &[Arg] = &[read(3, "score_int"), update(4, "record_int")];

const fn shader(name: &'static str, args: &'static [Arg]) -> Shader {
    Shader { name, source: SOURCE, args, params: Params::FIELDS, overrides: &[] }
}

/// One for floats, one for integers.
pub static SHADERS: &[Shader] = &[shader("tally", FLOATS), shader("tally_int", INTEGERS)];

impl Tally {
    fn integers(&self) -> bool {
        self.score.dtype != DType::F32
    }
}

impl Kernel for Tally {
    fn shader(&self) -> &'static Shader {
        &SHADERS[usize::from(self.integers())]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.score, self.tally]
    }

    fn params(&self) -> Vec<u8> {
        let dtype = if self.integers() { DType::I32(0) } else { DType::F32 };
        expect("tally", "score", self.score, dtype, self.score.rows, 2, "a score is a loss and a metric");
        expect("tally", "tally", self.tally, dtype, self.tally.rows, 2, "a row is a sum of losses and one of metrics");
        let (batch, record_len) = (self.score.rows as u32, self.tally.rows as u32);
        bytemuck::bytes_of(&Params { batch, record_len, ..Params::default() }).to_vec()
    }

    fn groups(&self) -> u32 {
        1
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        if self.integers() {
            let (score, record) = (args.words(0), args.words_mut(1));
            let row = &mut record[4 * now.slot as usize..][..4];
            row.fill(0);
            for line in score.chunks_exact(4) {
                row.iter_mut().zip(line).for_each(|(sum, value)| *sum = sum.wrapping_add(*value));
            }
            return;
        }
        let (score, record) = (args.f32(0), args.f32_mut(1));
        let mut sums = [0.0; 4];
        for line in score.chunks_exact(4) {
            for (sum, value) in sums.iter_mut().zip(line) {
                *sum += value;
            }
        }
        record[4 * now.slot as usize..][..4].copy_from_slice(&sums);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        if self.integers() {
            return vec![None, None];
        }
        let mut bound = vec![0.0; self.tally.words()];
        for (column, bound) in bound[4 * now.slot as usize..][..2].iter_mut().enumerate() {
            let values = || witness.f32(0).chunks_exact(4).map(|line| line[column].abs());
            let sum: f32 = values().sum();
            // The sum of whole numbers, such as hits without weights, is exact in any order up to 2²⁴.
            if values().any(|value| value.fract() != 0.0) || sum > (1 << 24) as f32 {
                *bound = (self.score.rows + 1) as f32 * EPSILON * sum;
            }
        }
        vec![None, Some(bound)]
    }

    fn cost(&self) -> Cost {
        // Only one row of the record is written.
        Cost { flops: self.flops(), bytes: self.score.bytes() + 16 }
    }

    fn flops(&self) -> u64 {
        2 * self.score.rows as u64
    }
}

/// Batches around the workgroup's size, any slot, exact and real losses; hits, and metrics that are real too.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, slots, slot) in [(1, 1, 0), (7, 3, 2), (63, 5, 0), (64, 5, 1), (65, 5, 4), (131, 2, 1), (5000, 2, 0)] {
        for label in ["integers", "reals", "real metrics"] {
            let exact = label == "integers";
            let fill = if exact { Fill::Integers(2000) } else { Fill::Reals(3.0) };
            let mut case = Case::new(format!("{label} {batch} samples, slot {slot}"));
            let score = case.f32("score", batch, 2, fill);
            let tally = case.f32("tally", slots, 2, Fill::Reals(1.0));
            case.now.slot = slot;
            case.push(Tally { score, tally });
            cases.push(match label {
                "integers" => case.exact(),
                // Hits must add up exactly, so that column has only 0 and 1.
                "reals" => case.hits(score),
                _ => case,
            });
        }
        let mut case = Case::new(format!("fixed point {batch} samples, slot {slot}"));
        let score = case.i32("score", batch, 2, 0, Fill::Integers(30_000));
        let tally = case.i32("tally", slots, 2, 0, Fill::Integers(9));
        case.now.slot = slot;
        case.push(Tally { score, tally });
        cases.push(case);
    }
    cases
}
