//! Matrix products on the CPU: calls of a well-kept crate, cut into parts for the threads.

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
pub struct Gemm<'a> {
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

impl Gemm<'_> {
    /// Computes it. `finish(row, first column, parts of the row of each output)` is called for every part of every row once
    /// that part is done; the first output is c, the others have its shape.
    ///
    /// The threads share the rows or the columns of c; a sum over K is never shared, so the bits do not depend on their
    /// number (`tests/twins.rs` checks it).
    pub fn run<const N: usize>(self, outputs: [&mut [f32]; N], finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync) {
        let shared = Gemm::is_worth_sharing(self.m * self.k * self.n);
        let parts = if shared { rayon::current_num_threads() } else { 1 };
        crate::audited::gemm(self, outputs, parts, finish);
    }

    /// Whether so much work is done sooner by several threads.
    pub fn is_worth_sharing(multiply_adds: usize) -> bool {
        multiply_adds >= PARALLEL_FROM
    }

    /// As [`Gemm::run`], all of it on this thread.
    pub fn run_here<const N: usize>(
        self,
        outputs: [&mut [f32]; N],
        finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync,
    ) {
        crate::audited::gemm(self, outputs, 1, finish);
    }
}
