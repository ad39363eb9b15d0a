//! Tests that compute on every adapter of this machine and on the CPU.

#[path = "../common/mod.rs"]
mod common;

mod bench;
mod exact;
mod faults;
mod floats;
mod gl_context;
mod health;
mod learning;
mod mixed;
mod models;
mod parity;
mod pipelines;
mod plan;
mod predictor;
mod session;
mod shards;
mod tune;
mod updates;
