//! What a trial is judged by: the validation score of the model that its run saves.

use crate::config::{Config, Monitor};
use crate::run::history::{Epoch, History};
use crate::run::scores::Scores;
use crate::train::Metric;
use serde::{Deserialize, Serialize};

/// A score on the validation split. The test split never decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// Mean loss; lower is better.
    ValidationLoss,
    /// Share of right answers, from 0 to 1; higher is better.
    ValidationAccuracy,
    /// Root of the mean squared error; lower is better.
    ValidationRmse,
}

impl Objective {
    /// The objective that the settings name, for targets with this metric.
    pub fn of(config: &Config, metric: Metric) -> Objective {
        match (config.monitor, metric) {
            (Monitor::Loss, _) => Objective::ValidationLoss,
            (Monitor::Accuracy, Metric::Accuracy) => Objective::ValidationAccuracy,
            (Monitor::Accuracy, Metric::Rmse) => Objective::ValidationRmse,
        }
    }

    /// Its name, as in the record of a run.
    pub fn name(self) -> &'static str {
        match self {
            Objective::ValidationLoss => "validation_loss",
            Objective::ValidationAccuracy => "validation_accuracy",
            Objective::ValidationRmse => "validation_rmse",
        }
    }

    /// Whether less is better.
    pub fn falls(self) -> bool {
        self != Objective::ValidationAccuracy
    }

    /// The value of a score, if it was measured.
    pub fn value(self, scores: &Scores) -> Option<f64> {
        match self {
            Objective::ValidationLoss => scores.validation_loss,
            Objective::ValidationAccuracy => scores.validation_accuracy,
            Objective::ValidationRmse => scores.validation_rmse,
        }
    }

    /// Orders values, the best first. What is not a number is last.
    pub fn order(self, a: f64, b: f64) -> std::cmp::Ordering {
        let (x, y) = if self.falls() { (a, b) } else { (b, a) };
        a.is_nan().cmp(&b.is_nan()).then(x.total_cmp(&y))
    }

    /// A value in words: `loss 0.0831`, `accuracy 97.51 %`.
    pub fn text(self, value: f64) -> String {
        match self {
            Objective::ValidationLoss => format!("loss {value:.4}"),
            Objective::ValidationAccuracy => format!("accuracy {} %", crate::base::text::percent(value, 2)),
            Objective::ValidationRmse => format!("RMSE {value:.4}"),
        }
    }

    /// The value of a run at the end of epoch `epoch`, for the model that it would save there.
    pub fn at(self, config: &Config, history: &History, epoch: u64) -> Option<f64> {
        let mut epochs = history.epochs.iter().take_while(|one| one.epoch <= epoch);
        let chosen = match config.restore_best {
            false => epochs.last()?,
            true => {
                // The value that the run itself compares.
                let monitored = |of: &Epoch| match config.monitor {
                    Monitor::Loss => of.scores.validation_loss,
                    Monitor::Accuracy => {
                        of.scores.validation_accuracy.map(|accuracy| -accuracy).or(of.scores.validation_rmse)
                    }
                };
                let first = epochs.next()?;
                epochs.fold(first, |best, next| match (monitored(best), monitored(next)) {
                    (Some(then), Some(now)) if now < then || then.is_nan() => next,
                    _ => best,
                })
            }
        };
        self.value(&chosen.scores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_value_is_that_of_the_model_that_the_run_would_save() {
        let lines = [(1, 0.5, 0.8), (2, 0.3, 0.7), (3, 0.4, 0.9)].map(|(epoch, loss, accuracy)| {
            format!(r#"{{"type":"epoch","epoch":{epoch},"validation_loss":{loss},"validation_accuracy":{accuracy}}}"#)
        });
        let history = History::parse(&(r#"{"type":"run"}"#.to_string() + "\n" + &lines.join("\n"))).expect("a record");
        let last = Config::default();
        let best = Config { restore_best: true, ..Config::default() };
        let at = |config: &Config, epoch| Objective::ValidationAccuracy.at(config, &history, epoch);
        assert_eq!([1, 2, 3].map(|epoch| at(&last, epoch)), [Some(0.8), Some(0.7), Some(0.9)]);
        assert_eq!([1, 2, 3].map(|epoch| at(&best, epoch)), [Some(0.8), Some(0.7), Some(0.7)]);
        let by_accuracy = Config { monitor: Monitor::Accuracy, ..best };
        assert_eq!([2, 3].map(|epoch| at(&by_accuracy, epoch)), [Some(0.8), Some(0.9)]);
        assert_eq!(at(&last, 0), None);
    }

    #[test]
    fn what_is_not_a_number_is_last() {
        let sorted = |objective: Objective| {
            let mut values = [f64::NAN, 0.2, 0.9, 0.1];
            values.sort_by(|a, b| objective.order(*a, *b));
            values[..3].to_vec()
        };
        assert_eq!(sorted(Objective::ValidationLoss), [0.1, 0.2, 0.9]);
        assert_eq!(sorted(Objective::ValidationAccuracy), [0.9, 0.2, 0.1]);
    }
}
