//! Options of the engine: which one, which adapter, which forms of the matrix products.

use super::resume::Said;
use clap::{ArgMatches, Args};
use gpu_mlp::Error;
use gpu_mlp::base::threads::{LIMIT, fix};
use gpu_mlp::config::Config;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::gpu::{Gpu, Wanted, select};
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::kernels::Precision;
use gpu_mlp::measure::tune::{self, Tune};
use gpu_mlp::plan::kernel::Needs;
use gpu_mlp::run::checkpoint::EngineSettings;

/// Selects the adapter.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct AdapterOptions {
    /// Part of the adapter's name; `gpu-mlp devices` lists them
    #[arg(long, env = "WGPU_ADAPTER_NAME", hide_env_values = true, value_name = "SUBSTRING")]
    adapter: Option<String>,
    /// Backends, separated by commas: vulkan, metal, dx12, gl
    #[arg(long, env = "WGPU_BACKEND", hide_env_values = true, value_name = "LIST")]
    backend: Option<String>,
}

impl AdapterOptions {
    pub fn wanted(&self) -> Wanted {
        Wanted { adapter: self.adapter.clone(), backend: self.backend.clone(), ..Wanted::default() }
    }

    /// Opens the adapter with all its features.
    pub async fn machine(&self) -> Result<Machine, Error> {
        let found = select(&self.wanted()).await?;
        let cache = gpu_mlp::base::cache::folder();
        Ok(Machine::Gpu(Gpu::open_for(found, cache.as_deref(), Needs::Coop).await?))
    }
}

/// The number of CPU threads. `Cli::read` sets it before anything else, because data are generated on them too.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct ThreadOptions {
    /// Number of CPU threads; results do not depend on it [default: the fastest number at the moment, at most one for each
    /// available CPU]
    #[arg(id = "threads", long = "threads", value_name = "N", value_parser = clap::value_parser!(u16).range(1..=LIMIT as i64))]
    _threads: Option<u16>,
}

impl ThreadOptions {
    /// Uses the number of threads of a command line, if it has one.
    pub fn apply(matches: &ArgMatches) -> Result<(), Error> {
        let command = matches.subcommand().map(|(_, command)| command);
        let threads = command.and_then(|command| command.try_get_one::<u16>("threads").ok().flatten());
        threads.map_or(Ok(()), |&threads| fix(threads.into()))
    }
}

impl AdapterOptions {
    /// Whether an adapter or a backend was asked for.
    pub fn names_one(&self) -> bool {
        self.adapter.is_some() || self.backend.is_some()
    }
}

/// Selects the engine.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineOptions {
    /// Engine: `auto` uses a hardware GPU if there is one, else the CPU
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    engine: EngineName,
    #[command(flatten)]
    adapter: AdapterOptions,
    #[command(flatten)]
    _threads: ThreadOptions,
}

impl EngineOptions {
    /// The engine of this run, for a checkpoint; `auto` is replaced by the machine that was chosen.
    pub fn settings(&self, machine: &Machine) -> EngineSettings {
        let engine = match machine {
            Machine::Cpu => EngineName::Cpu,
            Machine::Gpu(_) => EngineName::Gpu,
        };
        let AdapterOptions { adapter, backend } = &self.adapter;
        EngineSettings { engine, adapter: adapter.clone(), backend: backend.clone() }
    }

    /// Uses the engine of a resumed run, except for options given on the command line.
    pub fn resume(&mut self, said: &Said, saved: &EngineSettings) {
        if !said.has("engine") {
            self.engine = saved.engine;
        }
        said.or_saved("adapter", &mut self.adapter.adapter, saved.adapter.clone());
        said.or_saved("backend", &mut self.adapter.backend, saved.backend.clone());
    }

    /// Opens the machine, and prints the choice and its reason on stderr.
    pub async fn machine(&self) -> Result<Machine, Error> {
        self.machine_for(Precision::default()).await
    }

    /// Opens the adapter with all its features.
    pub async fn every_feature(&self) -> Result<Machine, Error> {
        self.adapter.machine().await
    }

    /// As [`EngineOptions::machine`], for a precision.
    pub async fn machine_for(&self, precision: Precision) -> Result<Machine, Error> {
        let (machine, sentence) = Machine::choose(self.engine, &Wanted { precision, ..self.adapter.wanted() }).await?;
        say!("{sentence}");
        Ok(machine)
    }
}

/// Selects the forms of the matrix products.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct TuneOptions {
    /// Time the forms of each matrix product on the GPU, for about half a second, and use the fastest; forms differ in rounding,
    /// and config.toml records the choice [default: auto]
    #[arg(long, value_enum)]
    tune: Option<Tune>,
}

impl TuneOptions {
    /// Whether the option was given.
    pub fn asked(&self) -> bool {
        self.tune.is_some()
    }

    /// Sets the forms of the configuration, and prints the choice on stderr. Forms from the settings of a run
    /// are kept.
    pub async fn choose(&self, config: &mut Config, data: &DataSet, machine: &Machine) -> Result<(), Error> {
        let tuning =
            tune::tune(config, data, machine, self.tune.unwrap_or_default(), gpu_mlp::base::cache::folder().as_deref())
                .await?;
        tuning.notes.iter().for_each(|note| say!("note: {note}"));
        tuning.line().iter().for_each(|line| say!("{line}"));
        config.forms = tuning.forms;
        Ok(())
    }
}
