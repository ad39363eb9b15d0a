//! The training loop: hands chunks of work to the engine, and checks the records that come back.

use super::chunk::{Chunk, ChunkRecord};
use super::executor::{Job, all_finite};
use super::replay::{Replay, ReplayStart};
use super::updates::Sampler;
use super::{Score, Trainer};
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::config::OnNan;
use crate::plan::kernel::StepValues;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::Duration;

/// Maximum time until a parameter that is not finite is noticed, even if every loss is finite.
const FINITE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// An epoch that has been trained.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// Number of the epoch, from 1.
    pub number: usize,
    /// Mean over the epoch, each batch scored before its update.
    pub train: Score,
    /// Time of training alone: shuffle, uploads, steps, and the read-back of the record.
    pub time: Duration,
}

/// Rows of the record that a whole update writes.
pub(super) fn rows_per_update(job: &Job<'_>) -> usize {
    let training = job.training();
    let batch = job.config.batch(job.data.train.len());
    training.tally_words(0..batch.div_ceil(training.micro)).len() / training.tally.stride()
}

/// Called with the score of the epoch so far, about ten times a second; `Break` pauses training once all work is
/// settled.
pub type OnProgress<'a> = &'a mut dyn FnMut(&Score) -> ControlFlow<()>;

impl Trainer<'_> {
    /// Trains to the end of the epoch: every sample once, in random order. `on_progress` is called with the score so
    /// far.
    ///
    /// # Errors
    /// As [`Trainer::advance`].
    pub async fn epoch(&mut self, on_progress: &mut dyn FnMut(&Score)) -> Result<Epoch, Error> {
        let begin = Instant::now();
        let mut without_pause = |score: &Score| {
            on_progress(score);
            ControlFlow::Continue(())
        };
        self.advance(u64::MAX, &mut without_pause).await?;
        let number = self.step.div_ceil(self.updates_per_epoch()) as usize;
        Ok(Epoch { number, train: self.score, time: begin.elapsed() })
    }

    /// Trains until the epoch ends, until `until` updates have been made over the run, or until `on_progress` asks for
    /// a pause, whichever comes first. When it returns, all work is settled: every loss has been checked, and weights,
    /// optimizer state, [`Trainer::step`] and [`Trainer::score`] are consistent.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a loss or a parameter is not finite.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub async fn advance(&mut self, until: u64, on_progress: OnProgress<'_>) -> Result<(), Error> {
        if self.is_cut() {
            return self.advance_shards(until, on_progress).await;
        }
        let samples = self.on.job.data.train.len();
        let batch = self.on.job.config.batch(samples);
        let per_epoch = self.updates_per_epoch();
        let epoch = self.step / per_epoch;
        self.on.begin(epoch);
        if self.step == epoch * per_epoch {
            self.score = Score::default();
            self.recalled = None;
        }
        if self.needs_replay_start() {
            self.save_replay_start().await?;
        }
        // Only the last batch of an epoch can be partial.
        let slots_per_update = batch.div_ceil(self.on.job.training().micro);
        let slots = (self.step - epoch * per_epoch) as usize * slots_per_update;
        let measured = self.on.job.steps().measured(epoch);
        let mut chunk = Chunk::new(self.step, slots);
        let mut waiting = VecDeque::new();
        let mut flow = ControlFlow::Continue(());
        self.pace.start();
        self.sampler = Sampler::new();
        while flow.is_continue() && self.step < until.min((epoch + 1) * per_epoch) {
            if self.on.needs_load(self.step) {
                // A window may be overwritten only after the steps that use it have been handed to the engine.
                self.send(&mut chunk, &mut waiting).await?;
                self.on.load(self.step);
            }
            self.on.push(self.step, &mut chunk.slots, &mut chunk.work);
            if measured == Some(self.step) {
                self.measured = measured;
            }
            chunk.samples += batch.min(samples - self.on.job.first(self.step));
            if let Some(weight) = self.on.weight(self.step) {
                *chunk.weight.get_or_insert(0.0) += weight;
            }
            self.step += 1;
            if chunk.work.len() >= self.pace.steps {
                self.send(&mut chunk, &mut waiting).await?;
                // One record is read while the next chunk runs, so that the engine never waits for the host.
                while waiting.len() > 1 && flow.is_continue() {
                    flow = self.settle(&mut waiting, on_progress).await?;
                }
                if self.needs_replay_start() {
                    let settled = self.settle_all(&mut waiting, on_progress).await?;
                    flow = if flow.is_break() { flow } else { settled };
                    self.save_replay_start().await?;
                }
                self.pace.adapt();
            }
        }
        self.send(&mut chunk, &mut waiting).await?;
        let _paused_already = self.settle_all(&mut waiting, on_progress).await?;
        Ok(())
    }

    /// Hands a chunk to the engine and asks for its part of the record.
    async fn send(&mut self, chunk: &mut Chunk, waiting: &mut VecDeque<ChunkRecord>) -> Result<(), Error> {
        if chunk.work.is_empty() {
            return Ok(());
        }
        let training = self.on.job.training();
        let due = self.finite_checked.is_none_or(|finite_checked| finite_checked.elapsed() >= FINITE_CHECK_INTERVAL);
        let check = (due && self.on.job.config.on_nan == OnNan::Stop).then_some(&training.finite);
        let check = check.filter(|check| !check.steps.is_empty());
        if let Some(check) = check {
            chunk.work.push((check.steps.clone(), StepValues::default()));
            self.finite_checked = Some(Instant::now());
        }
        self.on.engine.run(&chunk.work).await?;
        let totals = check.map(|check| self.on.engine.read(check.totals, 0..check.totals.words()));
        let rows = self.on.engine.read(training.tally, training.tally_words(chunk.sent..chunk.slots));
        waiting.push_back(ChunkRecord {
            rows,
            samples: chunk.samples,
            weight: chunk.weight,
            first_step: chunk.first_step,
            totals,
        });
        chunk.clear(self.step);
        Ok(())
    }

    /// Receives the oldest record: adds it to the score and checks it.
    async fn settle(
        &mut self,
        waiting: &mut VecDeque<ChunkRecord>,
        on_progress: OnProgress<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some(record) = waiting.pop_front() else { return Ok(ControlFlow::Continue(())) };
        let rows = record.rows.await?;
        self.score.add(self.on.job.training().tally, &rows, record.samples, record.weight);
        if record.first_step == 0 {
            tracing::debug!(samples = self.score.samples, "first steps trained");
        }
        if self.on.job.config.on_nan == OnNan::Stop {
            let losses = rows.chunks_exact(4).map(|row| f32::from_bits(row[0]));
            if let Some((row, loss)) = losses.enumerate().find(|(_, loss)| !loss.is_finite()) {
                let step = record.first_step + (row / rows_per_update(&self.on.job)) as u64 + 1;
                return Err(self.diverged(format!("the loss became {loss}"), step).await);
            }
        }
        self.sampler.take(&self.on.job, &rows, record.first_step, |step| self.on.weight(step));
        if let Some(totals) = record.totals
            && !all_finite(&totals.await?)
            // The sum also overflows for values that are large but finite; the loss shows whether they do harm. The
            // parameters are read after all updates handed over so far.
            && self.on.first_not_finite(self.step + 1).await?.is_some()
        {
            return Err(self.parameter_not_finite().await);
        }
        Ok(on_progress(&self.score))
    }

    /// Receives all records.
    async fn settle_all(
        &mut self,
        waiting: &mut VecDeque<ChunkRecord>,
        on_progress: OnProgress<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut flow = ControlFlow::Continue(());
        while !waiting.is_empty() {
            let next = self.settle(waiting, on_progress).await?;
            flow = if flow.is_break() { flow } else { next };
        }
        Ok(flow)
    }

    fn needs_replay_start(&self) -> bool {
        self.on.job.config.on_nan == OnNan::Stop && self.replay_start.is_old()
    }

    /// Saves the current state as the start of a replay. All work must be settled.
    pub(super) async fn save_replay_start(&mut self) -> Result<(), Error> {
        self.replay_start = ReplayStart::new(self.step, self.tensors().await?);
        Ok(())
    }

    /// Returns the error about a parameter that is not finite, unless the settings ignore such values.
    pub(super) async fn unless_ignored(&mut self) -> Result<(), Error> {
        match self.on.job.config.on_nan {
            OnNan::Ignore => Ok(()),
            OnNan::Stop => Err(self.parameter_not_finite().await),
        }
    }

    pub(super) async fn parameter_not_finite(&mut self) -> Error {
        self.diverged("a parameter became NaN or infinite".into(), self.step).await
    }

    /// Returns the error about a bad value that was noticed after `step` updates. Leaves the trainer at the last good
    /// state.
    pub(super) async fn diverged(&mut self, what: String, step: u64) -> Error {
        let epoch = step.max(1).div_ceil(self.updates_per_epoch()) as usize;
        let holder = std::mem::replace(&mut self.on.holder, (0, 1));
        let origin = Replay::new(&mut self.on, &self.replay_start).origin(step).await;
        self.on.holder = holder;
        let back = self.on.restore(&self.replay_start.tensors);
        self.seek(self.replay_start.step, Score::default());
        match back.and(origin) {
            Ok(origin) => Error::Diverged { what, epoch, step, origin },
            Err(error) => error,
        }
    }
}
