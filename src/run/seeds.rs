//! Runs that differ in their seed only, in one folder, and the mean of what they scored.

use crate::base::disk::{Os, write_whole};
use crate::base::error::Error;
use crate::run::folder::RunFolder;
use crate::run::history::History;
use crate::run::scores::Scores;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that marks a folder of such runs, and says which there are.
pub const SEEDS: &str = "seeds.toml";
/// The means, one JSON object per line.
pub const SUMMARY: &str = "seeds.jsonl";

/// The contents of [`SEEDS`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seeds {
    /// Number of runs.
    pub seeds: u64,
    /// The seed of the first; the others follow it.
    pub first: u64,
}

impl Seeds {
    /// Reads the file in a folder; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Data`] if it is damaged, [`Error::File`] if it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Seeds>, Error> {
        let path = folder.join(SEEDS);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
        let bad = |problem: String| Error::Data {
            path: path.clone(),
            problem,
            next: "it must have two lines, such as `seeds = 10` and `first = 1`".into(),
        };
        let seeds: Seeds = toml::from_str(&text).map_err(|error| bad(error.message().into()))?;
        match seeds.seeds > 0 && seeds.first.checked_add(seeds.seeds).is_some() {
            true => Ok(Some(seeds)),
            false => Err(bad("there are no such seeds".into())),
        }
    }

    /// Writes the file to a folder.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let text = format!("# Runs that differ in their seed only.\nseeds = {}\nfirst = {}\n", self.seeds, self.first);
        write_whole(&Os, &folder.join(SEEDS), text.as_bytes())
    }

    /// The seeds, in order.
    pub fn all(&self) -> impl Iterator<Item = u64> + use<> {
        self.first..self.first + self.seeds
    }

    /// The folder of a run in `folder`.
    pub fn member(folder: &Path, seed: u64) -> PathBuf {
        folder.join(format!("seed-{seed}"))
    }
}

/// Mean of several runs, with its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Mean {
    /// The arithmetic mean.
    pub mean: f64,
    /// Standard deviation of the runs (n − 1 in the divisor) over √n; absent for a single run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub standard_error: Option<f64>,
    /// Number of runs.
    pub runs: usize,
}

impl Mean {
    /// The mean of some values; `None` if there are none.
    pub fn of(values: &[f64]) -> Option<Mean> {
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let standard_error = (values.len() > 1).then(|| (squares / (n - 1.0) / n).sqrt());
        (!values.is_empty()).then_some(Mean { mean, standard_error, runs: values.len() })
    }
}

/// The means of an epoch, or of the models that the runs saved. A run that has no such epoch does not count.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Summary {
    /// After an epoch.
    Epoch {
        /// Number of the epoch, from 1.
        epoch: u64,
        /// Means by name of the metric, as in the record of a run.
        #[serde(flatten)]
        means: BTreeMap<&'static str, Mean>,
    },
    /// The models.
    End {
        /// Number of runs that saved a model.
        finished: usize,
        /// Means by name of the metric, as in the record of a run.
        #[serde(flatten)]
        means: BTreeMap<&'static str, Mean>,
    },
}

/// The means of the scores of several runs.
pub fn means(scores: &[Scores]) -> BTreeMap<&'static str, Mean> {
    let named = scores.iter().flat_map(Scores::named);
    let mut values = BTreeMap::<_, Vec<f64>>::new();
    named.for_each(|(name, value)| values.entry(name).or_default().push(value));
    values.into_iter().filter_map(|(name, values)| Some((name, Mean::of(&values)?))).collect()
}

/// The means of runs, from their records: of each epoch, and of the models.
pub fn summaries(histories: &[History]) -> Vec<Summary> {
    let last = histories.iter().flat_map(|history| &history.epochs).map(|epoch| epoch.epoch).max().unwrap_or(0);
    let of_epoch = |number: u64| {
        let epochs = histories.iter().filter_map(|run| run.epochs.iter().find(|epoch| epoch.epoch == number));
        let scores: Vec<Scores> = epochs.map(|epoch| epoch.scores).collect();
        Summary::Epoch { epoch: number, means: means(&scores) }
    };
    let ended = histories.iter().filter_map(|run| run.end.as_ref()).filter(|end| end.model_sha256.is_some());
    let scores: Vec<Scores> = ended.map(|end| end.scores).collect();
    (1..=last).map(of_epoch).chain([Summary::End { finished: scores.len(), means: means(&scores) }]).collect()
}

/// Reads the records of the runs in `folder`, and writes [`SUMMARY`].
///
/// # Errors
/// [`Error::File`] if it cannot be written.
pub fn summarise(folder: &Path, seeds: &Seeds) -> Result<Vec<Summary>, Error> {
    let records = seeds.all().map(|seed| RunFolder::new(Seeds::member(folder, seed)));
    // A run that was not begun has no record.
    let histories: Vec<History> = records.filter_map(|run| History::read(run.path()).ok()).collect();
    let summaries = summaries(&histories);
    let path = folder.join(SUMMARY);
    let mut text = String::new();
    for summary in &summaries {
        text += &serde_json::to_string(summary).map_err(|error| Error::file(&path)(error.into()))?;
        text.push('\n');
    }
    write_whole(&Os, &path, text.as_bytes())?;
    Ok(summaries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_that_of_a_mean() {
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(Mean::of(&[3.0]), Some(Mean { mean: 3.0, standard_error: None, runs: 1 }));
        // Standard deviation 2 of four values.
        let mean = Mean::of(&[1.0, 2.0, 3.0, 6.0]).expect("a mean");
        let error = (14.0f64 / 3.0 / 4.0).sqrt();
        assert_eq!((mean.mean, mean.standard_error), (3.0, Some(error)));
    }

    #[test]
    fn a_run_that_ended_early_counts_where_it_was() {
        let run = |accuracies: &[f64]| {
            let epochs = (1..).zip(accuracies);
            let lines = epochs.map(|(n, a)| format!(r#"{{"type":"epoch","epoch":{n},"test_accuracy":{a}}}"#));
            let text = [r#"{"type":"run"}"#.to_string()].into_iter().chain(lines).collect::<Vec<_>>().join("\n");
            History::parse(&text).expect("a record")
        };
        let summaries = summaries(&[run(&[0.5, 0.75]), run(&[0.25])]);
        let runs = |at: usize| match &summaries[at] {
            Summary::Epoch { means, .. } => (means["test_accuracy"].mean, means["test_accuracy"].runs),
            Summary::End { .. } => panic!("not an epoch"),
        };
        assert_eq!((runs(0), runs(1)), ((0.375, 2), (0.75, 1)));
        assert_eq!(summaries[2], Summary::End { finished: 0, means: BTreeMap::new() });
    }
}
