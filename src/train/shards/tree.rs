//! The binary tree over the shards of a batch, which fixes the order of additions.

use std::borrow::Cow;
use std::iter::Peekable;
use std::ops::Range;

/// Where the halves of a node meet: the left half has a power of two of shards.
fn middle(node: &Range<usize>) -> usize {
    node.start + node.len().next_power_of_two() / 2
}

/// The largest nodes of the tree over `node` that lie within `part`.
pub fn nodes(node: Range<usize>, part: &Range<usize>) -> Vec<Range<usize>> {
    if node.start >= part.end || node.end <= part.start {
        Vec::new()
    } else if part.start <= node.start && node.end <= part.end {
        vec![node]
    } else {
        let middle = middle(&node);
        let mut all = nodes(node.start..middle, part);
        all.extend(nodes(middle..node.end, part));
        all
    }
}

/// The number of nodes within `node` that are complete after shard `leaf`, the leaf left out.
pub fn completed(mut node: Range<usize>, leaf: usize) -> usize {
    let mut count = 0;
    while node.len() > 1 {
        count += usize::from(leaf + 1 == node.end);
        let middle = middle(&node);
        node = if leaf < middle { node.start..middle } else { middle..node.end };
    }
    count
}

/// The sum of a node from the sums of the nodes that its processes sent, first to last.
pub fn total<'a>(
    node: Range<usize>,
    parts: &mut Peekable<impl Iterator<Item = (Range<usize>, &'a [u32])>>,
) -> Cow<'a, [u32]> {
    if let Some((_, words)) = parts.next_if(|(of, _)| *of == node) {
        return Cow::Borrowed(words);
    }
    let middle = middle(&node);
    let mut left = total(node.start..middle, parts);
    add(left.to_mut(), &total(middle..node.end, parts));
    left
}

/// Adds numbers in single precision.
pub fn add(to: &mut [u32], other: &[u32]) {
    let (to, other): (&mut [f32], &[f32]) = (bytemuck::cast_slice_mut(to), bytemuck::cast_slice(other));
    to.iter_mut().zip(other).for_each(|(a, b)| *a += b);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::exchange::share;

    /// The sum of shards 0 to `count`, as processes with these nodes compute it.
    fn summed(values: &[f32], size: usize) -> f32 {
        let count = values.len();
        let mut sums = Vec::new();
        for node in (0..size).flat_map(|rank| nodes(0..count, &share(count, rank, size))) {
            let mut stack: Vec<f32> = Vec::new();
            for leaf in node.clone() {
                stack.push(values[leaf]);
                for _ in 0..completed(node.clone(), leaf) {
                    let right = stack.pop().expect("two sums");
                    *stack.last_mut().expect("two sums") += right;
                }
            }
            assert_eq!(stack.len(), 1, "{node:?}");
            sums.push((node, vec![stack[0].to_bits()]));
        }
        let mut parts = sums.iter().map(|(node, words)| (node.clone(), &words[..])).peekable();
        let sum = f32::from_bits(total(0..count, &mut parts)[0]);
        assert!(parts.next().is_none());
        sum
    }

    #[test]
    fn the_sum_does_not_depend_on_the_number_of_processes() {
        for count in 1..20 {
            let values: Vec<f32> = (0..count).map(|at| (at as f32 * 1.7).sin() * 10f32.powi(at % 5)).collect();
            let alone = summed(&values, 1);
            (2..25).for_each(|size| assert_eq!(summed(&values, size).to_bits(), alone.to_bits(), "{count}, {size}"));
        }
    }

    #[test]
    fn a_power_of_two_of_processes_sends_one_gradient_each() {
        for size in [1, 2, 4, 8] {
            (0..size).for_each(|rank| assert_eq!(nodes(0..8, &share(8, rank, size)).len(), 1));
        }
        assert_eq!(nodes(0..8, &share(8, 1, 3)), [2..4, 4..5]);
    }
}
