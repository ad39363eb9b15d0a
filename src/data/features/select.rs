//! Exact order statistics and sums of many values, without sorting or copying them.
//!
//! A float's bits, rearranged, are an integer key in the same order. A histogram over the upper half of the key finds the
//! bucket of a rank; a second one over the lower half finds the value. Counts are integers, so the order in which threads
//! finish has no influence.

use rayon::prelude::*;

/// Values per part. Parts are fixed, so sums do not depend on the number of threads.
const PART: usize = 1 << 22;

/// Values in parts, on one thread or on all.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    /// The values, none of them NaN.
    pub(super) all: &'a [f32],
    /// Whether to use all threads.
    pub(super) parallel: bool,
}

impl Values<'_> {
    /// Calls `f` on every part and returns the results in order.
    fn parts<T: Send>(self, f: impl Fn(&[f32]) -> T + Sync) -> Vec<T> {
        if self.parallel { self.all.par_chunks(PART).map(&f).collect() } else { self.all.chunks(PART).map(f).collect() }
    }

    /// The sum of `f` over all values.
    fn sum(self, f: impl Fn(f64) -> f64 + Sync) -> f64 {
        self.parts(|part| part.iter().map(|&value| f(f64::from(value))).sum::<f64>()).into_iter().sum()
    }

    /// Mean and standard deviation (divisor N), by two passes; zeros if there are no values. The sum of up to 2²⁹ equal values is
    /// exact, so their deviation is exactly 0.
    pub(super) fn moments(self) -> (f64, f64) {
        let count = self.all.len().max(1) as f64;
        let mean = self.sum(|value| value) / count;
        let variance = self.sum(|value| (value - mean).powi(2)) / count;
        (mean, variance.sqrt())
    }

    /// The smallest and the largest value; zeros if there are no values.
    pub(super) fn range(self) -> (f32, f32) {
        let ends = |part: &[f32]| {
            let start = (f32::INFINITY, f32::NEG_INFINITY);
            part.iter().fold(start, |(low, high), &value| (low.min(value), high.max(value)))
        };
        let both = |a: (f32, f32), b: (f32, f32)| (a.0.min(b.0), a.1.max(b.1));
        self.parts(ends).into_iter().reduce(both).unwrap_or_default()
    }

    /// The quantiles for these shares (0 to 1), interpolated linearly between the two nearest values, as numpy does by
    /// default; zeros if there are no values.
    pub(super) fn quantiles<const K: usize>(self, shares: [f64; K]) -> [f64; K] {
        let Some(last) = self.all.len().checked_sub(1) else { return [0.0; K] };
        let mut select = Select::new(self);
        shares.map(|share| {
            let position = share * last as f64;
            let below = position.floor();
            let low = f64::from(select.rank(below as usize));
            let rest = position - below;
            if rest == 0.0 { low } else { low + rest * (f64::from(select.rank(below as usize + 1)) - low) }
        })
    }
}

/// The number of buckets for half a key.
const BUCKETS: usize = 1 << 16;

/// Finds values by rank.
struct Select<'a> {
    values: Values<'a>,
    coarse: Vec<usize>,
    /// The last bucket that was looked into, and its histogram.
    fine: Option<(u32, Vec<usize>)>,
}

impl<'a> Select<'a> {
    fn new(values: Values<'a>) -> Select<'a> {
        let coarse = histogram(values, |key| Some(key >> 16));
        Select { values, coarse, fine: None }
    }

    /// The value of this rank, from 0, in ascending order.
    fn rank(&mut self, rank: usize) -> f32 {
        let (upper, before) = bucket(&self.coarse, rank);
        let lower = match &self.fine {
            Some((same, fine)) if *same == upper => bucket(fine, rank - before).0,
            _ => {
                let fine = histogram(self.values, |key| (key >> 16 == upper).then_some(key & 0xFFFF));
                let lower = bucket(&fine, rank - before).0;
                self.fine = Some((upper, fine));
                lower
            }
        };
        value(upper << 16 | lower)
    }
}

/// The bucket that holds a rank, and the number of values in the buckets before it.
fn bucket(counts: &[usize], rank: usize) -> (u32, usize) {
    let mut before = 0;
    for (number, &count) in counts.iter().enumerate() {
        if rank < before + count {
            return (number as u32, before);
        }
        before += count;
    }
    (0, rank)
}

fn histogram(values: Values, place: impl Fn(u32) -> Option<u32> + Sync) -> Vec<usize> {
    let count = |part: &[f32]| {
        let mut counts = vec![0; BUCKETS];
        for &value in part {
            if let Some(place) = place(key(value)) {
                counts[place as usize] += 1;
            }
        }
        counts
    };
    let mut parts = values.parts(count).into_iter();
    let mut total = parts.next().unwrap_or_else(|| vec![0; BUCKETS]);
    for part in parts {
        total.iter_mut().zip(part).for_each(|(sum, count)| *sum += count);
    }
    total
}

/// An integer in the order of the floats: negative floats are inverted, the others follow.
fn key(value: f32) -> u32 {
    let bits = value.to_bits();
    if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
}

/// The float of a key.
fn value(key: u32) -> f32 {
    f32::from_bits(if key >> 31 == 1 { key & !(1 << 31) } else { !key })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::rng::{Stream, host};
    use rand::RngExt;

    fn values(all: &[f32]) -> Values<'_> {
        Values { all, parallel: true }
    }

    #[test]
    fn every_rank_is_the_one_of_the_sorted_values() {
        let mut random = host(1, Stream::Init, 0);
        for count in [1, 2, 3, 101] {
            for spread in [1e-40f32, 1.0, 1e30] {
                let mut all: Vec<f32> =
                    (0..count).map(|_| (spread * random.random_range(-20i16..20) as f32) + 0.0).collect();
                let mut select = Select::new(values(&all));
                let found: Vec<f32> = (0..count).map(|rank| select.rank(rank)).collect();
                all.sort_by(f32::total_cmp);
                assert_eq!(found, all);
            }
        }
    }

    /// numpy 2: `np.quantile([7, 1, 2, 10], [0, .25, .5, .75, 1])`.
    #[test]
    fn quantiles_are_those_of_numpy() {
        let quantiles = values(&[7.0, 1.0, 2.0, 10.0]).quantiles([0.0, 0.25, 0.5, 0.75, 1.0]);
        assert_eq!(quantiles, [1.0, 1.75, 4.5, 7.75, 10.0]);
        assert_eq!(values(&[]).quantiles([0.5]), [0.0]);
    }

    #[test]
    fn moments_far_from_zero_lose_no_digits() {
        let all: Vec<f32> = (0..1000).map(|at| 1e9 + (at % 2 * 64) as f32).collect();
        let (mean, deviation) = values(&all).moments();
        assert_eq!((mean, deviation), (1e9 + 32.0, 32.0));
    }

    /// More than one part: one thread and many give the same bits.
    #[test]
    fn threads_have_no_influence() {
        let mut random = host(1, Stream::Init, 1);
        let all: Vec<f32> = (0..PART + 12_345).map(|_| random.random_range(-1e3f32..1e3)).collect();
        let statistics = |parallel| {
            let values = Values { all: &all, parallel };
            (values.moments(), values.range(), values.quantiles([0.25, 0.5, 0.75]))
        };
        assert_eq!(statistics(true), statistics(false));
        let mut sorted = all.clone();
        sorted.sort_by(f32::total_cmp);
        assert_eq!(statistics(true).1, (sorted[0], sorted[all.len() - 1]));
    }
}
