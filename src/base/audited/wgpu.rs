//! Calls of wgpu that it marks `unsafe`.

use sha2::{Digest, Sha256};

/// The token with which wgpu enables its experimental features.
#[expect(unsafe_code, reason = "wgpu asks for the acknowledgement in this form")]
pub fn experimental() -> wgpu::ExperimentalFeatures {
    // SAFETY: wgpu asks the caller to accept possible errors in these features. They are enabled only if the user asks for
    // mixed precision, and their results are compared with the CPU before they are used.
    unsafe { wgpu::ExperimentalFeatures::enabled() }
}

/// Bytes of a SHA-256.
const SEAL: usize = 32;

/// A driver's cache of compiled pipelines, empty or from the bytes that [`sealed`] gave in an earlier run. A file that is
/// damaged or belongs to another device or version is ignored. Also returns whether the file was intact.
#[expect(unsafe_code, reason = "a driver may trust the bytes it is given; the hash shows that they are intact")]
pub fn pipeline_cache(device: &wgpu::Device, file: Option<&[u8]>) -> (wgpu::PipelineCache, bool) {
    let whole = |file: &&[u8]| file.len() > SEAL && Sha256::digest(&file[SEAL..])[..] == file[..SEAL];
    let data = file.filter(whole).map(|file| &file[SEAL..]);
    let descriptor = wgpu::PipelineCacheDescriptor { label: Some("pipelines"), data, fallback: true };
    // SAFETY: the data must come from `PipelineCache::get_data`; `sealed` takes it from there. The hash protects against
    // accidents, not attacks: whoever can write to this user's cache needs no driver to do harm. wgpu itself rejects data of
    // another device, driver or version of wgpu and falls back to an empty cache.
    (unsafe { device.create_pipeline_cache(&descriptor) }, data.is_some())
}

/// A driver's cache as bytes, preceded by their hash. `None` if the backend has no such cache.
pub fn sealed(cache: &wgpu::PipelineCache) -> Option<Vec<u8>> {
    let data = cache.get_data()?;
    Some([&Sha256::digest(&data)[..], &data].concat())
}
