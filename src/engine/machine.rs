//! Which machine runs the plan: the CPU or an open GPU.

use crate::base::error::Error;
use crate::base::text::counted;
use crate::base::threads;
use crate::engine::cpu::CpuEngine;
use crate::engine::gpu::{Class, Gpu, GpuEngine, Wanted, real_gpu, select};
use crate::engine::memory::{self, Room};
use crate::engine::timeout::{PATIENCE, TimeLimited};
use crate::engine::{Engine, Memory};
use crate::kernels::Form;
use crate::kernels::Precision;
use crate::plan::Plan;
use crate::plan::kernel::{Needs, Shader};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Requested engine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum EngineName {
    /// A real GPU if there is one, else the CPU.
    #[default]
    Auto,
    /// An adapter, even a software one.
    Gpu,
    /// The CPU.
    Cpu,
}

/// A machine that can run plans.
#[derive(Clone)]
pub enum Machine {
    /// The CPU, on at most [`threads::most`] threads.
    Cpu,
    /// An open adapter.
    Gpu(Arc<Gpu>),
}

impl Machine {
    /// Chooses a machine. Also returns a sentence with the choice and its reason.
    ///
    /// # Errors
    /// [`Error::NoAdapter`] if an adapter is required and none fits, or if it lacks the precision.
    pub async fn choose(engine: EngineName, wanted: &Wanted) -> Result<(Machine, String), Error> {
        tracing::debug!("looking for adapters");
        let found = match engine {
            EngineName::Cpu => Err("as requested".to_string()),
            EngineName::Gpu => Ok(select(wanted).await?),
            EngineName::Auto => real_gpu(wanted).await?.map_err(|why| {
                format!("{why} (the CPU engine is faster than a software adapter; set engine to gpu to use one)")
            }),
        };
        tracing::debug!("adapters listed");
        let opened = match found {
            Ok(found) => {
                let mut needs = Needs::Core;
                if wanted.precision == Precision::F16Mixed {
                    if found.offers() < Needs::Half {
                        return Err(Error::lacks(&found.line(), Needs::Half, "precision f16-mixed"));
                    }
                    needs = Needs::Coop;
                }
                match Gpu::open_for(found, crate::base::cache::folder().as_deref(), needs).await {
                    // Nothing has been computed yet, so the CPU can still be chosen.
                    Err(error) if engine == EngineName::Auto => Err(error.to_string()),
                    result => Ok(result?),
                }
            }
            Err(why) => Err(why),
        };
        Ok(match opened {
            Ok(gpu) => {
                let sentence = format!("engine: gpu, {}", gpu.line());
                (Machine::Gpu(gpu), sentence)
            }
            Err(why) => {
                let most = if threads::is_fixed() || threads::most() == 1 { "" } else { "up to " };
                (Machine::Cpu, format!("engine: cpu, {most}{}: {why}", Machine::Cpu.description()))
            }
        })
    }

    /// `gpu` or `cpu`.
    pub fn name(&self) -> &'static str {
        match self {
            Machine::Cpu => "cpu",
            Machine::Gpu(_) => "gpu",
        }
    }

    /// Adapter and driver, or the number of CPU threads.
    pub fn description(&self) -> String {
        match self {
            Machine::Cpu => counted(threads::most(), "thread"),
            Machine::Gpu(gpu) => gpu.line().to_string(),
        }
    }

    /// Default form of the matrix products.
    pub fn form(&self) -> Form {
        self.forms()[0]
    }

    /// Single-precision forms of the matrix products that may be fast here, [`Machine::form`] first. On the CPU all
    /// forms run the same twin.
    pub fn forms(&self) -> &'static [Form] {
        match self {
            Machine::Cpu => &[Form::Plain],
            Machine::Gpu(gpu) => gpu.class().forms(),
        }
    }

    /// The highest [`Needs`] that the machine meets. The CPU runs the twin of every kernel.
    pub fn offers(&self) -> Needs {
        match self {
            Machine::Cpu => Needs::Coop,
            Machine::Gpu(gpu) => gpu.offers(),
        }
    }

    /// Whether the machine can run a shader.
    pub fn runs(&self, shader: &Shader) -> bool {
        shader.needs() <= self.offers()
    }

    /// Most bytes a tensor may have.
    pub fn limit(&self) -> u64 {
        self.room().tensor
    }

    /// How much the machine can hold.
    pub fn room(&self) -> Room {
        match self {
            Machine::Cpu => Room { tensor: u64::MAX, on_host: true },
            Machine::Gpu(gpu) => {
                let limits = gpu.limits();
                let tensor = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
                Room { tensor, on_host: gpu.class() == Class::Software }
            }
        }
    }

    /// An engine for a plan.
    ///
    /// # Errors
    /// If the plan does not fit the adapter.
    pub async fn engine(&self, plan: &Plan) -> Result<Box<dyn Engine>, Error> {
        self.engine_with(plan, Memory::default()).await
    }

    /// An engine for a plan with a given initial memory, for the parity tests.
    ///
    /// # Errors
    /// If the plan does not fit the adapter.
    pub async fn engine_with(&self, plan: &Plan, memory: Memory) -> Result<Box<dyn Engine>, Error> {
        memory::check(plan, self.room(), 8 * memory.fence as u64, 0)?;
        Ok(match self {
            Machine::Cpu => Box::new(CpuEngine::new(plan, memory)),
            Machine::Gpu(gpu) => {
                Box::new(TimeLimited::new(Box::new(GpuEngine::new(gpu, plan, memory).await?), PATIENCE))
            }
        })
    }
}
