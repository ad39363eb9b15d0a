//! The parity tests of a machine: every kernel with all its cases, then whole training steps, each compared with the CPU.

use crate::base::error::Error;
use crate::config::Config;
use crate::engine::Memory;
use crate::engine::cpu::CpuEngine;
use crate::engine::machine::Machine;
use crate::engine::parity::{Verdict, compare_case, compare_steps};
use crate::kernels::{Precision, cases, shaders};
use crate::plan::kernel::Needs;
use crate::train::trial::{Run, Trial};

/// The results of one kernel or of one small run.
#[derive(Clone, Debug)]
pub struct Row {
    /// Name of the shader, or of the run.
    pub name: &'static str,
    /// Whether this is a run of training steps.
    pub is_step: bool,
    /// One per case, or one per dispatch of the run.
    pub verdicts: Vec<Verdict>,
    /// What the adapter lacks to run the shader; `None` if it was run.
    pub lacks: Option<String>,
}

impl Row {
    /// What was wrong, one line each: kernel, case, question, finding.
    pub fn faults(&self) -> Vec<String> {
        let fault =
            |verdict: &Verdict| Some(format!("{} {}: {}", verdict.kernel, verdict.case, verdict.fault.as_ref()?));
        self.verdicts.iter().filter_map(fault).collect()
    }
}

/// Compares a machine with the CPU. `each` gets every row as soon as it is complete.
///
/// # Errors
/// If the machine fails. A wrong result is a fault of its row.
pub async fn run(machine: &Machine, each: &mut dyn FnMut(&Row)) -> Result<(), Error> {
    let cases = cases();
    for shader in shaders() {
        let mut row = Row { name: shader.name, is_step: false, verdicts: Vec::new(), lacks: None };
        if machine.runs(shader) {
            for case in cases.iter().filter(|case| case.plan.steps[0].shader().name == shader.name) {
                let engine = async |plan: &_, memory| machine.engine_with(plan, memory).await;
                row.verdicts.push(compare_case(case, engine).await?);
            }
        } else {
            row.lacks = Some(shader.needs().to_string());
        }
        each(&row);
    }
    let runs = Trial::runs()?;
    let mixed = runs.iter().find(|run| run.config.keep_prob < 1.0).cloned().map(|run| {
        let config = Config { precision: Precision::F16Mixed, ..run.config };
        Run { name: "step: mixed precision", config, ..run }
    });
    let mixed = mixed.filter(|_| machine.offers() >= Needs::Half);
    for run in runs.into_iter().chain(mixed) {
        each(&Row { name: run.name, is_step: true, verdicts: steps(machine, &run).await?, lacks: None });
    }
    Ok(())
}

/// The first steps of a small run, the last of them with a partial batch.
async fn steps(machine: &Machine, Run { config, data, .. }: &Run) -> Result<Vec<Verdict>, Error> {
    let trial = Trial::new(config, data, machine.form())?;
    let mut cpu = CpuEngine::new(&trial.net.plan, Memory::default());
    let mut other = machine.engine(&trial.net.plan).await?;
    trial.start(config, data, &mut cpu);
    trial.start(config, data, other.as_mut());
    compare_steps(&trial.net.plan, &trial.work, &mut cpu, other.as_mut()).await
}
