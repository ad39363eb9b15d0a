//! The CPU engine: the plan as a loop over twins. Memory that was never written is NaN.

use crate::engine::{Engine, Memory, Pending};
use crate::plan::kernel::{Access, Args, Kernel, MAX_ARGS};
use crate::plan::tensor::TensorId;
use crate::plan::{Plan, Work};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Runs a plan on the CPU.
pub struct CpuEngine {
    steps: Vec<PreparedStep>,
    tensors: Vec<Vec<u32>>,
    fence: Vec<u32>,
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
        CpuEngine { steps: plan.steps.iter().map(step).collect(), tensors, fence: vec![memory.fresh; 2 * memory.fence] }
    }

    /// Runs parts of the plan, one after another.
    pub fn run_now(&mut self, work: &[Work]) {
        // The loop runs on a thread of the pool while the other threads spin. They can then join a product within a
        // microsecond; waking a sleeping thread takes longer than a small product.
        let done = &Done(AtomicBool::new(false));
        rayon::scope(|scope| {
            for _ in 1..rayon::current_num_threads() {
                scope.spawn(move |_| done.stand_by());
            }
            let _at_the_end = done.set_on_drop();
            self.run_here(work);
        });
    }

    fn run_here(&mut self, work: &[Work]) {
        for (range, now) in work {
            for step in &self.steps[range.clone()] {
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
}

/// Whether the loop has ended.
struct Done(AtomicBool);

/// Releases the other threads, even if the loop panics.
struct SetOnDrop<'a>(&'a Done);

impl Done {
    fn set_on_drop(&self) -> SetOnDrop<'_> {
        SetOnDrop(self)
    }

    /// Joins the work that the loop shares, and spins in between. Sleeps briefly when there has been none for a while.
    fn stand_by(&self) {
        let mut idle = 0u32;
        while !self.0.load(Ordering::Relaxed) {
            match rayon::yield_now() {
                Some(rayon::Yield::Executed) => idle = 0,
                _ if idle < 10_000 => {
                    idle += 1;
                    std::hint::spin_loop();
                }
                _ => std::thread::sleep(Duration::from_micros(50)),
            }
        }
    }
}

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.0.store(true, Ordering::Relaxed);
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
