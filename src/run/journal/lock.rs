//! The lock of the journal: a file beside it that only one process can create, as Optuna's processes do.

use crate::base::clock::Instant;
use crate::base::error::Error;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A lock of this age was left by a process that was killed; Optuna waits as long.
const GRACE: Duration = Duration::from_secs(30);

/// The lock, while this process holds it.
pub struct Held(Option<PathBuf>);

impl Held {
    /// Waits for the lock, by calls of `wait`.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be created.
    pub fn take(journal: &Path, wait: fn(Duration)) -> Result<Held, Error> {
        let mut path = journal.as_os_str().to_owned();
        path.push(".lock");
        let path = PathBuf::from(path);
        let mut pause = Duration::from_millis(1);
        // The time of the file, and since when it is known.
        let mut known: (Option<SystemTime>, Instant) = (None, Instant::now());
        loop {
            match create(journal, &path) {
                Ok(()) => return Ok(Held(Some(path))),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(Error::file(path)(error)),
            }
            let modified = std::fs::symlink_metadata(&path).and_then(|found| found.modified()).ok();
            if modified.is_none() || modified != known.0 {
                known = (modified, Instant::now());
            } else if known.1.elapsed() > GRACE {
                remove(&path);
                continue;
            }
            wait(pause);
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    }

    /// Gives the lock back.
    pub fn release(mut self) {
        self.0.take().iter().for_each(|path| remove(path));
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.take().iter().for_each(|path| remove(path));
    }
}

#[cfg(unix)]
fn create(journal: &Path, path: &Path) -> std::io::Result<()> {
    // Optuna reads the age of the target.
    std::os::unix::fs::symlink(journal.file_name().unwrap_or(journal.as_os_str()), path)
}

#[cfg(not(unix))]
fn create(_: &Path, path: &Path) -> std::io::Result<()> {
    std::fs::OpenOptions::new().write(true).create_new(true).open(path).map(drop)
}

/// Removes the lock under another name, so that of two processes that remove it only one succeeds.
fn remove(path: &Path) {
    let mut other = path.as_os_str().to_owned();
    let nanos = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    other.push(format!("{}-{nanos}.rename", std::process::id()));
    if std::fs::rename(path, &other).is_ok() {
        _ = std::fs::remove_file(&other);
    }
}
