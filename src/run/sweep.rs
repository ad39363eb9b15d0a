//! A sweep: trials that differ in some settings, each a run or several, in one folder.
//!
//! [`Sweep`] is what was asked for, and with the records of the runs it determines everything else: [`table`] reads them, and
//! says which trials are trained next. So a sweep that was killed loses nothing.

pub mod objective;
pub mod rungs;
pub mod table;
pub mod worker;

use crate::base::disk::{Os, write_whole};
use crate::base::error::Error;
use crate::config::space::{MOST_TRIALS, Search, Space, Values, settings};
use crate::config::{Amount, Config, MOST_FOLDS, Settings};
use crate::run::checkpoint::EngineSettings;
use objective::Objective;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file that marks the folder of a sweep. The settings that all trials share are in the `config.toml` beside it.
pub const SWEEP: &str = "sweep.toml";
/// The table of the trials, one JSON object per line.
pub const TRIALS: &str = "trials.jsonl";
/// The journal that Optuna reads.
pub const JOURNAL: &str = "journal.log";
/// Why a trial could not be begun, in its folder.
pub const FAILED: &str = "failed.txt";

/// The contents of [`SWEEP`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sweep {
    /// How the values of trials are found.
    pub search: Search,
    /// Number of trials.
    pub trials: u64,
    /// Seed of the values.
    pub seed: u64,
    /// Factor η of successive halving, at least 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub halving: Option<u64>,
    /// Number of folds: each trial is a run per fold.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folds: Option<u32>,
    /// Largest number of updates of a run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_steps: Option<u64>,
    /// What a trial is judged by.
    pub objective: Objective,
    /// Hash of the data set.
    pub data_sha256: String,
    /// The engine of all trials.
    pub engine: EngineSettings,
    /// The values of the settings that vary.
    pub space: BTreeMap<String, String>,
    /// Settings that hold for all trials, even if another setting of a trial changes their default.
    #[serde(default)]
    pub given: Settings,
}

impl Sweep {
    /// Reads the file in a folder; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Data`] if it is damaged, [`Error::File`] if it cannot be read.
    pub fn read(folder: &Path) -> Result<Option<Sweep>, Error> {
        let path = folder.join(SWEEP);
        if !path.is_file() {
            return Ok(None);
        }
        let text = std::fs::read_to_string(&path).map_err(Error::file(&path))?;
        let bad = |problem: String| Error::Data {
            path: path.clone(),
            problem,
            next: "restore the file from a copy, or start a new sweep in another folder".into(),
        };
        let sweep: Sweep = toml::from_str(&text).map_err(|error| bad(error.message().into()))?;
        sweep.check().map_err(|error| bad(error.to_string()))?;
        Ok(Some(sweep))
    }

    /// Writes the file to a folder.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<(), Error> {
        let text = toml::to_string(self)
            .map_err(|error| Error::Setting(format!("the sweep cannot be written as TOML: {error}")))?;
        let text = "# A sweep, which can be resumed from this folder.\n".to_string() + &text;
        write_whole(&Os, &folder.join(SWEEP), text.as_bytes())
    }

    /// Checks numbers and space.
    ///
    /// # Errors
    /// [`Error::Setting`] says what to write.
    pub fn check(&self) -> Result<(), Error> {
        let refuse = |problem: String| Err(Error::Setting(problem));
        let space = self.space()?;
        if !(1..=MOST_TRIALS).contains(&self.trials) {
            return refuse(format!("trials is {} but must be from 1 to {MOST_TRIALS}", self.trials));
        }
        if let (Search::Grid, combinations) = (self.search, space.combinations())
            && combinations != Some(self.trials)
        {
            return match combinations {
                Some(all) => refuse(format!("the grid has {all} trials, not {}: leave out trials", self.trials)),
                None => refuse("a grid has choices only, not ranges: search at random".into()),
            };
        }
        if let Some(halving) = self.halving.filter(|halving| *halving < 2) {
            return refuse(format!("halving is {halving} but must be at least 2"));
        }
        if let Some(folds) = self.folds.filter(|folds| !(2..=MOST_FOLDS).contains(folds)) {
            return refuse(format!("folds is {folds} but must be from 2 to {MOST_FOLDS}"));
        }
        match self.folds.is_some() && self.space.contains_key("validation") {
            true => refuse("folds are the validation splits: leave out the values of validation".into()),
            false => Ok(()),
        }
    }

    /// The space.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting has other values.
    pub fn space(&self) -> Result<Space, Error> {
        Space::new(self.space.iter().map(|(name, text)| (name.as_str(), text.as_str())))
    }

    /// The trials, in order.
    ///
    /// # Errors
    /// [`Error::Setting`] if a setting has other values.
    pub fn all(&self) -> Result<Vec<Trial>, Error> {
        let space = self.space()?;
        let trial = |at| Ok::<_, Error>(Trial { number: at + 1, values: space.trial(self.search, self.seed, at)? });
        (0..self.trials).map(trial).collect()
    }

    /// The settings of a trial's run on fold `fold` (from 1), if there are folds. `base`: the settings that all share.
    ///
    /// # Errors
    /// [`Error::Setting`] if the values are not possible together.
    pub fn config(&self, base: &Config, trial: &Trial, fold: Option<u32>) -> Result<Config, Error> {
        let mut all = self.given.clone();
        all.extend(settings(&trial.values));
        let mut config = base.with(&all)?;
        if let (Some(number), Some(of)) = (fold, self.folds) {
            config.validation = Amount::Fold { number, of };
        }
        if !config.validates() {
            return Err(Error::Setting("validation is 0, but trials are judged by a validation split".into()));
        }
        config.check(usize::MAX)?;
        config.check_choices(config.validates())?;
        Ok(config)
    }

    /// The folds of a trial, from 1; one `None` without folds.
    pub fn folds(&self) -> Vec<Option<u32>> {
        self.folds.map_or(vec![None], |folds| (1..=folds).map(Some).collect())
    }
}

/// One point of the space.
#[derive(Clone, Debug, PartialEq)]
pub struct Trial {
    /// Its number, from 1.
    pub number: u64,
    /// The values of the settings that vary.
    pub values: Values,
}

impl Trial {
    /// The name of its folder.
    pub fn name(&self) -> String {
        format!("trial-{:04}", self.number)
    }

    /// Its folder in that of the sweep.
    pub fn folder(&self, sweep: &Path) -> PathBuf {
        sweep.join(self.name())
    }

    /// The folder of its run on a fold.
    pub fn run(&self, sweep: &Path, fold: Option<u32>) -> PathBuf {
        let folder = self.folder(sweep);
        fold.map_or(folder.clone(), |fold| folder.join(format!("fold-{fold}")))
    }

    /// Its values in words: `keep-prob 0.8, lr 0.05`.
    pub fn in_words(&self) -> String {
        let words = self.values.iter().map(|(name, choice)| format!("{} {}", name.replace('_', "-"), choice.text));
        words.collect::<Vec<_>>().join("  ")
    }
}
