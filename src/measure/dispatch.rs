//! Times each dispatch of a training step alone, and checks the results.

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
use crate::kernels::forms::Forms;
use crate::kernels::{Precision, fixed};
use crate::plan::kernel::{Access, Needs, StepValues};
use crate::plan::tensor::{DType, TensorId};
use crate::plan::{Plan, Work};
use crate::train::trial::Trial;
use serde::Serialize;
use std::collections::HashSet;
use std::ops::Range;

/// The measurement of a dispatch.
#[derive(Clone, Debug, Serialize)]
pub struct Dispatch {
    /// Number in the plan.
    pub number: usize,
    /// Name of the shader; on the CPU engine, the name of the twin's shader.
    pub kernel: &'static str,
    /// Names and shapes of the tensors.
    pub tensors: String,
    /// Number of workgroups.
    pub groups: u32,
    /// Floating-point operations; a multiply-add counts as two.
    pub flops: u64,
    /// Bytes of the tensors. A tensor that is both read and written counts twice.
    pub bytes: u64,
    /// Repetitions per sample.
    pub repetitions: usize,
    /// Seconds per repetition.
    pub seconds: Spread,
    /// Seconds within the whole step, by the device's timestamps; `None` if the device has none.
    pub device_seconds: Option<Spread>,
    /// How the results differ from the twin's; `None` if they agree or were not compared.
    pub fault: Option<String>,
}

/// The measurements of the dispatches of a training step and of the whole step.
#[derive(Clone, Debug, Serialize)]
pub struct StepTimes {
    /// Each dispatch, repeated alone. The sum of these times may exceed the time of the step, because independent
    /// dispatches of a step overlap.
    pub dispatches: Vec<Dispatch>,
    /// Seconds of the whole step, measured in the same way.
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

/// A training step prepared on an engine.
struct PreparedStep {
    trial: Trial,
    engine: Box<dyn Engine>,
    steps: Range<usize>,
    now: StepValues,
}

impl PreparedStep {
    /// The first step of the first epoch. The data are resident on the device.
    async fn new(machine: &Machine, config: &Config, data: &DataSet, forms: Forms) -> Result<(Self, Config), Error> {
        let config = Config { upload: Upload::Resident, ..config.clone() };
        let trial = Trial::new(&config, data, forms)?;
        let mut engine = machine.engine(&trial.net.plan).await?;
        trial.start(&config, data, engine.as_mut());
        let steps = trial.net.training.as_ref().map_or(0..0, |training| training.gradients.start..training.update.end);
        let now = trial.work.first().map(|(_, now)| *now).unwrap_or_default();
        Ok((PreparedStep { trial, engine, steps, now }, config))
    }

    async fn time(&mut self, steps: Range<usize>, now: StepValues, effort: &Effort) -> Result<Timing, Error> {
        let written = written(&self.trial.net.plan, steps.end - 1);
        time(self.engine.as_mut(), &(steps, now), written, effort).await
    }
}

/// A tensor that the step writes.
fn written(plan: &Plan, step: usize) -> TensorId {
    let kernel = &plan.steps[step];
    let ids = kernel.tensors();
    let args = kernel.shader().args;
    let of_args = ids.iter().zip(args).find(|(_, arg)| arg.access != Access::Read);
    of_args.map_or(ids[0], |(&id, _)| id)
}

/// The data set, cut to the samples that fit into one tensor of the machine.
fn resident<'a>(machine: &Machine, data: &'a DataSet) -> std::borrow::Cow<'a, DataSet> {
    let row = 4 * data.inputs().div_ceil(4).max(1) as u64;
    cut(data, usize::try_from(machine.limit() / row).unwrap_or(usize::MAX).max(1))
}

/// Number of steps timed with the device's timestamps.
const PROFILES: usize = 30;

/// Times a whole training step with the data of the first batch, and then each of its dispatches alone.
///
/// # Errors
/// [`Error::TooLarge`] if the step does not fit, [`Error::Setting`] if the settings cannot be used, or if the device fails.
pub async fn step(machine: &Machine, config: &Config, data: &DataSet, effort: &Effort) -> Result<StepTimes, Error> {
    let data = resident(machine, data);
    config.check(data.train.len())?;
    let forms = Forms { default: machine.form(), chosen: config.forms.clone() };
    let (mut prepared, _) = PreparedStep::new(machine, config, &data, forms).await?;
    let steps = prepared.steps.clone();
    let now = prepared.now;
    // The whole step first: afterwards all tensors hold data for the single dispatches.
    let seconds = prepared.time(steps.clone(), now, effort).await?.seconds;
    let mut dispatches = Vec::new();
    for number in steps.clone() {
        let timing = prepared.time(number..number + 1, now, effort).await?;
        dispatches.push(Dispatch::new(&prepared.trial.net.plan, number, timing, None));
    }
    let mut by_device = vec![Vec::new(); dispatches.len()];
    for _ in 0..PROFILES {
        let profile = prepared.engine.profile(&(steps.clone(), now)).await?;
        by_device.iter_mut().zip(profile.into_iter().flatten()).for_each(|(all, seconds)| all.push(seconds));
    }
    for (dispatch, samples) in dispatches.iter_mut().zip(by_device) {
        dispatch.device_seconds = (!samples.is_empty()).then(|| Spread::of(samples));
    }
    Ok(StepTimes { dispatches, seconds })
}

/// Times every kernel of the training steps of some nets, in every form and at each shape that occurs. Compares the
/// results of each kernel with the twin's before the timing. Calls `each` after every kernel.
///
/// # Errors
/// As [`step`]. A wrong result is a `fault`, not an error.
pub async fn kernels(
    machine: &Machine,
    configs: &[Config],
    data: &DataSet,
    effort: &Effort,
    each: &mut dyn FnMut(&Dispatch),
) -> Result<Vec<Dispatch>, Error> {
    let data = resident(machine, data);
    let mut seen = HashSet::new();
    let mut all = Vec::new();
    for config in configs {
        config.check(data.train.len())?;
        let forms = match (machine, config.precision) {
            // On the CPU all forms have the same twin.
            (Machine::Cpu, Precision::F32 | Precision::Int8) => &Form::SINGLE[..1],
            (_, Precision::F32) => &Form::SINGLE[..],
            (_, Precision::Int8) => &fixed::FORMS,
            (Machine::Gpu(gpu), _) if gpu.offers() == Needs::Coop => &Form::MIXED,
            _ => &Form::MIXED[..1],
        };
        for &form in forms {
            let (mut prepared, config) = PreparedStep::new(machine, config, &data, form.into()).await?;
            let mut cpu = CpuEngine::new(&prepared.trial.net.plan, Memory::default());
            prepared.trial.start(&config, &data, &mut cpu);
            // Powers of two, so that updates of integers are exact too.
            let now = StepValues { lr: 0.125, momentum: 0.5, ..prepared.now };
            for number in prepared.steps.clone() {
                let plan = &prepared.trial.net.plan;
                whole_numbers(plan, number, &mut cpu);
                if !seen.insert(key(plan, number)) {
                    // Run but not timed again: a later dispatch may read the results.
                    let once: [Work; 1] = [(number..number + 1, now)];
                    cpu.run_now(&once);
                    prepared.engine.run(&once).await?;
                    continue;
                }
                let verdict = compare_step(plan, number, &now, &mut cpu, prepared.engine.as_mut()).await?;
                let fault = verdict.fault.map(|fault| format!("{}: {fault}", verdict.kernel));
                let timing = prepared.time(number..number + 1, now, effort).await?;
                let done = Dispatch::new(&prepared.trial.net.plan, number, timing, fault);
                each(&done);
                all.push(done);
            }
        }
    }
    Ok(all)
}

/// Identifies a dispatch for timing: dispatches with the same key take the same time.
fn key(plan: &Plan, number: usize) -> String {
    let kernel = &plan.steps[number];
    let shapes: Vec<_> = kernel.tensors().into_iter().map(|id| (id.dtype, id.rows, id.cols)).collect();
    format!("{} {shapes:?} {:?}", kernel.shader().name, kernel.overrides())
}

/// Fills the tensors that a dispatch reads with small integers, so that sums are exact in any order. A correct result
/// is then bit-identical, and no bound is needed. Tensors that are updated get positive values, because a second moment
/// must be positive. Tensors of one value get positive values too: they are the sum of squares for gradient clipping.
fn whole_numbers(plan: &Plan, number: usize, engine: &mut CpuEngine) {
    let kernel = &plan.steps[number];
    for (id, arg) in kernel.tensors().into_iter().zip(kernel.shader().args) {
        if id.dtype != DType::F32 || arg.access == Access::Write {
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
