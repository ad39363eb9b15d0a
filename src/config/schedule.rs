//! How the learning rate changes over a run.

use serde::{Deserialize, Serialize};

/// How the learning rate changes over a run of T updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// From `lr` in a straight line towards 0.
    Linear,
    /// From `lr` along half a cosine towards 0 (Loshchilov and Hutter, ICLR 2017).
    Cosine,
}

impl Schedule {
    /// Share of the learning rate that update `step` (from 0) of `total` uses.
    pub fn factor(self, step: u64, total: u64) -> f64 {
        let gone = step as f64 / total.max(1) as f64;
        match self {
            Schedule::Constant => 1.0,
            Schedule::Linear => 1.0 - gone,
            Schedule::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * gone).cos()),
        }
    }
}
