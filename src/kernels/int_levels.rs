//! The level of each layer: how far its error signal δ is shifted right to fit in 8 bits, in training with integers.

use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Kernel, Shader, StepValues, expect, update};
use crate::plan::tensor::{DType, TensorId};

/// Sets the levels of the next update from the largest |δ| of this one. A level rises at once to what was needed. It falls by
/// at most one per eight updates, so that the errors after one batch of small errors still fit.
///
/// The levels of an update follow from the update before, not from its micro-batches. So the result does not depend on how a
/// batch is cut into micro-batches.
#[derive(Clone, Debug)]
pub struct IntLevels {
    /// A row per layer (L, 8), i32. Column 0: the level. Column 1: the largest |δ| of the update, before the shift. Column 2:
    /// the sum of the levels of this and all later layers. Columns 3 to 5: how many weights, outputs and errors did not fit
    /// in 8 bits since the start. Columns 6 and 7 are unused.
    pub levels: TensorId,
}

uniform! {
    /// Uniform block of the shaders in `int_levels.wgsl`.
    pub(super) struct Params {
        count: u32, words: u32, stride: u32, layer: u32, layers: u32, drop: u32, pad0: u32, pad1: u32,
    }
}

pub(super) const SOURCE: &str = include_str!("../../shaders/int_levels.wgsl");

/// Counts stop here, so that they cannot overflow.
pub const MOST_COUNTED: u32 = 1 << 30;

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "int_levels",
    source: SOURCE,
    args: &[update(3, "counts")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for IntLevels {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.levels]
    }

    fn params(&self) -> Vec<u8> {
        expect("int_levels", "levels", self.levels, DType::I32(0), self.levels.rows, 8, "a row has eight numbers");
        bytemuck::bytes_of(&Params { count: self.levels.rows as u32, ..Params::default() }).to_vec()
    }

    fn groups(&self) -> u32 {
        1
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let mut sum = 0u32;
        for row in args.words_mut(0).chunks_exact_mut(8).rev() {
            let need = 25u32.saturating_sub(row[1].leading_zeros());
            let level = row[0];
            row[0] = if need >= level { need } else { level - u32::from(now.step % 8 == 7) };
            row[1] = 0;
            sum = sum.wrapping_add(row[0]);
            row[2] = sum;
            row[3..6].iter_mut().for_each(|count| *count = (*count).min(MOST_COUNTED));
        }
    }

    fn flops(&self) -> u64 {
        0
    }
}

/// Levels that rise, stay and fall.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (layers, most, step) in [(1, 1, 0), (2, 12, 7), (3, 1 << 20, 8), (5, 400, 15), (9, i32::MAX as u32, 3)] {
        let mut case = Case::new(format!("{layers} layers up to {most} step {step}"));
        let levels = case.i32("levels", layers, 8, 0, Fill::Below(most));
        case.now.step = step;
        case.push(IntLevels { levels });
        cases.push(case);
    }
    cases
}
