//! How good a model is, and what can be shown of it: scores, pages, pictures, files of other programs.

pub mod assess;
pub mod export;
#[cfg(feature = "formats")]
pub mod picture;
#[cfg(any(feature = "formats", feature = "images"))]
pub mod png;
#[cfg(feature = "report")]
pub mod report;
#[cfg(feature = "formats")]
pub mod tensorboard;
