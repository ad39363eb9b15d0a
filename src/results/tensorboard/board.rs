//! Writes a run for TensorBoard.

use super::EventFile;
use crate::base::error::Error;
use crate::results::picture::{confusion, first_layer};
use crate::train::Score;
use crate::train::session::{EpochReport, Inspection, Observer, Wish};
use std::path::Path;

/// Writes each epoch's scalars and pictures. Their step is the number of updates made.
///
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
    pub fn test(&mut self, step: u64, score: &Score) -> Result<(), Error> {
        self.events.scalars(step, &scored("test", score))
    }
}

fn scored(split: &str, score: &Score) -> [(String, f64); 2] {
    [(format!("loss/{split}"), score.loss()), (format!("accuracy/{split}"), score.accuracy())]
}

impl Observer for Board {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        let mut scalars = Vec::new();
        let splits = [("train", Some(report.train)), ("validation", report.validation), ("test", report.test)];
        for (split, score) in splits {
            scalars.extend(score.iter().flat_map(|score| scored(split, score)));
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
        self.events.picture(inspection.step, "confusion", &confusion(&inspection.confusion, classes))?;
        match inspection.model.layers.first().and_then(|layer| first_layer(layer, &self.item)) {
            Some(picture) => self.events.picture(inspection.step, "weights/layer1", &picture),
            None => Ok(()),
        }
    }
}
