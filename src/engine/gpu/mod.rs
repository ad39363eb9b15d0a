//! The GPU engine: adapters, one open device, and the plan as compute passes.

mod adapters;
mod device;
mod engine;
mod fault;
mod group;
mod pipelines;
mod profile;
mod shared;
mod submission;
mod wait;

pub use adapters::{Class, FoundAdapter, Wanted, list, real_gpu, select, silence_drivers};
pub use device::Gpu;
pub use engine::GpuEngine;
pub use group::{Group, signature};
