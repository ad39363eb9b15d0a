//! Observers: called while a run goes on, and able to ask for a snapshot or the end.

use super::Snapshot;
use crate::base::error::Error;
use crate::net::mlp::Mlp;
use crate::train::Score;
use crate::train::health::LayerHealth;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Callbacks of a run. Their answers, [`Wish`]es, never change what is computed.
pub trait Observer {
    /// About ten times a second during training.
    fn progress(&mut self, _progress: &Progress) -> Wish {
        Wish::Continue
    }

    /// After each epoch, and when a limit ends the run within one.
    ///
    /// # Errors
    /// Any error ends the run.
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error>;

    /// Whether to call [`Observer::inspect`] after each epoch; it costs another evaluation.
    fn inspects(&self) -> bool {
        false
    }

    /// After [`Observer::epoch`], with the model.
    ///
    /// # Errors
    /// Any error ends the run.
    fn inspect(&mut self, _inspection: &Inspection) -> Result<(), Error> {
        Ok(())
    }

    /// The next number of updates, above `step`, after which to take a snapshot, if any.
    fn snapshot_at(&mut self, _step: u64) -> Option<u64> {
        None
    }

    /// With a snapshot that was asked for.
    ///
    /// # Errors
    /// Any error ends the run.
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

/// An observer's request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wish {
    /// Continue.
    #[default]
    Continue,
    /// Settle all work soon, take a snapshot, continue.
    Snapshot,
    /// Settle all work soon and end the run; [`super::Session::snapshot`] still works then.
    Stop(Reason),
}

impl Wish {
    /// The stronger of two requests; of equals the first.
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
    /// No improvement on the validation split for long enough.
    EarlyStopping,
    /// The time limit was reached.
    MaxTime,
    /// The limit of updates was reached.
    MaxSteps,
    /// Interrupted by the user.
    Interrupted,
    /// A loss or a parameter was NaN or infinite.
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

/// Progress of a run within an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Number of epochs of the run.
    pub epochs: usize,
    /// Samples per epoch.
    pub samples: u64,
    /// Score of the epoch so far.
    pub score: Score,
    /// Seconds trained in this epoch.
    pub epoch_seconds: f64,
    /// Seconds trained in total.
    pub seconds: f64,
}

/// The results of an epoch.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Its number, from 1.
    pub epoch: usize,
    /// Updates made in the run so far.
    pub step: u64,
    /// Whether it is complete.
    pub whole: bool,
    /// Score of the training split, each batch scored before it was learned from.
    pub train: Score,
    /// Score of the validation split after the epoch, if there is one.
    pub validation: Option<Score>,
    /// Score of the test split after the epoch; with a validation split it is scored only once, by
    /// [`super::Session::finish`].
    pub test: Option<Score>,
    /// Whether this is the best validation score so far.
    pub best: bool,
    /// Learning rate of the last update.
    pub lr: f32,
    /// Momentum of the last update; for Adam, β₁.
    pub momentum: f32,
    /// The net's health, layer by layer, if it was measured in this epoch.
    pub health: Option<Vec<LayerHealth>>,
    /// Seconds of training alone.
    pub seconds: f64,
    /// Training samples per second.
    pub images_per_second: f64,
}

/// The model in training.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Updates made in the run so far.
    pub step: u64,
    /// The model.
    pub model: Mlp,
    /// Confusion matrix: `confusion[truth · C + prediction]` is the number of such samples in the validation split, or
    /// in the test split if there is no other.
    pub confusion: Vec<u64>,
}
