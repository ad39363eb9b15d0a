//! Who looks on while a run goes, and what they may ask for.

use super::Snapshot;
use crate::base::error::Error;
use crate::net::mlp::Mlp;
use crate::train::Score;
use crate::train::health::LayerHealth;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Told what happens in a run. Every answer is a [`Wish`]; none changes what is computed.
pub trait Observer {
    /// About ten times a second, while steps are under way.
    fn progress(&mut self, _progress: &Progress) -> Wish {
        Wish::Continue
    }

    /// After each epoch, and where a limit ends the run in the middle of one.
    ///
    /// # Errors
    /// Whatever goes wrong ends the run.
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error>;

    /// Whether [`Observer::inspect`] is wanted after each epoch; it costs another pass over the split that scores epochs.
    fn inspects(&self) -> bool {
        false
    }

    /// After [`Observer::epoch`]: the model itself.
    ///
    /// # Errors
    /// Whatever goes wrong ends the run.
    fn inspect(&mut self, _inspection: &Inspection) -> Result<(), Error> {
        Ok(())
    }

    /// The number of updates, above `step`, after which a snapshot is wanted, if one is.
    fn snapshot_at(&mut self, _step: u64) -> Option<u64> {
        None
    }

    /// A snapshot that was asked for.
    ///
    /// # Errors
    /// Whatever goes wrong ends the run.
    fn snapshot(&mut self, _snapshot: &Snapshot) -> Result<(), Error> {
        Ok(())
    }
}

/// A callback per epoch.
impl<F: FnMut(&EpochReport) -> Wish> Observer for F {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        Ok(self(report))
    }
}

/// What an observer wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Go on.
    #[default]
    Continue,
    /// Settle all work soon, hand over a snapshot, go on.
    Snapshot,
    /// Settle all work soon and end the run; [`super::Session::snapshot`] is still to be had.
    Stop(Reason),
}

impl Wish {
    /// The stronger of two wishes, the first of equals.
    pub fn or(self, other: Wish) -> Wish {
        match (self, other) {
            (Wish::Stop(_), _) | (Wish::Snapshot, Wish::Continue | Wish::Snapshot) => self,
            _ => other,
        }
    }
}

/// Why a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// All epochs were trained.
    Finished,
    /// The validation split saw nothing better for long enough.
    EarlyStopping,
    /// The time was up.
    MaxTime,
    /// The updates were made.
    MaxSteps,
    /// Somebody asked for it.
    Interrupted,
    /// A loss was no longer finite.
    Diverged,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Reason::Finished => "all epochs are trained",
            Reason::EarlyStopping => "nothing better on the validation split",
            Reason::MaxTime => "the time is up",
            Reason::MaxSteps => "the updates are made",
            Reason::Interrupted => "interrupted",
            Reason::Diverged => "the loss is not finite",
        })
    }
}

/// How far a run is, within an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Epochs of the run.
    pub epochs: usize,
    /// Samples of an epoch.
    pub samples: u64,
    /// Score of the epoch so far.
    pub score: Score,
    /// Seconds trained in this epoch.
    pub epoch_seconds: f64,
    /// Seconds trained in all.
    pub seconds: f64,
}

/// What an epoch came to.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Its number, from 1.
    pub epoch: usize,
    /// Updates made in the run so far.
    pub step: u64,
    /// Whether the epoch was trained to its end.
    pub whole: bool,
    /// The training split, each batch scored before it was learned from.
    pub train: Score,
    /// The validation split after the epoch, if there is one.
    pub validation: Option<Score>,
    /// The test split after the epoch. With a validation split it is scored once, by [`super::Session::finish`].
    pub test: Option<Score>,
    /// Whether the validation split liked no epoch before it as well.
    pub best: bool,
    /// Learning rate of the last update.
    pub lr: f32,
    /// Momentum of the last update; for Adam β₁.
    pub momentum: f32,
    /// The net's health, layer by layer, if it was measured in this epoch.
    pub health: Option<Vec<LayerHealth>>,
    /// Seconds of training alone.
    pub seconds: f64,
    /// Training samples a second.
    pub images_per_second: f64,
}

/// A look at the model in training.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Updates made in the run so far.
    pub step: u64,
    /// The model.
    pub model: Mlp,
    /// `confusion[truth · C + prediction]` is a number of samples of the validation split, or of the test split where there
    /// is no other.
    pub confusion: Vec<u64>,
}
