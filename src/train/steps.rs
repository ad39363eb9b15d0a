//! The work of an update: batches, micro-batches, and the values of each step.

use crate::config::{Config, HealthName};
use crate::net::Training;
use crate::plan::Work;
use crate::plan::kernel::StepValues;
use crate::train::feed::Feed;
use crate::train::rates::{Rate, Rates};

/// Minimum updates between later health measurements, unless health is shown. A measurement takes about as long as an update,
/// so this keeps its cost near 1 %.
const MEASURED_EVERY: u64 = 100;

/// Updates that are measured early, so that a short run has a record too.
const MEASURED_EARLY: [u64; 2] = [1, 10];

/// The steps of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// Settings of the run.
    pub config: &'a Config,
    /// The part of the plan that trains.
    pub training: &'a Training,
    /// Samples of the training split.
    pub samples: usize,
    /// Their weights, if they have any.
    pub weights: Option<&'a [f32]>,
    /// Learning rate and momentum of each update.
    pub rates: &'a Rates,
}

impl Steps<'_> {
    /// Samples per update; the last one of an epoch may have fewer.
    pub fn batch(&self) -> usize {
        self.config.batch(self.samples)
    }

    /// Updates per epoch; the last one may have a partial batch.
    pub fn per_epoch(&self) -> u64 {
        self.config.updates_per_epoch(self.samples)
    }

    /// Returns the update of `epoch` (both from 0) in which health is measured, if any. It is the one in the middle: it
    /// has a whole batch and a typical learning rate, while a schedule may lower the last rate to zero.
    pub fn measured(&self, epoch: u64) -> Option<u64> {
        self.training.health.as_ref()?;
        let due = (epoch + 1).is_multiple_of(MEASURED_EVERY.div_ceil(self.per_epoch()));
        let wanted = self.config.health == HealthName::Show;
        let last = epoch + 1 == self.config.epochs as u64;
        let early = MEASURED_EARLY.iter().any(|update| (update - 1) / self.per_epoch() == epoch);
        (due || early || wanted || last).then_some(epoch * self.per_epoch() + (self.per_epoch() - 1) / 2)
    }

    /// Appends the work of update `step` (from 0, over the whole run). Its batch starts at position `first` of `order`, the
    /// order of its epoch. Each micro-batch takes the next `slot` of the record.
    pub fn push(&self, feed: &Feed, step: u64, order: &[u32], first: usize, slot: &mut usize, work: &mut Vec<Work>) {
        let Training { gradients, update, health, .. } = self.training;
        let measured = self.measured(step / self.per_epoch()) == Some(step);
        let health = health.as_ref().filter(|_| measured);
        let all = self.micro_batches(feed, step, order, first, *slot);
        *slot += all.len();
        let last = all.len().saturating_sub(1);
        for (at, now) in all.into_iter().enumerate() {
            if last == 0 && health.is_none() {
                // The usual case: one micro-batch, gradients and update together.
                work.push((gradients.start..update.end, now));
                continue;
            }
            work.push((gradients.clone(), now));
            if at < last {
                continue;
            }
            work.extend(health.map(|health| (health.before.clone(), StepValues { step: 0, ..now })));
            work.push((update.clone(), now));
            work.extend(health.map(|health| (health.after.clone(), now)));
        }
    }

    /// The values of each micro-batch of update `step`; the arguments are those of [`Steps::push`]. The first one takes
    /// row `slot` of the record.
    pub fn micro_batches(&self, feed: &Feed, step: u64, order: &[u32], first: usize, slot: usize) -> Vec<StepValues> {
        let micro = self.training.micro;
        let rows = self.batch().min(self.samples - first);
        let whole = self.values(step, rows, self.total(&order[first..first + rows]));
        let values = |(at, start): (usize, usize)| StepValues {
            cursor: feed.cursor(first + start),
            rows: micro.min(rows - start) as u32,
            first: start as u32,
            slot: (slot + at) as u32,
            accumulate: u32::from(start > 0),
            ..whole
        };
        (0..rows).step_by(micro).enumerate().map(values).collect()
    }

    /// The sum of the weights of these samples; `None` if samples have no weights.
    pub fn weight(&self, samples: &[u32]) -> Option<f64> {
        let weights = self.weights?;
        Some(samples.iter().map(|&sample| f64::from(weights[sample as usize])).sum())
    }

    /// The divisor of the mean: the sum of the weights of these samples, or their number. If all weights are 0, so is the
    /// gradient, and any divisor but 0 is right: it is 1.
    fn total(&self, samples: &[u32]) -> f32 {
        match self.weight(samples) {
            None => samples.len() as f32,
            Some(sum) if sum > 0.0 => sum as f32,
            Some(_) => 1.0,
        }
    }

    /// The values that all micro-batches of an update share.
    fn values(&self, step: u64, rows: usize, total: f32) -> StepValues {
        let Rate { lr, momentum } = self.rates.at(step);
        // Beyond 2³¹ updates a power of β is zero in any case.
        let update = i32::try_from(step + 1).unwrap_or(i32::MAX);
        StepValues {
            batch: rows as u32,
            total,
            step: step as u32,
            lr,
            momentum,
            // If β₁ changes, the current value is raised to the power, as in PyTorch.
            bias1: (1.0 - f64::from(momentum).powi(update)) as f32,
            bias2: (1.0 - f64::from(self.config.beta2).powi(update)) as f32,
            ..StepValues::default()
        }
    }
}
