//! `gpu-mlp sweep`: many trials of a run that differ in some settings.

mod live;
mod prepare;
mod rung;

use super::settle::Settled;
use super::{Train, surveyed};
use crate::cli::out::out;
use crate::cli::signals::Signals;
use gpu_mlp::Error;
use gpu_mlp::base::disk::{Os, write_whole};
use gpu_mlp::base::text::counted;
use gpu_mlp::config::space::{Search, Space};
use gpu_mlp::config::{Amount, Config, Settings};
use gpu_mlp::data::{DataSet, Header};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::with_loss;
use gpu_mlp::run::folder::{RunFolder, SETTINGS};
use gpu_mlp::run::journal::{Journal, Operation};
use gpu_mlp::run::settings::{self, RunFile};
use gpu_mlp::run::sweep::objective::Objective;
use gpu_mlp::run::sweep::table::{Row, State, Table};
use gpu_mlp::run::sweep::worker::Worker;
use gpu_mlp::run::sweep::{JOURNAL, SWEEP, Sweep, Trial};
use gpu_mlp::train::Metric;
use live::Live;
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

/// What is asked of a new sweep.
pub struct Request {
    /// Settings with several values.
    pub space: Vec<(String, String)>,
    pub trials: Option<u64>,
    pub search: Option<Search>,
    pub seed: u64,
    pub halving: Option<u64>,
    pub folds: Option<u32>,
    pub out: Option<PathBuf>,
    /// Whether another process may have started the sweep.
    pub join: bool,
    pub json: bool,
}

/// Trials without --trials, if a setting has a range.
const RANDOM_TRIALS: u64 = 20;

/// Share of the training split that decides, if none is asked for.
const VALIDATION: f32 = 0.1;

/// A sweep that is trained.
struct Open<'a> {
    sweep: Sweep,
    trials: Vec<Trial>,
    /// The settings that all trials share.
    base: Config,
    folder: PathBuf,
    /// Not yet divided.
    data: DataSet,
    machine: Machine,
    settled: Settled,
    signals: Signals,
    journal: Journal,
    worker: &'a Worker,
    start: Instant,
    live: Live,
}

impl Train {
    /// Starts a sweep.
    pub async fn sweep(mut self, request: Request) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let space = Space::new(request.space.iter().map(|(name, text)| (name.as_str(), text.as_str())))?;
        self.default_validation = Some(match request.folds {
            Some(of) => Amount::Fold { number: 1, of },
            None => Amount::Share(VALIDATION),
        });
        let (search, trials) = trials(&request, &space)?;
        let mut settled = self.settle(None)?;
        space.check(&settled.config)?;
        let validation = settled.config.validation;
        match (request.folds, validation) {
            (Some(folds), Amount::Fold { number: 1, of }) if of == folds => {}
            (Some(_), given) => {
                let problem =
                    format!("validation is {given}, but --folds takes its own validation splits: leave it out");
                return Err(Error::Setting(problem).into());
            }
            (None, Amount::Share(share))
                if share == VALIDATION && !request.space.iter().any(|(name, _)| name == "validation") =>
            {
                say!(
                    "validation: {VALIDATION} of the training split decides between the trials, the test split never does"
                );
            }
            _ => {}
        }
        let mut given = self.net.settings().clone();
        given.retain(|name, _| ["lr", "momentum", "alpha"].contains(&name));
        let mut base = settled.config.clone();
        let (machine, data) = self.open(&settled).await?;
        let divided = surveyed(&base.in_samples(data.train.len()), data.clone(), settled.learned())?;
        base = with_loss(&base, &divided.task);
        let sweep = Sweep {
            search,
            trials,
            seed: request.seed,
            halving: request.halving,
            folds: request.folds,
            max_steps: settled.limits.max_steps,
            objective: Objective::of(&base, Metric::of(&divided.task)),
            data_sha256: data.sha256.clone(),
            engine: self.engine.settings(&machine),
            space: request.space.iter().cloned().collect(),
            given,
        };
        drop(divided);
        sweep.check()?;
        let out = request.out.as_deref();
        if let Some(out) = out.filter(|_| !request.join)
            && (out.join(SWEEP).exists() || RunFolder::new(out).refuse_if_taken(false).is_err())
        {
            let path = out.display();
            return Err(Error::Setting(format!("{path} already holds a run or a sweep: give another --out")).into());
        }
        let folder = RunFolder::make(out)?.path().to_owned();
        let worker = Worker::join(&folder)?;
        let journal = Journal::new(&folder.join(JOURNAL), worker.name(), std::thread::sleep);
        let settings = self.data_settings(Some(&data));
        let text = settings::to_text(&base, &settings, None, |_| None)?;
        journal.update(|_| {
            // Another process may have come first.
            match Sweep::read(&folder)? {
                None => {
                    let head = "# The settings that all trials of the sweep share.\n".to_string();
                    write_whole(&Os, &folder.join(SETTINGS), (head + &text).as_bytes())?;
                    sweep.write(&folder)?;
                }
                Some(there) => {
                    let same = there == sweep && base_of(&folder)? == base;
                    if !same {
                        let path = folder.display();
                        return Err(Error::Setting(format!(
                            "{path} holds another sweep: give another --out, or continue it with --resume {path}"
                        )));
                    }
                }
            }
            Ok(Vec::new())
        })?;
        settled.config = base.clone();
        let live = Live::new(request.json);
        let open = Open {
            trials: sweep.all()?,
            sweep,
            base,
            folder,
            data,
            machine,
            settled,
            signals: Signals::listen()?,
            journal,
            worker: &worker,
            start,
            live,
        };
        self.run_sweep(open).await
    }

    /// Continues a sweep, or joins it.
    pub async fn resume_sweep(mut self, folder: &Path, json: bool) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let sweep = Sweep::read(folder)?.ok_or_else(|| Error::Data {
            path: folder.into(),
            problem: "there is no sweep in this folder".into(),
            next: "give the folder of a sweep, which has a file sweep.toml".into(),
        })?;
        let base = base_of(folder)?;
        self.engine.resume(&self.said, &sweep.engine);
        let mut settled = self.settle(None)?;
        settled.limits.max_steps = sweep.max_steps;
        if settled.config != base {
            let (then, now) = (base.settings()?, settled.config.settings()?);
            let other = now.iter().find(|(name, value)| then.get(*name) != Some(value)).map(|(name, _)| name.as_str());
            let name = other.unwrap_or("a setting").replace('_', "-");
            let problem =
                format!("{name} is not as in the sweep in {}: remove it from the environment", folder.display());
            return Err(Error::Setting(problem).into());
        }
        let (machine, data) = self.open(&settled).await?;
        if data.sha256 != sweep.data_sha256 {
            let (was, is) = (&sweep.data_sha256, &data.sha256);
            let problem = format!("its data had the hash {was:.16}, but {} has {is:.16}", data.name);
            let next = "restore the data set of the sweep, or name the place where it is now with --data".into();
            return Err(Error::Data { path: folder.into(), problem, next }.into());
        }
        let engine = self.engine.settings(&machine);
        if engine.engine != sweep.engine.engine {
            let problem = "the sweep ran on another engine, which would give other bits: leave out --engine".into();
            return Err(Error::Setting(problem).into());
        }
        let worker = Worker::join(folder)?;
        let journal = Journal::new(&folder.join(JOURNAL), worker.name(), std::thread::sleep);
        let (folder, signals, live) = (folder.to_owned(), Signals::listen()?, Live::new(json));
        let open = Open {
            trials: sweep.all()?,
            sweep,
            base,
            folder,
            data,
            machine,
            settled,
            signals,
            journal,
            worker: &worker,
            start,
            live,
        };
        self.run_sweep(open).await
    }

    /// Opens machine and data.
    async fn open(&mut self, settled: &Settled) -> Result<(Machine, DataSet), Error> {
        // A trial that begins replaces what a killed process left in its folder.
        self.force = true;
        self.data.like(settled.first.as_ref().and_then(|first| -> Option<Header> { first.header() }));
        let ahead = self.data.ahead();
        let machine = self.engine.machine_for(settled.config.precision).await?;
        let data = self.data.open(ahead)?;
        Ok((machine, data))
    }

    /// Trains all trials, and prints the table.
    async fn run_sweep(&self, open: Open<'_>) -> anyhow::Result<ExitCode> {
        let Open { sweep, base, folder, .. } = &open;
        let path = folder.display();
        let rungs = Table::read(sweep, base, folder)?.rungs.count();
        let trials = counted(sweep.trials, "trial");
        let folds = sweep.folds.map_or(String::new(), |folds| format!(", {folds} folds each"));
        let rungs = if rungs > 1 { format!(", {rungs} rungs") } else { String::new() };
        say!("sweep: {trials}{folds}{rungs}, in {path}");
        open.live.record(&json!({
            "type": "sweep", "folder": path.to_string(), "trials": sweep.trials, "objective": sweep.objective.name(),
        }))?;
        open.journal.update(|log| {
            let mut first = Vec::new();
            if !log.study {
                first.push(Operation::study(sweep.objective));
            }
            let space = sweep.space()?;
            for trial in sweep.all()?.iter().skip(log.trials.len()) {
                first.push(Operation::trial(&space, &trial.values, &trial.name()));
            }
            Ok(first)
        })?;
        let trained = self.train_rungs(&open).await;
        open.live.end();
        let table = Table::read(sweep, base, folder)?;
        open.note(&table)?;
        table.write(sweep, folder)?;
        trained?;
        if let Some(code) = open.signals.code() {
            eprintln!("interrupted: continue with `gpu-mlp sweep --resume {path}`");
            return Ok(code);
        }
        open.report(&table)
    }
}

impl Open<'_> {
    /// Prints the outcome.
    fn report(&self, table: &Table) -> anyhow::Result<ExitCode> {
        let path = self.folder.display();
        let [complete, pruned, failed] =
            [State::Complete, State::Pruned, State::Failed].map(|state| table.count(state));
        for row in table.rows.iter().filter(|row| row.state == State::Failed) {
            say!("note: {} failed: {}", row.trial.name(), row.problem.as_deref().unwrap_or("unknown"));
        }
        let Some(best) = table.best(self.sweep.objective) else {
            let first = table.rows.iter().find_map(|row| row.problem.clone()).unwrap_or_default();
            let problem = format!("all {} failed, the first because: {first}", counted(self.sweep.trials, "trial"));
            return Err(Error::Setting(problem).into());
        };
        let command = crate::cli::sweep::repeat(&self.sweep, &self.base, best, &self.folder)?;
        let mut record = table.best_record(&self.sweep).unwrap_or(Value::Null);
        record["command"] = command.as_str().into();
        self.live.record(&record)?;
        if !self.live.json {
            let mut ranked: Vec<_> = table.rows.iter().filter(|row| row.state == State::Complete).collect();
            let value = |row: &Row| row.value.unwrap_or(f64::NAN);
            ranked.sort_by(|a, b| self.sweep.objective.order(value(a), value(b)));
            let mut out = out();
            for row in ranked.iter().take(live::SHOWN) {
                writeln!(out, "{}", live::line(&self.sweep, row))?;
            }
            writeln!(out, "{complete} complete, {pruned} pruned, {failed} failed")?;
            writeln!(out, "best: {}", live::line(&self.sweep, best))?;
            writeln!(out, "repeat it: {command}")?;
        }
        say!("table: {path}/trials.jsonl; page: gpu-mlp report {path}");
        Ok(ExitCode::SUCCESS)
    }
}

/// How values are found, and the number of trials.
fn trials(request: &Request, space: &Space) -> Result<(Search, u64), Error> {
    let combinations = space.combinations();
    let refuse = |problem: &str| Err(Error::Setting(problem.into()));
    let search = request.search.unwrap_or(match (request.trials, combinations) {
        (None, Some(_)) => Search::Grid,
        _ => Search::Random,
    });
    match (search, request.trials, combinations) {
        (Search::Grid, _, None) => refuse("a grid has choices only: use --search random for ranges"),
        (Search::Grid, Some(_), _) => refuse("a grid has all combinations: leave out --trials, or use --search random"),
        (Search::Grid, None, Some(all)) => Ok((search, all)),
        (Search::Random, trials, _) => Ok((search, trials.unwrap_or(RANDOM_TRIALS))),
    }
}

/// The settings in the folder of a sweep.
fn base_of(folder: &Path) -> Result<Config, Error> {
    let file = RunFile::read(folder)?;
    let settings: &Settings = &file.settings;
    Config::default().with(settings)
}
