//! The run folder: file names, lock, and how folders are created and found.

use crate::base::disk::{Os, folder_of};
use crate::base::error::Error;
use crate::run::checkpoint::{Checkpoints, Generation, Saved};
use crate::run::history::History;
use crate::run::metrics::Metrics;
use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The model file.
pub const MODEL: &str = "model.safetensors";
/// The file of all settings of the run.
pub const SETTINGS: &str = "config.toml";
/// The record of the run, one JSON object per line.
pub const METRICS: &str = "metrics.jsonl";
/// The report page.
pub const REPORT: &str = "report.html";
/// The folder of checkpoints.
pub const CHECKPOINTS: &str = "checkpoints";
/// Locked while a program trains in the folder.
const LOCK: &str = "lock";
/// The folder of numbered run folders.
const RUNS: &str = "runs";

/// Path of a run folder; the folder need not exist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder(PathBuf);

/// What a folder holds of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No run, or one that was killed before it wrote its settings.
    Nothing,
    /// Checkpoints to resume from.
    Checkpoints,
    /// The settings of a run that was killed before its first checkpoint. The run can begin again.
    Settings,
    /// A run without checkpoints that cannot begin again: its model or the record of its end would be lost.
    Ended,
}

/// Prevents other programs from training in a folder. The system releases the lock even if the program crashes.
pub struct Lock(#[allow(dead_code, reason = "the open file is the lock")] File);

/// A run folder that this program trains in.
pub struct OpenRun {
    /// Where checkpoints are saved.
    pub checkpoints: Checkpoints,
    /// The open record.
    pub metrics: Metrics,
    /// Number of updates after which a resumed run continues.
    pub resumed_at: Option<u64>,
    /// Held if the run is new; the lock of a resumed run is held by the caller.
    _lock: Option<Lock>,
}

impl RunFolder {
    /// The folder at a path.
    pub fn new(path: impl Into<PathBuf>) -> RunFolder {
        RunFolder(path.into())
    }

    /// Path of the folder.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Path of the model.
    pub fn model(&self) -> PathBuf {
        self.0.join(MODEL)
    }

    /// Path of the settings.
    pub fn settings(&self) -> PathBuf {
        self.0.join(SETTINGS)
    }

    /// Path of the record.
    pub fn metrics(&self) -> PathBuf {
        self.0.join(METRICS)
    }

    /// Path of the report page.
    pub fn report(&self) -> PathBuf {
        self.0.join(REPORT)
    }

    /// Checkpoints of the run.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(Arc::new(Os), &self.0)
    }

    /// What the folder holds.
    pub fn contents(&self) -> Contents {
        let recorded = std::fs::metadata(self.metrics()).is_ok_and(|record| record.len() > 0);
        let ended = || History::read(&self.0).is_ok_and(|history| history.end.is_some());
        if self.checkpoints().steps().is_ok_and(|steps| !steps.is_empty()) {
            Contents::Checkpoints
        } else if self.model().exists() || recorded && (!self.settings().exists() || ended()) {
            Contents::Ended
        } else if self.metrics().exists() && self.settings().exists() {
            Contents::Settings
        } else {
            Contents::Nothing
        }
    }

    /// Creates the folder `asked`, or else the next free number in `runs`.
    ///
    /// # Errors
    /// [`Error::File`] if the folder cannot be created.
    pub fn make(asked: Option<&Path>) -> Result<RunFolder, Error> {
        let Some(folder) = asked else {
            return next_free(Path::new(RUNS));
        };
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        Ok(RunFolder::new(folder))
    }

    /// Returns the run with the highest number in `runs`.
    pub fn last() -> Option<RunFolder> {
        let entries = std::fs::read_dir(RUNS).ok()?;
        let mut numbers: Vec<u64> =
            entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect();
        numbers.sort_unstable();
        let folders = numbers.iter().rev().map(|number| RunFolder::new(Path::new(RUNS).join(number.to_string())));
        folders.into_iter().find(|folder| folder.contents() != Contents::Nothing)
    }

    /// Returns the runs in the parent folder of this one and in `runs`.
    pub fn neighbours(&self) -> Vec<RunFolder> {
        let parent = folder_of(&self.0);
        let parents = [parent, Path::new(RUNS)];
        let parents = &parents[..if parent == Path::new(RUNS) { 1 } else { 2 }];
        let entries = parents.iter().filter_map(|parent| std::fs::read_dir(parent).ok()).flatten();
        let folders = entries.filter_map(|entry| Some(RunFolder(entry.ok()?.path())));
        sorted(folders.filter(|folder| folder.contents() != Contents::Nothing).collect())
    }

    /// Refuses a folder that holds a run. With `resume`, a run that was killed before its first checkpoint is accepted:
    /// it begins again.
    ///
    /// # Errors
    /// [`Error::Taken`].
    pub fn refuse_if_taken(&self, resume: bool) -> Result<(), Error> {
        let taken = match self.contents() {
            Contents::Nothing => !resume && self.metrics().exists(),
            Contents::Settings => !resume,
            Contents::Checkpoints | Contents::Ended => true,
        };
        if taken { Err(Error::Taken { path: self.0.clone() }) } else { Ok(()) }
    }

    /// Locks the folder.
    ///
    /// # Errors
    /// [`Error::Busy`] if another program holds the lock, [`Error::File`] if the lock file cannot be created.
    pub fn lock(&self) -> Result<Lock, Error> {
        let path = self.0.join(LOCK);
        let file = File::create(&path).map_err(Error::file(&path))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Err(Error::Busy { path: self.0.clone() }),
            // A file system without locks: continue without one.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(Lock(file)),
        }
    }

    /// Opens the folder for training. A new run (`before` is `None`) locks it, checks again that the folder is `free`,
    /// and removes the model, the report and the settings of the run that it replaces. A resumed run removes everything written after
    /// its checkpoint.
    ///
    /// # Errors
    /// Those of [`RunFolder::lock`] and `free`; [`Error::File`]; [`Error::Checkpoint`] if the record is shorter than
    /// the checkpoint says.
    pub fn open(
        &self,
        before: Option<&Generation<Saved>>,
        free: impl FnOnce() -> Result<(), Error>,
    ) -> Result<OpenRun, Error> {
        let mut lock = None;
        if before.is_none() {
            lock = Some(self.lock()?);
            // Another program may have trained here since the first check.
            free()?;
            for path in [self.model(), self.report(), self.settings()].iter().filter(|path| path.exists()) {
                std::fs::remove_file(path).map_err(Error::file(path))?;
            }
        }
        let checkpoints = self.checkpoints();
        let metrics = match before {
            Some(generation) => Metrics::resume(Arc::new(Os), &self.0, generation.metrics_bytes)?,
            None => Metrics::create(Arc::new(Os), &self.0)?,
        };
        let resumed_at = before.map(|generation| generation.step);
        // All checks have passed. Later checkpoints are deleted first: they refer to the records that are cut off.
        checkpoints.forget_after(resumed_at.unwrap_or(0))?;
        metrics.cut()?;
        Ok(OpenRun { checkpoints, metrics, resumed_at, _lock: lock })
    }
}

/// Returns the runs in a folder that holds runs but is none itself, by name, 10 after 9. Empty if it is no such folder.
pub fn runs_in(folder: &Path) -> Vec<RunFolder> {
    if RunFolder::new(folder).model().exists() {
        return Vec::new();
    }
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let folders = entries.filter_map(|entry| Some(RunFolder(entry.ok()?.path())));
    sorted(folders.filter(|folder| folder.contents() != Contents::Nothing).collect())
}

/// Returns the path of a model file, given that path or a run folder.
pub fn model_in(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder::new(path).model() } else { path.into() }
}

/// Returns the path of a settings file, given that path or a run folder.
pub fn settings_in(path: &Path) -> PathBuf {
    if path.is_dir() { RunFolder::new(path).settings() } else { path.into() }
}

/// Returns the path of the settings file in the folder of a model.
pub fn settings_beside(model: &Path) -> PathBuf {
    model.with_file_name(SETTINGS)
}

/// Sorts runs by name, so that 10 follows 9.
fn sorted(mut runs: Vec<RunFolder>) -> Vec<RunFolder> {
    runs.sort_by_key(|run| (run.0.as_os_str().len(), run.0.clone()));
    runs
}

/// Creates the first folder of 1, 2, … that does not exist. Creating it claims it, so two programs never share a
/// folder.
fn next_free(runs: &Path) -> Result<RunFolder, Error> {
    std::fs::create_dir_all(runs).map_err(Error::file(runs))?;
    let mut number = 1u64;
    loop {
        let folder = runs.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            result => return result.map_err(Error::file(&folder)).map(|()| RunFolder(folder)),
        }
    }
}
