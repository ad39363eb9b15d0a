//! Parity tests: six questions for every kernel and case, which compare an engine with the CPU twin.
//!
//! 1. Right? Each value within the bound its kernel computed; bit-equal where the case is exact.
//! 2. All written? Outputs start as poison, and none of it may remain.
//! 3. Nothing else written? Guard words before and after every tensor are unchanged, with both poison values. One value is
//!    not enough: arithmetic with a NaN keeps its bits on many machines, so an update past the end could go unseen.
//! 4. Nothing else read? Two runs with different poison values give the same bits.
//! 5. Again the same? Another run on the same engine gives the same bits: nothing is left over from the first.
//! 6. At the edges? The cases cover sizes of one, primes, sizes around a tile, and more workgroups than a dimension holds.

mod steps;

pub use steps::{compare_step, compare_steps};

use crate::base::error::Error;
use crate::engine::cpu::CpuEngine;
use crate::engine::{Engine, Memory, NAN_POISON};
use crate::plan::Plan;
use crate::plan::case::Case;
use crate::plan::kernel::{Access, Witness};
use crate::plan::tensor::{DType, TensorId};
use std::fmt;

/// What a parity test found wrong: kernel, case, tensor, place, values.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Which of the questions was answered "no".
    pub question: Question,
    /// Where, and what was found.
    pub finding: String,
}

/// The questions an engine can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Is the answer right?
    Right,
    /// Was every output written?
    AllWritten,
    /// Was nothing else written?
    NothingElseWritten,
    /// Was nothing else read?
    NothingElseRead,
    /// Does another run give the same bits?
    AgainTheSame,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let question = match self.question {
            Question::Right => "not right",
            Question::AllWritten => "not all written",
            Question::NothingElseWritten => "wrote elsewhere",
            Question::NothingElseRead => "read elsewhere",
            Question::AgainTheSame => "another run differs",
        };
        write!(f, "{question}: {}", self.finding)
    }
}

/// Result of a case on an engine.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// Name of the shader.
    pub kernel: &'static str,
    /// Sizes and kind of data.
    pub case: String,
    /// Largest difference as a share of its bound; 0 where all bits are equal.
    pub worst: f32,
    /// Largest difference.
    pub error: f32,
    /// The bound at the place of the largest share.
    pub bound: f32,
    /// Values compared.
    pub compared: usize,
    /// What was wrong, if anything.
    pub fault: Option<Fault>,
}

/// A second poison value: finite and huge, because a ReLU can turn a NaN into 0.
const HUGE_POISON: u32 = 0x7E96_7699;
/// Guard words on either side of a tensor: 256 bytes, the coarsest alignment a binding may need.
const FENCE: usize = 64;

/// Tests one case on an engine. `factory` makes the engine twice: for two runs with one poison value, and for a run with the
/// other.
///
/// # Errors
/// If the engine cannot be made or does not answer; a wrong answer is a [`Fault`] in the verdict.
pub async fn compare_case<F>(case: &Case, factory: F) -> Result<Verdict, Error>
where
    F: AsyncFn(&Plan, Memory) -> Result<Box<dyn Engine>, Error>,
{
    let memory = |fresh| Memory { fresh, fence: FENCE, max_groups: case.max_groups };
    let plan = &case.plan;
    let kernel = &plan.steps[0];
    let ids = kernel.tensors();
    let before = case.before(NAN_POISON);
    let mut cpu = CpuEngine::new(&case.plan, memory(NAN_POISON));
    let after = run(case, &mut cpu, NAN_POISON).await?;
    let bounds = kernel.bounds(&case.now, &Witness { before: &before, after: &after });

    let mut verdict = Verdict::new(kernel.shader().name, case.name.clone());
    let mut engine = factory(&case.plan, memory(NAN_POISON)).await?;
    let first = run(case, engine.as_mut(), NAN_POISON).await?;
    verdict.guards(plan, &ids, engine.as_mut(), NAN_POISON).await?;
    for (arg, &id) in ids.iter().enumerate() {
        let written = kernel.shader().args[arg].access != Access::Read;
        if written && let Some(at) = first[arg].iter().position(|&word| word == NAN_POISON) {
            verdict.accuse(Question::AllWritten, format!("{} was left unwritten", place(plan, id, at)));
        }
        let bound = if case.exact { None } else { bounds[arg].as_deref() };
        verdict.compare(plan, id, &after[arg], &first[arg], bound);
    }
    let second = run(case, engine.as_mut(), NAN_POISON).await?;
    verdict.same_bits(plan, Question::AgainTheSame, &ids, &first, &second);
    let mut elsewhere = factory(&case.plan, memory(HUGE_POISON)).await?;
    let third = run(case, elsewhere.as_mut(), HUGE_POISON).await?;
    verdict.guards(plan, &ids, elsewhere.as_mut(), HUGE_POISON).await?;
    verdict.same_bits(plan, Question::NothingElseRead, &ids, &first, &third);
    Ok(verdict)
}

/// Runs the case on an engine and returns the words of all its tensors, in binding order.
async fn run(case: &Case, engine: &mut dyn Engine, fresh: u32) -> Result<Vec<Vec<u32>>, Error> {
    let ids = case.plan.steps[0].tensors();
    for (&id, words) in ids.iter().zip(case.before(fresh)) {
        engine.write(id, 0, &words);
    }
    engine.run(&[(0..1, case.now)]).await?;
    let mut after = Vec::new();
    for &id in &ids {
        after.push(engine.read(id, 0..id.words()).await?);
    }
    Ok(after)
}

/// A place in a tensor, as messages name it: `y(64,128)[3,17]`.
fn place(plan: &Plan, id: TensorId, at: usize) -> String {
    let (row, col) = (at / id.stride(), at % id.stride());
    let padding = if id.dtype == DType::F32 && col >= id.cols { " (padding)" } else { "" };
    format!("{}{}[{row},{col}]{padding}", plan.name(id), id.shape())
}

impl Verdict {
    fn new(kernel: &'static str, case: String) -> Self {
        Verdict { kernel, case, worst: 0.0, error: 0.0, bound: 0.0, compared: 0, fault: None }
    }

    fn accuse(&mut self, question: Question, finding: String) {
        self.fault.get_or_insert(Fault { question, finding });
    }

    /// Checks the words on either side of every tensor: both sides must exist and hold `fresh`.
    async fn guards(
        &mut self,
        plan: &Plan,
        ids: &[TensorId],
        engine: &mut dyn Engine,
        fresh: u32,
    ) -> Result<(), Error> {
        for &id in ids {
            let (words, name) = (engine.fences(id).await?, plan.name(id));
            if words.len() != 2 * FENCE {
                let finding = format!("{name} has {} guard words", words.len());
                self.accuse(Question::NothingElseWritten, finding);
            }
            if let Some(at) = words.iter().position(|&word| word != fresh) {
                let finding = format!("{name} guard word {at} is {:#x}", words[at]);
                self.accuse(Question::NothingElseWritten, finding);
            }
        }
        Ok(())
    }

    fn compare(&mut self, plan: &Plan, id: TensorId, cpu: &[u32], gpu: &[u32], bound: Option<&[f32]>) {
        if cpu.is_empty() || cpu.len() != gpu.len() {
            let finding = format!("{} has {} words, expected {}", plan.name(id), gpu.len(), cpu.len());
            return self.accuse(Question::Right, finding);
        }
        self.compared += cpu.len();
        for (at, (&a, &b)) in cpu.iter().zip(gpu).enumerate() {
            if a == b {
                continue;
            }
            let (x, y) = (f32::from_bits(a), f32::from_bits(b));
            // Padding must be zero, regardless of the kernel's bound.
            let padding = at % id.stride() >= id.cols;
            let tolerance = bound.filter(|_| !padding).map_or(0.0, |bound| bound[at]);
            let difference = (x - y).abs();
            // In the positive form, so that a NaN never passes except for equal bits (`compare_step` treats those). An
            // infinite bound never passes. Without a bound −0 and 0 still count as equal.
            if id.dtype == DType::F32 && difference <= tolerance && tolerance.is_finite() {
                let share = if tolerance > 0.0 { difference / tolerance } else { 0.0 };
                if share > self.worst {
                    (self.worst, self.error, self.bound) = (share, difference, tolerance);
                }
                continue;
            }
            let values = match id.dtype {
                DType::F32 => format!("{y:e}, expected {x:e} ± {tolerance:e}"),
                _ => format!("{b:#x}, expected {a:#x}"),
            };
            return self.accuse(Question::Right, format!("{} is {values}", place(plan, id, at)));
        }
    }

    fn same_bits(&mut self, plan: &Plan, question: Question, ids: &[TensorId], first: &[Vec<u32>], other: &[Vec<u32>]) {
        for (&id, (one, two)) in ids.iter().zip(first.iter().zip(other)) {
            if one.len() != two.len() {
                let finding = format!("{} has {} words, then {}", plan.name(id), one.len(), two.len());
                self.accuse(question, finding);
            }
            if let Some(at) = one.iter().zip(two).position(|(a, b)| a != b) {
                let finding = format!("{} is {:#x}, then {:#x}", place(plan, id, at), one[at], two[at]);
                self.accuse(question, finding);
            }
        }
    }
}
