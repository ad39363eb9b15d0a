//! The commands, one a file.

mod base;
mod bench;
mod devices;
mod environment;
mod eval;
mod export;
mod from;
mod manual;
mod model;
mod options;
mod parity;
mod plan;
mod predict;
mod presets;
mod progress;
mod settings;
mod train;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use std::process::ExitCode;

/// Train multilayer perceptrons on the GPU, on Vulkan, Metal or DX12, or on the CPU.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  gpu-mlp train                              MNIST, one hidden layer of 128, 5 epochs
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --optimizer adam --epochs 8
  gpu-mlp eval runs/1/model.safetensors      accuracy, loss, confusion matrix
  gpu-mlp parity                             does this GPU compute what the CPU computes?
  gpu-mlp bench --config S                   how fast, and how near to the machine's limit?

Exit codes: 0 ok, 1 failure, 2 usage, 3 a check failed, 4 no usable adapter, 5 bad or missing data, 6 diverged.";

#[derive(Subcommand)]
enum Command {
    /// Train a net and write a run folder.
    Train(train::Train),
    /// Score a model on the test split.
    Eval(eval::Eval),
    /// Classify samples of a data set, shown as they are.
    Predict(predict::Predict),
    /// Write a model in another program's format.
    Export(export::Export),
    /// Compare every kernel and a whole training step with the CPU on this machine's adapter.
    Parity(parity::Parity),
    /// Time training runs, dispatches and kernels, and check their answers.
    Bench(bench::Bench),
    /// List adapters, their limits, and what `--engine auto` would take.
    Devices(devices::Devices),
    /// Print the training step as a table, and the memory it needs.
    Plan(plan::PlanCommand),
    /// List recipes of others, what they state and what they reach here.
    Presets(presets::Presets),
    /// Print the completions of a shell.
    Completions(manual::Completions),
    /// Print the manual page, or write one for each command.
    Man(manual::Man),
}

/// The commands with everything that `--help` says, also for completions and manual pages.
fn command() -> clap::Command {
    environment::layer(Cli::command())
}

impl Cli {
    /// Reads flags, and below them the environment; says on stderr what in there is no setting.
    pub fn read() -> Self {
        let mut command = command();
        let matches = command.get_matches_mut();
        let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.format(&mut command).exit());
        environment::strangers(&command).iter().for_each(|note| eprintln!("note: {note}"));
        cli
    }

    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Train(command) => command.run().await,
            Command::Eval(command) => command.run().await,
            Command::Predict(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Parity(command) => command.run().await,
            Command::Bench(command) => command.run().await,
            Command::Devices(command) => command.run().await,
            Command::Plan(command) => command.run().await,
            Command::Presets(command) => command.run().await,
            Command::Completions(command) => command.run().await,
            Command::Man(command) => command.run().await,
        }
    }
}

/// Warnings of the libraries go to stderr; `RUST_LOG` asks for more: `gpu_mlp=debug` says what start-up is doing, with
/// the seconds since the program began.
pub fn log() {
    use tracing_subscriber::{EnvFilter, fmt::time::uptime};
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,wgpu_core=error,wgpu_hal=error,naga=error"));
    tracing_subscriber::fmt()
        .with_timer(uptime())
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .log_internal_errors(false)
        .init();
}
