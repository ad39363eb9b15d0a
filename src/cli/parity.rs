//! `gpu-mlp parity`

use super::engine::{AdapterOptions, ThreadOptions};
use super::out::out;
use clap::Args;
use gpu_mlp::base::cache::folder;
use gpu_mlp::base::text::percent;
use gpu_mlp::engine::gpu::{Gpu, list, select};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::measure::parity::{self, Row};
use gpu_mlp::train::golden::{self, Golden};
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
are bit-identical. It takes seconds per adapter, or a minute if a software adapter must compile the
shaders first. It needs no data and no network.

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
        let mut faults = Vec::new();
        let mut written = Ok(());
        let mut steps = false;
        let mut each = |row: &Row| {
            faults.extend(row.faults());
            // A line is left out between the kernels and the steps.
            let gap = if std::mem::replace(&mut steps, row.is_step) == row.is_step { "" } else { "\n" };
            written = std::mem::replace(&mut written, Ok(())).and_then(|()| writeln!(out, "{gap}{}", line(row)));
        };
        parity::run(&machine, &mut each).await?;
        written?;
        if faults.is_empty() {
            writeln!(out, "\nevery value is within its bound")?;
            return Ok(ExitCode::SUCCESS);
        }
        for fault in &faults {
            writeln!(out, "FAILED {fault}")?;
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

fn line(Row { name, verdicts, lacks, .. }: &Row) -> String {
    if let Some(lacks) = lacks {
        return format!("{name:<22} not run: this adapter lacks {lacks}");
    }
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
