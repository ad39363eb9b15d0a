//! The lowest layer: errors, text, hashes, random streams, the clock, the disk, the cache folder, and the only `unsafe` of the
//! crate.

pub(crate) mod audited;
pub mod cache;
pub mod clock;
pub mod disk;
pub mod error;
pub mod file_kind;
pub mod hash;
pub mod rng;
pub mod text;
pub mod threads;

#[cfg(all(unix, feature = "cli"))]
pub use audited::signals::hangup_is_ignored;
