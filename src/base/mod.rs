//! The lowest layer: errors, text, hashes, random streams, the disk, the cache folder, and the only `unsafe` of the
//! crate.

pub(crate) mod audited;
pub mod cache;
pub mod disk;
pub mod error;
pub mod hash;
pub mod rng;
pub mod text;
pub mod threads;
