//! What a confusion matrix says of each class, and of pairs of them.

/// Counts of truths and predictions.
#[derive(Clone, Debug, PartialEq)]
pub struct Confusion {
    /// Number of classes C.
    pub classes: usize,
    /// `counts[truth · C + prediction]` is a number of samples.
    pub counts: Vec<u64>,
}

/// One class's share of a confusion matrix.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClassScore {
    /// Samples of this class.
    pub samples: u64,
    /// Samples taken for this class.
    pub predicted: u64,
    /// Samples that are both.
    pub hits: u64,
}

impl ClassScore {
    /// Share of those taken for the class that are of it; none if nothing was.
    pub fn precision(&self) -> Option<f64> {
        share(self.hits, self.predicted)
    }

    /// Share of those of the class that were taken for it; none if there are none.
    pub fn recall(&self) -> Option<f64> {
        share(self.hits, self.samples)
    }

    /// Harmonic mean of precision and recall; none if the class was neither there nor predicted.
    pub fn f1(&self) -> Option<f64> {
        share(2 * self.hits, self.samples + self.predicted)
    }
}

/// Samples of one class taken for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mixup {
    /// What they are.
    pub truth: usize,
    /// What they were taken for.
    pub prediction: usize,
    /// How many.
    pub samples: u64,
}

fn share(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

impl Confusion {
    /// Counts of pairs (truth, prediction), all below `classes`.
    pub fn of(classes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Self {
        let mut counts = vec![0; classes * classes];
        pairs.for_each(|(truth, prediction)| counts[truth * classes + prediction] += 1);
        Confusion { classes, counts }
    }

    /// Each class's score (C).
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

    /// Pairs that were mixed up, the most frequent first; of equals the lower classes first.
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

    /// By hand: of three 0s one is taken for 1; of one 1 none is; 2 neither occurs nor is predicted.
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
