//! Export of models in other programs' formats.

pub mod csv;
#[cfg(feature = "formats")]
pub mod onnx;
#[cfg(feature = "formats")]
pub mod onnx_proto;
pub mod sequential;
