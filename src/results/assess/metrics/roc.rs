//! The area under the ROC curve.

use super::Weights;

/// The area under the ROC curve: the probability that a random positive sample has a higher score than a random negative one,
/// where equal scores count half (Mann and Whitney, 1947). `order` has the samples in ascending order of their scores. `None`
/// without positive or without negative samples.
pub(super) fn auc(
    order: &[u32],
    weights: Weights,
    score: impl Fn(usize) -> f32,
    positive: impl Fn(usize) -> bool,
) -> Option<f64> {
    let (mut area, mut positives, mut negatives) = (0.0, 0.0, 0.0);
    for ties in order.chunk_by(|&a, &b| score(a as usize) == score(b as usize)) {
        let mut tied = [0.0; 2];
        for &sample in ties {
            tied[usize::from(positive(sample as usize))] += weights.of(sample as usize);
        }
        let [negative, own] = tied;
        area += own * (negatives + negative / 2.0);
        positives += own;
        negatives += negative;
    }
    (positives > 0.0 && negatives > 0.0).then(|| area / (positives * negatives))
}
