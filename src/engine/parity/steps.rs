//! A whole training step, compared dispatch by dispatch. Both engines start each dispatch from the same words, so the bounds
//! of its kernel hold, and the first difference has a name.

use super::{Question, Verdict, place};
use crate::base::error::Error;
use crate::engine::Engine;
use crate::engine::cpu::CpuEngine;
use crate::plan::kernel::{Access, StepValues, Witness};
use crate::plan::tensor::DType;
use crate::plan::{Plan, Work};

/// Runs the work on the CPU engine. Copies the tensors to the other engine before each dispatch, and compares them after it.
/// Returns a verdict per dispatch, in order.
///
/// # Errors
/// If the other engine does not answer; a wrong answer is a fault in its verdict.
pub async fn compare_steps(
    plan: &Plan,
    work: &[Work],
    cpu: &mut CpuEngine,
    other: &mut dyn Engine,
) -> Result<Vec<Verdict>, Error> {
    let mut verdicts = Vec::new();
    for (range, now) in work {
        for step in range.clone() {
            verdicts.push(compare_step(plan, step, now, cpu, other).await?);
        }
    }
    Ok(verdicts)
}

/// As [`compare_steps`], for one dispatch. A NaN in a tensor that it writes completely is a fault, even if both engines have
/// it.
///
/// # Errors
/// If the other engine does not answer; a wrong answer is a fault in the verdict.
pub async fn compare_step(
    plan: &Plan,
    step: usize,
    now: &StepValues,
    cpu: &mut CpuEngine,
    other: &mut dyn Engine,
) -> Result<Verdict, Error> {
    let kernel = &plan.steps[step];
    let (shader, ids) = (kernel.shader(), kernel.tensors());
    let mut before = Vec::new();
    for &id in &ids {
        let words = cpu.read(id, 0..id.words()).await?;
        other.write(id, 0, &words);
        before.push(words);
    }
    let once = [(step..step + 1, *now)];
    cpu.run_now(&once);
    other.run(&once).await?;
    let (mut after, mut found) = (Vec::new(), Vec::new());
    for &id in &ids {
        after.push(cpu.read(id, 0..id.words()).await?);
        found.push(other.read(id, 0..id.words()).await?);
    }
    let bounds = match found == after {
        // Equal bits need no bound, and the bound of a large product takes far longer than the product.
        true => vec![None; ids.len()],
        false => kernel.bounds(now, &Witness { before: &before, after: &after }),
    };
    let written: Vec<&str> = ids
        .iter()
        .zip(shader.args)
        .filter(|(_, arg)| arg.access != Access::Read)
        .map(|(&id, _)| plan.name(id))
        .collect();
    let mut verdict = Verdict::new(shader.name, format!("step {step}: {}", written.join(" ")));
    for (arg, &id) in ids.iter().enumerate() {
        verdict.compare(plan, id, &after[arg], &found[arg], bounds[arg].as_deref());
        // A NaN means that something went wrong before. A comparison of bits alone would let it pass.
        let nan = |word: &u32| f32::from_bits(*word).is_nan();
        if shader.args[arg].access == Access::Write
            && id.dtype == DType::F32
            && let Some(at) = after[arg].iter().position(nan)
        {
            verdict.accuse(Question::Right, format!("{} is NaN, on the CPU too", place(plan, id, at)));
        }
    }
    Ok(verdict)
}
