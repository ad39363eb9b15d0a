//! When to save, and saving while training continues.

use super::{Best, Checkpoints, Generation, Saved};
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::train::session::{EpochReport, Snapshot, Wish};
use std::thread::JoinHandle;
use std::time::Duration;

/// How often to save in addition to the end of each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Every {
    /// Number of updates between saves.
    pub steps: Option<u64>,
    /// Time between saves.
    pub time: Option<Duration>,
}

/// Saves the checkpoints of a run. A thread hashes and writes a checkpoint while training continues. The next
/// checkpoint waits for it, so at most two are in memory.
pub struct Keeper {
    checkpoints: Checkpoints,
    saved: Saved,
    every: Every,
    since: Instant,
    /// Length of the record so far, see [`Generation::metrics_bytes`].
    metrics_bytes: u64,
    saving: Option<JoinHandle<Result<u64, Error>>>,
    /// The step of the last snapshot.
    taken: Option<u64>,
    /// The step of the last complete generation.
    whole: Option<u64>,
}

impl Keeper {
    /// Saves generations of a run after step `whole`. The record has `metrics_bytes` bytes so far.
    pub fn new(checkpoints: Checkpoints, saved: Saved, every: Every, metrics_bytes: u64, whole: Option<u64>) -> Self {
        let (since, taken) = (Instant::now(), whole);
        Keeper { checkpoints, saved, every, since, metrics_bytes, saving: None, taken, whole }
    }

    /// The next update after `step` at which a generation is due.
    pub fn due_at(&self, step: u64) -> Option<u64> {
        self.every.steps.map(|every| (step / every + 1).saturating_mul(every))
    }

    /// Asks for a snapshot if one is due by time.
    pub fn due(&self) -> Wish {
        if self.every.time.is_some_and(|every| self.since.elapsed() >= every) { Wish::Snapshot } else { Wish::Continue }
    }

    /// Notes the end of an epoch, with the length of `metrics.jsonl`, and asks for a snapshot. Does not ask while the
    /// last one is being written, so that short epochs do not wait for the disk.
    pub fn epoch(&mut self, report: &EpochReport, metrics_bytes: u64) -> Wish {
        if !report.whole {
            // A resumed run replaces this record with the record of the whole epoch.
            return Wish::Continue;
        }
        self.metrics_bytes = metrics_bytes;
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            return Wish::Continue;
        }
        let loss = report.validation.unwrap_or(report.train).loss();
        if self.saved.best.is_none_or(|best| loss < best.loss) {
            self.saved.best = Some(Best { step: report.step, loss });
        }
        Wish::Snapshot
    }

    /// Writes a snapshot while training continues. A snapshot with NaN or infinite values is not saved: the checkpoint
    /// on disk is better.
    ///
    /// # Errors
    /// The error of writing the previous snapshot.
    pub fn save(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.settle()?;
        let step = snapshot.state.step;
        self.since = Instant::now();
        if self.taken == Some(step) {
            return Ok(());
        }
        if let Some(bad) = snapshot.tensors.iter().find(|tensor| !tensor.is_finite()) {
            tracing::warn!("{} is not finite after update {step}: no checkpoint is saved", bad.name);
            return Ok(());
        }
        self.taken = Some(step);
        let generation = Generation {
            step,
            best: self.saved.best.map(|best| best.step),
            metrics_bytes: self.metrics_bytes,
            state: Saved { session: snapshot.state.clone(), ..self.saved.clone() },
            tensors: super::saved::tensors(snapshot),
        };
        let checkpoints = self.checkpoints.clone();
        self.saving = Some(std::thread::spawn(move || checkpoints.save(&generation).map(|()| step)));
        Ok(())
    }

    /// Waits until the last snapshot is on disk.
    ///
    /// # Errors
    /// The error of writing it.
    pub fn settle(&mut self) -> Result<(), Error> {
        if let Some(saving) = self.saving.take() {
            self.whole = Some(saving.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))?);
        }
        Ok(())
    }

    /// The step of the last generation known to be complete.
    pub fn whole(&self) -> Option<u64> {
        self.whole
    }
}
