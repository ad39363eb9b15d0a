//! The confusion matrix, and the scores of classes and pairs of classes computed from it.

/// A confusion matrix.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// Number of classes C.
    pub classes: usize,
    /// `counts[truth · C + prediction]` is the number of samples of this true class with this prediction.
    pub counts: Vec<u64>,
}

/// The counts of one class in a confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// Samples of this class.
    pub samples: u64,
    /// Samples predicted as this class.
    pub predicted: u64,
    /// Samples of this class that were predicted correctly.
    pub hits: u64,
}

impl ClassScore {
    /// Correct predictions divided by all predictions of this class; `None` if the class was never predicted.
    pub fn precision(&self) -> Option<f64> {
        share(self.hits, self.predicted)
    }

    /// Correct predictions divided by the samples of this class; `None` if the class has no samples.
    pub fn recall(&self) -> Option<f64> {
        share(self.hits, self.samples)
    }

    /// Harmonic mean of precision and recall; `None` if the class has no samples and was never predicted.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.hits, self.samples + self.predicted)
    }
}

/// A pair of confused classes: samples of one class predicted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixup {
    /// The true class.
    pub truth: usize,
    /// The predicted class.
    pub prediction: usize,
    /// Number of samples.
    pub samples: u64,
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Confusion {
    /// Counts pairs (truth, prediction), all below `classes`.
    pub fn of(classes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        pairs.for_each(|(truth, prediction)| counts[truth * classes + prediction] += 1);
        Confusion { classes, counts }
    }

    /// The number of correct predictions.
    pub fn hits(&self) -> u64 {
        (0..self.classes).map(|class| self.counts[class * self.classes + class]).sum()
    }

    /// The scores of all classes (C).
    pub fn scores(&self) -> Vec<ClassScore> {
        let at = |truth: usize, prediction: usize| self.counts[truth * self.classes + prediction];
        let all = 0..self.classes;
        all.clone()
            .map(|class| ClassScore {
                samples: all.clone().map(|other| at(class, other)).sum(),
                predicted: all.clone().map(|other| at(other, class)).sum(),
                hits: at(class, class),
            })
            .collect()
    }

    /// The confused pairs, the most frequent first; at equal counts the lower classes first.
    pub fn mixups(&self) -> Vec<Mixup> {
        let pairs = self.counts.iter().enumerate().map(|(at, &samples)| Mixup {
            truth: at / self.classes,
            prediction: at % self.classes,
            samples,
        });
        let mut pairs: Vec<Mixup> = pairs.filter(|pair| pair.truth != pair.prediction && pair.samples > 0).collect();
        pairs.sort_by_key(|pair| std::cmp::Reverse(pair.samples));
        pairs
    }
}

#[cfg(test)]
mod tests {
    use super::Confusion;

    /// By hand: one of three 0s is predicted as 1; the only 1 is predicted correctly; 2 has no samples and is not predicted.
    #[test]
    fn scores_are_the_textbook_ones() {
        let confusion = Confusion::of(3, [(0, 0), (0, 0), (0, 1), (1, 1)].into_iter());
        let scores = confusion.scores();
        let close = |value: Option<f64>, wanted: f64| assert!((value.unwrap() - wanted).abs() < 1e-12, "{value:?}");
        close(scores[0].precision(), 1.0);
        close(scores[0].recall(), 2.0 / 3.0);
        close(scores[0].f1(), 0.8);
        close(scores[1].precision(), 0.5);
        close(scores[1].recall(), 1.0);
        assert_eq!((scores[2].precision(), scores[2].recall(), scores[2].f1()), (None, None, None));
        let mixups = confusion.mixups();
        assert_eq!((mixups.len(), mixups[0].truth, mixups[0].prediction, mixups[0].samples), (1, 0, 1, 1));
    }
}
