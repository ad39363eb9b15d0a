//! What a run remembers between steps, beside the tensors.

use super::Judge;
use crate::net::mlp::Mlp;
use crate::train::health::LayerHealth;
use crate::train::{Score, Values};
use serde::{Deserialize, Serialize};

/// Where a run is, and everything that decides how it goes on. With the tensors of the same moment, the settings and the
/// data it is the whole run: one that is resumed from them continues to the bit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Updates made.
    pub step: u64,
    /// Score of the epoch so far; empty between epochs.
    pub score: Score,
    /// Seconds trained in this epoch so far.
    pub epoch_seconds: f64,
    /// Seconds trained in all.
    pub seconds: f64,
    /// The net's health, if it was measured in the epoch so far, and all of it is finite; filled in for a snapshot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Vec<LayerHealth>>,
    /// Product of the plateau's reductions of the learning rate so far: 1 at first. Set in a snapshot only.
    pub plateau: f64,
    /// What is remembered of the validation scores so far.
    pub judge: Judge,
}

impl Default for State {
    fn default() -> Self {
        State {
            step: 0,
            score: Score::default(),
            epoch_seconds: 0.0,
            seconds: 0.0,
            health: None,
            plateau: 1.0,
            judge: Judge::default(),
        }
    }
}

/// A run at a settled moment: all work done, all of it looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    /// Where the run is.
    pub state: State,
    /// Weights, biases, and what the optimizer remembers.
    pub tensors: Vec<Values>,
    /// The model of the best epoch, where it is to be restored.
    pub best: Option<Mlp>,
}
