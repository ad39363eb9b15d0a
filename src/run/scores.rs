//! The scores of an epoch, or of a run's model, as the record has them.

use crate::run::history::measured;
use crate::train::{Metric, Score};
use serde::{Deserialize, Serialize};

/// Losses and metrics by split; absent if they were not measured. A loss is the mean cross-entropy in nats, or the loss that
/// the settings name. The metric is the accuracy for classes and labels, from 0 to 1; for real values it is the root of the mean
/// squared error in standard deviations of the targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "split and measure")]
pub struct Scores {
    /// Each batch is scored before its update.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub train_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub train_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub train_rmse: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub validation_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub validation_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub validation_rmse: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub test_loss: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub test_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "measured")]
    pub test_rmse: Option<f64>,
}

impl Scores {
    /// The scores of splits that were measured.
    pub fn new(metric: Metric, train: Option<Score>, validation: Option<Score>, test: Option<Score>) -> Scores {
        let loss = |score: Option<Score>| score.map(|score| score.loss());
        let of = |wanted: Metric, score: Option<Score>| score.filter(|_| metric == wanted).map(|s| s.shown(metric));
        let [accuracy, rmse] = [Metric::Accuracy, Metric::Rmse].map(|wanted| move |score| of(wanted, score));
        Scores {
            train_loss: loss(train),
            train_accuracy: accuracy(train),
            train_rmse: rmse(train),
            validation_loss: loss(validation),
            validation_accuracy: accuracy(validation),
            validation_rmse: rmse(validation),
            test_loss: loss(test),
            test_accuracy: accuracy(test),
            test_rmse: rmse(test),
        }
    }
    /// The scores that were measured, each with its name in the record.
    pub fn named(&self) -> impl Iterator<Item = (&'static str, f64)> + use<> {
        let all = [
            ("train_loss", self.train_loss),
            ("train_accuracy", self.train_accuracy),
            ("train_rmse", self.train_rmse),
            ("validation_loss", self.validation_loss),
            ("validation_accuracy", self.validation_accuracy),
            ("validation_rmse", self.validation_rmse),
            ("test_loss", self.test_loss),
            ("test_accuracy", self.test_accuracy),
            ("test_rmse", self.test_rmse),
        ];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}
