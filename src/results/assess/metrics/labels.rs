//! Scores of several yes/no labels per sample.

use super::roc::auc;
use super::{Bootstrap, Metric, Weights, ascending, check_shapes, metrics};
use crate::base::error::Error;

/// A label is predicted as yes above this probability.
const THRESHOLD: f32 = 0.5;

/// Predicted probabilities and truth of N samples for T labels.
#[derive(Clone, Debug)]
pub struct Labels<'a> {
    each: Vec<Label<'a>>,
    /// Whether all labels of a sample are predicted correctly (N).
    exact: Vec<bool>,
    weights: Weights<'a>,
}

/// Predicted probabilities and truth of N samples for one label.
#[derive(Clone, Debug)]
pub struct Label<'a> {
    /// Probabilities of yes (N).
    probabilities: Vec<f32>,
    /// Whether the label is yes (N).
    truth: Vec<bool>,
    weights: Weights<'a>,
    /// The samples in ascending order of their probabilities (N).
    order: Vec<u32>,
}

impl<'a> Labels<'a> {
    /// Probabilities of yes (N, T), truth (N, T): 1 for yes and 0 for no, weights (N).
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no samples, if the lengths contradict each other, if a true value is neither 0 nor 1, or
    /// if a weight is negative or not finite.
    pub fn new(
        probabilities: &[f32],
        truth: &[f32],
        labels: usize,
        weights: Option<&'a [f32]>,
    ) -> Result<Labels<'a>, Error> {
        let samples = check_shapes(probabilities.len(), truth.len(), labels)?;
        let weights = Weights::new(weights, samples)?;
        if let Some(at) = truth.iter().position(|&value| value != 0.0 && value != 1.0) {
            return Err(Error::Setting(format!(
                "label {} of sample {} is {}: give 1 for yes and 0 for no",
                at % labels,
                at / labels,
                truth[at]
            )));
        }
        let of_label = |label: usize| {
            let probabilities: Vec<f32> = probabilities.iter().copied().skip(label).step_by(labels).collect();
            let truth = truth.iter().skip(label).step_by(labels).map(|&value| value == 1.0).collect();
            let order = ascending(samples, |a, b| probabilities[a].total_cmp(&probabilities[b]));
            Label { probabilities, truth, weights, order }
        };
        let each: Vec<Label> = (0..labels).map(of_label).collect();
        let exact = (0..samples).map(|sample| each.iter().all(|label| label.is_hit(sample))).collect();
        Ok(Labels { each, exact, weights })
    }

    /// The labels one by one (T).
    pub fn each(&self) -> &[Label<'a>] {
        &self.each
    }

    /// Share of samples with all labels predicted correctly.
    pub fn exact_match(&self) -> Option<f64> {
        self.exact_of(self.weights)
    }

    /// The scores over all labels, with 95 % intervals if a bootstrap is given: exact match, and the mean over the labels of
    /// accuracy, F1 and ROC-AUC, where they are defined.
    pub fn metrics(&self, bootstrap: Option<Bootstrap>) -> Vec<Metric> {
        let names = ["exact match", "mean accuracy", "macro F1", "mean ROC-AUC"];
        metrics(names, self.exact.len(), self.weights, bootstrap, |weights| {
            let mean = |score: fn(&Label<'a>, Weights) -> Option<f64>| {
                let scores: Vec<f64> = self.each.iter().filter_map(|label| score(label, weights)).collect();
                (!scores.is_empty()).then(|| scores.iter().sum::<f64>() / scores.len() as f64)
            };
            [self.exact_of(weights), mean(Label::accuracy_of), mean(Label::f1_of), mean(Label::roc_auc_of)]
        })
    }

    fn exact_of(&self, weights: Weights) -> Option<f64> {
        weights.mean(self.exact.iter().map(|&exact| f64::from(u8::from(exact))))
    }
}

impl Label<'_> {
    /// The names of the scores, in the order of [`Label::metrics`].
    pub const NAMES: [&'static str; 3] = ["accuracy", "F1", "ROC-AUC"];

    /// Share of correct predictions.
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy_of(self.weights)
    }

    /// Harmonic mean of precision and recall of yes; `None` if yes neither occurs nor is predicted.
    pub fn f1(&self) -> Option<f64> {
        self.f1_of(self.weights)
    }

    /// Area under the ROC curve: the probability that a random yes gets a higher probability than a random no; equal
    /// probabilities count half. `None` if all samples are yes or all are no.
    pub fn roc_auc(&self) -> Option<f64> {
        self.roc_auc_of(self.weights)
    }

    /// All scores, with 95 % intervals if a bootstrap is given.
    pub fn metrics(&self, bootstrap: Option<Bootstrap>) -> Vec<Metric> {
        metrics(Self::NAMES, self.truth.len(), self.weights, bootstrap, |weights| {
            [self.accuracy_of(weights), self.f1_of(weights), self.roc_auc_of(weights)]
        })
    }

    fn is_hit(&self, sample: usize) -> bool {
        (self.probabilities[sample] > THRESHOLD) == self.truth[sample]
    }

    fn accuracy_of(&self, weights: Weights) -> Option<f64> {
        weights.mean((0..self.truth.len()).map(|sample| f64::from(u8::from(self.is_hit(sample)))))
    }

    fn f1_of(&self, weights: Weights) -> Option<f64> {
        // Each yes of the truth and of the predictions counts once; a hit is in both.
        let (mut hits, mut all) = (0.0, 0.0);
        for (sample, (&p, &truth)) in self.probabilities.iter().zip(&self.truth).enumerate() {
            let (weight, predicted) = (weights.of(sample), p > THRESHOLD);
            hits += if truth && predicted { weight } else { 0.0 };
            all += weight * f64::from(u8::from(truth) + u8::from(predicted));
        }
        (all > 0.0).then(|| 2.0 * hits / all)
    }

    fn roc_auc_of(&self, weights: Weights) -> Option<f64> {
        auc(&self.order, weights, |sample| self.probabilities[sample], |sample| self.truth[sample])
    }
}
