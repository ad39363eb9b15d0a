//! An engine with one deliberate fault.

use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::parity::{Verdict, compare_case};
use gpu_mlp::engine::{Engine, Memory, Pending};
use gpu_mlp::plan::Work;
use gpu_mlp::plan::case::Case;
use gpu_mlp::plan::kernel::Access;
use gpu_mlp::plan::tensor::{DType, TensorId};
use std::cell::Cell;
use std::ops::Range;
use std::rc::Rc;

/// The words that a breakage is about to change.
pub struct Scene {
    /// Tensor of the words.
    pub id: TensorId,
    /// Content of fresh memory.
    pub fresh: u32,
    /// Number of runs of this engine so far.
    pub runs: usize,
    /// Words last written to the tensor.
    pub before: Vec<u32>,
}

impl Scene {
    /// Index of the word that holds the last value.
    pub fn last(&self) -> usize {
        let per_word = match self.id.dtype {
            DType::Bits => 32,
            DType::U8 | DType::I8(_) => 4,
            DType::F32 | DType::U32 | DType::I32(_) => 1,
        };
        self.id.words() - self.id.stride() + (self.id.cols - 1) / per_word
    }
}

/// The words that are changed.
#[derive(Clone, Copy, PartialEq)]
pub enum Place {
    /// Words that the parity test writes to any tensor.
    Upload,
    /// Words that the kernel reads; they are restored before the parity test reads them back.
    Operands,
    /// Words that the parity test reads back from a tensor that the kernel reads.
    Input,
    /// Words that the parity test reads back from a tensor that the kernel writes.
    Output,
    /// Guard words of a tensor that the kernel writes.
    Guards,
}

/// Changes words, or leaves them as they are.
pub type Change = Rc<dyn Fn(&Scene, &mut Vec<u32>)>;

/// The CPU engine with one deliberate fault.
struct Broken {
    inner: CpuEngine,
    place: Place,
    target: TensorId,
    /// Tensors that the kernel only reads.
    operands: Vec<TensorId>,
    change: Change,
    fresh: u32,
    runs: usize,
    before: Vec<u32>,
    /// Whether any word was changed.
    changed: Rc<Cell<bool>>,
}

impl Broken {
    fn break_words(&self, place: Place, id: TensorId, mut words: Vec<u32>) -> Vec<u32> {
        let of_any = matches!(place, Place::Upload | Place::Operands);
        if place != self.place || !(of_any || id == self.target) {
            return words;
        }
        let (fresh, runs, before) = (self.fresh, self.runs, self.before.clone());
        let sound = words.clone();
        (self.change)(&Scene { id, fresh, runs, before }, &mut words);
        self.changed.set(self.changed.get() || words != sound);
        words
    }
}

impl Engine for Broken {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        if id == self.target {
            self.before = words.to_vec();
        }
        let words = self.break_words(Place::Upload, id, words.to_vec());
        self.inner.write(id, first, &words);
    }
    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.runs += 1;
        let mut sound = Vec::new();
        for id in self.operands.clone() {
            let words = pollster::block_on(self.inner.read(id, 0..id.words()));
            let words = words.expect("the CPU answers");
            let broken = self.break_words(Place::Operands, id, words.clone());
            self.inner.write(id, 0, &broken);
            sound.push((id, words));
        }
        self.inner.run_now(work);
        for (id, words) in sound {
            self.inner.write(id, 0, &words);
        }
        Box::pin(std::future::ready(Ok(())))
    }
    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        let sound = pollster::block_on(self.inner.read(id, words));
        let broken = sound.map(|words| {
            let words = self.break_words(Place::Input, id, words);
            self.break_words(Place::Output, id, words)
        });
        Box::pin(std::future::ready(broken))
    }
    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>> {
        let sound = pollster::block_on(self.inner.fences(id));
        let broken = sound.map(|words| self.break_words(Place::Guards, id, words));
        Box::pin(std::future::ready(broken))
    }
}

/// The verdict on an engine with this breakage; `None` if it changed no word.
pub fn verdict(case: &Case, place: Place, target: TensorId, change: &Change) -> Option<Verdict> {
    let changed = Rc::new(Cell::new(false));
    let operands = used(case, |access| access == Access::Read);
    let operands: Vec<TensorId> = operands.into_iter().map(|(_, id)| id).collect();
    let make = async |plan: &_, memory: Memory| {
        Ok(Box::new(Broken {
            inner: CpuEngine::new(plan, memory),
            place,
            target,
            operands: operands.clone(),
            change: change.clone(),
            fresh: memory.fresh,
            runs: 0,
            before: Vec::new(),
            changed: changed.clone(),
        }) as Box<dyn Engine>)
    };
    let verdict = pollster::block_on(compare_case(case, make)).expect("the CPU answers");
    changed.get().then_some(verdict)
}

/// The tensors that the kernel of a case accesses as `how` accepts, with their bindings.
pub fn used(case: &Case, how: impl Fn(Access) -> bool) -> Vec<(usize, TensorId)> {
    let kernel = &case.plan.steps[0];
    let args = kernel.shader().args.iter().zip(kernel.tensors()).enumerate();
    let used = args.filter(|(_, (arg, _))| how(arg.access));
    used.map(|(at, (_, id))| (at, id)).collect()
}
