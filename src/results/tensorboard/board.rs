//! A run as TensorBoard shows it.

use super::EventFile;
use crate::base::error::Error;
use crate::results::picture::{confusion, first_layer};
use crate::train::Score;
use crate::train::session::{EpochReport, Inspection, Observer, Wish};
use std::path::Path;

/// Writes each epoch's scalars and pictures, all at the number of updates made.
///
/// `loss/…` in nats and `accuracy/…` as shares, for each split that was scored; `rate/lr` and `rate/images_per_second`;
/// `health/…` of each layer where it was measured; the confusion matrix of the validation split, or of the test split
/// where there is no other; and the first layer's weights where samples are images.
#[derive(Debug)]
pub struct Board {
    events: EventFile,
    item: Vec<usize>,
}

impl Board {
    /// Starts an event file in a folder, for samples of shape `item`.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be made.
    pub fn create(folder: &Path, item: &[usize]) -> Result<Self, Error> {
        Ok(Board { events: EventFile::create(folder)?, item: item.to_vec() })
    }

    /// Goes on in a file of its own with a run whose last whole epoch ended after `step` updates: what the folder says of
    /// later steps counts no more.
    ///
    /// # Errors
    /// As [`Board::create`].
    pub fn resume(folder: &Path, item: &[usize], step: u64) -> Result<Self, Error> {
        let mut board = Board::create(folder, item)?;
        board.events.restart(step + 1)?;
        Ok(board)
    }

    /// Writes what the test split says of the model after `step` updates, where no epoch has been scored by it.
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
