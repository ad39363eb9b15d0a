//! `gpu-mlp parity`

use super::engine::{AdapterOptions, ThreadOptions};
use super::out::out;
use clap::Args;
use gpu_mlp::base::cache::folder;
use gpu_mlp::base::text::percent;
use gpu_mlp::config::Config;
use gpu_mlp::engine::Memory;
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::gpu::{Gpu, list, select};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::engine::parity::{Verdict, compare_case, compare_steps};
use gpu_mlp::kernels::Precision;
use gpu_mlp::kernels::{cases, shaders};
use gpu_mlp::plan::kernel::Needs;
use gpu_mlp::train::golden::{self, Golden};
use gpu_mlp::train::trial::{Run, Trial};
use std::io::Write;
use std::process::ExitCode;
use std::time::Instant;

#[derive(Args)]
#[command(after_help = "\
Runs each kernel on the adapter and on the CPU, with all its cases; then whole training steps,
dispatch by dispatch. `error` is the difference with the largest share of its bound. Bounds are
computed from the arithmetic, not chosen.

With --exact it instead trains a small net in integers, on the CPU and on every adapter that
--adapter and --backend allow. Each result must have the hash that is stored in the program, so all
are bit-identical. It takes seconds per adapter, and needs no data and no network.

Examples:
  gpu-mlp parity
  gpu-mlp parity --exact
  gpu-mlp parity --backend vulkan
  gpu-mlp parity --adapter llvmpipe --backend gl   one of several adapters, see `gpu-mlp devices`")]
pub struct Parity {
    /// Instead, train in integers on the CPU and on every adapter, and compare the results with a reference hash
    #[arg(long)]
    exact: bool,
    #[command(flatten)]
    adapter: AdapterOptions,
    #[command(flatten)]
    _threads: ThreadOptions,
}

impl Parity {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if self.exact {
            return exact(&self.adapter).await;
        }
        let machine = self.adapter.machine().await?;
        let mut out = out();
        writeln!(out, "{} against the CPU\n", machine.description())?;
        writeln!(
            out,
            "{:<22} {:>5} {:>11}  {:>10} {:>10} {:>7}",
            "kernel", "cases", "values", "error", "bound", "share"
        )?;
        let cases = cases();
        let mut faults = Vec::new();
        for shader in shaders() {
            if !machine.runs(shader) {
                writeln!(out, "{:<22} not run: this adapter lacks {}", shader.name, shader.needs())?;
                continue;
            }
            let mut verdicts = Vec::new();
            for case in cases.iter().filter(|case| case.plan.steps[0].shader().name == shader.name) {
                verdicts.push(compare_case(case, async |plan, memory| machine.engine_with(plan, memory).await).await?);
            }
            writeln!(out, "{}", line(shader.name, &verdicts))?;
            faults.extend(verdicts.into_iter().filter(|verdict| verdict.fault.is_some()));
        }
        writeln!(out)?;
        let runs = Trial::runs()?;
        let mixed = runs.iter().find(|run| run.config.keep_prob < 1.0).cloned().map(|run| {
            let config = Config { precision: Precision::F16Mixed, ..run.config };
            Run { name: "step: mixed precision", config, ..run }
        });
        let mixed = mixed.filter(|_| machine.offers() >= Needs::Half);
        for run in runs.into_iter().chain(mixed) {
            let verdicts = step(&machine, &run).await?;
            writeln!(out, "{}", line(run.name, &verdicts))?;
            faults.extend(verdicts.into_iter().filter(|verdict| verdict.fault.is_some()));
        }
        if faults.is_empty() {
            writeln!(out, "\nevery value is within its bound")?;
            return Ok(ExitCode::SUCCESS);
        }
        for verdict in &faults {
            let fault = verdict.fault.as_ref().map(ToString::to_string).unwrap_or_default();
            writeln!(out, "FAILED {} {}: {fault}", verdict.kernel, verdict.case)?;
        }
        Ok(ExitCode::from(3))
    }
}

/// The golden run on the CPU and on every adapter that the options allow. The exit code is 3 if one differs or fails.
async fn exact(adapters: &AdapterOptions) -> anyhow::Result<ExitCode> {
    let mut machines = vec![Ok(Machine::Cpu)];
    let found = match adapters.names_one() {
        // Without such an adapter, the error says which there are.
        true => vec![select(&adapters.wanted()).await?],
        false => list(&adapters.wanted()).await?,
    };
    for one in found {
        let line = one.line();
        machines.push(Gpu::open(one, folder().as_deref()).await.map(Machine::Gpu).map_err(|error| (line, error)));
    }
    let mut out = out();
    writeln!(out, "reference {}", golden::SHA256)?;
    let mut wrong = 0;
    for machine in machines {
        let begin = Instant::now();
        let (name, result) = match machine {
            Ok(machine) => (format!("{}, {}", machine.name(), machine.description()), Golden::run(&machine).await),
            Err((line, error)) => (line, Err(error)),
        };
        match result {
            Ok(golden) => {
                let yes = if golden.is_right() { "yes" } else { "NO" };
                let (seconds, accuracy) = (begin.elapsed().as_secs_f64(), percent(golden.accuracy, 1));
                let Golden { sha256, updates, .. } = &golden;
                writeln!(
                    out,
                    "\n{name}\n  bit-identical to the reference: {yes}  ({updates} updates, {accuracy} % right, {seconds:.1} s)"
                )?;
                if !golden.is_right() {
                    writeln!(out, "  its hash is {sha256}")?;
                }
                wrong += usize::from(!golden.is_right());
            }
            Err(error) => {
                writeln!(out, "\n{name}\n  did not finish: {error}")?;
                wrong += 1;
            }
        }
    }
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::from(3) })
}

/// The first steps of a small run, the last of them with a partial batch.
async fn step(machine: &Machine, Run { config, data, .. }: &Run) -> anyhow::Result<Vec<Verdict>> {
    let trial = Trial::new(config, data, machine.form())?;
    let mut cpu = CpuEngine::new(&trial.net.plan, Memory::default());
    let mut other = machine.engine(&trial.net.plan).await?;
    trial.start(config, data, &mut cpu);
    trial.start(config, data, other.as_mut());
    Ok(compare_steps(&trial.net.plan, &trial.work, &mut cpu, other.as_mut()).await?)
}

fn line(name: &str, verdicts: &[Verdict]) -> String {
    let compared: usize = verdicts.iter().map(|verdict| verdict.compared).sum();
    let worst = verdicts.iter().max_by(|a, b| a.worst.total_cmp(&b.worst));
    let failed = verdicts.iter().filter(|verdict| verdict.fault.is_some()).count();
    let share = match worst {
        _ if failed > 0 => format!("{failed} FAILED"),
        Some(worst) if worst.worst > 0.0 => {
            format!("{:>10.2e} {:>10.2e} {:>6}%", worst.error, worst.bound, percent(worst.worst.into(), 1))
        }
        _ => format!("{:>10} {:>10} {:>7}", "0", "-", "equal"),
    };
    format!("{name:<22} {:>5} {compared:>11}  {share}", verdicts.len())
}
