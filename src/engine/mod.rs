//! An engine runs a plan. Training asks three things of it (write, run, read); the other methods serve the court and the
//! bench. Two machines do it: [`crate::engine::cpu`] and [`crate::engine::gpu`].

pub mod cpu;
pub mod gpu;
pub mod machine;
pub mod memory;
pub mod parity;
pub mod watch;

use crate::base::error::Error;
use crate::plan::Work;
use crate::plan::tensor::Id;
use std::future::Future;
use std::ops::Range;
use std::pin::Pin;

/// A result that arrives later. Nothing here blocks: the caller decides how to wait.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + 'a>>;

/// A machine that runs the steps of one plan over its tensors.
pub trait Engine {
    /// Puts words into a tensor, from word `first` on. Takes effect before the work of any later [`Engine::run`].
    fn write(&mut self, id: Id, first: usize, words: &[u32]);

    /// Runs parts of the plan, one after another. Ready when the work is accepted, which waits only while too much is in
    /// flight; errors of the work itself may surface in a later call.
    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()>;

    /// Reads words of a tensor as they are after all work accepted so far.
    fn read(&mut self, id: Id, words: Range<usize>) -> Pending<'static, Vec<u32>>;

    /// Runs an entry and gives the seconds that the device itself counted for each of its steps; `None` where it has no
    /// clock, and then nothing is run.
    fn profile(&mut self, work: &Work) -> Pending<'static, Option<Vec<f64>>> {
        let _ = work;
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Bytes that the device has given out for buffers, by its own account: tensors and all else. `None` where nobody counts.
    fn allocated(&self) -> Option<u64> {
        None
    }

    /// The guard words before and after a tensor, if the engine was made with any; the court compares them.
    fn fences(&mut self, id: Id) -> Pending<'static, Vec<u32>>;
}

/// How an engine prepares its memory.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    /// What every word holds before it is first written. A GPU makes memory zero by itself and is told otherwise only where
    /// there are guard words: filling gigabytes would take longer than many a run.
    pub fresh: u32,
    /// Guard words on either side of every tensor, also holding `fresh`; a shader can reach those behind.
    pub fence: usize,
    /// Most workgroups in one dimension; the court lowers it to see the folding of large grids.
    pub max_groups: u32,
}

/// A quiet NaN that no computation makes: a value never written shows wherever it is used.
pub const NAN_POISON: u32 = 0x7FC0_DEAD;

impl Default for Memory {
    fn default() -> Self {
        Memory { fresh: NAN_POISON, fence: 0, max_groups: crate::plan::kernel::MAX_GROUPS }
    }
}
