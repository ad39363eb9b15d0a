//! Tests that count the memory of the whole process with their own allocator.

#[path = "../common/mod.rs"]
mod common;

mod hostile;
