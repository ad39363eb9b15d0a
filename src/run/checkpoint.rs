//! Checkpoints: everything needed to resume training. A checkpoint is complete or absent.
//!
//! A generation is two files in the folder `checkpoints` of a run: `STEP.safetensors` with every tensor that a step
//! passes to the next, and the manifest `STEP-HASH.json` with the rest. The manifest is written last. It holds the
//! SHA-256 of the file of tensors, and its name contains the beginning of its own SHA-256, so every part is verified
//! when it is read. Random streams are not saved: they are functions of (seed, epoch, step), see [`crate::base::rng`].

mod keeper;
mod saved;
mod setup;

use crate::base::disk::{Disk, PART, folder_of, write_whole};
use crate::base::error::Error;
use crate::base::hash::sha256;
use crate::run::folder::{CHECKPOINTS, METRICS};
use crate::train::Values;
pub use keeper::{Every, Keeper};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
pub use saved::{Best, Difference, Identity, Saved};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
pub use setup::{EngineSettings, Setup};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Number of generations kept in addition to the best.
const KEPT: usize = 2;

/// Layout of a manifest. Layout 1, with words of a command line in its state, can still be read; newer layouts are
/// refused.
const FORMAT: u32 = 2;

/// Contents of a generation; `S` is everything that is not a tensor.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation<S> {
    /// Updates made.
    pub step: u64,
    /// The step of the best generation, which is never deleted.
    pub best: Option<u64>,
    /// Length of `metrics.jsonl` at that step; the rest is cut off on resume.
    pub metrics_bytes: u64,
    /// Everything that is not a tensor.
    pub state: S,
    /// Tensors, in order.
    pub tensors: Vec<Values>,
}

/// The manifest: the second file of a generation.
#[derive(Serialize, Deserialize)]
struct Manifest<S> {
    format: u32,
    step: u64,
    best: Option<u64>,
    metrics_bytes: u64,
    tensors: Named,
    /// Names of the tensors in order; the file has another order.
    names: Vec<String>,
    state: S,
}

/// A file with its hash.
#[derive(Serialize, Deserialize)]
struct Named {
    file: String,
    sha256: String,
}

/// The checkpoints of a run.
#[derive(Clone)]
pub struct Checkpoints {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    metrics: PathBuf,
}

/// A complete generation that was read.
pub struct Loaded<S> {
    /// The generation.
    pub generation: Generation<S>,
    /// Newer generations that are damaged, each with the problem.
    pub passed_over: Vec<String>,
}

impl Checkpoints {
    /// The checkpoints in the folder `run`; there may be none.
    pub fn new(disk: Arc<dyn Disk>, run: &Path) -> Self {
        Checkpoints { disk, folder: run.join(CHECKPOINTS), metrics: run.join(METRICS) }
    }

    /// Writes a generation, then deletes old ones.
    ///
    /// # Errors
    /// [`Error::File`]. The generation is then absent, or complete if only the last sync failed; older ones are
    /// untouched.
    pub fn save<S: Serialize>(&self, generation: &Generation<S>) -> Result<(), Error> {
        let at = |path: &Path| Error::file(path.to_owned());
        self.disk.make_folder(&self.folder).map_err(at(&self.folder))?;
        if generation.metrics_bytes > 0 {
            // The generation refers to these records, so they must be on disk first.
            self.disk.sync(&self.metrics).map_err(at(&self.metrics))?;
        }
        // Syncs the directory entries of the record and of the folder of checkpoints.
        let run = folder_of(&self.folder);
        self.disk.sync_folder(run).map_err(at(run))?;
        let file = format!("{:012}.safetensors", generation.step);
        let path = self.folder.join(&file);
        let bytes =
            serialize(&generation.tensors).map_err(|problem| Error::file(&path)(std::io::Error::other(problem)))?;
        write_whole(&*self.disk, &path, &bytes)?;
        let manifest = Manifest {
            format: FORMAT,
            step: generation.step,
            best: generation.best,
            metrics_bytes: generation.metrics_bytes,
            tensors: Named { file, sha256: sha256(&bytes) },
            names: generation.tensors.iter().map(|tensor| tensor.name.clone()).collect(),
            state: &generation.state,
        };
        let text = serde_json::to_vec_pretty(&manifest).map_err(|error| Error::file(&self.folder)(error.into()))?;
        write_whole(&*self.disk, &self.folder.join(manifest_name(generation.step, &text)), &text)?;
        self.prune(generation.step, generation.best);
        Ok(())
    }

    /// Reads the newest complete generation, if any.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be listed, [`Error::Checkpoint`] if there are generations and all are
    /// damaged.
    pub fn newest<S: DeserializeOwned>(&self) -> Result<Option<Loaded<S>>, Error> {
        let mut passed_over = Vec::new();
        let names = self.names()?;
        for (_, name) in names.iter().rev().filter_map(|name| Some((step_of_manifest(name)?, name))) {
            match self.load(name) {
                Ok(generation) => return Ok(Some(Loaded { generation, passed_over })),
                Err(problem) => passed_over.push(format!("{}: {problem}", self.folder.join(name).display())),
            }
        }
        match passed_over.is_empty() {
            true => Ok(None),
            false => Err(Error::Checkpoint { path: self.folder.clone(), problem: passed_over.join("; ") }),
        }
    }

    /// The steps of all generations, in order. They may be damaged.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be listed.
    pub fn steps(&self) -> Result<Vec<u64>, Error> {
        let mut steps: Vec<u64> = self.names()?.iter().filter_map(|name| step_of_manifest(name)).collect();
        steps.sort_unstable();
        Ok(steps)
    }

    /// Reads the generation of one step.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be listed, [`Error::Checkpoint`] if that generation is missing or damaged.
    pub fn of_step<S: DeserializeOwned>(&self, step: u64) -> Result<Loaded<S>, Error> {
        let bad = |path: PathBuf, problem: String| Error::Checkpoint { path, problem };
        let manifests: Vec<(u64, String)> =
            self.names()?.into_iter().filter_map(|name| Some((step_of_manifest(&name)?, name))).collect();
        let Some((_, name)) = manifests.iter().find(|(its, _)| *its == step) else {
            let there: Vec<u64> = manifests.iter().map(|(step, _)| *step).collect();
            let problem = format!("there is no checkpoint of update {step}; existing ones: {there:?}");
            return Err(bad(self.folder.clone(), problem));
        };
        let generation = self.load(name).map_err(|problem| bad(self.folder.join(name), problem))?;
        Ok(Loaded { generation, passed_over: Vec::new() })
    }

    /// Deletes every generation after `step` and every partial file, since a run resumed at `step` writes its own.
    ///
    /// # Errors
    /// [`Error::File`] if one cannot be removed.
    pub fn forget_after(&self, step: u64) -> Result<(), Error> {
        let names = self.names()?;
        // Manifests first: without its manifest a generation does not exist.
        for manifests in [true, false] {
            for name in names.iter().filter(|name| step_of_manifest(name).is_some() == manifests) {
                if step_of(name).is_some_and(|its| its > step || name.ends_with(PART)) {
                    let path = self.folder.join(name);
                    self.disk.remove(&path).map_err(Error::file(&path))?;
                }
            }
        }
        Ok(())
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        self.disk.list(&self.folder).map_err(Error::file(&self.folder))
    }

    fn load<S: DeserializeOwned>(&self, name: &str) -> Result<Generation<S>, String> {
        let read = |name: &str| self.disk.read(&self.folder.join(name)).map_err(|error| format!("{name}: {error}"));
        let text = read(name)?;
        if Some(name) != step_of(name).map(|step| manifest_name(step, &text)).as_deref() {
            return Err("its name does not match its contents".into());
        }
        #[derive(Deserialize)]
        struct Version {
            format: u32,
        }
        let format = serde_json::from_slice::<Version>(&text).map_err(|error| error.to_string())?.format;
        if !(1..=FORMAT).contains(&format) {
            return Err(format!("it has layout {format}, but this program reads layouts 1 to {FORMAT}"));
        }
        let manifest: Manifest<S> = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
        let Named { file, sha256: expected } = &manifest.tensors;
        if file.contains(['/', '\\']) {
            return Err(format!("it names {file:?}, which is outside its folder"));
        }
        let bytes = read(file)?;
        let found = sha256(&bytes);
        if found != *expected {
            return Err(format!("{file} has SHA-256 {found}, expected {expected}"));
        }
        let tensors = deserialize(&bytes, &manifest.names).map_err(|problem| format!("{file}: {problem}"))?;
        let Manifest { step, best, metrics_bytes, state, .. } = manifest;
        Ok(Generation { step, best, metrics_bytes, state, tensors })
    }

    /// Keeps the best generation and the last ones up to `step`; deletes the rest. A failed deletion is tried again
    /// next time.
    fn prune(&self, step: u64, best: Option<u64>) {
        let removed = self.names().and_then(|names| {
            let mut steps: Vec<u64> = names.iter().filter_map(|name| step_of_manifest(name)).collect();
            steps.retain(|&its| its <= step);
            let kept = &steps[steps.len().saturating_sub(KEPT)..];
            for manifests in [true, false] {
                for name in names.iter().filter(|name| step_of_manifest(name).is_some() == manifests) {
                    let Some(its) = step_of(name) else { continue };
                    let wanted = kept.contains(&its) || Some(its) == best;
                    if !wanted || name.ends_with(PART) {
                        let path = self.folder.join(name);
                        self.disk.remove(&path).map_err(Error::file(&path))?;
                    }
                }
            }
            Ok(())
        });
        if let Err(error) = removed {
            tracing::warn!("an old checkpoint was not deleted: {error}");
        }
    }
}

/// File name of a manifest. The step has a fixed width, so that names sort by step; the hash detects a changed
/// manifest.
fn manifest_name(step: u64, text: &[u8]) -> String {
    format!("{step:012}-{}.json", &sha256(text)[..16])
}

/// The step of a generation's file.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.split(['-', '.']).next()?;
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

fn step_of_manifest(name: &str) -> Option<u64> {
    name.ends_with(".json").then(|| step_of(name))?
}

fn serialize(tensors: &[Values]) -> Result<Vec<u8>, String> {
    let little_endian = |tensor: &Values| tensor.words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>();
    let parts: Vec<_> = tensors.iter().map(|tensor| (tensor, little_endian(tensor))).collect();
    let views = parts.iter().map(|(tensor, bytes)| {
        let Values { name, rows, cols, .. } = tensor;
        let dtype = if tensor.integers { Dtype::I32 } else { Dtype::F32 };
        let view = TensorView::new(dtype, vec![*rows, *cols], bytes);
        Ok((name.clone(), view.map_err(|error| format!("{name}: {error}"))?))
    });
    let views = views.collect::<Result<Vec<_>, String>>()?;
    safetensors::serialize(views, None).map_err(|error| error.to_string())
}

fn deserialize(bytes: &[u8], names: &[String]) -> Result<Vec<Values>, String> {
    let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;
    let mut left: BTreeMap<String, TensorView<'_>> = file.tensors().into_iter().collect();
    let tensor = |name: &String| {
        // Taken out, so that a repeated name cannot allocate memory again.
        let view = left.remove(name).ok_or_else(|| format!("{name} is missing, or is named twice"))?;
        let (dtype @ (Dtype::F32 | Dtype::I32), &[rows, cols]) = (view.dtype(), view.shape()) else {
            return Err(format!("{name} is {:?} {:?}, not F32 or I32 of two dimensions", view.shape(), view.dtype()));
        };
        let words = view.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        Ok(Values { name: name.clone(), rows, cols, integers: dtype == Dtype::I32, words })
    };
    names.iter().map(tensor).collect()
}
