//! Helpers shared by the tests.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod faulty;
pub mod machines;
pub mod mnist;
mod not_run;
pub mod program;
pub mod runs;
pub mod shelf;
pub mod splits;
pub mod tables;
pub mod team;

pub use not_run::{no_adapter, not_run};
