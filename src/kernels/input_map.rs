//! The map from a sample's bytes to the inputs of the net.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The affine map of the inputs: x = byte·scale + shift, the same for every input of a sample.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InputMap {
    /// Multiplies the byte.
    pub scale: f32,
    /// Added after scaling.
    pub shift: f32,
}

impl InputMap {
    /// Bytes as they are.
    pub const RAW: InputMap = InputMap { scale: 1.0, shift: 0.0 };
    /// To 0 … 1.
    pub const UNIT: InputMap = InputMap { scale: 1.0 / 255.0, shift: 0.0 };

    /// Whether the map can be used: finite, and with a scale other than 0.
    pub fn is_valid(&self) -> bool {
        self.scale.is_normal() && self.shift.is_finite()
    }

    /// Upper bound of |x|.
    pub fn largest(&self) -> f32 {
        255.0 * self.scale.abs() + self.shift.abs()
    }
}

impl fmt::Display for InputMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "p·{} + {}", self.scale, self.shift)
    }
}
