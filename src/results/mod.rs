//! The results of a model: evaluation, ensembles, reports, pictures, and export to other programs' formats.

pub mod assess;
#[cfg(all(feature = "blocking", not(target_family = "wasm")))]
pub mod blocking;
pub mod ensemble;
pub mod explain;
pub mod export;
#[cfg(feature = "formats")]
pub mod picture;
#[cfg(any(feature = "formats", feature = "images"))]
pub mod png;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "formats")]
pub mod tensorboard;
