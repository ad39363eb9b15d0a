//! When to save, and saving while training goes on.

use super::{Best, Checkpoints, Generation, Saved};
use crate::base::error::Error;
use crate::train::session::{EpochReport, Snapshot, Wish};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often to save beside the end of each epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Every {
    /// After each so many updates.
    pub steps: Option<u64>,
    /// After each such time.
    pub time: Option<Duration>,
}

/// Saves the checkpoints of a run. A thread hashes and writes one while the next steps are trained; a second waits for it,
/// so no more than two are in memory.
pub struct Keeper {
    checkpoints: Checkpoints,
    saved: Saved,
    every: Every,
    since: Instant,
    /// Bytes of the record that belong to the run so far, see [`Generation::metrics_bytes`].
    metrics_bytes: u64,
    saving: Option<JoinHandle<Result<u64, Error>>>,
    /// The step of the last snapshot that was taken over.
    taken: Option<u64>,
    /// The step of the last generation that is whole.
    whole: Option<u64>,
}

impl Keeper {
    /// Keeps a run that begins as `saved` says, whose record has this many bytes, in generations after `whole`.
    pub fn new(checkpoints: Checkpoints, saved: Saved, every: Every, metrics_bytes: u64, whole: Option<u64>) -> Self {
        let (since, taken) = (Instant::now(), whole);
        Keeper { checkpoints, saved, every, since, metrics_bytes, saving: None, taken, whole }
    }

    /// The number of updates, above `step`, after which a generation is to be saved.
    pub fn due_at(&self, step: u64) -> Option<u64> {
        self.every.steps.map(|every| (step / every + 1).saturating_mul(every))
    }

    /// Whether it is time for one. To be asked now and then.
    pub fn due(&self) -> Wish {
        if self.every.time.is_some_and(|every| self.since.elapsed() >= every) { Wish::Snapshot } else { Wish::Continue }
    }

    /// Takes note of an epoch whose record ends after so many bytes of `metrics.jsonl`, and wishes for a snapshot; unless
    /// the last is still being written, lest short epochs wait for the disk.
    pub fn epoch(&mut self, report: &EpochReport, metrics_bytes: u64) -> Wish {
        if !report.whole {
            // A run that goes on from here writes the whole epoch in place of this record.
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

    /// Takes over a snapshot, to be written while training goes on. One whose values are not all finite is not kept: what is
    /// on disk is worth more.
    ///
    /// # Errors
    /// What went wrong with the one before.
    pub fn save(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.settle()?;
        let step = snapshot.state.step;
        self.since = Instant::now();
        if self.taken == Some(step) {
            return Ok(());
        }
        if let Some(bad) = snapshot.tensors.iter().find(|tensor| !tensor.is_finite()) {
            tracing::warn!("{} is no longer finite after update {step}: no checkpoint is made of it", bad.name);
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
    /// What went wrong with it.
    pub fn settle(&mut self) -> Result<(), Error> {
        if let Some(saving) = self.saving.take() {
            self.whole = Some(saving.join().unwrap_or_else(|cause| std::panic::resume_unwind(cause))?);
        }
        Ok(())
    }

    /// The step of the last generation that is known to be whole.
    pub fn whole(&self) -> Option<u64> {
        self.whole
    }
}
