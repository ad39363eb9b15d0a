//! The only `unsafe` of the crate, each call behind checks that make it sound.

use crate::kernels::Operand;

/// c = a·b or c += a·b through `matrixmultiply`; shapes as in [`crate::kernels::product`].
///
/// # Panics
/// If an operand is too short for its shape: a mistake in a twin.
#[expect(unsafe_code, reason = "matrixmultiply takes pointers; the asserts below bound every access")]
pub fn sgemm(k: usize, n: usize, a: Operand<'_>, b: Operand<'_>, accumulate: bool, c: &mut [f32], stride: usize) {
    let m = c.len() / stride.max(1);
    if m == 0 || n == 0 {
        return;
    }
    if k == 0 {
        if !accumulate {
            c.fill(0.0);
        }
        return;
    }
    assert!(n <= stride && c.len() == m * stride, "sgemm: c is {} values in rows of {stride}", c.len());
    assert!((m - 1) * a.row + (k - 1) * a.col < a.values.len(), "sgemm: a is too short for {m}×{k}");
    assert!((k - 1) * b.row + (n - 1) * b.col < b.values.len(), "sgemm: b is too short for {k}×{n}");
    let [ra, ca, rb, cb, rc] = [a.row, a.col, b.row, b.col, stride].map(usize::cast_signed);
    let beta = if accumulate { 1.0 } else { 0.0 };
    // SAFETY: sgemm reads a[i·ra + p·ca] and b[p·rb + j·cb] and accesses c[i·rc + j] for i < m, p < k, j < n; the
    // asserts bound the largest index of each, and c is borrowed mutably, so nothing aliases it.
    unsafe {
        matrixmultiply::sgemm(
            m,
            k,
            n,
            1.0,
            a.values.as_ptr(),
            ra,
            ca,
            b.values.as_ptr(),
            rb,
            cb,
            beta,
            c.as_mut_ptr(),
            rc,
            1,
        );
    }
}
