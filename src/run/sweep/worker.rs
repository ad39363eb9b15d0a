//! The processes of a sweep: each holds a lock on a file of its own, so that the others know whether it lives.

use crate::base::clock::{SystemTime, UNIX_EPOCH};
use crate::base::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};

/// The folder of the lock files.
const WORKERS: &str = "workers";

/// This process, as one of those that work on a sweep. The system releases the lock even if the process is killed.
pub struct Worker {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl Worker {
    /// Joins the sweep in a folder.
    ///
    /// # Errors
    /// [`Error::File`] if the lock file cannot be created.
    pub fn join(sweep: &Path) -> Result<Worker, Error> {
        let folder = sweep.join(WORKERS);
        std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
        let nanos = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let name = format!("{}-{nanos:x}", std::process::id());
        let path = folder.join(&name);
        let lock = File::create_new(&path).map_err(Error::file(&path))?;
        // A file system without locks: the other processes take this one for dead.
        _ = lock.try_lock();
        Ok(Worker { name, path, _lock: lock })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether another process of this name lives. Removes the file of one that was killed.
    pub fn lives(&self, sweep: &Path, name: &str) -> bool {
        // A name from the journal is not trusted.
        if name == self.name || name.contains(['/', '\\']) {
            return false;
        }
        let path = sweep.join(WORKERS).join(name);
        let Ok(file) = File::open(&path) else { return false };
        let lives = matches!(file.try_lock(), Err(std::fs::TryLockError::WouldBlock));
        if !lives {
            _ = std::fs::remove_file(path);
        }
        lives
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        _ = std::fs::remove_file(&self.path);
    }
}
