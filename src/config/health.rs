//! What is measured and checked in training.

use serde::{Deserialize, Serialize};

/// What is done with the health of a net, layer by layer: norms of gradients and weights, update ratios, dead units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum HealthName {
    /// Not measured.
    Off,
    /// Measured at most every 100 updates, for the record of the run.
    Record,
    /// Measured in each epoch, and shown.
    Show,
}

/// What to do about a loss or a weight that is NaN or infinite.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OnNan {
    /// Stop the run, and name the tensor, the layer and the update where it began.
    Stop,
    /// Continue.
    Ignore,
}
