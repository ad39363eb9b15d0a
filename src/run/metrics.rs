//! The record of a run: `metrics.jsonl`, one JSON object per line, appended during training.

use crate::base::disk::Disk;
use crate::base::error::Error;
use crate::base::text::counted;
use crate::config::Config;
use crate::run::folder::METRICS;
use crate::run::history::{Epoch, History};
use crate::run::scores::Scores;
use crate::run::settings::Ancestor;
use crate::train::health::{LayerHealth, Limited};
use crate::train::session::{EpochReport, Finish, Reason};
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Version of the layout. Readers accept unknown fields and types, and a torn last line.
pub const SCHEMA: u32 = 2;

/// A line of the record; its field `type` names the variant.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Record<'a> {
    /// The first line: net, data, machine. Repeated after `resume` if the run was resumed with something changed.
    Run {
        /// [`SCHEMA`].
        schema: u32,
        /// Version of the program.
        version: &'a str,
        /// Seconds since 1970.
        unix_time: u64,
        /// Name of the data set.
        data: &'a str,
        /// Origin of the data, and the reason if `auto` chose it.
        data_origin: &'a str,
        /// Hash of the data set.
        data_sha256: &'a str,
        /// Samples of the training split.
        train_samples: usize,
        /// Samples of the validation split; 0 without one.
        validation_samples: usize,
        /// Samples of the test split.
        test_samples: usize,
        /// Widths of the net.
        widths: &'a [usize],
        /// Number of weights and biases.
        parameters: usize,
        /// `gpu` or `cpu`.
        engine: &'a str,
        /// Adapter and driver, or threads.
        device: &'a str,
        /// The model that the run started with, if any.
        #[serde(skip_serializing_if = "Option::is_none")]
        from: Option<&'a Ancestor>,
        /// Which weights are evaluated and saved: `last`, or `averaged` with a moving average.
        evaluated_weights: &'a str,
        /// All settings.
        config: &'a Config,
    },
    /// An epoch, or the part of one before a limit ended the run.
    Epoch {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Updates made in the run so far.
        step: u64,
        /// Scores after the epoch; those of the training split before each batch's update.
        #[serde(flatten)]
        scores: Scores,
        /// Learning rate of the last update.
        lr: f32,
        /// Momentum of the last update; for Adam, β₁.
        momentum: f32,
        /// Seconds of training alone.
        seconds: f64,
        /// Training samples per second.
        images_per_second: f64,
        /// Name of the data set.
        data: &'a str,
        /// Health per layer, if measured.
        #[serde(skip_serializing_if = "Option::is_none")]
        health: Option<&'a [LayerHealth]>,
        /// For training in integers: the share of values that were limited since the start of the run, per layer.
        #[serde(skip_serializing_if = "Option::is_none")]
        limited: Option<&'a [Limited]>,
    },
    /// The losses of an epoch's sampled updates, as columns; after the record of the epoch. Absent if there are none.
    Updates {
        /// Number of the epoch, from 1.
        epoch: usize,
        /// Numbers of the updates, from 1 over the whole run.
        step: Vec<u64>,
        /// Samples seen in the run so far.
        samples: Vec<u64>,
        /// Seconds of training alone, rounded to microseconds.
        seconds: Vec<f64>,
        /// Mean loss of the update's batch, before the update.
        loss: Vec<f32>,
    },
    /// The run was resumed from a checkpoint; records after that checkpoint were removed.
    Resume {
        /// Updates made at the checkpoint.
        step: u64,
        /// Seconds since 1970.
        unix_time: u64,
    },
    /// The last line of a run that was not killed.
    End {
        /// Seconds from the start of the program, everything included.
        seconds: f64,
        /// Hash of the model file, if one was written.
        #[serde(skip_serializing_if = "Option::is_none")]
        model_sha256: Option<&'a str>,
        /// Why the run ended.
        reason: Reason,
        /// If the run diverged: what was found, and where it began.
        #[serde(skip_serializing_if = "Option::is_none")]
        problem: Option<&'a str>,
        /// The best epoch, if the model is that of this epoch and not of the last update.
        #[serde(skip_serializing_if = "Option::is_none")]
        restored_epoch: Option<usize>,
        /// Scores of the model, if there is one.
        #[serde(flatten)]
        scores: Scores,
        /// The settings that differ from the defaults.
        settings: &'a Map<String, Value>,
    },
}

impl Scores {
    /// The scores at the end of a run after `step` updates. The training score is that of the model's epoch in the record
    /// so far.
    pub fn last(finish: &Finish, record: &History, step: u64) -> Scores {
        let of_model = |epoch: &&Epoch| match finish.restored {
            Some(restored) => epoch.epoch == restored as u64,
            None => epoch.step == Some(step),
        };
        let epoch = record.epochs.iter().rev().find(of_model);
        let train = epoch.map(|epoch| epoch.scores).unwrap_or_default();
        let Scores { train_loss, train_accuracy, train_rmse, .. } = train;
        let scores = Scores::new(finish.metric, None, finish.validation, finish.test);
        Scores { train_loss, train_accuracy, train_rmse, ..scores }
    }
}

impl<'a> Record<'a> {
    /// Returns the record of an epoch on the data set with this name.
    pub fn epoch(report: &'a EpochReport, data: &'a str) -> Self {
        Record::Epoch {
            epoch: report.epoch,
            step: report.step,
            scores: Scores::new(report.metric, Some(report.train), report.validation, report.test),
            lr: report.lr,
            momentum: report.momentum,
            seconds: report.seconds,
            images_per_second: report.images_per_second,
            data,
            health: report.health.as_deref(),
            limited: report.limited.as_deref(),
        }
    }

    /// Returns the record of an epoch's sampled updates, if there are any.
    pub fn updates(report: &'a EpochReport) -> Option<Self> {
        let updates = &report.updates;
        (!updates.is_empty()).then(|| Record::Updates {
            epoch: report.epoch,
            step: updates.iter().map(|update| update.step).collect(),
            samples: updates.iter().map(|update| update.samples).collect(),
            seconds: updates.iter().map(|update| (update.seconds * 1e6).round() / 1e6).collect(),
            loss: updates.iter().map(|update| update.loss).collect(),
        })
    }
}

/// An open `metrics.jsonl`.
pub struct Metrics {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    bytes: u64,
}

impl Metrics {
    /// Starts a record in a folder; replaces an existing one.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be created.
    pub fn create(disk: Arc<dyn Disk>, folder: &Path) -> Result<Self, Error> {
        let path = folder.join(METRICS);
        disk.write(&path, b"").map_err(Error::file(&path))?;
        Ok(Metrics { disk, path, bytes: 0 })
    }

    /// Continues a record after its first `bytes` bytes; [`Metrics::cut`] removes the rest.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be read, [`Error::Checkpoint`] if it is shorter.
    pub fn resume(disk: Arc<dyn Disk>, folder: &Path, bytes: u64) -> Result<Self, Error> {
        let path = folder.join(METRICS);
        let found = disk.read(&path).map_err(Error::file(&path))?.len() as u64;
        if found < bytes {
            let problem = format!("it has {}, but had {bytes} when the checkpoint was made", counted(found, "byte"));
            return Err(Error::Checkpoint { path, problem });
        }
        Ok(Metrics { disk, path, bytes })
    }

    /// Removes the rest of the file: records of steps that will be repeated, and possibly a partial line.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be cut.
    pub fn cut(&self) -> Result<(), Error> {
        self.disk.cut(&self.path, self.bytes).map_err(Error::file(&self.path))
    }

    /// Length of the record in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Appends a whole line in one write. If the write fails, a partial line is removed, at the latest when the run is
    /// resumed.
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
