//! What is watched in training.

use serde::{Deserialize, Serialize};

/// What is done with the health of a net: norms of gradients and weights, update ratios, dead units, layer by layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum HealthName {
    /// It is not measured.
    Off,
    /// It goes into the record of the run, at most every 100 updates.
    Record,
    /// It is measured in each epoch, and shown.
    Show,
}

/// What is done about a loss or a weight that is not a finite number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum OnNan {
    /// The run stops, and says which tensor it was, of which layer, in which step.
    Stop,
    /// Nothing: the run goes on.
    Ignore,
}
