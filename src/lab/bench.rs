//! What the experiments share: parts of the data, and trainings.

use super::Lab;
use crate::base::error::Error;
use crate::config::Config;
use crate::data::{DataSet, Split};
use crate::run::model_file::Description;
use crate::train::Score;
use crate::train::session::{EpochReport, Finish, Limits, Session, Wish};

/// Training and test samples that the experiments need.
pub const NEEDED: (usize, usize) = (200, 100);
/// One in this many samples and epochs in a quick lab.
const QUICK: usize = 10;

/// A training.
pub struct Run {
    /// The reports of its epochs.
    pub epochs: Vec<EpochReport>,
    /// The model and its scores.
    pub finish: Finish,
    /// The description of the model.
    pub description: Description,
}

impl Run {
    /// Accuracy on the test split at the end, from 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.finish.test.map_or(f64::NAN, |score| score.metric())
    }

    /// Points (epoch, value of the test score).
    pub fn tested(&self, pick: impl Fn(&Score) -> f64) -> Vec<(f64, f64)> {
        let point = |epoch: &EpochReport| Some((epoch.epoch as f64, pick(epoch.test.as_ref()?)));
        self.epochs.iter().filter_map(point).collect()
    }
}

impl Lab {
    /// A number of samples or epochs, a tenth of it if the lab is quick; at least `least`.
    pub fn scaled(&self, full: usize, least: usize) -> usize {
        if self.quick { (full / QUICK).max(least) } else { full }
    }

    /// The first samples of both splits, fewer if the lab is quick or the data set smaller.
    pub fn few(&self, train: usize, test: usize) -> DataSet {
        let part = |split: &Split, count: usize, least: usize| {
            let rows: Vec<usize> = (0..self.scaled(count, least).min(split.len())).collect();
            split.rows(&rows)
        };
        DataSet {
            train: part(&self.data.train, train, NEEDED.0),
            validation: None,
            test: part(&self.data.test, test, NEEDED.1),
            ..self.without_samples()
        }
    }

    /// The data set without its samples.
    pub fn without_samples(&self) -> DataSet {
        let DataSet { name, item, transposed, task, sha256, origin, .. } = &self.data;
        DataSet {
            name: name.clone(),
            item: item.clone(),
            transposed: *transposed,
            task: task.clone(),
            header: None,
            features: None,
            train: Split::default(),
            validation: None,
            test: Split::default(),
            sha256: sha256.clone(),
            origin: origin.clone(),
        }
    }

    /// Trains a net.
    pub async fn train(&self, config: &Config, data: &DataSet) -> Result<Run, Error> {
        let mut session = Session::open(config, data, &self.machine, Limits::default()).await?;
        let mut epochs = Vec::new();
        let mut keep = |report: &EpochReport| {
            epochs.push(report.clone());
            Wish::Continue
        };
        session.run(&mut keep).await?;
        let description = Description::of(config, data, session.trainer().net());
        Ok(Run { epochs, finish: session.finish().await?, description })
    }
}
