//! The only `unsafe` of the crate, each call behind checks that make it sound.

use crate::kernels::Operand;
use sha2::{Digest, Sha256};

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

/// Bytes of a SHA-256.
const SEAL: usize = 32;

/// A driver's record of compiled pipelines, made anew or from what [`sealed`] gave in an earlier run. A file that is
/// damaged, or of another device or version, counts for nothing; says also whether the file was whole.
#[expect(unsafe_code, reason = "a driver may trust the bytes it is given; the seal says that they are its own")]
pub fn pipeline_cache(device: &wgpu::Device, file: Option<&[u8]>) -> (wgpu::PipelineCache, bool) {
    let whole = |file: &&[u8]| file.len() > SEAL && Sha256::digest(&file[SEAL..])[..] == file[..SEAL];
    let data = file.filter(whole).map(|file| &file[SEAL..]);
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
    // SAFETY: the data must come from `PipelineCache::get_data`. Only `sealed` puts this seal on bytes, and it takes them
    // from there; wgpu itself refuses those of another device, driver or version of wgpu, and falls back to an empty cache.
    (unsafe { device.create_pipeline_cache(&descriptor) }, data.is_some())
}

/// The bytes of a driver's record behind their hash, or `None` where the backend keeps no record.
pub fn sealed(cache: &wgpu::PipelineCache) -> Option<Vec<u8>> {
    let data = cache.get_data()?;
    Some([&Sha256::digest(&data)[..], &data].concat())
}
