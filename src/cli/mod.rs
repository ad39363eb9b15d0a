//! The commands, one a file.

mod bench;
mod devices;
mod eval;
mod export;
mod from;
mod model;
mod options;
mod parity;
mod plan;
mod predict;
mod progress;
mod settings;
mod train;

use clap::{Parser, Subcommand};
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
  gpu-mlp train                                   MNIST, one hidden layer of 128, 5 epochs
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --optimizer adam --epochs 8
  gpu-mlp eval runs/1/model.safetensors           accuracy, loss, confusion matrix
  gpu-mlp parity                                  does this machine's GPU compute what the CPU computes?
  gpu-mlp bench --config S                        how fast, and how near to the machine's limit?

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
}

impl Cli {
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
        }
    }
}

/// Warnings of the libraries go to stderr; `RUST_LOG` asks for more: `gpu_mlp=debug` says what start-up is doing, with
/// the seconds since the program began.
pub fn log() {
    use tracing_subscriber::{EnvFilter, fmt::time::uptime};
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new("warn,wgpu_core=error,wgpu_hal=error,naga=error"));
    tracing_subscriber::fmt().with_timer(uptime()).with_env_filter(filter).with_writer(std::io::stderr).init();
}
