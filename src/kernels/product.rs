//! Matrix products on the CPU: one call of a well-kept crate, cut into row blocks for the threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Which of a product's shaders to run. All give the same result; they differ in what kind of adapter they suit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// Straight from memory, a few outputs an invocation: short, and right for any shape.
    #[default]
    Plain,
    /// Tiles in workgroup memory, for GPUs.
    Tiled,
    /// Tiles in registers only, for software adapters.
    Regs,
}

impl Form {
    /// Every form, for tests and benchmarks.
    pub const ALL: [Form; 3] = [Form::Plain, Form::Tiled, Form::Regs];

    /// As it is written in files and shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Tiled => "tiled",
            Form::Regs => "regs",
        }
    }

    /// Workgroups for an output of `rows` × `cols` values when the plain form makes `plain_rows` × 4 an invocation.
    pub(crate) fn groups(self, rows: usize, cols: usize, plain_rows: usize) -> u32 {
        let across = |width: usize| cols.div_ceil(width);
        match self {
            Form::Plain => crate::kernel::groups(rows.div_ceil(plain_rows) * across(4), 64),
            Form::Tiled => crate::kernel::groups(rows.div_ceil(32) * across(32), 1),
            Form::Regs => crate::kernel::groups(rows.div_ceil(8) * across(8), 16),
        }
    }
}

/// A matrix as a product sees it: values, and how far apart neighbours in a column and in a row are.
#[derive(Clone, Copy)]
pub struct Operand<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Distance from one row to the next.
    pub row: usize,
    /// Distance from one column to the next.
    pub col: usize,
}

impl<'a> Operand<'a> {
    /// A matrix stored row by row, `stride` apart.
    pub fn rows(values: &'a [f32], stride: usize) -> Self {
        Operand { values, row: stride, col: 1 }
    }
    /// The transpose of a matrix stored row by row, `stride` apart.
    pub fn transposed(values: &'a [f32], stride: usize) -> Self {
        Operand { values, row: 1, col: stride }
    }
}

/// Below this many multiply-adds a second thread costs more than it saves.
const PARALLEL_FROM: usize = 1 << 18;

/// c = a·b, or c += a·b if `accumulate`; a (M, K), b (K, N), c (M, N) stored row by row, `stride` apart.
///
/// The threads share the rows of c; a sum over K is never cut, so the bits do not depend on their number
/// (`tests/twins.rs` checks it).
pub fn product(k: usize, n: usize, a: Operand<'_>, b: Operand<'_>, accumulate: bool, c: &mut [f32], stride: usize) {
    let m = c.len() / stride.max(1);
    let threads = if m * k * n < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
    // Multiples of 16 rows: whole tiles of the kernel, so that no thread repeats another's remainder.
    let block = m.div_ceil(threads).next_multiple_of(16);
    if block >= m {
        return crate::audited::sgemm(k, n, a, b, accumulate, c, stride);
    }
    c.par_chunks_mut(block * stride).enumerate().for_each(|(i, c)| {
        let rows = Operand { values: &a.values[i * block * a.row..], ..a };
        crate::audited::sgemm(k, n, rows, b, accumulate, c, stride);
    });
}
