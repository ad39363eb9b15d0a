//! Splits work into submissions that keep a GPU busy for a short time only.

use std::ops::Range;

/// Most entries, or parts of entries, per submission. Each has its own slot of step values.
pub(super) const SLOTS: usize = 256;

/// Work that has not been submitted yet.
pub(super) struct Unsubmitted<'a, V> {
    work: &'a [(Range<usize>, V)],
    /// Dispatches of the first entry that have been submitted.
    done: usize,
}

impl<'a, V: Clone> Unsubmitted<'a, V> {
    /// All of `work`.
    pub fn of(work: &'a [(Range<usize>, V)]) -> Self {
        Unsubmitted { work, done: 0 }
    }

    /// Moves the next dispatches into `part`: at most `dispatches`, in at most [`SLOTS`] entries. Entries are split
    /// where needed, since a step of a large net can take longer than a driver allows a submission.
    pub fn take(&mut self, dispatches: usize, part: &mut Vec<(Range<usize>, V)>) {
        part.clear();
        let mut room = dispatches;
        while let ([(range, now), others @ ..], 1..) = (self.work, room.min(SLOTS - part.len())) {
            let begin = range.start + self.done;
            let end = range.end.min(begin + room);
            if begin < end {
                part.push((begin..end, now.clone()));
            }
            room -= end - begin;
            (self.work, self.done) = if end == range.end { (others, 0) } else { (self.work, end - range.start) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{SLOTS, Unsubmitted};
    use crate::plan::Work;
    use crate::plan::kernel::StepValues;

    fn parts(work: &[Work], dispatches: usize) -> Vec<Vec<(usize, usize, u32)>> {
        let (mut unsubmitted, mut part) = (Unsubmitted::of(work), Vec::new());
        std::iter::from_fn(|| {
            unsubmitted.take(dispatches, &mut part);
            let plain = part.iter().map(|(range, now)| (range.start, range.end, now.step)).collect::<Vec<_>>();
            (!plain.is_empty()).then_some(plain)
        })
        .collect()
    }

    #[test]
    fn work_is_cut_within_an_entry_too_and_nothing_is_left_out_or_done_twice() {
        let entry = |range, step| (range, StepValues { step, ..StepValues::default() });
        let work = [entry(0..5, 0), entry(2..2, 1), entry(0..5, 2), entry(7..8, 3)];
        assert_eq!(parts(&work, 100), [[(0, 5, 0), (0, 5, 2), (7, 8, 3)]]);
        assert_eq!(
            parts(&work, 3),
            [vec![(0, 3, 0)], vec![(3, 5, 0), (0, 1, 2)], vec![(1, 4, 2)], vec![(4, 5, 2), (7, 8, 3)]]
        );
        assert_eq!(parts(&work, 1).len(), 11);
        let many = vec![entry(0..1, 0); SLOTS + 1];
        assert_eq!(parts(&many, usize::MAX).iter().map(Vec::len).collect::<Vec<_>>(), [SLOTS, 1]);
        assert!(parts(&[], 4).is_empty());
    }
}
