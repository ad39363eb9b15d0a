//! The record of a run: `metrics.jsonl`, one JSON object a line, appended as things happen.

use crate::config::Config;
use crate::disk::Disk;
use crate::error::Error;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A line of the record; its field `type` names the variant.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record<'a> {
    /// The first line: what is trained on what, where.
    Run {
        /// Version of this layout.
        schema: u32,
        /// Version of the program.
        version: &'a str,
        /// Seconds since 1970.
        unix_time: u64,
        /// Name of the data set.
        data: &'a str,
        /// Where it came from; says so if it stands in for another.
        data_origin: &'a str,
        /// Its hash.
        data_sha256: &'a str,
        /// Samples of the two splits.
        train_samples: usize,
        /// See `train_samples`.
        test_samples: usize,
        /// Widths of the net.
        widths: &'a [usize],
        /// Number of weights and biases.
        parameters: usize,
        /// `gpu` or `cpu`.
        engine: &'a str,
        /// Adapter and driver, or threads.
        device: &'a str,
        /// All settings.
        config: &'a Config,
    },
    /// An epoch.
    Epoch {
        /// Its number, from 1.
        epoch: usize,
        /// Mean cross-entropy in nats, each batch scored before it was learned from.
        train_loss: f64,
        /// Share of hits, likewise.
        train_accuracy: f64,
        /// Mean cross-entropy of the test split after the epoch.
        test_loss: f64,
        /// Share of hits on the test split after the epoch.
        test_accuracy: f64,
        /// Seconds of training alone.
        seconds: f64,
        /// Training samples a second.
        images_per_second: f64,
        /// Name of the data set.
        data: &'a str,
    },
    /// The last line of a run that came to its end.
    End {
        /// Seconds from the start of the program, everything included.
        seconds: f64,
        /// Hash of the model file.
        model_sha256: &'a str,
    },
}

/// Name of the record in a run folder.
pub const FILE: &str = "metrics.jsonl";

/// An open `metrics.jsonl`.
pub struct Metrics {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: u64,
}

impl Metrics {
    /// Starts a record in a folder; a record that is there is replaced.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made.
    pub fn create(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, Error> {
        let path = folder.join(FILE);
        disk.write(&path, b"").map_err(Error::file(&path))?;
        Ok(Metrics { disk, path, bytes: 0 })
    }

    /// Goes on with a record after its first `bytes` bytes. What follows, records of steps that will be made again and
    /// perhaps half a line, is cut off.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read or cut, [`Error::Checkpoint`] if it is shorter.
    pub fn resume(disk: Arc<dyn Disk>, folder: &Path, bytes: u64) -> Result<Self, Error> {
        let path = folder.join(FILE);
        let found = disk.read(&path).map_err(Error::file(&path))?.len() as u64;
        if found < bytes {
            let problem = format!("it has {found} bytes, but had {bytes} when the checkpoint was made");
            return Err(Error::Checkpoint { path, problem });
        }
        if found > bytes {
            disk.cut(&path, bytes).map_err(Error::file(&path))?;
        }
        Ok(Metrics { disk, path, bytes })
    }

    /// Length of the record so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a line, whole, in one write. If that fails, the line is not part of the record: its beginning is cut off
    /// again, or else by whoever resumes.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let mut line = serde_json::to_string(record).map_err(|error| Error::file(&self.path)(error.into()))?;
        line.push('\n');
        if let Err(error) = self.disk.append(&self.path, line.as_bytes()) {
            let _ = self.disk.cut(&self.path, self.bytes);
            return Err(Error::file(&self.path)(error));
        }
        self.bytes += line.len() as u64;
        Ok(())
    }
}
