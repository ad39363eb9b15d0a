//! Reads the record of a run: `metrics.jsonl` of a run that is finished, running or was killed.

use crate::base::error::Error;
use crate::config::MOST_LAYERS;
use crate::run::folder::RunFolder;
use crate::run::scores::Scores;
use crate::run::settings::Ancestor;
use crate::train::updates::UpdateLoss;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::ops::Deref;
use std::path::{Path, PathBuf};

/// A run as recorded. A value that was not measured is absent. A value that was not finite, which JSON writes as
/// `null`, is NaN.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The folder, as given.
    pub folder: PathBuf,
    /// Net, data and machine, after all changes.
    pub header: Header,
    /// Epochs in order, each once.
    pub epochs: Vec<Epoch>,
    /// Losses of sampled updates, in order. Empty for runs of earlier versions.
    pub updates: Vec<UpdateLoss>,
    /// How the run ended; absent while it runs, and if it was killed.
    pub end: Option<End>,
    /// Number of updates after which the run was last resumed, if ever.
    pub resumed: Option<u64>,
    /// What changed during training: `after update 20: lr 0.1, then 0.05`.
    pub changes: Vec<String>,
    /// Number of lines that are not records, such as a partial line.
    pub torn: usize,
}

/// The record `run`; see [`crate::run::metrics::Record::Run`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the record, and described there")]
pub struct Header {
    pub schema: u32,
    pub version: String,
    pub unix_time: u64,
    pub data: String,
    pub data_origin: String,
    pub data_sha256: String,
    pub train_samples: u64,
    pub validation_samples: u64,
    pub test_samples: u64,
    pub widths: Vec<usize>,
    pub parameters: u64,
    pub engine: String,
    pub device: String,
    pub from: Option<Ancestor>,
    pub config: Map<String, Value>,
}

/// The record `epoch`; see [`crate::run::metrics::Record::Epoch`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the record, and described there")]
pub struct Epoch {
    pub epoch: u64,
    pub step: Option<u64>,
    #[serde(flatten)]
    pub scores: Scores,
    pub lr: Option<f64>,
    pub momentum: Option<f64>,
    pub seconds: Option<f64>,
    pub images_per_second: Option<f64>,
    /// One entry per layer, in order; empty if the record has other entries.
    pub health: Vec<LayerHealth>,
}

impl Deref for Epoch {
    type Target = Scores;

    fn deref(&self) -> &Scores {
        &self.scores
    }
}

impl Deref for End {
    type Target = Scores;

    fn deref(&self) -> &Scores {
        &self.scores
    }
}

/// Health of a layer in an epoch.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct LayerHealth {
    /// Number of the layer, from 1.
    pub layer: usize,
    /// Euclidean norm of the gradient of the weights.
    #[serde(deserialize_with = "measured")]
    pub gradient_norm: Option<f64>,
    /// Euclidean norm of the weights.
    #[serde(deserialize_with = "measured")]
    pub weight_norm: Option<f64>,
    /// Norm of an update over the norm of the weights.
    #[serde(deserialize_with = "measured")]
    pub update_ratio: Option<f64>,
    /// Share of the units that were zero for every sample.
    #[serde(deserialize_with = "measured")]
    pub dead_share: Option<f64>,
}

/// The record `end`; see [`crate::run::metrics::Record::End`].
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
#[expect(missing_docs, reason = "the fields are those of the record, and described there")]
pub struct End {
    pub seconds: Option<f64>,
    pub model_sha256: Option<String>,
    pub reason: Option<String>,
    pub problem: Option<String>,
    pub restored_epoch: Option<u64>,
    #[serde(flatten)]
    pub scores: Scores,
}

/// The record `updates`; see [`crate::run::metrics::Record::Updates`].
#[derive(Deserialize)]
struct Updates {
    step: Vec<u64>,
    samples: Vec<u64>,
    seconds: Vec<f64>,
    loss: Vec<Option<f32>>,
}

impl Updates {
    /// The updates in order; `None` if the columns do not fit together.
    fn rows(self) -> Option<Vec<UpdateLoss>> {
        let Updates { step, samples, seconds, loss } = self;
        let fits = [samples.len(), seconds.len(), loss.len()].iter().all(|length| *length == step.len());
        if !fits || !step.is_sorted() {
            return None;
        }
        let rows = step.into_iter().zip(samples).zip(seconds).zip(loss);
        let row = |(((step, samples), seconds), loss): (((u64, u64), f64), Option<f32>)| UpdateLoss {
            step,
            samples,
            seconds,
            loss: loss.unwrap_or(f32::NAN),
        };
        Some(rows.map(row).collect())
    }
}

/// Reads a measurement that is present; `null` is NaN.
pub(super) fn measured<'de, D: Deserializer<'de>>(value: D) -> Result<Option<f64>, D::Error> {
    Ok(Some(Option::deserialize(value)?.unwrap_or(f64::NAN)))
}

impl Header {
    /// Returns what differs in a later header, such as `lr 0.1, then 0.05`.
    fn differences(&self, now: &Header) -> Vec<String> {
        let named = |of: &Header| {
            let hash = ("data_sha256", &of.data_sha256);
            let text =
                [("data", &of.data), hash, ("engine", &of.engine), ("device", &of.device), ("version", &of.version)];
            let text = text.map(|(name, text)| (name.to_string(), Value::from(text.as_str())));
            let settings = of.config.iter().map(|(name, value)| (name.clone(), value.clone()));
            text.into_iter().chain(settings).collect::<Map<String, Value>>()
        };
        let (then, now) = (named(self), named(now));
        let changed = now.iter().filter(|(name, value)| then.get(*name) != Some(value));
        changed.map(|(name, now)| format!("{name} {}, then {now}", then.get(name).unwrap_or(&Value::Null))).collect()
    }
}

impl History {
    /// Reads the record of a run folder.
    ///
    /// # Errors
    /// [`Error::Data`] if there is no record, or if it has no `run` record.
    pub fn read(folder: &Path) -> Result<Self, Error> {
        let path = RunFolder::new(folder).metrics();
        let bad = |problem: String| Error::Data {
            path: path.clone(),
            problem,
            next: "give a run folder that a training run wrote, such as runs/1".into(),
        };
        let bytes = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
        let mut history =
            History::parse(&String::from_utf8_lossy(&bytes)).ok_or_else(|| bad("it has no `run` record".into()))?;
        history.folder = folder.into();
        Ok(history)
    }

    /// Reads the lines of a record; `None` if there is no `run` record. Unknown records and fields are ignored. If a
    /// resumed run trained an epoch again, the later record counts.
    pub fn parse(lines: &str) -> Option<Self> {
        let (mut history, mut header) = (History::default(), None);
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            if history.take(line, &mut header).is_none() {
                history.torn += 1;
            }
        }
        history.header = header?;
        Some(history)
    }

    fn take(&mut self, line: &str, header: &mut Option<Header>) -> Option<()> {
        #[derive(Deserialize)]
        struct Kind {
            r#type: String,
        }
        // The line is parsed twice, so that unknown fields are not kept in memory.
        let kind: Kind = serde_json::from_str(line).ok()?;
        match kind.r#type.as_str() {
            "run" => {
                let mut now: Header = serde_json::from_str(line).ok()?;
                if let Some(then) = header {
                    let step = self.resumed.unwrap_or_default();
                    self.changes.push(format!("after update {step}: {}", then.differences(&now).join("; ")));
                    now.unix_time = then.unix_time;
                }
                *header = Some(now);
            }
            "resume" => {
                #[derive(Deserialize)]
                struct Resume {
                    step: u64,
                }
                self.resumed = Some(serde_json::from_str::<Resume>(line).ok()?.step);
                self.end = None;
            }
            "epoch" => {
                let mut epoch: Epoch = serde_json::from_str(line).ok()?;
                let numbered = (1..).zip(&epoch.health).all(|(number, layer)| layer.layer == number);
                if !numbered || epoch.health.len() > MOST_LAYERS {
                    epoch.health.clear();
                }
                while self.epochs.pop_if(|earlier| earlier.epoch >= epoch.epoch).is_some() {}
                self.epochs.push(epoch);
                self.end = None;
            }
            "updates" => {
                let updates = serde_json::from_str::<Updates>(line).ok()?.rows()?;
                let first = updates.first().map_or(u64::MAX, |update| update.step);
                while self.updates.pop_if(|earlier| earlier.step >= first).is_some() {}
                self.updates.extend(updates);
            }
            "end" => self.end = Some(serde_json::from_str(line).ok()?),
            _ => {}
        }
        Some(())
    }

    /// The epoch whose model the run saved: the restored one, else the last.
    pub fn epoch_of_model(&self) -> Option<&Epoch> {
        match self.end.as_ref().and_then(|end| end.restored_epoch) {
            Some(restored) => self.epochs.iter().find(|epoch| epoch.epoch == restored),
            None => self.epochs.last(),
        }
    }

    /// Seconds of training alone; `None` before the first epoch.
    pub fn training_seconds(&self) -> Option<f64> {
        self.epochs.iter().filter_map(|epoch| epoch.seconds).reduce(|a, b| a + b)
    }

    /// Training samples per second over the whole run; `None` before the first epoch.
    pub fn images_per_second(&self) -> Option<f64> {
        let trained = |epoch: &Epoch| Some((epoch.images_per_second? * epoch.seconds?, epoch.seconds?));
        let (images, seconds) = self.epochs.iter().filter_map(trained).fold((0.0, 0.0), |a, b| (a.0 + b.0, a.1 + b.1));
        (seconds > 0.0).then(|| images / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::History;

    #[test]
    fn other_data_of_the_same_name_are_a_change() {
        let run = |hash: &str| format!(r#"{{"type":"run","data":"mine","data_sha256":"{hash}"}}"#);
        let lines = [run("one"), r#"{"type":"resume","step":7}"#.into(), run("two")].join("\n");
        let history = History::parse(&lines).expect("a `run` record");
        assert_eq!(history.changes, [r#"after update 7: data_sha256 "one", then "two""#]);
        assert_eq!((history.header.data_sha256.as_str(), history.resumed), ("two", Some(7)));
    }
}
