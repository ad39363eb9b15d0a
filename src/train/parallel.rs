//! The training loop of a run whose batches are cut into shards, on one process or several.
//!
//! All processes run this loop with the same weights. What depends on a clock or on a user is decided by one process and
//! sent with the gradients as a flag, so all processes take the same turn after the same update.

use super::advance::OnProgress;
use super::exchange::{Exchange, Metered, gather_equal, odd_one};
use super::updates::Sampler;
use super::{Score, Trainer};
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::config::OnNan;
use std::time::Duration;

/// Time between two reports of progress.
const REPORTED: Duration = Duration::from_millis(100);
/// Maximum time until a parameter that is not finite is noticed, even if every loss is finite.
const CHECKED: Duration = Duration::from_secs(1);

/// Flag: pause after this update.
const PAUSE: u32 = 1;
/// Flag: check all parameters after this update.
const CHECK: u32 = 2;
/// Flag: save the start of a replay after this update.
const SAVE: u32 = 4;

impl Trainer<'_> {
    /// Trains together with other processes, which must have the same settings and data.
    ///
    /// # Errors
    /// [`Error::Setting`] if batches are not cut into shards, or into fewer shards than there are processes;
    /// [`Error::TooLarge`] if the gradient has more values than MPI can count.
    pub fn share(&mut self, exchange: Box<dyn Exchange>) -> Result<(), Error> {
        let processes = exchange.size();
        match self.config().shards {
            None if processes > 1 => {
                return Err(Error::Setting(format!("there are {processes} processes, but batches have no shards")));
            }
            Some(shards) if shards < processes => {
                return Err(Error::Setting(format!(
                    "there are {processes} processes but only {shards} shards: use more shards, or fewer processes"
                )));
            }
            _ => {}
        }
        // A process may receive a part of the gradient for every shard.
        let words = self.on.gradient_words() as u64 * self.config().shards.unwrap_or(1) as u64;
        if processes > 1 && words > i32::MAX as u64 {
            return Err(Error::TooLarge {
                what: "the exchange of the gradients of all shards".into(),
                needed: 4 * words,
                holder: "MPI moves",
                limit: 4 * i32::MAX as u64,
                cause: crate::base::error::Oversize::Width,
            });
        }
        self.on.holder = (exchange.rank(), processes);
        self.on.forget_order();
        self.exchange = Metered::new(exchange);
        Ok(())
    }

    /// Whether updates go through the exchange. Integers give the same bits without it.
    pub(super) fn is_cut(&self) -> bool {
        self.exchange.size() > 1 || self.on.job.is_cut()
    }

    /// One answer of all processes: `fold` of their words, in order.
    pub(super) fn agree<T>(&mut self, words: &[u32], fold: impl FnOnce(Vec<Vec<u32>>) -> T) -> T {
        fold(gather_equal(&mut self.exchange, words))
    }

    /// Checks that all processes have the same weights.
    ///
    /// # Errors
    /// [`Error::Setting`] if a process computes other bits; errors of the device.
    pub(super) async fn compare_processes(&mut self) -> Result<(), Error> {
        if self.exchange.size() == 1 {
            return Ok(());
        }
        let words: Vec<u32> = self.on.values().await?.into_iter().flat_map(|tensor| tensor.words).collect();
        match odd_one(&mut self.exchange, bytemuck::cast_slice(&words)) {
            None => Ok(()),
            Some(rank) => Err(Error::Setting(format!(
                "process {rank} has other weights than process 0 after update {}: all processes need the same program, and \
                 the same kind of CPU or GPU",
                self.step
            ))),
        }
    }

    /// As [`Trainer::advance`], update by update.
    pub(super) async fn advance_shards(&mut self, until: u64, on_progress: OnProgress<'_>) -> Result<(), Error> {
        let samples = self.on.job.data.train.len();
        let batch = self.on.job.config.batch(samples);
        let per_epoch = self.updates_per_epoch();
        let epoch = self.step / per_epoch;
        let stops = self.on.job.config.on_nan == OnNan::Stop;
        self.on.begin(epoch);
        if self.step == epoch * per_epoch {
            self.score = Score::default();
            self.recalled = None;
        }
        if stops && self.replay_start.is_outdated() {
            self.save_replay_start().await?;
        }
        let measured = self.on.job.steps().measured(epoch);
        let (mut reported, mut asked, mut paused) = (Instant::now(), 0, false);
        let (first, sent, time) = (self.step, self.exchange.sent, self.exchange.time);
        self.sampler = Sampler::new();
        while !paused && self.step < until.min((epoch + 1) * per_epoch) {
            if self.on.needs_load(self.step) {
                self.on.load(self.step);
            }
            let flags = if stops && self.exchange.rank() == 0 { self.due() } else { 0 };
            let updated = self.on.update(self.step, flags | asked, &mut self.exchange).await?;
            let rows = batch.min(samples - self.on.job.first(self.step));
            let weight = self.on.weight(self.step);
            if measured == Some(self.step) {
                self.measured = measured;
            }
            self.sampler.take(&self.on.job, &updated.rows, self.step, |_| weight);
            self.step += 1;
            self.score.add(self.on.job.training().tally, &updated.rows, rows, weight);
            if stops {
                self.check(&updated.rows, updated.flags).await?;
            }
            let last = self.step == until.min((epoch + 1) * per_epoch);
            if last || reported.elapsed() >= REPORTED {
                reported = Instant::now();
                asked = if on_progress(&self.score).is_break() { PAUSE } else { 0 };
            }
            // The other processes learn of a pause with the next update.
            let alone = self.exchange.size() == 1;
            paused = (if alone { asked } else { updated.flags }) & PAUSE > 0;
        }
        let (bytes, time) = (4 * (self.exchange.sent - sent), self.exchange.time - time);
        tracing::debug!(updates = self.step - first, bytes, seconds = time.as_secs_f64(), "gradients exchanged");
        Ok(())
    }

    /// The flags of what is due by the clock.
    fn due(&self) -> u32 {
        let check = self.finite_checked.is_none_or(|checked| checked.elapsed() >= CHECKED);
        (if check { CHECK } else { 0 }) | (if self.replay_start.is_old() { SAVE } else { 0 })
    }

    /// Checks the losses of an update, and does what the flags ask for.
    async fn check(&mut self, rows: &[u32], flags: u32) -> Result<(), Error> {
        let mut losses = rows.chunks_exact(4).map(|row| f32::from_bits(row[0]));
        if let Some(loss) = losses.find(|loss| !loss.is_finite()) {
            return Err(self.diverged(format!("the loss became {loss}"), self.step).await);
        }
        if flags & CHECK > 0 {
            self.finite_checked = Some(Instant::now());
            if !self.on.finite().await? && self.on.first_not_finite(self.step + 1).await?.is_some() {
                return Err(self.parameter_not_finite().await);
            }
        }
        if flags & SAVE > 0 {
            self.save_replay_start().await?;
        }
        Ok(())
    }
}
