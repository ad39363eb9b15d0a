//! Observers are called during a run, and can ask for a snapshot or for the end.

use super::Snapshot;
use crate::base::error::Error;
use crate::net::mlp::Mlp;
use crate::train::health::{LayerHealth, Limited};
use crate::train::updates::UpdateLoss;
use crate::train::{Metric, Score};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Callbacks of a run. The [`Wish`]es that they return never change what is computed.
pub trait Observer {
    /// Called about ten times a second during training.
    fn progress(&mut self, _progress: &Progress) -> Wish {
        Wish::Continue
    }

    /// Called after each epoch, and when a limit ends the run within an epoch.
    ///
    /// # Errors
    /// Any error ends the run.
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error>;

    /// Whether to call [`Observer::inspect`] after each epoch; it costs another evaluation.
    fn inspects(&self) -> bool {
        false
    }

    /// Called with the model, after [`Observer::epoch`].
    ///
    /// # Errors
    /// Any error ends the run.
    fn inspect(&mut self, _inspection: &Inspection) -> Result<(), Error> {
        Ok(())
    }

    /// Returns the next number of updates, above `step`, after which to take a snapshot, if any.
    fn snapshot_at(&mut self, _step: u64) -> Option<u64> {
        None
    }

    /// Called with a requested snapshot.
    ///
    /// # Errors
    /// Any error ends the run.
    fn snapshot(&mut self, _snapshot: &Snapshot) -> Result<(), Error> {
        Ok(())
    }
}

/// A closure is called after each epoch.
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
    /// Returns the stronger of two requests, or the first if they are equally strong.
    pub fn or(self, other: Wish) -> Wish {
        match (self, other) {
            (Wish::Stop(_), _) | (Wish::Snapshot, Wish::Continue | Wish::Snapshot) => self,
            _ => other,
        }
    }
}

impl Wish {
    /// Every request but the first, in the order of its word.
    const ASKED: [Wish; 7] = [
        Wish::Snapshot,
        Wish::Stop(Reason::Finished),
        Wish::Stop(Reason::EarlyStopping),
        Wish::Stop(Reason::MaxTime),
        Wish::Stop(Reason::MaxSteps),
        Wish::Stop(Reason::Interrupted),
        Wish::Stop(Reason::Diverged),
    ];

    /// The request as a word for other processes: 0 for [`Wish::Continue`].
    pub(super) fn word(self) -> u32 {
        Wish::ASKED.iter().position(|wish| *wish == self).map_or(0, |at| at as u32 + 1)
    }

    /// The request of a word.
    pub(super) fn of(word: u32) -> Wish {
        Wish::ASKED.iter().zip(1..).find(|(_, number)| *number == word).map_or(Wish::Continue, |(wish, _)| *wish)
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
            Reason::EarlyStopping => "no improvement on the validation split",
            Reason::MaxTime => "the time limit is reached",
            Reason::MaxSteps => "the limit of updates is reached",
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
    /// The metric of the score.
    pub metric: Metric,
    /// Seconds trained in this epoch.
    pub epoch_seconds: f64,
    /// Seconds trained in total.
    pub seconds: f64,
}

/// The results of an epoch.
#[derive(Clone, Debug)]
pub struct EpochReport {
    /// Number of the epoch, from 1.
    pub epoch: usize,
    /// Updates made in the run so far.
    pub step: u64,
    /// Whether the epoch is complete.
    pub whole: bool,
    /// Score of the training split, each batch scored before its update.
    pub train: Score,
    /// Score of the validation split after the epoch, if there is one.
    pub validation: Option<Score>,
    /// Score of the test split after the epoch. Absent with a validation split: the test split is then scored only
    /// once, by [`super::Session::finish`].
    pub test: Option<Score>,
    /// The metric of the scores.
    pub metric: Metric,
    /// Whether this is the best validation score so far.
    pub best: bool,
    /// Learning rate of the last update.
    pub lr: f32,
    /// Momentum of the last update; for Adam, β₁.
    pub momentum: f32,
    /// The net's health, layer by layer, if it was measured in this epoch.
    pub health: Option<Vec<LayerHealth>>,
    /// For training in integers: the share of values that were limited since the start of the run, per layer.
    pub limited: Option<Vec<Limited>>,
    /// The losses of the epoch's sampled updates, a few hundred per run, in order.
    pub updates: Vec<UpdateLoss>,
    /// Seconds of training alone.
    pub seconds: f64,
    /// Training samples per second.
    pub images_per_second: f64,
}

/// The model during training.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Updates made in the run so far.
    pub step: u64,
    /// The model.
    pub model: Mlp,
    /// Confusion matrix: `confusion[truth · C + prediction]` is the number of such samples in the validation split, or
    /// in the test split if there is no validation split. Empty if the targets are not classes.
    pub confusion: Vec<u64>,
}
