//! A run as TensorBoard shows it.

use super::EventFile;
use crate::error::Error;
use crate::picture::{confusion, first_layer};
use crate::session::{Inspection, Observer, Report, Wish};
use std::path::Path;

/// Writes each epoch's scalars and pictures, all at the number of updates made.
///
/// `loss/…` in nats and `accuracy/…` as shares, for each split that was scored; `rate/lr` and `rate/images_per_second`;
/// `health/…` of each layer where it was measured; the confusion matrix of the test split, and the first layer's weights
/// where samples are images.
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
}

impl Observer for Board {
    fn epoch(&mut self, report: &Report) -> Result<Wish, Error> {
        let mut scalars = Vec::new();
        for (split, score) in [("train", Some(report.train)), ("test", report.test)] {
            if let Some(score) = score {
                scalars.push((format!("loss/{split}"), score.loss()));
                scalars.push((format!("accuracy/{split}"), score.accuracy()));
            }
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
