//! Calibration: how well a model's confidence agrees with its accuracy (Guo et al., "On Calibration of Modern Neural
//! Networks", ICML 2017).

use super::Predictions;

/// The number of bins of equal width for confidences 0 … 1, as in the paper.
pub const BINS: usize = 15;

/// The samples of one bin. The confidence of a sample is the probability of the predicted class.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Bin {
    /// Number of samples.
    pub samples: u64,
    /// Number of correct predictions.
    pub hits: u64,
    /// Sum of the confidences.
    pub confidence_sum: f64,
}

impl Bin {
    /// Share of correct predictions; NaN for an empty bin.
    pub fn accuracy(&self) -> f64 {
        self.hits as f64 / self.samples as f64
    }

    /// Mean confidence; NaN for an empty bin.
    pub fn confidence(&self) -> f64 {
        self.confidence_sum / self.samples as f64
    }
}

/// Sorts samples into [`BINS`] bins: bin m holds confidences above m/15 and up to (m + 1)/15.
pub fn bins(predictions: &Predictions, labels: &[u32]) -> Vec<Bin> {
    let mut bins = vec![Bin::default(); BINS];
    for (sample, &label) in labels.iter().enumerate() {
        let class = predictions.class(sample);
        let confidence = f64::from(predictions.row(sample)[class]);
        let bin = &mut bins[((confidence * BINS as f64).ceil() as usize).clamp(1, BINS) - 1];
        bin.samples += 1;
        bin.hits += u64::from(class == label as usize);
        bin.confidence_sum += confidence;
    }
    bins
}

/// Expected calibration error: the mean over samples of |accuracy − confidence| of the sample's bin; 0 is perfect.
pub fn expected_error(bins: &[Bin]) -> f64 {
    let samples: u64 = bins.iter().map(|bin| bin.samples).sum();
    let gaps = bins.iter().map(|bin| (bin.hits as f64 - bin.confidence_sum).abs());
    gaps.sum::<f64>() / samples as f64
}

#[cfg(test)]
mod tests {
    use super::{Predictions, bins, expected_error};

    /// By hand: of two samples at 0.8 one is correct (gap 0.3); two at 0.6 are both correct (gap 0.4).
    #[test]
    fn the_error_is_the_mean_gap_between_confidence_and_accuracy() {
        let probabilities = vec![0.8, 0.2, 0.8, 0.2, 0.4, 0.6, 0.4, 0.6];
        let predictions = Predictions { classes: 2, probabilities };
        let bins = bins(&predictions, &[0, 1, 1, 1]);
        assert!((expected_error(&bins) - 0.35).abs() < 1e-6, "{bins:?}");
        // Apart from rounding, 0.6 is the upper end of the ninth bin, and 0.8 that of the twelfth.
        assert_eq!(bins.iter().map(|bin| bin.samples).sum::<u64>(), 4);
        assert_eq!(bins.iter().filter(|bin| bin.samples == 2).count(), 2);
    }
}
