//! Learning-rate range test: one short run in which the rate grows with every update (Smith, "Cyclical learning rates
//! for training neural networks", arXiv 1506.01186; smoothed as in fastai). The curve shows where training diverges, but
//! not which rate trains best, so the suggestion comes from short training runs, see [`Trial`].
//!
//! Each rate is used for one update. The loss is that of the batch before the update, so within the first epoch every
//! sample is new. With a validation split, the loss is that of the split after the update, which is less noisy. The
//! test split is not used.

mod trials;

use crate::base::error::Error;
use crate::config::{BatchSize, Config, HealthName, OnNan};
use crate::data::DataSet;
use crate::engine::machine::Machine;
use crate::net::with_loss;
use crate::train::Trainer;
use crate::train::rates::{Rates, Sweep};
use serde::Serialize;
use std::ops::ControlFlow;
pub use trials::Trial;

/// Larger batches are represented by this many samples, which give nearly the same gradient.
const LARGEST_BATCH: usize = 1024;

/// Decay of the smoothed loss.
const SMOOTHING: f64 = 0.95;
/// The sweep ends when the smoothed loss is this many times the lowest one so far.
const DIVERGED: f64 = 4.0;

/// A rate and its loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// Learning rate of the update.
    pub lr: f64,
    /// Mean cross-entropy in nats: of the batch before the update, or of the validation split after it.
    pub loss: f64,
    /// Exponential moving average of the losses up to here.
    pub smoothed: f64,
}

/// The result of a sweep.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepResult {
    /// The rates that were tried, ascending.
    pub points: Vec<SweepPoint>,
    /// Whether the loss exploded before all rates were tried.
    pub diverged: bool,
    /// Short training runs that were compared; the best one is the last.
    pub trials: Vec<Trial>,
    /// The best rate of the trials, to two digits; `None` if all of them diverged.
    pub suggestion: Option<f64>,
    /// The rate of the lowest smoothed loss of the sweep.
    pub lowest: Option<f64>,
}

/// Trains the initial weights with rising rates, then with a few rates for longer, and discards the results. `config.lr`
/// is not used.
///
/// # Errors
/// [`Error::Setting`] for a sweep that does not rise or has fewer than 50 steps; [`Error::Diverged`] if the loss
/// is not finite at the first rate; those of [`Trainer`].
pub async fn lr_find(config: &Config, data: &DataSet, machine: &Machine, sweep: Sweep) -> Result<SweepResult, Error> {
    sweep.check()?;
    let config = Config {
        health: HealthName::Off,
        // Each loss is checked here, and a divergence is expected.
        on_nan: OnNan::Ignore,
        ..config.clone()
    };
    let batch = config.batch(data.train.len()).min(LARGEST_BATCH);
    let swept = Config { batch_size: BatchSize::Samples(batch), accumulate: 1, ..config.clone() };
    let mut trainer = Trainer::open(&swept, data, machine).await?;
    trainer.change_rates(|rates| *rates = Rates::sweep(&config, sweep));
    let mut points: Vec<SweepPoint> = Vec::new();
    let mut diverged = false;
    let mut mean = 0.0;
    let mut weight = 0.0;
    let mut lowest = f64::INFINITY;
    for _ in 0..sweep.steps {
        let lr = trainer.rates().lr(trainer.step());
        let before = if trainer.step().is_multiple_of(trainer.updates_per_epoch()) {
            Default::default()
        } else {
            trainer.score()
        };
        trainer.advance(trainer.step() + 1, &mut |_| ControlFlow::Continue(())).await?;
        let score = trainer.score();
        let fresh = (score.loss_sum - before.loss_sum) / (score.weight() - before.weight());
        let loss = trainer.validate().await?.map_or(fresh, |score| score.loss());
        mean = SMOOTHING * mean + (1.0 - SMOOTHING) * loss;
        weight = SMOOTHING * weight + (1.0 - SMOOTHING);
        let smoothed = mean / weight;
        // Written so that a NaN counts as divergence.
        let sane = smoothed <= DIVERGED * lowest && smoothed.is_finite();
        if !sane {
            if points.is_empty() {
                return Err(trainer.diverged(format!("the loss is {loss} at the first rate"), 1).await);
            }
            diverged = true;
            break;
        }
        lowest = lowest.min(smoothed);
        points.push(SweepPoint { lr, loss, smoothed });
    }
    let lowest = lowest_of(&points);
    let center = Config { lr: None, ..with_loss(&config, &data.task) }.learning_rate(data.train.len());
    let trials = trials::compare(&config, data, machine, f64::from(center)).await?;
    let best = trials.last().filter(|best| best.loss.is_finite());
    let suggestion = best.map(|best| two_digits(best.lr));
    Ok(SweepResult { points, diverged, trials, suggestion, lowest })
}

fn lowest_of(points: &[SweepPoint]) -> Option<f64> {
    points.iter().min_by(|a, b| a.smoothed.total_cmp(&b.smoothed)).map(|point| two_digits(point.lr))
}

/// Rounds to two significant digits; a sweep is no more precise than that.
pub fn two_digits(value: f64) -> f64 {
    format!("{value:.1e}").parse().unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Points of a smoothed loss over ten rates per decade, from 10⁻⁵.
    fn points(loss: impl Fn(f64) -> f64) -> Vec<SweepPoint> {
        let lr = |number: i32| libm::pow(10.0, f64::from(number) / 10.0 - 5.0);
        (0..60).map(|number| SweepPoint { lr: lr(number), loss: 0.0, smoothed: loss(lr(number)) }).collect()
    }

    #[test]
    fn the_lowest_loss_is_found() {
        // A fall around 10⁻², a rise around 1.
        let valley = points(|lr| 2.3 - 2.0 / (1.0 + (0.01 / lr).powi(2)) + 5.0 / (1.0 + (1.0 / lr).powi(4)));
        assert!((0.05..0.3).contains(&lowest_of(&valley).unwrap()));
        assert_eq!(lowest_of(&[]), None);
    }
}
