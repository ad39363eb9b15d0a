//! The state in a generation: everything but the tensors.

use super::{Checkpoints, Generation, Loaded, Setup};
use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::machine::Machine;
use crate::net::mlp::{Layer, Mlp};
use crate::run::model_file::Description;
use crate::run::settings::Ancestor;
use crate::train::Values;
use crate::train::session::{Snapshot, State};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The state of a run, without its tensors.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Saved {
    /// Everything that determines the results.
    pub identity: Identity,
    /// Data, engine and folders.
    pub setup: Setup,
    /// The model that the run started with, if any.
    pub from: Option<Ancestor>,
    /// The update at which a resumed run was last changed, if ever.
    pub changed: Option<u64>,
    /// The best generation so far.
    pub best: Option<Best>,
    /// The encoding of the samples and targets of a table, so that a resumed run uses the same. `None` for bytes, and in
    /// files of early versions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// The position of the run.
    pub session: State,
}

/// [`Saved`] as stored in a manifest of any layout. Layout 1 has `words` instead of `setup`. Its session has `judge`
/// instead of `validation`, and the plateau factor is `lr_factor` in `judge`.
#[derive(Deserialize)]
struct Stored {
    identity: Identity,
    setup: Option<Setup>,
    words: Option<Vec<String>>,
    from: Option<Ancestor>,
    changed: Option<u64>,
    best: Option<Best>,
    description: Option<Description>,
    session: serde_json::Value,
}

impl TryFrom<Stored> for Saved {
    type Error = String;

    fn try_from(stored: Stored) -> Result<Saved, String> {
        let Stored { identity, setup, words, from, changed, best, description, mut session } = stored;
        if words.is_some()
            && let Some(session) = session.as_object_mut()
            && let Some(judge) = session.remove("judge")
        {
            session.insert("plateau".into(), judge["lr_factor"].clone());
            session.insert("validation".into(), judge);
        }
        let session = State::deserialize(session).map_err(|error| format!("its session cannot be read: {error}"))?;
        let setup = match (setup, words) {
            (Some(setup), _) => setup,
            (None, Some(words)) => Setup::from_words(&words)?,
            (None, None) => return Err("it has no setup".into()),
        };
        Ok(Saved { identity, setup, from, changed, best, description, session })
    }
}

impl Checkpoints {
    /// Reads the checkpoint after `step` updates, or without `step` the newest complete one.
    ///
    /// # Errors
    /// As [`Checkpoints::newest`] and [`Checkpoints::of_step`]; [`Error::Checkpoint`] also if a complete checkpoint
    /// holds a session or setup that cannot be used. An older checkpoint is not used instead.
    pub fn of_run(&self, step: Option<u64>) -> Result<Option<Loaded<Saved>>, Error> {
        let found = match step {
            Some(step) => Some(self.of_step::<Stored>(step)?),
            None => self.newest::<Stored>()?,
        };
        let Some(Loaded { generation, passed_over }) = found else { return Ok(None) };
        let Generation { step, best, metrics_bytes, state, tensors } = generation;
        let refuse = |problem| Error::Checkpoint { path: self.folder.clone(), problem };
        let state = Saved::try_from(state).map_err(refuse)?;
        Ok(Some(Loaded { generation: Generation { step, best, metrics_bytes, state, tensors }, passed_over }))
    }
}

/// The generation with the lowest loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Step of the generation.
    pub step: u64,
    /// Mean cross-entropy of that epoch, in nats: of the validation split, or else of the training split.
    pub loss: f64,
}

/// Everything that determines the results of a run. A CPU's name and number of threads are left out: results do not
/// depend on the number of threads, and a name does not say how CPUs differ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// Version of the program.
    pub version: String,
    /// `gpu` or `cpu`.
    pub engine: String,
    /// Adapter and driver; empty for the CPU.
    pub device: String,
    /// Name of the data set.
    pub data: String,
    /// Hash of the data set.
    pub data_sha256: String,
    /// All settings.
    pub config: Config,
}

/// A difference from the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Name of a setting, or `data`, `engine`, `device`, `version`.
    pub name: String,
    /// Value in the checkpoint.
    pub then: String,
    /// Value now.
    pub now: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} then, {} now", self.name, self.then, self.now)
    }
}

impl Identity {
    /// Names of the values that are compared in addition to the settings.
    pub const NAMES: [&str; 4] = ["data", "engine", "device", "version"];

    /// The identity of a run that is about to start.
    pub fn new(config: &Config, data: &DataSet, machine: &Machine) -> Identity {
        Identity {
            version: env!("CARGO_PKG_VERSION").into(),
            engine: machine.name().into(),
            device: match machine {
                Machine::Cpu => String::new(),
                Machine::Gpu(gpu) => gpu.line().into(),
            },
            data: data.name.clone(),
            data_sha256: data.sha256.clone(),
            config: config.clone(),
        }
    }

    /// Returns what differs in a run that resumes this one; settings are sorted by name.
    pub fn differences(&self, now: &Identity) -> Vec<Difference> {
        // A data set that moved or was renamed is the same, unless its images are transposed under only one of the names.
        let transposed = |of: &Identity| of.data.starts_with("emnist-");
        let same_data = self.data_sha256 == now.data_sha256 && transposed(self) == transposed(now);
        let data = |of: &Identity| match same_data {
            true => String::new(),
            false => format!("{} (sha256 {})", of.data, of.data_sha256.get(..16).unwrap_or_default()),
        };
        let fixed = |of: &Identity| [data(of), of.engine.clone(), of.device.clone(), of.version.clone()];
        // Through text: a JSON value would print a single-precision number with the digits of a double.
        let settings = |of: &Identity| -> serde_json::Map<String, serde_json::Value> {
            serde_json::to_string(&of.config).and_then(|text| serde_json::from_str(&text)).unwrap_or_default()
        };
        let text = |value: Option<&serde_json::Value>| value.map_or("none".to_string(), ToString::to_string);
        let (then, new) = (settings(self), settings(now));
        let mut names: Vec<&String> = then.keys().chain(new.keys()).collect();
        names.sort();
        names.dedup();
        let pairs = names.into_iter().map(|name| (name.clone(), text(then.get(name)), text(new.get(name))));
        let fixed = Self::NAMES.map(str::to_string).into_iter().zip(fixed(self)).zip(fixed(now));
        let fixed = fixed.map(|((name, then), now)| (name, then, now));
        // Another engine implies another device: one difference is enough.
        let same_engine = self.engine == now.engine;
        fixed
            .chain(pairs)
            .filter(|(name, then, now)| then != now && (same_engine || name != "device"))
            .map(|(name, then, now)| Difference { name, then, now })
            .collect()
    }
}

/// Prefix of the tensors of the best model.
const BEST: &str = "best.";

/// The tensors of a snapshot, with those of its best model.
pub(super) fn tensors(snapshot: &Snapshot) -> Vec<Values> {
    let mut tensors = snapshot.tensors.clone();
    for (number, layer) in (1..).zip(snapshot.best.iter().flat_map(|best| &best.layers)) {
        let Layer { inputs, outputs, weight, bias } = layer;
        let named = |name, rows, cols, values: &[f32]| {
            let words = bytemuck::cast_slice(values).to_vec();
            Values { name, rows, cols, integers: false, words }
        };
        tensors.push(named(format!("{BEST}w{number}"), *outputs, *inputs, weight));
        tensors.push(named(format!("{BEST}b{number}"), 1, *outputs, bias));
    }
    tensors
}

impl Generation<Saved> {
    /// The snapshot that was saved.
    pub fn snapshot(&self) -> Snapshot {
        let (best, tensors): (Vec<Values>, Vec<Values>) =
            self.tensors.iter().cloned().partition(|tensor| tensor.name.starts_with(BEST));
        let layer = |pair: &[Values]| {
            let (outputs, inputs) = (pair[0].rows, pair[0].cols);
            Layer { inputs, outputs, weight: pair[0].floats(), bias: pair[1].floats() }
        };
        let layers: Vec<Layer> = best.chunks_exact(2).map(layer).collect();
        let activation = self.state.identity.config.activation();
        let best = (!layers.is_empty()).then_some(Mlp { activation, layers });
        Snapshot { state: self.state.session.clone(), tensors, best }
    }
}
