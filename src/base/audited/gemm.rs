//! Matrix products on the CPU: calls of the `gemm` crate, divided among the threads.

use super::parts::Shared;
use super::team;
use std::ops::Range;

/// A factor of a product: values and strides.
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
    /// Weight of the old c; with 0 it is not read.
    pub beta: f32,
    /// Distance from one row of c to the next.
    pub stride: usize,
    /// Whether the threads divide the columns of c, not its rows. A layer's threads divide its outputs, in the forward pass
    /// (columns of y) as in the backward pass (rows of dw): each thread then keeps its rows of w in its own cache.
    pub columns: bool,
}

/// Fewest multiply-adds for which a second thread saves time.
const PARALLEL_FROM: usize = 1 << 19;

impl Gemm<'_> {
    /// Computes the product. Calls `finish(row, first column, [part of that row of each output])` for every part of a
    /// row when the part is done. The first output is c; the others have its shape.
    ///
    /// The threads divide the rows or the columns of c, never a sum over K. So the bits do not depend on the number of
    /// threads; the `twins` tests check it.
    pub fn run<const N: usize>(self, outputs: [&mut [f32]; N], finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync) {
        let shared = Gemm::is_worth_sharing(self.m * self.k * self.n);
        let parts = if shared { team::threads() } else { 1 };
        split(self, outputs, parts, finish);
    }

    /// Whether several threads are faster for so many multiply-adds.
    pub fn is_worth_sharing(multiply_adds: usize) -> bool {
        multiply_adds >= PARALLEL_FROM
    }

    /// As [`Gemm::run`], on this thread alone.
    pub fn run_here<const N: usize>(
        self,
        outputs: [&mut [f32]; N],
        finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync,
    ) {
        split(self, outputs, 1, finish);
    }
}

/// c = α·a·b + β·c, divided into `parts` along its columns or rows. Then calls `finish(row, first column, [c, …])` for each
/// row of each part, on the thread that computed it, while it is in that thread's cache. The other outputs have the shape of
/// c. Padding belongs to the last part of a row.
///
/// # Panics
/// If a side is zero, or an operand or an output is too short for its shape: a bug in a twin.
fn split<const N: usize>(
    shape: Gemm<'_>,
    outputs: [&mut [f32]; N],
    parts: usize,
    finish: impl Fn(usize, usize, [&mut [f32]; N]) + Sync,
) {
    let Gemm { m, k, n, stride, .. } = shape;
    assert!(m > 0 && k > 0 && n > 0, "product: {m}×{k} by {k}×{n}");
    assert!(n <= stride && outputs.iter().all(|out| out.len() == m * stride), "product: outputs are not {m}×{stride}");
    let shared = outputs.map(Shared::of);
    let columns = shape.columns;
    let (side, other, unit) = if columns { (n, m, 32) } else { (m, n, 16) };
    // Whole tiles of the product's kernel. `gemm` uses another order of summation for outputs of at most 256 values and for
    // single rows or columns. The bits must not depend on the number of parts, so no part is that small unless the whole
    // product is.
    let least = unit.max((256 / other.max(1) + 1).next_multiple_of(unit));
    let step = side.div_ceil(parts.max(1)).next_multiple_of(least);
    let count = (side / step + usize::from(side % step >= least)).max(1);
    let part = |number: usize| {
        let range = number * step..if number + 1 == count { side } else { (number + 1) * step };
        let (rows, cols) = if columns { (0..m, range) } else { (range, 0..n) };
        sgemm(shape, rows.clone(), cols.clone(), shared[0]);
        let end = if cols.end == n { stride } else { cols.end };
        for row in rows {
            // SAFETY: parts have disjoint rows or columns.
            #[expect(unsafe_code, reason = "rows of one output, split by columns, cannot be borrowed apart otherwise")]
            let lines = shared.map(|out| unsafe { out.part(row * stride + cols.start, end - cols.start) });
            finish(row, cols.start, lines);
        }
    };
    team::for_each(count, &part);
}

/// Most terms of a sum per call of `gemm`. Longer sums would be split inside `gemm`, at places that depend on the
/// output's size.
const DEPTH: usize = 512;

/// The product of some rows of a and some columns of b, into c.
#[expect(unsafe_code, reason = "gemm takes pointers; the assertions bound every access")]
fn sgemm(shape: Gemm<'_>, rows: Range<usize>, cols: Range<usize>, c: Shared<'_, f32>) {
    let Gemm { k, a, b, alpha, beta, stride, .. } = shape;
    let last = |operand: Operand<'_>, rows: usize, cols: usize| (rows - 1) * operand.row + (cols - 1) * operand.col;
    assert!(last(a, rows.end, k) < a.values.len(), "product: a is too short for {}×{k}", rows.end);
    assert!(last(b, k, cols.end) < b.values.len(), "product: b is too short for {k}×{}", cols.end);
    assert!((rows.end - 1) * stride + cols.end <= c.len, "product: c is too short for {}×{}", rows.end, cols.end);
    let [ra, ca, rb, cb, rc] = [a.row, a.col, b.row, b.col, stride].map(usize::cast_signed);
    let depth = k.div_ceil(k.div_ceil(DEPTH));
    for first in (0..k).step_by(depth) {
        let weight = if first == 0 { beta } else { 1.0 };
        // In `gemm`, `alpha` is the weight of the old c and `beta` that of the product: the reverse of BLAS.
        //
        // SAFETY: gemm reads a[i·ra + p·ca] and b[p·rb + j·cb] and accesses c[i·rc + j] for i in rows, first ≤ p < k, j in
        // cols; the assertions bound the largest index of each. No other thread has these rows and columns of c.
        unsafe {
            gemm::gemm(
                rows.len(),
                cols.len(),
                depth.min(k - first),
                c.values.add(rows.start * stride + cols.start),
                1,
                rc,
                weight != 0.0,
                a.values.as_ptr().add(rows.start * a.row + first * a.col),
                ca,
                ra,
                b.values.as_ptr().add(cols.start * b.col + first * b.row),
                cb,
                rb,
                weight,
                alpha,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
    }
}
