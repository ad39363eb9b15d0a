//! Models in the formats of other programs.

pub mod csv;
#[cfg(feature = "formats")]
pub mod onnx;
#[cfg(feature = "formats")]
pub mod onnx_proto;
pub mod sequential;
