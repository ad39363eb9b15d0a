//! Scores of predicted classes and their probabilities.

use super::roc::auc;
use super::{Bootstrap, Metric, Weights, ascending, metrics};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::results::assess::predictions::most_probable;
use rayon::prelude::*;

/// Predicted probabilities and true classes of N samples.
#[derive(Clone, Debug)]
pub struct Classification<'a> {
    /// Number of classes C.
    classes: usize,
    /// Probabilities (N, C).
    probabilities: &'a [f32],
    /// True classes (N).
    truth: &'a [u32],
    weights: Weights<'a>,
    /// The most probable class of each sample (N).
    predicted: Vec<usize>,
    /// For each class, the samples in ascending order of its probability (C, N); for two classes only for class 1.
    orders: Vec<Vec<u32>>,
}

impl<'a> Classification<'a> {
    /// The names of the scores, in the order of [`Classification::metrics`].
    pub const NAMES: [&'static str; 6] =
        ["accuracy", "balanced accuracy", "macro F1", "ROC-AUC", "log loss", "Brier score"];

    /// Probabilities (N, C), true classes (N) below C, weights (N).
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no samples, if the lengths contradict each other, if a class is C or above, or if a
    /// weight is negative or not finite.
    pub fn new(
        probabilities: &'a [f32],
        classes: usize,
        truth: &'a [u32],
        weights: Option<&'a [f32]>,
    ) -> Result<Self, Error> {
        let samples = truth.len();
        if samples == 0 || classes == 0 || Some(probabilities.len()) != samples.checked_mul(classes) {
            return Err(Error::Setting(format!(
                "{} probabilities for {} of {}: give at least one sample, and a probability for each of its classes",
                probabilities.len(),
                counted(samples, "sample"),
                counted(classes, "class")
            )));
        }
        let weights = Weights::new(weights, samples)?;
        if let Some(sample) = truth.iter().position(|&class| class as usize >= classes) {
            return Err(Error::Setting(format!(
                "sample {sample} has class {}, but the predictions are for {}: give classes from 0 to {}",
                truth[sample],
                counted(classes, "class"),
                classes - 1
            )));
        }
        let predicted = probabilities.par_chunks_exact(classes).map(most_probable).collect();
        let of_class = |class: usize| {
            let p = |sample: usize| probabilities[sample * classes + class];
            ascending(samples, |a, b| p(a).total_cmp(&p(b)))
        };
        let orders = (first_of(classes)..classes).into_par_iter().map(of_class).collect();
        Ok(Classification { classes, probabilities, truth, weights, predicted, orders })
    }

    /// Share of correct predictions.
    pub fn accuracy(&self) -> Option<f64> {
        self.accuracy_of(self.weights)
    }

    /// Mean over the classes that occur of the share of their samples that are predicted correctly (recall).
    pub fn balanced_accuracy(&self) -> Option<f64> {
        self.counts(self.weights).balanced_accuracy()
    }

    /// Mean of the classes' F1, the harmonic means of precision and recall, over the classes that occur or are predicted.
    pub fn macro_f1(&self) -> Option<f64> {
        self.counts(self.weights).macro_f1()
    }

    /// Area under the ROC curve. For two classes the probability that a random sample of class 1 gets a higher probability of
    /// class 1 than a random sample of class 0; equal probabilities count half. For more classes the mean of each class against
    /// all others, over the classes that occur.
    pub fn roc_auc(&self) -> Option<f64> {
        self.roc_auc_of(self.weights)
    }

    /// Mean of −ln p of the true class, the cross-entropy. A probability of 0 counts as 2⁻¹²⁶, the smallest normal number.
    pub fn log_loss(&self) -> Option<f64> {
        self.log_loss_of(self.weights)
    }

    /// Mean squared difference between probabilities and truth (Brier, 1950): summed over the classes, from 0 to 2. For two
    /// classes half of that, which is the mean of (p − y)² of class 1.
    pub fn brier(&self) -> Option<f64> {
        self.brier_of(self.weights)
    }

    /// All scores, with 95 % intervals if a bootstrap is given. An interval costs as many evaluations as resamples.
    pub fn metrics(&self, bootstrap: Option<Bootstrap>) -> Vec<Metric> {
        metrics(Self::NAMES, self.truth.len(), self.weights, bootstrap, |weights| {
            let counts = self.counts(weights);
            [
                self.accuracy_of(weights),
                counts.balanced_accuracy(),
                counts.macro_f1(),
                self.roc_auc_of(weights),
                self.log_loss_of(weights),
                self.brier_of(weights),
            ]
        })
    }

    fn accuracy_of(&self, weights: Weights) -> Option<f64> {
        let pairs = self.predicted.iter().zip(self.truth);
        weights.mean(pairs.map(|(&predicted, &truth)| f64::from(u8::from(predicted == truth as usize))))
    }

    fn log_loss_of(&self, weights: Weights) -> Option<f64> {
        let rows = self.probabilities.chunks_exact(self.classes).zip(self.truth);
        weights.mean(rows.map(|(row, &truth)| -f64::from(row[truth as usize].max(f32::MIN_POSITIVE)).ln()))
    }

    fn brier_of(&self, weights: Weights) -> Option<f64> {
        let rows = self.probabilities.chunks_exact(self.classes).zip(self.truth);
        let squares = rows.map(|(row, &truth)| {
            let gap = |(class, &p): (usize, &f32)| f64::from(p) - f64::from(u8::from(class == truth as usize));
            row.iter().enumerate().map(|pair| gap(pair).powi(2)).sum::<f64>()
        });
        weights.mean(squares).map(|sum| if self.classes == 2 { sum / 2.0 } else { sum })
    }

    fn roc_auc_of(&self, weights: Weights) -> Option<f64> {
        let areas = (first_of(self.classes)..).zip(&self.orders).filter_map(|(class, order)| {
            let probability = |sample: usize| self.probabilities[sample * self.classes + class];
            auc(order, weights, probability, |sample| self.truth[sample] as usize == class)
        });
        let areas: Vec<f64> = areas.collect();
        (!areas.is_empty()).then(|| areas.iter().sum::<f64>() / areas.len() as f64)
    }

    fn counts(&self, weights: Weights) -> Counts {
        let mut counts = Counts(vec![Count::default(); self.classes]);
        for (sample, (&predicted, &truth)) in self.predicted.iter().zip(self.truth).enumerate() {
            let (truth, weight) = (truth as usize, weights.of(sample));
            counts.0[truth].samples += weight;
            counts.0[predicted].predicted += weight;
            counts.0[truth].hits += if predicted == truth { weight } else { 0.0 };
        }
        counts
    }
}

/// The first class with an ROC curve: with two classes both have the same area.
fn first_of(classes: usize) -> usize {
    usize::from(classes == 2)
}

/// Weights of one class.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// Of its samples.
    samples: f64,
    /// Of the samples predicted as this class.
    predicted: f64,
    /// Of the samples that are both.
    hits: f64,
}

/// The counts of all classes (C).
struct Counts(Vec<Count>);

impl Counts {
    fn balanced_accuracy(&self) -> Option<f64> {
        self.mean(|count| (count.hits, count.samples))
    }

    fn macro_f1(&self) -> Option<f64> {
        self.mean(|count| (2.0 * count.hits, count.samples + count.predicted))
    }

    /// The mean of the ratios with a divisor above 0.
    fn mean(&self, ratio: impl Fn(&Count) -> (f64, f64)) -> Option<f64> {
        let ratios = self.0.iter().map(ratio).filter(|(_, whole)| *whole > 0.0);
        let (sum, number) = ratios.fold((0.0, 0), |(sum, number), (part, whole)| (sum + part / whole, number + 1));
        (number > 0).then(|| sum / f64::from(number))
    }
}
