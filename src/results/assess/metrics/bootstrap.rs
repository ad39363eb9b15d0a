//! Confidence intervals by resampling (Efron, "Bootstrap Methods: Another Look at the Jackknife", 1979).

use crate::base::rng::{Stream, host};
use rand::Rng;
use rayon::prelude::*;

/// A 95 % interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Interval {
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// The percentile bootstrap: the score is computed again for many resamples of as many samples, drawn with replacement. The
/// interval holds the middle 95 % of these scores.
///
/// The resamples depend on the seed alone, not on the number of threads. A sample of weight 0 is never drawn; other weights
/// are kept and do not change how often a sample is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// Number of resamples.
    pub resamples: usize,
    /// Seed of the draws.
    pub seed: u64,
}

impl Default for Bootstrap {
    fn default() -> Self {
        Bootstrap { resamples: 1000, seed: 1 }
    }
}

impl Bootstrap {
    /// The intervals of K scores of N samples. `score` gets a weight for each sample (N): its own weight times how often it was
    /// drawn. Resamples in which a score is undefined do not count; the interval is `None` if they are more than half.
    pub fn intervals<const K: usize>(
        self,
        samples: usize,
        weights: Option<&[f32]>,
        score: impl Fn(&[f32]) -> [Option<f64>; K] + Sync,
    ) -> [Option<Interval>; K] {
        let weight = |sample: usize| weights.map_or(1.0, |weights| weights.get(sample).copied().unwrap_or(0.0));
        let pool: Vec<usize> = (0..samples).filter(|&sample| weight(sample) > 0.0).collect();
        let resample = |drawn: &mut Vec<f32>, number: usize| {
            drawn.clear();
            drawn.resize(samples, 0.0);
            let mut random = host(self.seed, Stream::Bootstrap, number as u64);
            for _ in 0..pool.len() {
                let sample = pool[below(&mut random, pool.len())];
                drawn[sample] += weight(sample);
            }
            score(drawn)
        };
        let scores: Vec<[Option<f64>; K]> = (0..self.resamples).into_par_iter().map_init(Vec::new, resample).collect();
        std::array::from_fn(|at| middle(scores.iter().filter_map(|scores| scores[at]).collect(), self.resamples))
    }
}

/// A random number below `limit`, each with the same probability: the upper word of a product (Lemire, "Fast Random Integer
/// Generation in an Interval", 2019). Its bias is below limit / 2⁶⁴.
fn below(random: &mut impl Rng, limit: usize) -> usize {
    ((u128::from(random.next_u64()) * limit as u128) >> 64) as usize
}

/// The middle 95 % of the scores.
fn middle(mut scores: Vec<f64>, resamples: usize) -> Option<Interval> {
    if scores.is_empty() || 2 * scores.len() < resamples {
        return None;
    }
    scores.sort_by(f64::total_cmp);
    let last = scores.len() - 1;
    let quantile = |share: f64| {
        let position = share * last as f64;
        let at = position as usize;
        let (low, high) = (scores[at], scores[last.min(at + 1)]);
        if low == high { low } else { low + (position - at as f64) * (high - low) }
    };
    Some(Interval { low: quantile(0.025), high: quantile(0.975) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// numpy: `np.percentile(range(101), [2.5, 97.5])` is 2.5 and 97.5.
    #[test]
    fn the_ends_are_percentiles() {
        let scores: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(middle(scores, 101), Some(Interval { low: 2.5, high: 97.5 }));
        assert_eq!(middle(vec![3.0], 1), Some(Interval { low: 3.0, high: 3.0 }));
        assert_eq!((middle(vec![3.0], 3), middle(vec![], 0)), (None, None));
    }
}
