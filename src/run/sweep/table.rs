//! Where a sweep is, from the records of its runs: the state of each trial, and which are trained next.

use super::objective::Objective;
use super::rungs::Rungs;
use super::{FAILED, Sweep, TRIALS, Trial};
use crate::base::disk::{Os, write_whole};
use crate::base::error::Error;
use crate::config::Config;
use crate::run::history::History;
use serde::Serialize;
use serde_json::{Map, Value};
use std::path::Path;

/// The state of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Not yet as far as its rung, which may not have begun.
    Waiting,
    /// Trained to its end.
    Complete,
    /// Not among the best of its rung.
    Pruned,
    /// It diverged, or its settings are not possible.
    Failed,
}

/// A trial, as its runs have it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The trial.
    pub trial: Trial,
    /// Its state.
    pub state: State,
    /// The objective: of the whole run, or of the last rung that it reached; the mean over folds.
    pub value: Option<f64>,
    /// The epoch of the value.
    pub epochs: u64,
    /// Why it failed.
    pub problem: Option<String>,
    /// The records of its runs, one per fold; empty if the run was not begun.
    pub histories: Vec<History>,
}

/// The state of a sweep.
#[derive(Clone, Debug)]
pub struct Table {
    /// All trials, in order.
    pub rows: Vec<Row>,
    /// The rung (from 0) that is trained; the number of rungs if none is left.
    pub rung: u32,
    /// Number of rungs.
    pub rungs: Rungs,
    /// Positions of the trials of the rung that are not yet at its end.
    pub left: Vec<usize>,
}

/// How far a trial is.
enum Standing {
    Short,
    There(Option<f64>),
    Failed(String),
}

impl Row {
    /// The mean of the objective over the folds after an epoch; `None` until all have it.
    fn value_at(&self, sweep: &Sweep, config: &Config, epoch: u64) -> Option<f64> {
        let values = self.histories.iter().map(|history| sweep.objective.at(config, history, epoch));
        let values = values.collect::<Option<Vec<f64>>>()?;
        Some(values.iter().sum::<f64>() / values.len() as f64)
    }

    /// The means after each epoch that all folds have.
    pub fn curve(&self, sweep: &Sweep, base: &Config) -> Vec<(u64, f64)> {
        let Ok(config) = sweep.config(base, &self.trial, None) else { return Vec::new() };
        let last = |history: &History| history.epochs.last().map_or(0, |epoch| epoch.epoch);
        let last = self.histories.iter().map(last).min().unwrap_or(0);
        // The score of the epoch itself, also if the run keeps an earlier model.
        let plain = Config { restore_best: false, ..config };
        (1..=last).filter_map(|epoch| Some((epoch, self.value_at(sweep, &plain, epoch)?))).collect()
    }

    /// Whether a run is not yet at the end of `epoch`. In the last rung it must have ended.
    fn is_short(sweep: &Sweep, history: &History, epoch: u64, last_rung: bool) -> bool {
        let last = history.epochs.last();
        let reason = reason(history);
        let step = last.and_then(|last| last.step);
        let far = last.is_some_and(|last| last.epoch >= epoch)
            || sweep.max_steps.is_some_and(|most| step.is_some_and(|step| step >= most));
        // A run beyond this rung was at its end too, and so was one that was resumed there.
        let beyond = !last_rung && last.is_some_and(|last| last.epoch > epoch || history.resumed >= last.step);
        !(["finished", "early_stopping", DIVERGED].contains(&reason) || far && (reason == "max_steps" || beyond))
    }

    /// The folds whose runs are not yet at the end of `epoch`.
    pub fn folds_left(&self, sweep: &Sweep, epoch: u64, last_rung: bool) -> Vec<Option<u32>> {
        let folds = sweep.folds().into_iter().zip(&self.histories);
        folds.filter(|(_, history)| Row::is_short(sweep, history, epoch, last_rung)).map(|(fold, _)| fold).collect()
    }

    /// Where the trial is on its way to the end of `epoch`.
    fn standing(&self, sweep: &Sweep, config: &Config, epoch: u64, last_rung: bool) -> Standing {
        // A run that diverged later was at the end of this rung.
        let here = |history: &&History| last_rung || history.epochs.last().is_none_or(|last| last.epoch < epoch);
        if let Some(diverged) = self.histories.iter().filter(here).find(|history| reason(history) == DIVERGED) {
            let problem = diverged.end.as_ref().and_then(|end| end.problem.clone());
            return Standing::Failed(problem.unwrap_or("it diverged".into()));
        }
        match self.folds_left(sweep, epoch, last_rung).is_empty() {
            true => Standing::There(self.value_at(sweep, config, epoch)),
            false => Standing::Short,
        }
    }
}

/// The end of a run that diverged.
const DIVERGED: &str = "diverged";

/// Why a run ended; empty if it has not.
fn reason(history: &History) -> &str {
    history.end.as_ref().and_then(|end| end.reason.as_deref()).unwrap_or_default()
}

impl Table {
    /// Reads the records of all runs in the folder. `base`: the settings that all trials share.
    ///
    /// # Errors
    /// [`Error::Setting`] if the sweep has other values.
    pub fn read(sweep: &Sweep, base: &Config, folder: &Path) -> Result<Table, Error> {
        let read = |trial: Trial| {
            let runs = sweep.folds().into_iter().map(|fold| History::read(&trial.run(folder, fold)));
            // A run that was not begun has no record.
            let histories = runs.map(Result::unwrap_or_default).collect();
            let problem = std::fs::read_to_string(trial.folder(folder).join(FAILED)).ok();
            Row { trial, state: State::Waiting, value: None, epochs: 0, problem, histories }
        };
        Ok(Table::of(sweep, base, sweep.all()?.into_iter().map(read).collect()))
    }

    /// The state of these trials: goes through the rungs up to the first that is not at its end.
    fn of(sweep: &Sweep, base: &Config, mut rows: Vec<Row>) -> Table {
        let configs: Vec<Option<Config>> = rows
            .iter_mut()
            .map(|row| match sweep.config(base, &row.trial, sweep.folds()[0]) {
                Ok(config) => Some(config),
                Err(error) => {
                    row.problem.get_or_insert(error.to_string());
                    None
                }
            })
            .collect();
        let epochs = |at: usize| configs[at].as_ref().map_or(0, |config| config.epochs);
        let most = (0..rows.len()).map(epochs).max().unwrap_or(1);
        let rungs = sweep.halving.map_or(Rungs::one(), |eta| Rungs::new(Some(eta), sweep.trials, most));
        let mut alive: Vec<usize> = (0..rows.len()).collect();
        for rung in 0..rungs.count() {
            let mut left = Vec::new();
            for &at in &alive {
                let row = &mut rows[at];
                let Some(config) = configs[at].as_ref().filter(|_| row.problem.is_none()) else {
                    row.state = State::Failed;
                    continue;
                };
                let epoch = rungs.epochs(rung, config.epochs) as u64;
                match row.standing(sweep, config, epoch, rung + 1 == rungs.count()) {
                    Standing::Short => left.push(at),
                    Standing::There(Some(value)) if value.is_finite() => {
                        let last = |history: &History| history.epochs.last().map_or(0, |last| last.epoch);
                        let trained = row.histories.iter().map(last).max().unwrap_or(0);
                        (row.value, row.epochs) = (Some(value), trained.min(epoch));
                    }
                    Standing::There(_) => {
                        row.state = State::Failed;
                        row.problem = Some("its validation score is not a finite number".into());
                    }
                    Standing::Failed(problem) => {
                        row.state = State::Failed;
                        row.problem = Some(problem);
                    }
                }
            }
            if !left.is_empty() {
                return Table { rows, rung, rungs, left };
            }
            alive.retain(|&at| rows[at].state != State::Failed);
            if rung + 1 == rungs.count() {
                alive.iter().for_each(|&at| rows[at].state = State::Complete);
                break;
            }
            // The sort is stable: of equal values the lower number is first.
            let value = |at: &usize| rows[*at].value.unwrap_or(f64::NAN);
            alive.sort_by(|a, b| sweep.objective.order(value(a), value(b)));
            let kept = rungs.trials(rung + 1, sweep.trials) as usize;
            for &at in alive.iter().skip(kept) {
                rows[at].state = State::Pruned;
            }
            alive.truncate(kept);
            alive.sort_unstable();
        }
        Table { rows, rung: rungs.count(), rungs, left: Vec::new() }
    }

    /// The best trial that was trained to its end; of equal values the first.
    pub fn best(&self, objective: Objective) -> Option<&Row> {
        let complete = self.rows.iter().filter(|row| row.state == State::Complete);
        complete.min_by(|a, b| objective.order(a.value.unwrap_or(f64::NAN), b.value.unwrap_or(f64::NAN)))
    }

    /// The number of trials in a state.
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }

    /// Writes [`TRIALS`]: a line per trial, and one for the best. It has no times, so that equal sweeps have equal files.
    ///
    /// # Errors
    /// [`Error::File`] if it cannot be written.
    pub fn write(&self, sweep: &Sweep, folder: &Path) -> Result<(), Error> {
        let path = folder.join(TRIALS);
        let mut text = String::new();
        let lines = self.rows.iter().map(|row| row.record(sweep)).chain(self.best_record(sweep));
        for line in lines {
            text += &line.to_string();
            text.push('\n');
        }
        write_whole(&Os, &path, text.as_bytes())
    }

    /// The best trial, as a record.
    pub fn best_record(&self, sweep: &Sweep) -> Option<Value> {
        let best = self.best(sweep.objective)?;
        let mut record = best.record(sweep);
        record["type"] = "best".into();
        Some(record)
    }
}

impl Row {
    /// The trial as a record.
    pub fn record(&self, sweep: &Sweep) -> Value {
        let mut record = Map::new();
        let settings = self.trial.values.iter().map(|(name, choice)| {
            (name.clone(), serde_json::to_value(&choice.value).unwrap_or_else(|_| choice.text.clone().into()))
        });
        record.insert("type".into(), "trial".into());
        record.insert("trial".into(), self.trial.number.into());
        record.insert("run".into(), self.trial.name().into());
        record.insert("state".into(), serde_json::to_value(self.state).unwrap_or_default());
        if let Some(value) = self.value {
            record.insert(sweep.objective.name().into(), value.into());
        }
        record.insert("epochs".into(), self.epochs.into());
        if let Some(problem) = &self.problem {
            record.insert("problem".into(), problem.as_str().into());
        }
        record.insert("settings".into(), Value::Object(settings.collect()));
        Value::Object(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::space::Search;

    fn sweep(trials: u64, folds: Option<u32>) -> (Sweep, Config) {
        let sweep = Sweep {
            search: Search::Random,
            trials,
            seed: 1,
            halving: Some(2),
            folds,
            max_steps: None,
            objective: Objective::ValidationLoss,
            data_sha256: String::new(),
            engine: Default::default(),
            space: [("lr".to_string(), "0.1..1".to_string())].into(),
            given: Default::default(),
        };
        (sweep, Config { epochs: 4, validation: 10.into(), ..Config::default() })
    }

    /// A record with these losses, which ended for a reason.
    fn run(losses: &[f64], reason: Option<&str>) -> History {
        let epochs = (1..).zip(losses).map(|(epoch, loss)| {
            format!(r#"{{"type":"epoch","epoch":{epoch},"step":{epoch},"validation_loss":{loss}}}"#)
        });
        let end = reason.map(|reason| format!(r#"{{"type":"end","reason":"{reason}"}}"#));
        let lines: Vec<String> = [r#"{"type":"run"}"#.to_string()].into_iter().chain(epochs).chain(end).collect();
        History::parse(&lines.join("\n")).expect("a record")
    }

    fn table(sweep: &Sweep, base: &Config, runs: Vec<Vec<History>>) -> Table {
        let row =
            |(trial, histories)| Row { trial, state: State::Waiting, value: None, epochs: 0, problem: None, histories };
        let trials = sweep.all().expect("trials");
        Table::of(sweep, base, trials.into_iter().zip(runs).map(row).collect())
    }

    fn states(table: &Table) -> Vec<State> {
        table.rows.iter().map(|row| row.state).collect()
    }

    #[test]
    fn a_rung_is_decided_when_all_its_trials_are_at_its_end() {
        let (sweep, base) = sweep(4, None);
        let limit = Some("max_steps");
        let first = |losses: [f64; 4]| losses.map(|loss| vec![run(&[loss], limit)]).to_vec();
        let mut runs = first([0.4, 0.1, 0.3, 0.2]);
        runs[2] = vec![run(&[0.3], None)];
        let early = table(&sweep, &base, runs.clone());
        assert_eq!((early.rung, early.left.as_slice(), early.rungs.count()), (0, &[2][..], 3));
        runs[2] = vec![run(&[0.3], limit)];
        let later = table(&sweep, &base, runs.clone());
        assert_eq!((later.rung, later.left.as_slice()), (1, &[1, 3][..]));
        assert_eq!(states(&later), [State::Pruned, State::Waiting, State::Pruned, State::Waiting]);
        // A trial that diverges later changes nothing before.
        runs[1] = vec![run(&[0.1], Some("diverged"))];
        runs[3] = vec![run(&[0.2, 0.5], limit)];
        let diverged = table(&sweep, &base, runs.clone());
        assert_eq!((diverged.rung, diverged.left.as_slice()), (2, &[3][..]));
        assert_eq!(states(&diverged), [State::Pruned, State::Failed, State::Pruned, State::Waiting]);
        runs[3] = vec![run(&[0.2, 0.5, 0.4, 0.3], Some("finished"))];
        let ended = table(&sweep, &base, runs);
        assert!(ended.left.is_empty() && ended.rung == 3);
        let best = ended.best(sweep.objective).expect("a best trial");
        assert_eq!((best.trial.number, best.value, best.epochs), (4, Some(0.3), 4));
    }

    #[test]
    fn of_equal_values_the_lower_number_is_kept() {
        let (sweep, base) = sweep(4, None);
        let runs = [0.2, 0.2, 0.2, 0.2].map(|loss| vec![run(&[loss], Some("max_steps"))]).to_vec();
        assert_eq!(table(&sweep, &base, runs).left, [0, 1]);
    }

    #[test]
    fn folds_are_averaged_when_all_have_ended() {
        let (sweep, base) = sweep(2, Some(2));
        let whole = |loss| run(&[loss; 4], Some("finished"));
        let runs = vec![vec![whole(0.2), History::default()], vec![whole(0.5), whole(0.1)]];
        let early = table(&sweep, &base, runs.clone());
        assert_eq!(early.left, [0]);
        assert_eq!(early.rows[0].folds_left(&sweep, 2, false), [Some(2)]);
        let ended = table(&sweep, &base, vec![vec![whole(0.2), whole(0.5)], runs[1].clone()]);
        let values: Vec<_> = ended.rows.iter().map(|row| (row.state, row.value)).collect();
        assert_eq!(values, [(State::Pruned, Some(0.35)), (State::Complete, Some(0.3))]);
    }
}
