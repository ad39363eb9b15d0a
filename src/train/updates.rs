//! The loss of updates, sampled: a few hundred points per run.

use crate::base::clock::Instant;
use crate::train::executor::Job;
use crate::train::{Score, advance::rows_per_update};
use serde::{Deserialize, Serialize};

/// About so many updates of a run are sampled, at even distances.
const POINTS: u64 = 256;
/// The first updates are all sampled: there the loss changes most.
const EARLY: u64 = 32;

/// The loss of one update.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UpdateLoss {
    /// Number of the update, from 1 over the whole run.
    pub step: u64,
    /// Samples seen in the run so far, those of this update included.
    pub samples: u64,
    /// Seconds of training alone until the update was made, to about a hundredth of the time between two reports of progress.
    pub seconds: f64,
    /// Mean loss of the update's batch, before the update.
    pub loss: f32,
}

/// Whether update `step` (from 1) of a run of `total` updates is sampled. It depends on nothing else, so a resumed run samples
/// the same updates.
pub fn sampled(step: u64, total: u64) -> bool {
    step <= EARLY || step.is_multiple_of(total.div_ceil(POINTS).max(1))
}

/// Samples the losses of one call of [`super::Trainer::advance`].
pub(super) struct Sampler {
    begin: Instant,
    /// Seconds at the end of the last record.
    until: f64,
    points: Vec<UpdateLoss>,
}

impl Sampler {
    /// Starts the clock.
    pub fn new() -> Sampler {
        Sampler { begin: Instant::now(), until: 0.0, points: Vec::new() }
    }

    /// Takes the record of the updates from `first` on (from 0). `weight`: sum of the weights of an update's samples.
    pub fn take(&mut self, job: &Job<'_>, rows: &[u32], first: u64, weight: impl Fn(u64) -> Option<f64>) {
        let (from, until) = (self.until, self.begin.elapsed().as_secs_f64());
        self.until = until;
        let (samples, per_epoch, tally) = (job.data.train.len(), job.per_epoch(), job.training().tally);
        let total = (job.config.epochs as u64).saturating_mul(per_epoch);
        let words = (rows_per_update(job) * tally.stride()).max(1);
        let updates = rows.len().div_ceil(words);
        for (at, rows) in rows.chunks(words).enumerate() {
            let step = first + at as u64;
            if !sampled(step + 1, total) {
                continue;
            }
            let before = job.first(step);
            let batch = job.config.batch(samples).min(samples - before);
            let mut score = Score::default();
            score.add(tally, rows, batch, weight(step));
            self.points.push(UpdateLoss {
                step: step + 1,
                samples: step / per_epoch * samples as u64 + (before + batch) as u64,
                // The updates of a record come back together.
                seconds: from + (until - from) * (at + 1) as f64 / updates as f64,
                loss: score.loss() as f32,
            });
        }
    }

    /// Returns the points so far, with their seconds after `base`.
    pub fn points(&mut self, base: f64) -> Vec<UpdateLoss> {
        let later = |point: UpdateLoss| UpdateLoss { seconds: base + point.seconds, ..point };
        std::mem::take(&mut self.points).into_iter().map(later).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::{EARLY, POINTS, sampled};

    #[test]
    fn a_run_of_any_length_has_a_few_hundred_points() {
        for total in [1, 31, 256, 257, 4690, 60_000, 1_000_003] {
            let points = (1..=total).filter(|&step| sampled(step, total)).count() as u64;
            assert!(points >= total.min(POINTS / 2) && points <= POINTS + EARLY, "{points} of {total}");
        }
    }
}
