//! Predicted probabilities of the classes, per sample.

/// Smallest probability of an answer that is not in doubt.
const LEAST_SURE: f32 = 0.8;

/// A model's predictions for N samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// Number of classes C.
    pub classes: usize,
    /// Probabilities (N, C), row by row.
    pub probabilities: Vec<f32>,
}

impl Predictions {
    /// Probabilities (C) of a sample's classes.
    pub fn row(&self, sample: usize) -> &[f32] {
        &self.probabilities[sample * self.classes..][..self.classes]
    }

    /// The most probable class of a sample; at equal probabilities the first.
    pub fn class(&self, sample: usize) -> usize {
        most_probable(self.row(sample))
    }

    /// Why the answer for a sample may be wrong: the most probable class is not probable.
    pub fn doubt(&self, sample: usize) -> Option<String> {
        let p = self.row(sample)[self.class(sample)];
        (p < LEAST_SURE).then(|| format!("the most probable class has a probability of only {:.0} %", 100.0 * p))
    }

    /// All classes of a sample, the most probable first; at equal probabilities in the order of the classes.
    pub fn ranking(&self, sample: usize) -> Vec<usize> {
        let row = self.row(sample);
        let mut ranking: Vec<usize> = (0..self.classes).collect();
        ranking.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
        ranking
    }
}

/// The class with the largest probability in a row; at equal probabilities the first.
pub(in crate::results) fn most_probable(row: &[f32]) -> usize {
    row.iter().enumerate().fold(0, |best, (class, p)| if *p > row[best] { class } else { best })
}

/// Softmax of one row of logits.
pub fn softmax(logits: &[f32]) -> Vec<f32> {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponentials: Vec<f32> = logits.iter().map(|z| (z - largest).exp()).collect();
    let sum: f32 = exponentials.iter().sum();
    exponentials.into_iter().map(|e| e / sum).collect()
}
