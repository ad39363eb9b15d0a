//! gpu-mlp: multilayer perceptrons trained on the GPU.

pub mod audited;
pub mod court;
pub mod cpu;
pub mod engine;
mod error;
pub mod gpu;
pub mod kernel;
pub mod kernels;
pub mod plan;
pub mod rng;
pub mod tensor;

pub use error::Error;
