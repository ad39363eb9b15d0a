//! Options of the engine: which one, which adapter, which forms of the matrix products.

use super::resume::Said;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::Config;
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::gpu::{Gpu, Wanted, select};
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::kernels::Precision;
use gpu_mlp::measure::tune::{self, Tune};
use gpu_mlp::plan::kernel::Needs;
use gpu_mlp::run::checkpoint::EngineSettings;

/// Which adapters there are to choose from.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct AdapterOptions {
    /// Part of an adapter's name, see `gpu-mlp devices`
    #[arg(long, env = "WGPU_ADAPTER_NAME", hide_env_values = true, value_name = "SUBSTRING")]
    adapter: Option<String>,
    /// Backends, with commas between: vulkan, metal, dx12, gl
    #[arg(long, env = "WGPU_BACKEND", hide_env_values = true, value_name = "LIST")]
    backend: Option<String>,
}

impl AdapterOptions {
    pub fn wanted(&self) -> Wanted {
        Wanted { adapter: self.adapter.clone(), backend: self.backend.clone(), ..Wanted::default() }
    }

    /// The adapter, with all that it offers.
    pub async fn machine(&self) -> Result<Machine, Error> {
        let found = select(&self.wanted()).await?;
        let cache = gpu_mlp::base::cache::folder();
        Ok(Machine::Gpu(Gpu::open_for(found, cache.as_deref(), Needs::Coop).await?))
    }
}

/// Where the arithmetic is done.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct EngineOptions {
    /// Which engine: `auto` takes a real GPU if there is one, else the CPU
    #[arg(long, value_enum, default_value_t = EngineName::Auto)]
    engine: EngineName,
    #[command(flatten)]
    adapter: AdapterOptions,
}

impl EngineOptions {
    /// What a resumed run starts from; `auto` has become the machine that was chosen.
    pub fn settings(&self, machine: &Machine) -> EngineSettings {
        let engine = match machine {
            Machine::Cpu => EngineName::Cpu,
            Machine::Gpu(_) => EngineName::Gpu,
        };
        let AdapterOptions { adapter, backend } = &self.adapter;
        EngineSettings { engine, adapter: adapter.clone(), backend: backend.clone() }
    }

    /// Takes the engine of a resumed run, except for what was said on the command line.
    pub fn resume(&mut self, said: &Said, saved: &EngineSettings) {
        if !said.has("engine") {
            self.engine = saved.engine;
        }
        said.or_saved("adapter", &mut self.adapter.adapter, saved.adapter.clone());
        said.or_saved("backend", &mut self.adapter.backend, saved.backend.clone());
    }

    /// Opens the machine and says on stderr which it is and why.
    pub async fn machine(&self) -> Result<Machine, Error> {
        self.machine_for(Precision::default()).await
    }

    /// As `machine`, for a precision.
    pub async fn machine_for(&self, precision: Precision) -> Result<Machine, Error> {
        let (machine, sentence) = Machine::choose(self.engine, &Wanted { precision, ..self.adapter.wanted() }).await?;
        say!("{sentence}");
        Ok(machine)
    }
}

/// Which of its forms a matrix product takes.
#[derive(Args)]
#[command(next_help_heading = "Engine")]
pub struct TuneOptions {
    /// Try the forms of each matrix product on the GPU, for about half a second, and remember the best; they differ in
    /// rounding, and config.toml says which were taken [default: auto]
    #[arg(long, value_enum)]
    tune: Option<Tune>,
}

impl TuneOptions {
    /// Whether anything was said of it.
    pub fn asked(&self) -> bool {
        self.tune.is_some()
    }

    /// Puts the forms to be used into the configuration, and says on stderr what was chosen. Forms that the configuration
    /// came with, from the record of a run, stay.
    pub async fn choose(&self, config: &mut Config, data: &DataSet, machine: &Machine) -> Result<(), Error> {
        let tuning =
            tune::tune(config, data, machine, self.tune.unwrap_or_default(), gpu_mlp::base::cache::folder().as_deref())
                .await?;
        tuning.note.iter().for_each(|note| say!("note: {note}"));
        tuning.line().iter().for_each(|line| say!("{line}"));
        config.forms = tuning.forms;
        Ok(())
    }
}
