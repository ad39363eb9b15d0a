//! The folder of a run: which, and what is in it.

use crate::cli::resume::{Resumed, lock};
use gpu_mlp::Error;
use gpu_mlp::base::disk::Os;
use gpu_mlp::run::checkpoint::Checkpoints;
use gpu_mlp::run::metrics::{self, Metrics};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Name of the model in it.
pub const MODEL: &str = "model.safetensors";

/// What an earlier run may have left, and this one will not replace before its end, or at all.
const LEFT: [&str; 2] = [MODEL, "report.html"];

/// Refuses a folder that holds a run; one that may have been cut off before its first checkpoint is taken again if it was
/// to be gone on with.
pub fn refuse_if_taken(out: Option<&Path>, to_go_on: bool) -> Result<(), Error> {
    let Some(folder) = out else { return Ok(()) };
    let marks: &[&str] = if to_go_on { &[MODEL] } else { &[MODEL, metrics::FILE] };
    if marks.iter().any(|name| folder.join(name).exists()) {
        return Err(Error::Setting(format!(
            "{} already holds a run: give another --out, or --force to replace it",
            folder.display()
        )));
    }
    Ok(())
}

/// Makes the run folder: the one asked for, else the next free number.
pub fn make(out: Option<&Path>) -> Result<PathBuf, Error> {
    let Some(folder) = out else {
        return next_free(Path::new("runs"));
    };
    std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
    Ok(folder.to_owned())
}

/// Makes the first of runs/1, runs/2, … that is not there. Making it claims it, so two runs never share one.
fn next_free(runs: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(runs).map_err(Error::file(runs))?;
    for number in 1u64.. {
        let folder = runs.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            result => return result.map_err(Error::file(&folder)).map(|()| folder),
        }
    }
    unreachable!("there are more numbers than folders")
}

/// A run folder that is this program's, with what is written to it on the way.
pub struct RunFolder {
    pub checkpoints: Checkpoints,
    pub metrics: Metrics,
    /// Updates after which the run goes on, if it was begun before.
    pub whole: Option<u64>,
    /// Held until the program ends; of a run that goes on it is held already.
    pub _lock: Option<File>,
}

impl RunFolder {
    /// Takes the folder, once more asks whether it is `free`, and cuts off what came after the moment that the run goes on
    /// from; what a run that is replaced has left goes away.
    pub fn open(
        path: &Path,
        resumed: Option<&Resumed>,
        free: impl FnOnce() -> Result<(), Error>,
    ) -> Result<RunFolder, Error> {
        let _lock = if resumed.is_none() { Some(lock(path)?) } else { None };
        if resumed.is_none() {
            // Another program may have trained here since.
            free()?;
            for path in LEFT.map(|name| path.join(name)).iter().filter(|path| path.exists()) {
                std::fs::remove_file(path).map_err(Error::file(path))?;
            }
        }
        let checkpoints = Checkpoints::new(Arc::new(Os), path);
        let before = resumed.map(|resumed| &resumed.found.generation);
        let whole = before.map(|generation| generation.step);
        let metrics = match before {
            Some(generation) => Metrics::resume(Arc::new(Os), path, generation.metrics_bytes)?,
            None => Metrics::create(Arc::new(Os), path)?,
        };
        // Nothing can be refused from here on. The later checkpoints go first: they stand on what is cut off.
        checkpoints.forget_after(whole.unwrap_or(0))?;
        metrics.cut()?;
        Ok(RunFolder { checkpoints, metrics, whole, _lock })
    }
}
