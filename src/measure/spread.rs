//! Several samples of one quantity, and how far they lie apart.

use serde::Serialize;

/// Order statistics of samples, and the samples themselves.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Half of the samples are below.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// A quarter of the samples is below.
    pub q1: f64,
    /// A quarter of the samples is above.
    pub q3: f64,
    /// The largest.
    pub max: f64,
    /// All of them, in the order in which they were taken.
    pub samples: Vec<f64>,
}

impl Spread {
    /// Of samples; without any all statistics are NaN.
    pub fn of(samples: Vec<f64>) -> Spread {
        let mut sorted = samples.clone();
        sorted.sort_by(f64::total_cmp);
        let at = |share| quantile(&sorted, share);
        Spread { median: at(0.5), min: at(0.0), q1: at(0.25), q3: at(0.75), max: at(1.0), samples }
    }

    /// Of `amount` in the time of each sample: seconds become a rate.
    pub fn rate(&self, amount: f64) -> Spread {
        Spread::of(self.samples.iter().map(|seconds| amount / seconds).collect())
    }

    /// Each sample times a factor.
    pub fn times(&self, factor: f64) -> Spread {
        Spread::of(self.samples.iter().map(|sample| sample * factor).collect())
    }
}

/// The value below which a share of the samples lies, on a straight line between neighbours (Hyndman and Fan, The American
/// Statistician 50, 1996, definition 7: that of R and NumPy). NaN if there are no samples.
pub fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = share.clamp(0.0, 1.0) * last as f64;
    let (below, above) = (place.floor() as usize, place.ceil() as usize);
    sorted[below] + (sorted[above] - sorted[below]) * place.fract()
}
