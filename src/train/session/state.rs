//! The state of a run between updates.

use super::ValidationTracker;
use crate::net::mlp::Mlp;
use crate::train::health::LayerHealth;
use crate::train::updates::UpdateLoss;
use crate::train::{Score, Values};
use serde::{Deserialize, Serialize};

/// The state of a run besides the lasting tensors. Together with the tensors, the settings and the data it is complete:
/// a resumed run is bit-identical.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Updates made.
    pub step: u64,
    /// Score of the epoch so far; empty between epochs.
    pub score: Score,
    /// Seconds trained in this epoch so far.
    pub epoch_seconds: f64,
    /// Seconds trained in total.
    pub seconds: f64,
    /// The net's health, if it was measured in the epoch so far and is finite. Set in a snapshot only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Vec<LayerHealth>>,
    /// Sampled losses of the epoch so far; empty between epochs.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub updates: Vec<UpdateLoss>,
    /// Product of the plateau's reductions of the learning rate so far: 1 at first. Set in a snapshot only.
    pub plateau: f64,
    /// Decisions from the validation scores so far.
    pub validation: ValidationTracker,
}

impl Default for State {
    fn default() -> Self {
        State {
            step: 0,
            score: Score::default(),
            epoch_seconds: 0.0,
            seconds: 0.0,
            health: None,
            updates: Vec::new(),
            plateau: 1.0,
            validation: ValidationTracker::default(),
        }
    }
}

/// A run at a moment when all work is done and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// State of the run.
    pub state: State,
    /// The lasting tensors: weights, biases, optimizer state, averages.
    pub tensors: Vec<Values>,
    /// The model of the best epoch, if it is to be restored.
    pub best: Option<Mlp>,
}
