//! Exact order statistics and sums of many values, without sorting or copying them.
//!
//! A float's bits, rearranged, are an integer key in the same order. A histogram over the upper half of the key finds the
//! bucket of a quantile; a second one over the lower half finds the value. Sums are taken part by part, in a fixed order, so
//! the order in which threads finish has no influence.

use rayon::prelude::*;

/// Values per part. Parts are fixed, so sums do not depend on the number of threads.
const PART: usize = 1 << 22;

/// Values with their weights. A weight of 2 stands for the value twice, a weight of 0 for none.
#[derive(Clone, Copy)]
pub(super) struct Values<'a> {
    /// The values, none of them NaN.
    pub(super) all: &'a [f32],
    /// The weight of each row; `None`: all are 1.
    pub(super) weights: Option<&'a [f32]>,
    /// The number of values in a row.
    pub(super) width: usize,
}

impl Values<'_> {
    /// Adds every value with its weight to the sum of its part, which begins with `start`. Returns the sums in order.
    fn parts<T: Clone + Send + Sync>(self, start: T, add: impl Fn(&mut T, f32, f64) + Sync) -> Vec<T> {
        let length = if self.weights.is_some() { (PART / self.width).max(1) * self.width } else { PART };
        let part = |(number, part): (usize, &[f32])| {
            let mut sum = start.clone();
            match self.weights {
                None => part.iter().for_each(|&value| add(&mut sum, value, 1.0)),
                Some(weights) => {
                    for (row, &weight) in part.chunks(self.width).zip(&weights[number * (length / self.width)..]) {
                        row.iter().for_each(|&value| add(&mut sum, value, f64::from(weight)));
                    }
                }
            }
            sum
        };
        self.all.par_chunks(length).enumerate().map(part).collect()
    }

    /// The weighted sum of `f` over all values.
    fn sum(self, f: impl Fn(f64) -> f64 + Sync) -> f64 {
        self.parts(0.0, |sum, value, weight| *sum += weight * f(f64::from(value))).into_iter().sum()
    }

    /// Mean and standard deviation (divisor: the sum of the weights), by two passes; zeros if there are no values.
    pub(super) fn moments(self) -> (f64, f64) {
        let total = self.sum(|_| 1.0);
        let over = |sum: f64| if total > 0.0 { sum / total } else { 0.0 };
        let mean = over(self.sum(|value| value));
        (mean, over(self.sum(|value| (value - mean).powi(2))).sqrt())
    }

    /// The smallest and the largest value; zeros if there are no values.
    pub(super) fn range(self) -> (f32, f32) {
        let none = (f32::INFINITY, f32::NEG_INFINITY);
        let wider = |range: &mut (f32, f32), value: f32, weight: f64| {
            if weight > 0.0 {
                *range = (range.0.min(value), range.1.max(value));
            }
        };
        let both = |a: (f32, f32), b: (f32, f32)| (a.0.min(b.0), a.1.max(b.1));
        let range = self.parts(none, wider).into_iter().fold(none, both);
        if range == none { (0.0, 0.0) } else { range }
    }

    /// The quantiles for these shares, above 0 and below 1. Weights are added up in ascending order of the values. The
    /// quantile is the value at which the sum reaches this share of the total. If the sum equals the share, it is the mean of
    /// that value and the next. That is numpy's `averaged_inverted_cdf`. Zeros if there are no values.
    pub(super) fn quantiles<const K: usize>(self, shares: [f64; K]) -> [f64; K] {
        let mut select = Select::new(self);
        let total: f64 = select.coarse.iter().sum();
        if total == 0.0 {
            return [0.0; K];
        }
        shares.map(|share| {
            let [low, high] = [false, true].map(|beyond| f64::from(select.value(share * total, beyond)));
            (low + high) / 2.0
        })
    }
}

/// The number of buckets for half a key.
const BUCKETS: usize = 1 << 16;

/// Finds values by the sum of the weights before them.
struct Select<'a> {
    values: Values<'a>,
    coarse: Vec<f64>,
    /// The last bucket that was looked into, and its histogram.
    fine: Option<(u32, Vec<f64>)>,
}

impl<'a> Select<'a> {
    fn new(values: Values<'a>) -> Select<'a> {
        let coarse = histogram(values, |key| Some(key >> 16));
        Select { values, coarse, fine: None }
    }

    /// The value at which the sum of the weights, in ascending order, reaches `goal`, or exceeds it if `beyond`.
    fn value(&mut self, goal: f64, beyond: bool) -> f32 {
        let (upper, before) = bucket(&self.coarse, goal, beyond);
        let goal = goal - before;
        let lower = match &self.fine {
            Some((same, fine)) if *same == upper => bucket(fine, goal, beyond).0,
            _ => {
                let fine = histogram(self.values, |key| (key >> 16 == upper).then_some(key & 0xFFFF));
                let lower = bucket(&fine, goal, beyond).0;
                self.fine = Some((upper, fine));
                lower
            }
        };
        value(upper << 16 | lower)
    }
}

/// The bucket in which the sum reaches `goal`, or exceeds it if `beyond`, and the sum before that bucket. If rounding leaves
/// no such bucket, the last one in use.
fn bucket(sums: &[f64], goal: f64, beyond: bool) -> (u32, f64) {
    let (mut sum, mut last) = (0.0, (0, 0.0));
    for (number, &more) in sums.iter().enumerate().filter(|(_, more)| **more > 0.0) {
        last = (number as u32, sum);
        sum += more;
        if sum > goal || sum == goal && !beyond {
            break;
        }
    }
    last
}

/// The sum of the weights in each bucket.
fn histogram(values: Values, place: impl Fn(u32) -> Option<u32> + Sync) -> Vec<f64> {
    let add = |sums: &mut Vec<f64>, value: f32, weight: f64| {
        if let Some(place) = place(key(value)) {
            sums[place as usize] += weight;
        }
    };
    let mut parts = values.parts(vec![0.0; BUCKETS], add).into_iter();
    let mut total = parts.next().unwrap_or_else(|| vec![0.0; BUCKETS]);
    for part in parts {
        total.iter_mut().zip(part).for_each(|(sum, more)| *sum += more);
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
        Values { all, weights: None, width: 1 }
    }

    #[test]
    fn every_value_is_found_by_its_rank() {
        let mut random = host(1, Stream::Init, 0);
        for count in [1, 2, 3, 101] {
            for spread in [1e-40f32, 1.0, 1e30] {
                let mut all: Vec<f32> =
                    (0..count).map(|_| (spread * random.random_range(-20i16..20) as f32) + 0.0).collect();
                let mut select = Select::new(values(&all));
                let [reached, beyond]: [Vec<f32>; 2] =
                    [1, 0].map(|from| (0..count).map(|rank| select.value(f64::from(rank + from), from == 0)).collect());
                all.sort_by(f32::total_cmp);
                assert_eq!((&reached, &beyond), (&all, &all));
            }
        }
    }

    /// numpy 2: `np.quantile([7, 1, 2, 10], [.25, .5, .6, .75], method="averaged_inverted_cdf")`.
    #[test]
    fn quantiles_are_those_of_numpy() {
        let quantiles = values(&[7.0, 1.0, 2.0, 10.0]).quantiles([0.25, 0.5, 0.6, 0.75]);
        assert_eq!(quantiles, [1.5, 4.5, 7.0, 8.5]);
        assert_eq!(values(&[]).quantiles([0.5]), [0.0]);
    }

    #[test]
    fn moments_far_from_zero_lose_no_digits() {
        let all: Vec<f32> = (0..1000).map(|at| 1e9 + (at % 2 * 64) as f32).collect();
        let (mean, deviation) = values(&all).moments();
        assert_eq!((mean, deviation), (1e9 + 32.0, 32.0));
    }

    /// Whole numbers and weights, so that all sums but those of squares are exact.
    #[test]
    fn a_weight_counts_like_repetition() {
        let mut random = host(1, Stream::Init, 2);
        for (count, width) in [(1, 1), (60, 1), (20, 3)] {
            let all: Vec<f32> = (0..count * width).map(|_| f32::from(random.random_range(-50i8..50))).collect();
            let weights: Vec<u8> = (0..count).map(|row| if row == 0 { 2 } else { random.random_range(0..4) }).collect();
            let rows = all.chunks(width).zip(&weights);
            let repeated: Vec<f32> = rows.flat_map(|(row, &weight)| row.repeat(weight.into())).collect();
            let weights: Vec<f32> = weights.into_iter().map(f32::from).collect();
            let weighted = Values { all: &all, weights: Some(&weights), width };
            let ranks = |values: Values| (values.range(), values.quantiles([0.25, 0.5, 0.75]));
            assert_eq!(ranks(weighted), ranks(values(&repeated)), "{all:?} {weights:?}");
            let ((mean, deviation), (same, like)) = (weighted.moments(), values(&repeated).moments());
            assert!(mean == same && (deviation - like).abs() <= 1e-14 * like, "{deviation} {like}");
        }
        let nothing = Values { all: &[7.0], weights: Some(&[0.0]), width: 1 };
        assert_eq!((nothing.moments(), nothing.range(), nothing.quantiles([0.5])), ((0.0, 0.0), (0.0, 0.0), [0.0]));
    }

    /// More than one part: one thread and many give the same bits.
    #[test]
    fn threads_have_no_influence() {
        let mut random = host(1, Stream::Init, 1);
        let all: Vec<f32> = (0..PART + 12_345).map(|_| random.random_range(-1e3f32..1e3)).collect();
        let weights: Vec<f32> = all.iter().map(|value| value.abs()).collect();
        for weights in [None, Some(&weights[..])] {
            let values = Values { all: &all, weights, width: 1 };
            let statistics = || (values.moments(), values.range(), values.quantiles([0.25, 0.5, 0.75]));
            let [one, many] = [1, 4].map(|threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                pool.install(statistics)
            });
            assert_eq!(one, many);
        }
    }
}
