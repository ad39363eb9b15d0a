//! The GPU engine: adapters, one open device, and the plan as compute passes.

mod adapters;
mod device;
mod engine;
mod fault;
mod pipelines;
mod profile;
mod rest;
mod shared;
mod wait;

pub use adapters::{Class, Found, Wanted, list, real_gpu, select};
pub use device::Gpu;
pub use engine::GpuEngine;
