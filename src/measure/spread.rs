//! Several samples of a quantity, and their quartiles.

use serde::{Deserialize, Serialize};

/// Order statistics of samples, and the samples themselves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The median.
    pub median: f64,
    /// The smallest sample.
    pub min: f64,
    /// The lower quartile.
    pub q1: f64,
    /// The upper quartile.
    pub q3: f64,
    /// The largest sample.
    pub max: f64,
    /// All samples in the order in which they were taken.
    pub samples: Vec<f64>,
}

impl Spread {
    /// The statistics of samples. All are NaN if there are no samples.
    pub fn of(samples: Vec<f64>) -> Spread {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Spread { median: at(0.5), min: at(0.0), q1: at(0.25), q3: at(0.75), max: at(1.0), samples }
    }

    /// Converts seconds into rates: `amount` divided by each sample.
    pub fn rate(&self, amount: f64) -> Spread {
        Spread::of(self.samples.iter().map(|seconds| amount / seconds).collect())
    }

    /// Multiplies each sample by a factor.
    pub fn times(&self, factor: f64) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample * factor).collect())
    }
}

/// The quantile with linear interpolation (Hyndman and Fan, The American Statistician 50, 1996, definition 7, the default of R
/// and NumPy). NaN if there are no samples.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let below = place.floor() as usize;
    let above = place.ceil() as usize;
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}
