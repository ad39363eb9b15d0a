//! The CPU engine: the plan as a loop over twins. Memory that was never written is NaN.

mod thread_count;

use crate::base::audited::team::Owned;
use crate::base::clock::Instant;
use crate::base::threads;
use crate::engine::{Engine, Memory, Pending};
use crate::plan::kernel::{Access, Args, Kernel, MAX_ARGS, StepValues};
use crate::plan::tensor::TensorId;
use crate::plan::{Plan, Work};
use std::ops::Range;
use std::sync::Arc;
use thread_count::ThreadCount;

/// Runs a plan on the CPU.
pub struct CpuEngine {
    steps: Vec<PreparedStep>,
    tensors: Vec<Vec<u32>>,
    fence: Vec<u32>,
    /// The number of threads for each part of the plan that was run.
    counts: Vec<(Range<usize>, ThreadCount)>,
    /// Place in `counts` of the last part.
    last: usize,
}

/// A dispatch, with its tensors looked up once.
struct PreparedStep {
    kernel: Arc<dyn Kernel>,
    /// Index of each binding's tensor, and whether the step writes it.
    args: Vec<(usize, bool)>,
}

impl CpuEngine {
    /// Allocates every tensor of the plan.
    pub fn new(plan: &Plan, memory: Memory) -> Self {
        let tensors = plan.tensors.iter().map(|tensor| vec![memory.fresh; tensor.id.words()]).collect();
        let step = |kernel: &Arc<dyn Kernel>| {
            let args = kernel.tensors().into_iter().zip(kernel.shader().args);
            PreparedStep {
                kernel: kernel.clone(),
                args: args.map(|(id, arg)| (id.index, arg.access != Access::Read)).collect(),
            }
        };
        CpuEngine {
            steps: plan.steps.iter().map(step).collect(),
            tensors,
            fence: vec![memory.fresh; 2 * memory.fence],
            counts: Vec::new(),
            last: 0,
        }
    }

    /// Runs parts of the plan, one after another.
    pub fn run_now(&mut self, work: &[Work]) {
        let team = Owned::take(threads::most());
        for (range, now) in work {
            if team.most() == 1 || threads::is_fixed() {
                self.run_range(range.clone(), now);
                continue;
            }
            let place = self.place(range, team.most());
            team.use_threads(self.counts[place].1.next());
            let begin = Instant::now();
            self.run_range(range.clone(), now);
            self.counts[place].1.took(begin.elapsed());
            self.last = place;
        }
    }

    /// The place of the number of threads for a part of the plan. A new one begins with the number of the last part.
    fn place(&mut self, range: &Range<usize>, most: usize) -> usize {
        self.counts.iter().position(|(part, _)| part == range).unwrap_or_else(|| {
            let chosen = self.counts.get(self.last).map_or(most, |(_, count)| count.chosen());
            self.counts.push((range.clone(), ThreadCount::new(most, chosen)));
            self.counts.len() - 1
        })
    }

    fn run_range(&mut self, range: Range<usize>, now: &StepValues) {
        for step in &self.steps[range] {
            // Tensors to be written are moved out, so that the others can be borrowed at the same time.
            let mut written: [Vec<u32>; MAX_ARGS] = Default::default();
            for (place, &(index, writes)) in written.iter_mut().zip(&step.args) {
                if writes {
                    *place = std::mem::take(&mut self.tensors[index]);
                }
            }
            let mut args = Args::default();
            for (place, &(index, writes)) in written.iter_mut().zip(&step.args) {
                if writes {
                    args.push_write(place);
                } else {
                    args.push_read(&self.tensors[index]);
                }
            }
            step.kernel.twin(now, args);
            for (place, &(index, writes)) in written.iter_mut().zip(&step.args) {
                if writes {
                    self.tensors[index] = std::mem::take(place);
                }
            }
        }
    }
}

impl Engine for CpuEngine {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        self.tensors[id.index][first..][..words.len()].copy_from_slice(words);
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.run_now(work);
        Box::pin(std::future::ready(Ok(())))
    }

    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        Box::pin(std::future::ready(Ok(self.tensors[id.index][words].to_vec())))
    }

    fn fences(&mut self, _: TensorId) -> Pending<'static, Vec<u32>> {
        // A twin holds slices of exactly its tensors, so it cannot reach past them.
        Box::pin(std::future::ready(Ok(self.fence.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::CpuEngine;
    use crate::base::audited::team::tests::team;
    use crate::engine::{Engine, Memory, NAN_POISON};
    use crate::kernels::cases;
    use crate::plan::case::Case;

    /// The tensors of a case after one run for each number of threads.
    fn after(case: &Case, threads: [usize; 3]) -> Vec<Vec<u32>> {
        let (_alone, team) = team(4);
        let mut engine = CpuEngine::new(&case.plan, Memory::default());
        for (id, words) in case.plan.steps[0].tensors().iter().zip(case.before(NAN_POISON)) {
            engine.write(*id, 0, &words);
        }
        for number in threads {
            // The engine cannot take the team, so it keeps this number.
            team.use_threads(number);
            engine.run_now(&[(0..1, case.now)]);
        }
        engine.tensors
    }

    #[test]
    fn bits_do_not_depend_on_the_number_of_threads_or_on_when_it_changes() {
        let words = |case: &Case| case.plan.tensors.iter().map(|tensor| tensor.id.words()).sum::<usize>();
        let mut tried = 0;
        for case in cases().iter().filter(|case| (1 << 14..1 << 19).contains(&words(case))) {
            assert!(after(case, [1, 1, 1]) == after(case, [3, 1, 4]), "{}", case.name);
            tried += 1;
        }
        assert!(tried > 20, "{tried} cases");
    }
}
