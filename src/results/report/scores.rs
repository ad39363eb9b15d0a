//! The accuracy of a run's model, and which split decides between runs.

use super::Subject;
use super::axis::percent;
use crate::base::text;
use crate::results::assess::wilson;
use crate::run::history::{End, Epoch, History};

/// A split that a model is scored on. Models are chosen by the validation split, so it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    Validation,
    Test,
}

impl Split {
    /// Name in text.
    pub fn name(self) -> &'static str {
        match self {
            Split::Validation => "validation",
            Split::Test => "test",
        }
    }

    /// Accuracy and loss of the final model as recorded.
    fn of_end(self, end: &End) -> Option<(f64, Option<f64>)> {
        match self {
            Split::Validation => Some((end.validation_accuracy?, end.validation_loss)),
            Split::Test => Some((end.test_accuracy?, end.test_loss)),
        }
    }

    /// Accuracy and loss after an epoch.
    fn of_epoch(self, epoch: &Epoch) -> Option<(f64, Option<f64>)> {
        match self {
            Split::Validation => Some((epoch.validation_accuracy?, epoch.validation_loss)),
            Split::Test => Some((epoch.test_accuracy?, epoch.test_loss)),
        }
    }
}

/// The accuracy of a model and its 95 % confidence interval.
pub struct Accuracy {
    /// The weights that were evaluated, if not the run's final model.
    pub of: Option<String>,
    pub share: f64,
    pub low: f64,
    pub high: f64,
    pub misses: u64,
    pub samples: u64,
}

/// The accuracy on a split: on the test split from the evaluation, else the recorded one. `None` for weights that are not
/// finite, even with a record.
pub fn accuracy(subject: &Subject, split: Split) -> Option<Accuracy> {
    let history = &subject.history;
    let written = history.end.as_ref().is_some_and(|end| end.model_sha256.is_some());
    let (of, hits, samples) = match &subject.results {
        Ok(results) if split == Split::Test && results.assessment.classes().is_some() => {
            let score = &results.assessment.score;
            ("of an earlier model".to_string(), score.metric_sum as u64, score.samples)
        }
        _ => {
            let (of, share, loss) = recorded(history, split, written)?;
            if !(0.0..=1.0).contains(&share) || !written && loss.is_some_and(|loss| !loss.is_finite()) {
                return None;
            }
            let samples = match split {
                Split::Validation => history.header.validation_samples,
                Split::Test => history.header.test_samples,
            };
            // An f64 cannot represent every count.
            (of, ((share * samples as f64).round() as u64).min(samples), samples)
        }
    };
    let of = (!written).then_some(of);
    let (low, high) = wilson(hits, samples.max(1));
    let share = hits as f64 / samples as f64;
    (samples > 0).then(|| Accuracy { of, share, low, high, misses: samples - hits, samples })
}

/// The recorded accuracy, its loss, and which weights it belongs to.
fn recorded(history: &History, split: Split, written: bool) -> Option<(String, f64, Option<f64>)> {
    if let Some((share, loss)) = history.end.as_ref().and_then(|end| split.of_end(end)) {
        return Some(("of the last weights".into(), share, loss));
    }
    // Records of earlier versions have no final validation score, but that of the model's epoch.
    let of_model = history.epoch_of_model().filter(|_| written && split == Split::Validation);
    let epoch = of_model.or_else(|| history.epochs.iter().rev().find(|epoch| split.of_epoch(epoch).is_some()))?;
    let (share, loss) = split.of_epoch(epoch)?;
    Some((format!("after epoch {}", epoch.epoch), share, loss))
}

/// The interval as text.
pub fn interval(accuracy: &Accuracy) -> String {
    between(accuracy.low, accuracy.high)
}

/// Two shares as text.
pub fn between(low: f64, high: f64) -> String {
    format!("{} to {}", text::percent(low, 2), percent(high))
}

/// The split that decides between runs: validation if a run has one. `None` without scores.
pub fn lead(subjects: &[Subject]) -> Option<Split> {
    let measured = |split: &Split| subjects.iter().any(|subject| accuracy(subject, *split).is_some());
    [Split::Validation, Split::Test].into_iter().find(measured)
}

/// Whether the leading scores of the runs can be compared: all are of the same samples.
pub fn comparable(subjects: &[Subject]) -> bool {
    let Some(split) = lead(subjects) else { return false };
    let samples = |subject: &Subject| {
        let header = &subject.history.header;
        let validation = (header.validation_samples, header.config.get("split_seed").cloned());
        (header.data_sha256.clone(), (split == Split::Validation).then_some(validation))
    };
    let ended = |subject: &&Subject| subject.history.end.as_ref().is_some_and(|end| end.model_sha256.is_some());
    let all_scored = subjects.iter().filter(ended).all(|subject| accuracy(subject, split).is_some());
    all_scored && subjects.iter().all(|subject| samples(subject) == samples(&subjects[0]))
}
