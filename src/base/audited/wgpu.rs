//! Calls of wgpu that it marks `unsafe`.

use sha2::{Digest, Sha256};

/// Leave to use features of wgpu that its authors call experimental.
#[expect(unsafe_code, reason = "wgpu asks for the acknowledgement in this form")]
pub fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: the caller acknowledges that wgpu may have errors there. It is asked for only where the user asked for mixed
    // precision, and what is computed with it is compared with the CPU before it is trusted.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Bytes of a SHA-256.
const SEAL: usize = 32;

/// A driver's record of compiled pipelines, made anew or from what [`sealed`] gave in an earlier run. A file that is
/// damaged, or of another device or version, counts for nothing; says also whether the file was whole.
#[expect(unsafe_code, reason = "a driver may trust the bytes it is given; the seal says that they are whole")]
pub fn pipeline_cache(device: &wgpu::Device, file: Option<&[u8]>) -> (wgpu::PipelineCache, bool) {
    let whole = |file: &&[u8]| file.len() > SEAL && Sha256::digest(&file[SEAL..])[..] == file[..SEAL];
    let data = file.filter(whole).map(|file| &file[SEAL..]);
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
    // SAFETY: the data must come from `PipelineCache::get_data`, where `sealed` takes it from. A hash without a key keeps out
    // accidents only; but who can write to this user's cache on purpose needs no driver to do harm. wgpu itself refuses data
    // of another device, driver or version of wgpu, and falls back to an empty cache.
    (unsafe { device.create_pipeline_cache(&descriptor) }, data.is_some())
}

/// The bytes of a driver's record behind their hash, or `None` where the backend keeps no record.
pub fn sealed(cache: &wgpu::PipelineCache) -> Option<Vec<u8>> {
    let data = cache.get_data()?;
    Some([&Sha256::digest(&data)[..], &data].concat())
}
