//! Data-parallel updates: each process computes the gradients of some shards of a batch, and all processes add them up in
//! the same order.
//!
//! The shards are the leaves of a binary tree. The sum of a node is the sum of its left half plus that of its right half,
//! so the bits of the whole sum depend on the number of shards only. A process sends the sums of the largest nodes that lie
//! within its share: with 2 or 4 processes and 8 shards that is one gradient. Process k adds up slice k of the
//! gradient, and all processes gather the slices. Integer gradients are the same in any order, so they are added at once.

mod tree;

use super::exchange::{Exchange, share};
use super::executor::Executor;
use crate::base::error::Error;
use crate::engine::Engine;
use crate::plan::Work;
use crate::plan::kernel::StepValues;
use crate::plan::tensor::{Role, TensorId};
use std::ops::Range;
use tree::{add, completed, nodes, total};

/// What an update has left besides the tensors.
pub(super) struct Updated {
    /// The rows of the record that the micro-batches of all processes wrote, in order.
    pub rows: Vec<u32>,
    /// The flags of all processes together.
    pub flags: u32,
}

/// The tensors of the gradients as one list of words.
struct Gradients {
    ids: Vec<TensorId>,
    words: usize,
}

impl Gradients {
    async fn read(&self, engine: &mut dyn Engine) -> Result<Vec<Vec<u32>>, Error> {
        // All reads are queued before the first is awaited.
        let pending: Vec<_> = self.ids.iter().map(|id| engine.read(*id, 0..id.words())).collect();
        let mut tensors = Vec::new();
        for words in pending {
            tensors.push(words.await?);
        }
        Ok(tensors)
    }

    fn write(&self, mut words: &[u32], engine: &mut dyn Engine) {
        for id in &self.ids {
            let (mine, rest) = words.split_at(id.words());
            engine.write(*id, 0, mine);
            words = rest;
        }
    }

    /// The words that process `rank` adds up.
    fn slice(&self, rank: usize, size: usize) -> Range<usize> {
        share(self.words, rank, size)
    }
}

/// Appends a slice of the words of several tensors.
fn append(tensors: &[Vec<u32>], slice: &Range<usize>, to: &mut Vec<u32>) {
    let mut first = 0;
    for words in tensors {
        let inside = |at: usize| at.clamp(first, first + words.len()) - first;
        to.extend_from_slice(&words[inside(slice.start)..inside(slice.end)]);
        first += words.len();
    }
}

impl Executor<'_> {
    fn gradients(&self) -> Gradients {
        let is_gradient = |role: Role| matches!(role, Role::Gradient { .. });
        let tensors = self.job.net.plan.tensors.iter().filter(|tensor| is_gradient(tensor.role));
        let ids: Vec<TensorId> = tensors.map(|tensor| tensor.id).collect();
        let words = ids.iter().map(|id| id.words()).sum();
        Gradients { ids, words }
    }

    /// Words of a gradient, over all tensors.
    pub fn gradient_words(&self) -> usize {
        self.gradients().words
    }

    /// Makes update `step`, whose samples are loaded, together with the other processes.
    pub async fn update(&mut self, step: u64, flags: u32, exchange: &mut dyn Exchange) -> Result<Updated, Error> {
        let shards = self.micro_batches(step);
        let tails = match self.job.net.levels {
            None => self.add_floats(&shards, flags, exchange).await?,
            Some(levels) => self.add_integers(&shards, levels, flags, exchange).await?,
        };
        self.change(step, &shards, exchange).await?;
        let flags = tails.iter().fold(0, |all, tail| all | tail[0]);
        Ok(Updated { rows: tails.iter().flat_map(|tail| &tail[1..]).copied().collect(), flags })
    }

    /// Computes the sum of the gradients in single precision. Returns flags and rows of the record of each process.
    async fn add_floats(
        &mut self,
        shards: &[StepValues],
        flags: u32,
        exchange: &mut dyn Exchange,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let (count, rank, size) = (shards.len(), exchange.rank(), exchange.size());
        let gradients = self.gradients();
        let nodes_of = |rank: usize| nodes(0..count, &share(count, rank, size));
        let mut sums = Vec::new();
        for node in nodes_of(rank) {
            sums.push(self.sum_of(node, shards, &gradients).await?);
        }
        let tail = self.tail(vec![flags], &shards[share(count, rank, size)]).await?;
        if size == 1 {
            gradients.ids.iter().zip(&sums[0]).for_each(|(id, words)| self.engine.write(*id, 0, words));
            return Ok(vec![tail]);
        }

        let slices: Vec<Range<usize>> = (0..size).map(|rank| gradients.slice(rank, size)).collect();
        let mut words = Vec::with_capacity(sums.len() * gradients.words);
        for slice in &slices {
            sums.iter().for_each(|sum| append(sum, slice, &mut words));
        }
        let sent: Vec<usize> = slices.iter().map(|slice| sums.len() * slice.len()).collect();
        let mine = slices[rank].len();
        let received: Vec<usize> = (0..size).map(|rank| nodes_of(rank).len() * mine).collect();
        let words = exchange.all_to_all(&words, &sent, &received);
        let mut block = Vec::new();
        if mine > 0 {
            let mut parts = (0..size).flat_map(nodes_of).zip(words.chunks_exact(mine)).peekable();
            block = total(0..count, &mut parts).into_owned();
        }

        block.extend(tail);
        let tail_words = |rank: usize| 1 + share(count, rank, size).len() * self.row_words();
        let lengths: Vec<usize> = (0..size).map(|rank| slices[rank].len() + tail_words(rank)).collect();
        let all = exchange.all_gather(&block, &lengths);
        let (mut sum, mut tails, mut rest) = (Vec::with_capacity(gradients.words), Vec::new(), &all[..]);
        for (slice, length) in slices.iter().zip(lengths) {
            let (block, others) = rest.split_at(length);
            let (words, tail) = block.split_at(slice.len());
            sum.extend_from_slice(words);
            tails.push(tail.to_vec());
            rest = others;
        }
        gradients.write(&sum, self.engine.as_mut());
        Ok(tails)
    }

    /// Computes the gradients of the shards of a node, and adds them up in the order of the tree.
    async fn sum_of(
        &mut self,
        node: Range<usize>,
        shards: &[StepValues],
        gradients: &Gradients,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let steps = self.job.training().gradients.clone();
        let mut stack: Vec<Vec<Vec<u32>>> = Vec::new();
        for leaf in node.clone() {
            let now = StepValues { accumulate: 0, ..shards[leaf] };
            self.engine.run(&[(steps.clone(), now)]).await?;
            stack.push(gradients.read(self.engine.as_mut()).await?);
            for _ in 0..completed(node.clone(), leaf) {
                let right = stack.pop().unwrap_or_default();
                stack.last_mut().into_iter().flatten().zip(&right).for_each(|(left, right)| add(left, right));
            }
        }
        Ok(stack.pop().unwrap_or_default())
    }

    /// Computes the sum of the gradients in integers, and the levels of the error signals. Returns flags and rows of the
    /// record of each process.
    async fn add_integers(
        &mut self,
        shards: &[StepValues],
        levels: TensorId,
        flags: u32,
        exchange: &mut dyn Exchange,
    ) -> Result<Vec<Vec<u32>>, Error> {
        let (count, rank, size) = (shards.len(), exchange.rank(), exchange.size());
        let (gradients, steps) = (self.gradients(), self.job.training().gradients.clone());
        let before = self.engine.read(levels, 0..levels.words()).await?;
        let mine = &shards[share(count, rank, size)];
        for (at, now) in mine.iter().enumerate() {
            self.engine.run(&[(steps.clone(), StepValues { accumulate: u32::from(at > 0), ..*now })]).await?;
        }
        // A process without shards adds nothing.
        let mut sum = match mine.is_empty() {
            true => vec![0; gradients.words],
            false => gradients.read(self.engine.as_mut()).await?.concat(),
        };
        exchange.sum(&mut sum);
        gradients.write(&sum, self.engine.as_mut());

        let mut head = vec![flags];
        head.extend(self.engine.read(levels, 0..levels.words()).await?);
        let tail = self.tail(head, mine).await?;
        let tail_words = |rank: usize| 1 + levels.words() + share(count, rank, size).len() * self.row_words();
        let lengths: Vec<usize> = (0..size).map(tail_words).collect();
        let all = exchange.all_gather(&tail, &lengths);
        let (mut merged, mut tails, mut rest) = (before.clone(), Vec::new(), &all[..]);
        for length in lengths {
            let (mut tail, others) = (rest[..length].to_vec(), &rest[length..]);
            merge_levels(&mut merged, &before, &tail[1..][..levels.words()], levels.stride());
            tail.drain(1..=levels.words());
            tails.push(tail);
            rest = others;
        }
        self.engine.write(levels, 0, &merged);
        Ok(tails)
    }

    /// Words of the record per micro-batch.
    fn row_words(&self) -> usize {
        self.job.training().tally_words(0..1).len()
    }

    /// Appends the rows of the record that these shards wrote.
    async fn tail(&mut self, mut head: Vec<u32>, shards: &[StepValues]) -> Result<Vec<u32>, Error> {
        if let Some(first) = shards.first() {
            let training = self.job.training();
            let (tally, slots) = (training.tally, first.slot as usize..first.slot as usize + shards.len());
            let words = training.tally_words(slots);
            head.extend(self.engine.read(tally, words).await?);
        }
        Ok(head)
    }

    /// Changes the weights by the gradients, and measures the update if it is due.
    async fn change(&mut self, step: u64, shards: &[StepValues], exchange: &mut dyn Exchange) -> Result<(), Error> {
        let Some(now) = shards.last().copied() else { return Ok(()) };
        let training = self.job.training();
        let measured = self.job.steps().measured(step / self.job.per_epoch()) == Some(step);
        let health = training.health.as_ref().filter(|_| measured);
        let mut work: Vec<Work> = Vec::new();
        work.extend(health.map(|health| (health.before.clone(), StepValues { step: 0, ..now })));
        work.push((training.update.clone(), now));
        work.extend(health.map(|health| (health.after.clone(), now)));
        let values = health.map(|health| health.values);
        self.engine.run(&work).await?;
        let (count, size) = (shards.len(), exchange.size());
        if let Some(id) = values.filter(|_| size > 1) {
            // Dead units are counted in the last shard, so its process measures for all.
            let measures = |rank: usize| share(count, rank, size).contains(&(count - 1));
            let lengths: Vec<usize> = (0..size).map(|rank| if measures(rank) { id.words() } else { 0 }).collect();
            let words = match measures(exchange.rank()) {
                true => self.engine.read(id, 0..id.words()).await?,
                false => Vec::new(),
            };
            let words = exchange.all_gather(&words, &lengths);
            self.engine.write(id, 0, &words);
        }
        Ok(())
    }
}

/// Merges the levels of a process, see [`crate::kernels::int_levels`]: the largest error signal, and the counts that were
/// added to those `before` the update.
fn merge_levels(merged: &mut [u32], before: &[u32], levels: &[u32], stride: usize) {
    let rows = merged.chunks_exact_mut(stride).zip(before.chunks_exact(stride)).zip(levels.chunks_exact(stride));
    for ((merged, before), levels) in rows {
        merged[1] = merged[1].max(levels[1]);
        for column in 3..6 {
            merged[column] = merged[column].wrapping_add(levels[column].wrapping_sub(before[column]));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slice_of_several_tensors_is_appended_in_order() {
        let tensors = [vec![0, 1, 2], vec![3], vec![], vec![4, 5]];
        let mut all = Vec::new();
        (0..4).for_each(|rank| append(&tensors, &share(6, rank, 4), &mut all));
        assert_eq!(all, [0, 1, 2, 3, 4, 5]);
    }
}
