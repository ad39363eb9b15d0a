//! A run that was killed before its first checkpoint. Its settings file says how to begin it again.

use crate::base::error::Error;
use crate::config::Config;
use crate::engine::machine::EngineName;
use crate::run::checkpoint::{EngineSettings, Identity, Setup};
use crate::run::folder::RunFolder;
use crate::run::settings::{Ancestor, RunFile};

/// How to begin a run again.
pub struct Restart {
    /// Everything that determines its results.
    pub identity: Identity,
    /// Data, engine and folders.
    pub setup: Setup,
    /// The model that it started with, if any.
    pub from: Option<Ancestor>,
}

impl Restart {
    /// Reads the settings in a run folder; `None` if no run wrote them.
    ///
    /// # Errors
    /// Those of [`RunFile::read`].
    pub fn read(folder: &RunFolder) -> Result<Option<Restart>, Error> {
        let RunFile { settings, data, record } = RunFile::read(folder.path())?;
        let Some(record) = record else { return Ok(None) };
        let cpu = record.engine == "cpu";
        let identity = Identity {
            version: record.version,
            device: if cpu { String::new() } else { record.device },
            engine: record.engine,
            data: data.data.clone().unwrap_or_default(),
            data_sha256: record.data_sha256,
            config: Config::default().with(&settings)?,
        };
        let engine = if cpu { EngineName::Cpu } else { EngineName::Gpu };
        let engine = EngineSettings { engine, adapter: record.adapter, backend: record.backend };
        let setup = Setup { data, engine, tensorboard: record.tensorboard };
        Ok(Some(Restart { identity, setup, from: record.from }))
    }
}
