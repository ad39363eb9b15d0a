//! The unit of real targets: a net learns standardised values, and its outputs are turned back into the target's unit.

use crate::base::error::Error;
use crate::base::text::counted;
use serde::{Deserialize, Serialize};

/// The scale of one real target.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetScale {
    /// Mean over the training samples.
    pub mean: f32,
    /// Standard deviation over the training samples (divisor N), above 0. It is 1 for a constant target.
    pub deviation: f32,
}

impl TargetScale {
    /// Leaves a target as it is.
    pub const NONE: TargetScale = TargetScale { mean: 0.0, deviation: 1.0 };

    /// The scales (T) of the targets of training samples: values (N, T), row by row. A sample counts as often as its weight
    /// (N) says.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no samples, if the last one is incomplete, if a value is not finite, or if there is not
    /// one weight per sample.
    pub fn fit(values: &[f32], targets: usize, weights: Option<&[f32]>) -> Result<Vec<TargetScale>, Error> {
        if targets == 0 || values.is_empty() || !values.len().is_multiple_of(targets) {
            return Err(Error::Setting(format!(
                "{} cannot be samples of {}: give at least one sample, each with all targets",
                counted(values.len(), "value"),
                counted(targets, "target")
            )));
        }
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(Error::Setting(format!(
                "target {} of sample {} is {}: give a finite number, or leave the sample out",
                at % targets,
                at / targets,
                values[at]
            )));
        }
        let samples = values.len() / targets;
        if let Some(weights) = weights.filter(|weights| weights.len() != samples) {
            return Err(Error::Setting(format!(
                "{} for {}: give one weight per sample, or none at all",
                counted(weights.len(), "weight"),
                counted(samples, "sample")
            )));
        }
        let weight = |sample: usize| weights.map_or(1.0, |weights| f64::from(weights[sample]));
        let of = |target: usize| {
            let rows = values.chunks_exact(targets).enumerate();
            rows.map(move |(sample, row)| (f64::from(row[target]), weight(sample)))
        };
        Ok((0..targets).map(|target| scale(of(target).filter(|(_, weight)| *weight > 0.0))).collect())
    }

    /// A value of the target as the net learns it.
    #[must_use]
    pub fn standardise(self, value: f32) -> f32 {
        ((f64::from(value) - f64::from(self.mean)) / f64::from(self.deviation)) as f32
    }

    /// An output of the net in the unit of the target.
    #[must_use]
    pub fn restore(self, output: f32) -> f32 {
        (f64::from(output) * f64::from(self.deviation) + f64::from(self.mean)) as f32
    }

    /// Whether the deviation is one that [`TargetScale::fit`] can return. A model file can hold any numbers.
    #[must_use]
    pub fn is_valid(self) -> bool {
        self.mean.is_finite() && self.deviation.is_finite() && self.deviation > 0.0
    }
}

/// The scale of values with weights above 0.
fn scale(mut values: impl Iterator<Item = (f64, f64)> + Clone) -> TargetScale {
    let total: f64 = values.clone().map(|(_, weight)| weight).sum();
    let mean = values.clone().map(|(value, weight)| weight * value).sum::<f64>() / total;
    let squares: f64 = values.clone().map(|(value, weight)| weight * (value - mean).powi(2)).sum();
    let deviation = (squares / total).sqrt() as f32;
    // The sums of weighted values are rounded, so the deviation of equal values may seem to be above 0.
    let Some((first, _)) = values.next() else { return TargetScale::NONE };
    let constant = values.all(|(value, _)| value == first);
    let mean = if constant { first } else { mean };
    TargetScale { mean: mean as f32, deviation: if deviation > 0.0 && !constant { deviation } else { 1.0 } }
}

#[cfg(test)]
mod tests {
    use super::TargetScale;

    /// By hand: the first target is 1, 2, 3, 6 with mean 3 and squared deviations 4, 1, 0, 9; the second is constant.
    #[test]
    fn each_target_has_its_own_mean_and_deviation() {
        let scales = TargetScale::fit(&[1.0, 0.1, 2.0, 0.1, 3.0, 0.1, 6.0, 0.1], 2, None).unwrap();
        assert_eq!(scales[0], TargetScale { mean: 3.0, deviation: 3.5f32.sqrt() });
        assert_eq!(scales[1], TargetScale { mean: 0.1, deviation: 1.0 });
        assert_eq!(scales[0].standardise(6.0), 3.0 / 3.5f32.sqrt());
        assert_eq!((scales[1].standardise(0.1), scales[1].restore(0.0)), (0.0, 0.1));
    }

    /// Whole numbers, so that all sums are exact.
    #[test]
    fn a_weight_counts_like_repetition() {
        let weighted = TargetScale::fit(&[1.0, 5.0, 9.0, 9.0, 4.0, 5.0], 2, Some(&[2.0, 0.0, 3.0])).unwrap();
        let repeated = [1.0, 5.0, 1.0, 5.0, 4.0, 5.0, 4.0, 5.0, 4.0, 5.0];
        assert_eq!(weighted, TargetScale::fit(&repeated, 2, None).unwrap());
        // The second target is constant but for the sample of weight 0.
        assert_eq!(weighted[1], TargetScale { mean: 5.0, deviation: 1.0 });
        let rounded = TargetScale::fit(&[0.1; 100], 1, Some(&[0.3; 100])).unwrap();
        assert_eq!(rounded, [TargetScale { mean: 0.1, deviation: 1.0 }]);
    }

    #[test]
    fn a_restored_value_is_the_value_again() {
        let values: Vec<f32> = (0..1000u32).map(|i| 1e6 + (i.wrapping_mul(2_654_435_761) >> 12) as f32).collect();
        let scale = TargetScale::fit(&values, 1, None).unwrap()[0];
        for value in values {
            let restored = scale.restore(scale.standardise(value));
            assert!((restored - value).abs() <= value * f32::EPSILON, "{value} {restored}");
        }
    }

    #[test]
    fn values_that_cannot_be_scaled_are_refused() {
        let refused = [(&[][..], 1), (&[1.0, 2.0, 3.0], 2), (&[1.0], 0), (&[1.0, f32::NAN], 1), (&[f32::INFINITY], 1)];
        for (values, targets) in refused {
            assert!(TargetScale::fit(values, targets, None).is_err(), "{values:?}");
        }
        assert!(TargetScale::fit(&[1.0, 2.0], 1, Some(&[1.0])).is_err());
        let error = TargetScale::fit(&[1.0, 2.0, 3.0, f32::NAN], 2, None).unwrap_err().to_string();
        assert!(error.contains("target 1 of sample 1 is NaN"), "{error}");
    }
}
