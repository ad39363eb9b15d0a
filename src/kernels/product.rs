//! Matrix products on the CPU: calls of a well-kept crate, cut into parts for the threads.

use multiversion::multiversion;
use serde::{Deserialize, Serialize};

/// Which of a product's shaders to run. All give the same result; they differ in what adapters and shapes they suit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Form {
    /// Straight from memory, a few outputs an invocation: short, and right for any shape.
    #[default]
    Plain,
    /// Tiles of 32×32 in workgroup memory, for GPUs.
    Tiled,
    /// Tiles in registers only, for software adapters.
    Regs,
    /// Tiles of 64×64 in workgroup memory, for large products on GPUs.
    Wide,
    /// Tiles of 16×16, each sum shared among sixteen invocations: for small outputs and long sums on GPUs.
    Split,
    /// Mixed precision: as `Tiled`, with factors in half precision.
    Half,
    /// Mixed precision on cooperative matrices, where a device has them.
    Coop,
}

impl Form {
    /// The forms in single precision.
    pub const SINGLE: [Form; 5] = [Form::Plain, Form::Tiled, Form::Regs, Form::Wide, Form::Split];
    /// The forms in mixed precision.
    pub const MIXED: [Form; 2] = [Form::Half, Form::Coop];

    /// Every form, for tests and benchmarks.
    pub fn all() -> impl Iterator<Item = Form> {
        Form::SINGLE.into_iter().chain(Form::MIXED)
    }

    /// Whether it rounds its factors to half precision.
    pub fn is_half(self) -> bool {
        Form::MIXED.contains(&self)
    }

    /// As it is written in files and shown to people.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Tiled => "tiled",
            Form::Regs => "regs",
            Form::Wide => "wide",
            Form::Split => "split",
            Form::Half => "half",
            Form::Coop => "coop",
        }
    }

    /// Workgroups for an output of `rows` × `cols` values when the plain form makes `plain_rows` × 4 an invocation.
    pub(crate) fn groups(self, rows: usize, cols: usize, plain_rows: usize) -> u32 {
        let tiles = |height: usize, width: usize| rows.div_ceil(height) * cols.div_ceil(width);
        match self {
            Form::Plain => crate::kernel::groups(tiles(plain_rows, 4), 64),
            Form::Tiled | Form::Half | Form::Coop => crate::kernel::groups(tiles(32, 32), 1),
            Form::Regs => crate::kernel::groups(tiles(16, 16), 16),
            Form::Wide => crate::kernel::groups(tiles(64, 64), 1),
            Form::Split => crate::kernel::groups(tiles(16, 16), 1),
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

/// A product to be computed: c = α·a·b + β·c with a (M, K), b (K, N), c (M, N) stored row by row.
#[derive(Clone, Copy)]
pub struct Product<'a> {
    /// Rows of c.
    pub m: usize,
    /// Terms of each sum.
    pub k: usize,
    /// Columns of c.
    pub n: usize,
    /// Left factor.
    pub a: Operand<'a>,
    /// Right factor.
    pub b: Operand<'a>,
    /// Weight of the product.
    pub alpha: f32,
    /// Weight of what c holds; 0 if it is not to be read.
    pub beta: f32,
    /// Distance from one row of c to the next.
    pub stride: usize,
    /// Whether threads share the columns of c rather than its rows. A layer's threads share its outputs, forward (columns
    /// of y) as backward (rows of dw): each then keeps its rows of w in its own cache.
    pub columns: bool,
}

/// Below this many multiply-adds a second thread costs more than it saves.
const PARALLEL_FROM: usize = 1 << 19;

impl Product<'_> {
    /// Computes it. `finish(row, first column, parts of the row of each output)` is called for every part of every row once
    /// that part is done; the first output is c, the others have its shape.
    ///
    /// The threads share the rows or the columns of c; a sum over K is never shared, so the bits do not depend on their
    /// number (`tests/twins.rs` checks it).
    pub fn run<const N: usize>(self, outputs: [&mut [f32]; N], finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync) {
        let shared = Product::is_worth_sharing(self.m * self.k * self.n);
        let parts = if shared { rayon::current_num_threads() } else { 1 };
        crate::audited::product(self, outputs, parts, finish);
    }

    /// Whether so much work is done sooner by several threads.
    pub fn is_worth_sharing(multiply_adds: usize) -> bool {
        multiply_adds >= PARALLEL_FROM
    }

    /// As [`Product::run`], all of it on this thread.
    pub fn run_here<const N: usize>(
        self,
        outputs: [&mut [f32]; N],
        finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync,
    ) {
        crate::audited::product(self, outputs, 1, finish);
    }
}

/// Dropout of part of a row, from column `first` on: values whose bit is set are multiplied by `scale`, the others are 0.
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
