//! The only `unsafe` of the crate, each call behind checks that make it sound.

pub(crate) mod environment;
pub(crate) mod gemm;
pub(crate) mod gemm8;
pub(crate) mod parts;
#[cfg(all(unix, feature = "cli"))]
pub(crate) mod signals;
pub(crate) mod team;
pub(crate) mod wgpu;
