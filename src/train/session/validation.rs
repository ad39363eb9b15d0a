//! Decisions from the validation score: which epoch is best, when to stop, when to lower the learning rate.

use crate::config::{Config, Monitor, Schedule};
use crate::train::Score;
use serde::{Deserialize, Serialize};

/// The state of these decisions.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ValidationTracker {
    /// The best epoch and its monitored value: a loss, or a share of misses.
    pub best: Option<(usize, f64)>,
    /// The value that must be improved by more than `min-delta` to reset the patience.
    mark: Option<f64>,
    /// Epochs since the last improvement.
    waited: usize,
    /// Epochs since the last improvement or the last reduction of the rate.
    waited_for_rate: usize,
}

/// Decisions that follow from the score of an epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the score is the best so far.
    pub best: bool,
    /// Whether the learning rate is to be lowered: the schedule is `plateau`, and its patience has run out.
    pub plateau: bool,
}

impl ValidationTracker {
    /// Updates the state with the score of an epoch.
    pub fn take(&mut self, config: &Config, epoch: usize, score: &Score) -> Verdict {
        let value = match config.monitor {
            Monitor::Loss => score.loss(),
            Monitor::Accuracy => 1.0 - score.metric(),
        };
        // Written so that a NaN is never better.
        let best = self.best.map_or(value.is_finite(), |(_, best)| value < best);
        if best {
            self.best = Some((epoch, value));
        }
        if self.mark.map_or(value.is_finite(), |mark| value < mark - f64::from(config.min_delta)) {
            self.mark = Some(value);
            self.waited = 0;
            self.waited_for_rate = 0;
        } else {
            self.waited = self.waited.saturating_add(1);
            self.waited_for_rate = self.waited_for_rate.saturating_add(1);
        }
        let plateau = config.schedule == Schedule::Plateau && self.waited_for_rate >= config.plateau_patience;
        if plateau {
            self.waited_for_rate = 0;
        }
        Verdict { best, plateau }
    }

    /// Whether the patience of early stopping has run out.
    pub fn stops(&self, config: &Config) -> bool {
        config.early_stopping > 0 && self.waited >= config.early_stopping
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::rates::Rates;

    /// Takes the losses of epochs from 1. Returns the epoch of the stop, the best epoch, and the plateau factor after
    /// each.
    fn judged(config: &Config, losses: &[f64]) -> (Option<usize>, Option<usize>, Vec<f64>) {
        let mut rates = Rates::new(config, 640);
        let (mut validation, mut stop, mut factors) = (ValidationTracker::default(), None, Vec::new());
        for (epoch, &loss_sum) in (1..).zip(losses) {
            if validation.take(config, epoch, &Score { loss_sum, samples: 1, ..Score::default() }).plateau {
                rates.lower();
            }
            factors.push(rates.plateau());
            if stop.is_none() && validation.stops(config) {
                stop = Some(epoch);
            }
        }
        (stop, validation.best.map(|(epoch, _)| epoch), factors)
    }

    #[test]
    fn patience_counts_epochs_without_anything_better() {
        let patient = |early_stopping| Config { early_stopping, ..Config::default() };
        let losses = [5.0, 4.0, 4.5, 4.2, 3.0, 3.1, 3.0, 3.2];
        assert_eq!(judged(&patient(2), &losses[..4]).0, Some(4));
        assert_eq!(judged(&patient(3), &losses).0, Some(8), "3.0 again is not better");
        assert_eq!(judged(&patient(0), &losses).0, None);
        assert_eq!(judged(&patient(9), &losses).1, Some(5));
    }

    #[test]
    fn small_steps_do_not_renew_patience_but_the_best_is_the_best() {
        let config = Config { early_stopping: 3, min_delta: 0.5, ..Config::default() };
        assert_eq!(judged(&config, &[5.0, 4.9, 4.8, 4.7]), (Some(4), Some(4), vec![1.0; 4]));
        // Many small steps add up: each is compared with the value at which the patience started.
        assert_eq!(judged(&config, &[5.0, 4.8, 4.6, 4.4, 4.2]).0, None);
    }

    #[test]
    fn what_is_not_a_number_is_never_better() {
        let config = Config { early_stopping: 2, ..Config::default() };
        assert_eq!(judged(&config, &[f64::NAN, f64::INFINITY, 1.0]).0, Some(2));
        assert_eq!(judged(&config, &[1.0, f64::NAN, f64::NAN]).1, Some(1));
    }

    #[test]
    fn accuracy_is_better_when_it_is_higher() {
        let config = Config { monitor: Monitor::Accuracy, ..Config::default() };
        let mut validation = ValidationTracker::default();
        let verdicts = [5.0, 7.0, 6.0].map(|hits: f64| {
            validation.take(&config, 1, &Score { loss_sum: hits, metric_sum: hits, samples: 10, weight: None }).best
        });
        assert_eq!(verdicts, [true, true, false]);
    }

    #[test]
    fn a_plateau_lowers_the_rate_each_time_its_patience_ends_but_not_below_the_end() {
        let config = Config {
            schedule: Schedule::Plateau,
            plateau_patience: 2,
            lr_gamma: 0.5,
            lr_end: 0.1875,
            ..Config::default()
        };
        let losses = [5.0, 5.0, 5.0, 5.0, 5.0, 4.0, 4.0, 4.0, 4.0];
        assert_eq!(judged(&config, &losses).2, [1.0, 1.0, 0.5, 0.5, 0.25, 0.25, 0.25, 0.1875, 0.1875]);
    }
}
