//! What counts the memory of the whole process, by an allocator of its own.

#[path = "../common/mod.rs"]
mod common;

mod hostile;
