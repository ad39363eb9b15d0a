//! An engine runs a plan. Training needs three methods: write, run, read. The others serve the parity tests and benchmarks.
//! There are two engines: [`cpu`] and [`gpu`].

pub mod cpu;
pub mod gpu;
pub mod machine;
pub mod memory;
pub mod parity;
pub mod timeout;

use crate::base::error::Error;
use crate::plan::Work;
use crate::plan::tensor::TensorId;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

/// A result that arrives later. Nothing here blocks: the caller chooses how to wait.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// A machine that runs the steps of one plan over its tensors.
pub trait Engine {
    /// Writes words to a tensor, starting at word `first`. Takes effect before any later [`Engine::run`].
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]);

    /// Runs parts of the plan, one after another. Ready when the work is queued; waits only while too much work is in
    /// flight. Errors of the work itself may be returned by a later call.
    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()>;

    /// Reads words of a tensor, after all queued work.
    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>>;

    /// Runs one entry and returns the seconds of each step by the device's own clock. If the device has no clock, nothing is
    /// run and the result is `None`.
    fn profile(&mut self, work: &Work) -> Pending<'static, Option<Vec<f64>>> {
        let _ = work;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Bytes that the device has allocated for buffers of all kinds, by its own count. `None` if it does not count.
    fn allocated(&self) -> Option<u64> {
        None
    }

    /// The guard words before and after a tensor, if the engine was made with any. The parity tests compare them.
    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>>;
}

/// How an engine initialises its memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// Value of every word before it is first written. wgpu makes memory zero; it is filled with this value only if there are
    /// guard words, because filling gigabytes would take longer than many runs.
    pub fresh: u32,
    /// Number of guard words on either side of every tensor, also of value `fresh`. A shader can reach the words after
    /// the tensor.
    pub fence: usize,
    /// Most workgroups in one dimension. The parity tests lower it to test how large grids are folded.
    pub max_groups: u32,
}

/// A quiet NaN that no computation produces. It marks values that were never written.
pub const NAN_POISON: u32 = 0x7FC0_DEAD;

impl Default for Memory {
    fn default() -> Self {
        Memory { fresh: NAN_POISON, fence: 0, max_groups: crate::plan::kernel::MAX_GROUPS }
    }
}
