//! Settings of measurements and checks during training.

use serde::{Deserialize, Serialize};

/// Whether the health of a net is measured and shown: per layer, norms of gradients and weights, update ratio, dead
/// units.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum HealthName {
    /// Not measured.
    Off,
    /// Measured early, then at most every 100 updates, and in the last epoch; recorded.
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
