//! The commands, one per file.

/// Prints on stderr, unless `--quiet` was given.
macro_rules! say {
    ($($words:tt)*) => {
        if !$crate::cli::quiet() {
            eprintln!($($words)*);
        }
    };
}

mod advice;
mod base;
mod bench;
mod data;
mod data_set;
mod devices;
mod engine;
mod environment;
mod eval;
mod explain;
mod export;
mod from;
mod hints;
mod lab;
mod limits;
mod lr_find;
mod manual;
mod model;
mod origin;
mod out;
mod parity;
mod plan;
mod plot;
mod predict;
mod presets;
mod processes;
mod progress;
mod rate;
mod recorder;
mod report;
mod resume;
mod settings;
mod signals;
mod sink;
mod sweep;
mod table;
mod target;
mod train;

use clap::{ArgAction, CommandFactory, FromArgMatches, Parser, Subcommand};
use gpu_mlp::Error;
use gpu_mlp::engine::gpu::silence_drivers;
pub use processes::Guard as Processes;
use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Train multilayer perceptrons on pictures or tables, on the GPU (Vulkan, Metal, DX12, GL) or on the CPU.
#[derive(Parser)]
#[command(version, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Print only errors on stderr
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = "Messages")]
    quiet: bool,
    /// Log each stage on stderr with its time, and messages of the drivers; -vv logs more. RUST_LOG overrides this option
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Messages")]
    verbose: u8,
}

static QUIET: AtomicBool = AtomicBool::new(false);
static COMMAND: OnceLock<String> = OnceLock::new();

/// Whether only errors are printed on stderr.
pub fn quiet() -> bool {
    QUIET.load(Ordering::Relaxed)
}

/// Advice for an error.
pub fn next(error: &Error) -> String {
    advice::next(error, COMMAND.get().map(String::as_str))
}

const EXAMPLES: &str = "\
Examples:
  gpu-mlp train                              MNIST, one hidden layer of 128, 5 epochs
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --optimizer adam --epochs 8
  gpu-mlp sweep --lr 0.01..1:log --trials 16  find the best of 16 learning rates
  gpu-mlp data                               what is in a data set
  gpu-mlp eval runs/1/model.safetensors      accuracy, scores per class, confusion matrix
  gpu-mlp predict runs/1/model.safetensors 7.png  classify a picture
  gpu-mlp explain runs/1 --index 8           a sample on its way through the net and back
  gpu-mlp report runs/1                      HTML page with curves, gradients, mistakes
  gpu-mlp lab                                the lecture, measured: HTML page of experiments
  gpu-mlp parity                             compare this GPU with the CPU
  gpu-mlp bench --config S                   training speed, and share of the hardware limit

Exit codes: 0 ok, 1 failure, 2 usage, 3 a check failed, 4 no usable adapter, 5 bad or missing data, 6 diverged or not
finite, 129, 130 and 143 interrupted by SIGHUP, SIGINT and SIGTERM.";

#[derive(Subcommand)]
enum Command {
    /// Train a net and write a run folder.
    Train(Box<train::Train>),
    /// Train many runs that differ in some settings, and find the best.
    Sweep(Box<sweep::Sweep>),
    /// Try increasing learning rates and suggest one to start with.
    LrFind(lr_find::LrFind),
    /// Score a model on the test split, per class.
    Eval(eval::Eval),
    /// Show one sample on its way through a model and back, layer by layer.
    Explain(explain::Explain),
    /// Describe a data set, and say what is suspicious.
    Data(data_set::Data),
    /// Classify pictures or samples of a data set, or predict the rows of a table.
    Predict(predict::Predict),
    /// Write a model in the format of another program.
    Export(export::Export),
    /// Write an HTML report of one or more runs.
    Report(report::Report),
    /// Run the experiments of a lecture on neural networks, and write a page about them.
    Lab(lab::LabCommand),
    /// Compare the adapter with the CPU: kernels, training steps, exact integers.
    Parity(parity::Parity),
    /// Time training runs, dispatches and kernels, and check their results.
    Bench(Box<bench::Bench>),
    /// List adapters, their limits, and what `--engine auto` would choose.
    Devices(devices::Devices),
    /// Print the training step as a table, and the memory it needs.
    Plan(plan::PlanCommand),
    /// List published recipes with their stated and measured accuracy.
    Presets(presets::Presets),
    /// Print shell completions.
    Completions(manual::Completions),
    /// Print the manual page, or write one for each command.
    Man(manual::Man),
}

/// The command-line definition; also used for completions and manual pages.
fn command() -> clap::Command {
    environment::layer(Cli::command())
}

impl Cli {
    /// Reads the flags and, with lower priority, the environment. Exits as clap does: after help or a usage error.
    ///
    /// # Errors
    /// [`Error::Setting`] for a variable that looks like a setting and is not.
    pub fn read() -> Result<Self, Error> {
        let mut command = command();
        let matches = command.try_get_matches_from_mut(std::env::args_os());
        let cli = matches.and_then(|matches| {
            if let Some((name, of_command)) = matches.subcommand() {
                _ = COMMAND.set(name.to_string());
                origin::remember(of_command);
            }
            let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command));
            cli.map(|cli| (cli, matches))
        });
        let (cli, matches) = cli.unwrap_or_else(|error| hints::improve(error, &command).exit());
        QUIET.store(cli.quiet, Ordering::Relaxed);
        environment::check(&command)?;
        if cli.verbose == 0 && std::env::var_os("RUST_LOG").is_none() {
            silence_drivers();
        }
        engine::ThreadOptions::apply(&matches)?;
        Ok(cli)
    }

    /// Connects the processes that `mpirun` started. Only the first prints.
    ///
    /// # Errors
    /// [`Error::Setting`] if they cannot be connected.
    pub fn connect(&self) -> Result<Processes, Error> {
        let processes = Processes::start(matches!(self.command, Command::Train(_)))?;
        QUIET.fetch_or(!processes::is_first(), Ordering::Relaxed);
        if matches!(self.command, Command::Sweep(_)) && processes::launched_rank().is_some_and(|rank| rank > 0) {
            // One process reports the sweep that all share.
            QUIET.store(true, Ordering::Relaxed);
            out::silence();
        }
        Ok(processes)
    }

    /// Runs the command.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Train(command) => command.run().await,
            Command::Sweep(command) => command.run().await,
            Command::LrFind(command) => command.run().await,
            Command::Eval(command) => command.run().await,
            Command::Explain(command) => command.run().await,
            Command::Data(command) => command.run().await,
            Command::Predict(command) => command.run().await,
            Command::Export(command) => command.run().await,
            Command::Report(command) => command.run().await,
            Command::Lab(command) => command.run().await,
            Command::Parity(command) => command.run().await,
            Command::Bench(command) => command.run().await,
            Command::Devices(command) => command.run().await,
            Command::Plan(command) => command.run().await,
            Command::Presets(command) => command.run().await,
            Command::Completions(command) => command.run().await,
            Command::Man(command) => command.run().await,
        }
    }

    /// Sets up logging on stderr: warnings of the libraries, and the level of `-v`, `-vv` or `RUST_LOG`, with the seconds since
    /// the program started. In colour on a terminal, unless NO_COLOR is set.
    pub fn log(&self) {
        use tracing_subscriber::{EnvFilter, fmt::time::uptime};
        let filter = match (self.quiet, self.verbose) {
            (true, _) => "error,wgpu_core=off,wgpu_hal=off,naga=off",
            // EGL reports each driver that it tries, also if the next one works.
            (_, 0) => "warn,wgpu_core=error,wgpu_hal=error,wgpu_hal::gles::egl=off,naga=error",
            (_, 1) => "warn,wgpu_core=error,wgpu_hal=error,naga=error,gpu_mlp=debug",
            _ => "info,gpu_mlp=trace",
        };
        let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(filter));
        let colours =
            std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
        let log = tracing_subscriber::fmt().with_timer(uptime()).with_env_filter(filter).with_ansi(colours);
        log.with_writer(std::io::stderr).log_internal_errors(false).init();
    }
}
