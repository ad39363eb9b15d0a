//! The CPU engine: the plan as a loop over twins. Memory that was never written is NaN.

use crate::engine::{Engine, Memory, Pending};
use crate::kernel::{Access, Args};
use crate::plan::{Plan, Work};
use crate::tensor::Id;
use std::ops::Range;

/// Runs a plan on the CPU.
pub struct CpuEngine {
    plan: Plan,
    tensors: Vec<Vec<u32>>,
    fence: Vec<u32>,
}

impl CpuEngine {
    /// Allocates every tensor of the plan.
    pub fn new(plan: &Plan, memory: Memory) -> Self {
        let tensors = plan.tensors.iter().map(|tensor| vec![memory.fresh; tensor.id.words()]).collect();
        CpuEngine { plan: plan.clone(), tensors, fence: vec![memory.fresh; 2 * memory.fence] }
    }

    /// Runs parts of the plan, one after another.
    pub fn run_now(&mut self, work: &[Work]) {
        for (range, now) in work {
            for op in &self.plan.steps[range.clone()] {
                let kernel = op.kernel();
                let sized = || kernel.tensors().into_iter().zip(kernel.shader().args);
                // Tensors to be written leave their places, so that the rest can be borrowed beside them.
                let mut written: Vec<(usize, Vec<u32>)> = sized()
                    .filter(|(_, arg)| arg.access != Access::Read)
                    .map(|(id, _)| (id.index, std::mem::take(&mut self.tensors[id.index])))
                    .collect();
                let mut outputs = written.iter_mut();
                let mut args = Args::new(kernel.shader().args.len());
                for (id, arg) in sized() {
                    match outputs.as_slice().first() {
                        Some((index, _)) if *index == id.index && arg.access != Access::Read => {
                            args.push_write(outputs.next().map_or(&mut [], |(_, words)| words));
                        }
                        _ => args.push_read(&self.tensors[id.index]),
                    }
                }
                kernel.twin(now, args);
                for (index, words) in written {
                    self.tensors[index] = words;
                }
            }
        }
    }
}

impl Engine for CpuEngine {
    fn write(&mut self, id: Id, first: usize, words: &[u32]) {
        self.tensors[id.index][first..][..words.len()].copy_from_slice(words);
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.run_now(work);
        Box::pin(std::future::ready(Ok(())))
    }

    fn read(&mut self, id: Id, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        Box::pin(std::future::ready(Ok(self.tensors[id.index][words].to_vec())))
    }

    fn fences(&mut self, _: Id) -> Pending<'static, Vec<u32>> {
        // A twin holds slices of exactly its tensors; nothing it does can reach past them.
        Box::pin(std::future::ready(Ok(self.fence.clone())))
    }
}
