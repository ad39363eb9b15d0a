//! gpu-mlp: multilayer perceptrons trained on the GPU.

pub mod assess;
mod audited;
pub mod config;
pub mod court;
pub mod cpu;
pub mod data;
pub mod engine;
mod error;
pub mod feed;
pub mod gpu;
pub mod kernel;
pub mod kernels;
pub mod machine;
pub mod metrics;
pub mod model;
pub mod model_file;
pub mod net;
pub mod plan;
pub mod rng;
pub mod steps;
pub mod tensor;
pub mod train;

pub use error::Error;
