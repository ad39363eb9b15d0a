//! The record of a run: `metrics.jsonl`, one JSON object a line, appended as things happen.

use crate::config::Config;
use crate::error::Error;
use serde::Serialize;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

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

/// An open `metrics.jsonl`.
pub struct Metrics {
    file: File,
    path: PathBuf,
}

impl Metrics {
    /// Starts a record in a folder; a record that is there is replaced.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made.
    pub fn create(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("metrics.jsonl");
        let file = File::create(&path).map_err(Error::file(&path))?;
        Ok(Metrics { file, path })
    }

    /// Appends a line, whole, in one write.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn push(&mut self, record: &Record<'_>) -> Result<(), Error> {
        let mut line = serde_json::to_string(record).map_err(|error| Error::file(&self.path)(error.into()))?;
        line.push('\n');
        self.file.write_all(line.as_bytes()).map_err(Error::file(&self.path))
    }
}
