//! Writes a run for TensorBoard.

use super::EventFile;
use crate::base::disk::folder_of;
use crate::base::error::Error;
use crate::results::picture::{confusion, first_layer};
use crate::train::session::{EpochReport, Inspection, Observer, Wish};
use crate::train::{Metric, Score};
use std::io::ErrorKind;
use std::path::Path;

/// Writes each epoch's scalars and pictures. Their step is the number of updates made.
///
/// - `loss/update`, the loss of sampled updates
/// - `loss/…` in nats and `accuracy/…` as shares, for each split that was evaluated
/// - `rate/lr` and `rate/images_per_second`
/// - `health/…` of each layer, if it was measured
/// - the confusion matrix of the validation split, or of the test split if there is no validation split
/// - the first layer's weights, if samples are images
#[derive(Debug)]
pub struct Board {
    events: EventFile,
    item: Vec<usize>,
}

impl Board {
    /// Creates an event file in a folder, for samples of shape `item`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be created.
    pub fn create(folder: &Path, item: &[usize]) -> Result<Self, Error> {
        Ok(Board { events: EventFile::create(folder)?, item: item.to_vec() })
    }

    /// As [`Board::create`] for a new run called `run`. If the folder already has event files of another run, the new file
    /// is created in a sub-folder: otherwise TensorBoard would join the curves of both runs.
    ///
    /// # Errors
    /// As [`Board::create`].
    pub fn create_apart(folder: &Path, run: &str, item: &[usize]) -> Result<Self, Error> {
        let board = Board::create(folder, item)?;
        let own = board.events.path();
        let entries = std::fs::read_dir(folder).map_err(Error::file(folder))?.flatten().map(|entry| entry.path());
        let is_events = |path: &Path| path.file_name().is_some_and(|name| name.to_string_lossy().contains("tfevents"));
        // The own file is created first, so of two runs that start at the same time at least one sees the other.
        if !entries.into_iter().any(|path| path != own && is_events(&path)) {
            return Ok(board);
        }
        std::fs::remove_file(own).map_err(Error::file(own))?;
        for number in 1.. {
            let name = if number == 1 { run.to_string() } else { format!("{run}-{number}") };
            let apart = folder.join(name);
            match std::fs::create_dir(&apart) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => {
                    made.map_err(Error::file(&apart))?;
                    return Board::create(&apart, item);
                }
            }
        }
        unreachable!("a free number exists")
    }

    /// The folder of the event file.
    pub fn folder(&self) -> &Path {
        folder_of(self.events.path())
    }

    /// Creates a new event file for a resumed run whose last complete epoch ended after `step` updates. Readers
    /// discard earlier events in the folder for later steps.
    ///
    /// # Errors
    /// As [`Board::create`].
    pub fn resume(folder: &Path, item: &[usize], step: u64) -> Result<Self, Error> {
        let mut board = Board::create(folder, item)?;
        board.events.restart(step + 1)?;
        Ok(board)
    }

    /// Writes the final test score, after `step` updates, of a run whose epochs were not evaluated on the test split.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn test(&mut self, step: u64, score: &Score, metric: Metric) -> Result<(), Error> {
        self.events.scalars(step, &scored("test", score, metric))
    }
}

fn scored(split: &str, score: &Score, metric: Metric) -> [(String, f64); 2] {
    [(format!("loss/{split}"), score.loss()), (format!("{}/{split}", metric.name()), score.shown(metric))]
}

impl Observer for Board {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        for update in &report.updates {
            self.events.scalars(update.step, &[("loss/update".into(), f64::from(update.loss))])?;
        }
        let mut scalars = Vec::new();
        let splits = [("train", Some(report.train)), ("validation", report.validation), ("test", report.test)];
        for (split, score) in splits {
            scalars.extend(score.iter().flat_map(|score| scored(split, score, report.metric)));
        }
        scalars.push(("rate/lr".into(), f64::from(report.lr)));
        scalars.push(("rate/images_per_second".into(), report.images_per_second));
        for health in report.health.iter().flatten() {
            let mut add = |what: &str, value| scalars.push((format!("health/{what}/layer{}", health.layer), value));
            add("gradient_norm", health.gradient_norm);
            add("weight_norm", health.weight_norm);
            add("update_ratio", health.update_ratio);
            health.dead_share.into_iter().for_each(|share| add("dead_share", share));
        }
        self.events.scalars(report.step, &scalars)?;
        Ok(Wish::Continue)
    }

    fn inspects(&self) -> bool {
        true
    }

    fn inspect(&mut self, inspection: &Inspection) -> Result<(), Error> {
        let classes = inspection.model.classes();
        if !inspection.confusion.is_empty() {
            self.events.picture(inspection.step, "confusion", &confusion(&inspection.confusion, classes))?;
        }
        match inspection.model.layers.first().and_then(|layer| first_layer(layer, &self.item)) {
            Some(picture) => self.events.picture(inspection.step, "weights/layer1", &picture),
            None => Ok(()),
        }
    }
}
