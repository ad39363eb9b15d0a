//! The only `unsafe` of the crate, each call behind checks that make it sound.

pub(crate) mod gemm;
#[cfg(all(unix, feature = "cli"))]
pub(crate) mod signals;
pub(crate) mod wgpu;
