//! What a sweep prints: a table on a terminal that changes, and a line for each trial at the end of its rung.

use super::Open;
use super::prepare::Job;
use crate::cli::out::out;
use gpu_mlp::Error;
use gpu_mlp::base::text::counted;
use gpu_mlp::run::history::History;
use gpu_mlp::run::scores::Scores;
use gpu_mlp::run::sweep::Sweep;
use gpu_mlp::run::sweep::table::{Row, State, Table};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Trials in the table.
pub const SHOWN: usize = 10;

/// Most trials in progress that the table on a terminal shows.
const RUNNING: usize = 8;

/// Prints a sweep while it is trained.
pub struct Live {
    pub json: bool,
    shown: Mutex<Shown>,
}

struct Shown {
    /// On a terminal: the table.
    bar: Option<ProgressBar>,
    rung: u32,
    head: String,
    /// The best of the rung: value and line.
    best: Vec<(f64, String)>,
    /// The last epoch of each run in progress.
    running: BTreeMap<(usize, Option<u32>), String>,
    /// Trials that were printed in this rung.
    printed: BTreeSet<usize>,
}

/// A trial as a line.
pub fn line(sweep: &Sweep, row: &Row) -> String {
    let value = row.value.map_or("no value".into(), |value| sweep.objective.text(value));
    format!("{}  epoch {}  {value}  {}", row.trial.name(), row.epochs, row.trial.in_words())
}

impl Live {
    pub fn new(json: bool) -> Live {
        let terminal = std::io::stderr().is_terminal() && !crate::cli::quiet() && !json;
        let bar = terminal.then(|| {
            let bar = ProgressBar::new_spinner();
            ProgressStyle::with_template("{msg}").into_iter().for_each(|style| bar.set_style(style));
            bar
        });
        let shown = Shown {
            bar,
            rung: 0,
            head: String::new(),
            best: Vec::new(),
            running: BTreeMap::new(),
            printed: BTreeSet::new(),
        };
        Live { json, shown: Mutex::new(shown) }
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Prints a record, with --json.
    pub fn record(&self, record: &Value) -> Result<(), Error> {
        if self.json { writeln!(out(), "{record}").map_err(Error::file("stdout")) } else { Ok(()) }
    }

    /// A rung begins.
    pub fn rung(&self, sweep: &Sweep, table: &Table) -> Result<(), Error> {
        let (rung, count) = (table.rung, table.rungs.count());
        let mut shown = self.shown();
        shown.rung = rung;
        shown.best.clear();
        shown.printed.clear();
        shown.running.clear();
        if rung == count || count == 1 {
            shown.head = format!("{} of {} trials left", table.left.len(), sweep.trials);
            return Ok(());
        }
        let alive = table.count(State::Waiting);
        shown.head = format!("rung {}/{count}: {}", rung + 1, counted(alive, "trial"));
        let text = shown.head.clone();
        shown.say(self, &text, &json!({"type": "rung", "rung": rung + 1, "rungs": count, "trials": alive}))
    }

    /// An epoch of a run.
    pub(super) fn epoch(
        &self,
        open: &Open<'_>,
        table: &Table,
        job: &Job,
        epoch: u64,
        scores: &Scores,
    ) -> Result<(), Error> {
        let trial = open.trial(job);
        if self.json {
            let mut record = json!({"type": "epoch", "trial": trial.number, "epoch": epoch});
            job.fold.iter().for_each(|fold| record["fold"] = (*fold).into());
            scores.named().for_each(|(name, value)| record[name] = value.into());
            self.record(&record)?;
        }
        let value = open.sweep.objective.value(scores);
        let text = value.map_or(String::new(), |value| open.sweep.objective.text(value));
        let fold = job.fold.map_or(String::new(), |fold| format!(" fold {fold}"));
        let line = format!("{}{fold}  epoch {epoch}/{}  {text}  {}", trial.name(), job.epoch, trial.in_words());
        let mut shown = self.shown();
        shown.running.insert((job.at, job.fold), line);
        if epoch >= job.epoch {
            shown.running.remove(&(job.at, job.fold));
            let folds = open.sweep.folds().into_iter();
            let value = |fold| {
                // The record has the epoch already.
                let history = History::read(&trial.run(&open.folder, fold)).ok()?;
                let far = history.epochs.last().is_some_and(|last| last.epoch >= epoch);
                open.sweep.objective.at(&job.config, &history, epoch).filter(|_| far)
            };
            let values: Option<Vec<f64>> = folds.map(value).collect();
            if let Some(values) = values.filter(|_| !shown.printed.contains(&job.at)) {
                let value = values.iter().sum::<f64>() / values.len() as f64;
                let row = Row { value: Some(value), epochs: epoch, ..table.rows[job.at].clone() };
                shown.finished(self, &open.sweep, job.at, &row)?;
            }
        }
        shown.draw();
        Ok(())
    }

    /// Prints the trials of a batch that ended without reaching the last epoch of the rung.
    pub fn batch(&self, sweep: &Sweep, before: &Table, now: &Table, claimed: &[usize]) -> Result<(), Error> {
        let mut shown = self.shown();
        for &at in claimed {
            shown.running.retain(|(trial, _), _| *trial != at);
            let row = &now.rows[at];
            let left = now.rung == before.rung && now.left.contains(&at);
            if !left && !shown.printed.contains(&at) {
                shown.finished(self, sweep, at, row)?;
            }
        }
        shown.draw();
        Ok(())
    }

    /// Removes the table.
    pub fn end(&self) {
        self.shown().bar.take().into_iter().for_each(|bar| bar.finish_and_clear());
    }
}

impl Shown {
    /// A trial is at the end of the rung.
    fn finished(&mut self, live: &Live, sweep: &Sweep, at: usize, row: &Row) -> Result<(), Error> {
        self.printed.insert(at);
        let text = match (row.state, &row.problem) {
            (State::Failed, Some(problem)) => format!("{}  failed: {problem}", row.trial.name()),
            _ => line(sweep, row),
        };
        let mut record = row.record(sweep);
        record["rung"] = (self.rung + 1).into();
        // Its place in the rung is known only at the end of the rung.
        if row.state != State::Failed {
            record.as_object_mut().and_then(|record| record.remove("state"));
        }
        if let Some(value) = row.value.filter(|_| row.state != State::Failed) {
            self.best.push((value, text.clone()));
            self.best.sort_by(|a, b| sweep.objective.order(a.0, b.0));
            self.best.truncate(SHOWN);
        }
        self.say(live, &text, &record)
    }

    /// Prints a line or a record; on a terminal the table shows it.
    fn say(&self, live: &Live, text: &str, record: &Value) -> Result<(), Error> {
        if live.json {
            return live.record(record);
        }
        if self.bar.is_none() {
            writeln!(out(), "{text}").map_err(Error::file("stdout"))?;
        }
        Ok(())
    }

    fn draw(&self) {
        let Some(bar) = &self.bar else { return };
        let mut lines = vec![format!("{}, {} at its end", self.head, self.printed.len())];
        lines.extend(self.best.iter().map(|(_, line)| line.clone()));
        if !self.running.is_empty() {
            lines.push(format!("in progress: {}", self.running.len()));
            lines.extend(self.running.values().take(RUNNING).map(|line| format!("  {line}")));
        }
        bar.set_message(lines.join("\n"));
        bar.tick();
    }
}
