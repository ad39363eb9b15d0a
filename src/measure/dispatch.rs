//! The dispatches of a training step, each alone: how long it takes, how much of the roof it reaches, and whether it is right.

use super::clock::{Effort, Timing, time};
use super::cut;
use super::spread::Spread;
use crate::base::error::Error;
use crate::config::{Config, Upload};
use crate::data::DataSet;
use crate::engine::cpu::CpuEngine;
use crate::engine::machine::Machine;
use crate::engine::parity::compare_step;
use crate::engine::{Engine, Memory};
use crate::kernels::Form;
use crate::kernels::Precision;
use crate::kernels::forms::Forms;
use crate::plan::kernel::{Access, Needs, Now};
use crate::plan::tensor::{Id, Kind};
use crate::plan::{Plan, Work};
use crate::train::steps::Trial;
use serde::Serialize;
use std::collections::HashSet;
use std::ops::Range;

/// A dispatch and its times.
#[derive(Clone, Debug, Serialize)]
pub struct Dispatch {
    /// Its number in the plan.
    pub number: usize,
    /// Name of the shader; on the CPU engine, of the twin's shader.
    pub kernel: &'static str,
    /// Its tensors with their shapes.
    pub tensors: String,
    /// Workgroups.
    pub groups: u32,
    /// Floating-point operations, a multiply-add counted as two.
    pub flops: u64,
    /// Bytes of its tensors, each counted once, or twice if it is read and written.
    pub bytes: u64,
    /// How often a sample repeats it.
    pub repetitions: usize,
    /// Seconds of one.
    pub seconds: Spread,
    /// Seconds of one in its turn within the step, by the device's own clock, where it has one.
    pub device_seconds: Option<Spread>,
    /// What is wrong with its answer, if it was compared with its twin and differs.
    pub fault: Option<String>,
}

/// The dispatches of a training step, and the step as a whole.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// Each alone, over and over. Together they may take longer than the step, in which independent ones overlap.
    pub dispatches: Vec<Dispatch>,
    /// Seconds of the whole step, timed in the same way.
    pub seconds: Spread,
}

impl Dispatch {
    fn new(plan: &Plan, number: usize, timing: Timing, fault: Option<String>) -> Dispatch {
        let kernel = &plan.steps[number];
        let cost = kernel.cost();
        let tensors = kernel.tensors().into_iter().map(|id| format!("{}{}", plan.name(id), id.shape()));
        Dispatch {
            number,
            kernel: kernel.shader().name,
            tensors: tensors.collect::<Vec<_>>().join(" "),
            groups: kernel.groups(),
            flops: cost.flops,
            bytes: cost.bytes,
            repetitions: timing.repetitions,
            seconds: timing.seconds,
            device_seconds: None,
            fault,
        }
    }
}

/// A step of a run, laid out on a machine.
struct Bed {
    trial: Trial,
    engine: Box<dyn Engine>,
    steps: Range<usize>,
    now: Now,
}

impl Bed {
    /// The first step of the first epoch, its data resident.
    async fn new(machine: &Machine, config: &Config, data: &DataSet, forms: Forms) -> Result<(Self, Config), Error> {
        let config = Config { upload: Upload::Resident, ..config.clone() };
        let trial = Trial::new(&config, data, forms);
        let mut engine = machine.engine(&trial.net.plan).await?;
        trial.start(&config, data, engine.as_mut());
        let steps = trial.net.training.as_ref().map_or(0..0, |training| training.gradients.start..training.update.end);
        let now = trial.work.first().map(|(_, now)| *now).unwrap_or_default();
        Ok((Bed { trial, engine, steps, now }, config))
    }

    async fn time(&mut self, steps: Range<usize>, now: Now, effort: &Effort) -> Result<Timing, Error> {
        let written = written(&self.trial.net.plan, steps.end - 1);
        time(self.engine.as_mut(), &(steps, now), written, effort).await
    }
}

/// A tensor that the step writes.
fn written(plan: &Plan, step: usize) -> Id {
    let kernel = &plan.steps[step];
    let (ids, args) = (kernel.tensors(), kernel.shader().args);
    let of_args = ids.iter().zip(args).find(|(_, arg)| arg.access != Access::Read);
    of_args.map_or(ids[0], |(&id, _)| id)
}

/// As much of the data set as one tensor of the machine can hold.
fn resident<'a>(machine: &Machine, data: &'a DataSet) -> std::borrow::Cow<'a, DataSet> {
    let row = 4 * data.inputs().div_ceil(4).max(1) as u64;
    cut(data, usize::try_from(machine.limit() / row).unwrap_or(usize::MAX).max(1))
}

/// Steps that the device's own clock is asked about.
const PROFILES: usize = 30;

/// Times each dispatch of a training step alone, with the data of the first batch, and then the whole step.
///
/// # Errors
/// [`Error::TooLarge`] if the step does not fit, [`Error::Setting`] if the settings cannot be used, or if the device fails.
pub async fn step(machine: &Machine, config: &Config, data: &DataSet, effort: &Effort) -> Result<Step, Error> {
    let data = resident(machine, data);
    config.check(data.train.len())?;
    let forms = Forms { default: machine.form(), chosen: config.forms.clone() };
    let (mut bed, _) = Bed::new(machine, config, &data, forms).await?;
    let (steps, now) = (bed.steps.clone(), bed.now);
    // The whole step first: it leaves data for each of its parts.
    let seconds = bed.time(steps.clone(), now, effort).await?.seconds;
    let mut dispatches = Vec::new();
    for number in steps.clone() {
        let timing = bed.time(number..number + 1, now, effort).await?;
        dispatches.push(Dispatch::new(&bed.trial.net.plan, number, timing, None));
    }
    let mut by_device = vec![Vec::new(); dispatches.len()];
    for _ in 0..PROFILES {
        let profile = bed.engine.profile(&(steps.clone(), now)).await?;
        by_device.iter_mut().zip(profile.into_iter().flatten()).for_each(|(all, seconds)| all.push(seconds));
    }
    for (dispatch, samples) in dispatches.iter_mut().zip(by_device) {
        dispatch.device_seconds = (!samples.is_empty()).then(|| Spread::of(samples));
    }
    Ok(Step { dispatches, seconds })
}

/// Times every kernel that the training steps of some nets use, in every form, each at each of its shapes. Before it is
/// timed its answer is compared with the twin's. `each` hears of every kernel as it is done.
///
/// # Errors
/// As [`step`]; a wrong answer is a `fault`.
pub async fn kernels(
    machine: &Machine,
    configs: &[Config],
    data: &DataSet,
    effort: &Effort,
    each: &mut dyn FnMut(&Dispatch),
) -> Result<Vec<Dispatch>, Error> {
    let data = resident(machine, data);
    let (mut seen, mut all) = (HashSet::new(), Vec::new());
    for config in configs {
        config.check(data.train.len())?;
        let forms = match (machine, config.precision) {
            // On the CPU all forms are one twin.
            (Machine::Cpu, Precision::F32) => &Form::SINGLE[..1],
            (_, Precision::F32) => &Form::SINGLE[..],
            (Machine::Gpu(gpu), _) if gpu.offers() == Needs::Coop => &Form::MIXED,
            _ => &Form::MIXED[..1],
        };
        for &form in forms {
            let (mut bed, config) = Bed::new(machine, config, &data, form.into()).await?;
            let mut cpu = CpuEngine::new(&bed.trial.net.plan, Memory::default());
            bed.trial.start(&config, &data, &mut cpu);
            // Powers of two, so that updates of whole numbers are exact too.
            let now = Now { lr: 0.125, momentum: 0.5, ..bed.now };
            for number in bed.steps.clone() {
                let plan = &bed.trial.net.plan;
                whole_numbers(plan, number, &mut cpu);
                if !seen.insert(key(plan, number)) {
                    // Even so, what it writes may be what a later one reads.
                    let once: [Work; 1] = [(number..number + 1, now)];
                    cpu.run_now(&once);
                    bed.engine.run(&once).await?;
                    continue;
                }
                let verdict = compare_step(plan, number, &now, &mut cpu, bed.engine.as_mut()).await?;
                let fault = verdict.fault.map(|fault| format!("{}: {fault}", verdict.kernel));
                let timing = bed.time(number..number + 1, now, effort).await?;
                let done = Dispatch::new(&bed.trial.net.plan, number, timing, fault);
                each(&done);
                all.push(done);
            }
        }
    }
    Ok(all)
}

/// Two dispatches with the same key differ in nothing that takes time.
fn key(plan: &Plan, number: usize) -> String {
    let kernel = &plan.steps[number];
    let shapes: Vec<_> = kernel.tensors().into_iter().map(|id| (id.kind, id.rows, id.cols)).collect();
    format!("{} {shapes:?} {:?}", kernel.shader().name, kernel.overrides())
}

/// Fills the values that a dispatch reads with whole numbers so small that its sums are exact in any order: then right means
/// equal bits, and no bound need be computed. What it updates is positive, as a second moment must be, and so is a single value: it
/// is the sum of squares that gradients are clipped by.
fn whole_numbers(plan: &Plan, number: usize, engine: &mut CpuEngine) {
    let kernel = &plan.steps[number];
    for (id, arg) in kernel.tensors().into_iter().zip(kernel.shader().args) {
        if id.kind != Kind::F32 || arg.access == Access::Write {
            continue;
        }
        let draw = |at: usize| {
            let random = (at + id.index).wrapping_mul(0x9E37_79B9) >> 16 & 7;
            let positive = arg.access == Access::Update || id.rows * id.cols == 1;
            if positive { 1.0 + random as f32 } else { random as f32 - 3.0 }
        };
        let values: Vec<f32> = (0..id.rows * id.cols).map(draw).collect();
        engine.write(id, 0, &id.pack(&values));
    }
}
