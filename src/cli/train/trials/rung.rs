//! Trains the trials of a sweep, rung by rung.

use super::Open;
use super::prepare::{Job, groups};
use crate::cli::train::Train;
use crate::cli::train::members::Common;
use gpu_mlp::Error;
use gpu_mlp::base::threads;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::journal::Operation;
use gpu_mlp::run::scores::Scores;
use gpu_mlp::run::sweep::table::{State, Table};
use gpu_mlp::run::sweep::{FAILED, Trial};
use gpu_mlp::train::session::EpochReport;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Time between two looks at what other processes have done.
const LOOK: Duration = Duration::from_millis(500);

/// Trials that fill the dispatches of a GPU.
const WAVE: usize = 64;

impl Train {
    /// Trains until no trial is left. Other processes may train other trials of the sweep.
    pub(super) async fn train_rungs(&self, open: &Open<'_>) -> anyhow::Result<()> {
        let mut rung = None;
        loop {
            let table = Table::read(&open.sweep, &open.base, &open.folder)?;
            open.note(&table)?;
            if rung.replace(table.rung) != Some(table.rung) {
                open.live.rung(&open.sweep, &table)?;
            }
            if table.left.is_empty() || open.signals.code().is_some() {
                return Ok(());
            }
            let claimed = open.claim(&table)?;
            if claimed.is_empty() {
                // All that is left is trained by other processes.
                std::thread::sleep(LOOK);
                continue;
            }
            let trained = self.train_claimed(open, &table, &claimed).await;
            open.release(&claimed)?;
            trained?;
            let now = Table::read(&open.sweep, &open.base, &open.folder)?;
            open.live.batch(&open.sweep, &table, &now, &claimed)?;
            let stuck = now.rung == table.rung && claimed.iter().all(|at| now.left.contains(at));
            if stuck && open.signals.code().is_none() {
                let name = table.rows[claimed[0]].trial.name();
                return Err(anyhow::anyhow!("{name} did not reach the end of its rung: its folder has other records"));
            }
        }
    }

    /// Trains these trials to the end of the rung.
    async fn train_claimed(&self, open: &Open<'_>, table: &Table, claimed: &[usize]) -> anyhow::Result<()> {
        for group in groups(open.jobs(table, claimed)?) {
            let data = match open.divided(&group[0].config, open.settled.learned()) {
                Ok(data) => data,
                Err(error) => {
                    group.iter().try_for_each(|job| open.fail(job, &error))?;
                    continue;
                }
            };
            let (mut jobs, mut members) = (Vec::new(), Vec::new());
            for job in group {
                match open.resolved(&job, &data) {
                    Ok(config) => {
                        members.push(self.member_of(open, &job, config, &data)?);
                        jobs.push(job);
                    }
                    Err(error) => open.fail(&job, &error)?,
                }
            }
            let common = Common {
                data: &data,
                machine: &open.machine,
                first: open.settled.first.as_ref(),
                ancestor: open.settled.ancestor.clone(),
                signals: &open.signals,
                start: open.start,
            };
            let problem = Mutex::new(None);
            let on_epoch = |at: usize, report: &EpochReport| {
                if let Err(error) = open.epoch(table, &jobs[at], report) {
                    problem.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            };
            let ended = self.train_members(&common, &members, &on_epoch).await?;
            for (job, ended) in jobs.iter().zip(ended) {
                let Some(Err(error)) = ended else { continue };
                match error.downcast::<Error>() {
                    Ok(error) => open.fail(job, &error)?,
                    Err(error) => return Err(error),
                }
            }
            if let Some(error) = problem.into_inner().unwrap_or_else(PoisonError::into_inner) {
                return Err(error.into());
            }
            if open.signals.code().is_some() {
                break;
            }
        }
        Ok(())
    }
}

impl Open<'_> {
    /// The trial of a run.
    pub fn trial(&self, job: &Job) -> &Trial {
        &self.trials[job.at]
    }

    /// Takes trials that no other living process trains.
    fn claim(&self, table: &Table) -> Result<Vec<usize>, Error> {
        let mut claimed = Vec::new();
        self.journal.update(|log| {
            let is_free = |at: &&usize| {
                let worker = log.trials.get(**at).and_then(|trial| trial.worker.as_deref());
                worker.is_none_or(|worker| !self.worker.lives(&self.folder, worker))
            };
            let free: Vec<usize> = table.left.iter().filter(is_free).copied().collect();
            // Leaves something to processes that join later.
            let most = match self.machine {
                Machine::Cpu => free.len().div_ceil(4).max(threads::most()),
                Machine::Gpu(_) => free.len().div_ceil(2).max(WAVE),
            };
            claimed = free.into_iter().take(most).collect();
            let mut operations = Vec::new();
            for &at in &claimed {
                operations.push(Operation::claim(at, Some(self.journal.worker())));
                if !log.trials.get(at).is_some_and(|trial| trial.running) {
                    operations.push(Operation::begin(at));
                }
            }
            Ok(operations)
        })?;
        Ok(claimed)
    }

    /// Gives trials back.
    fn release(&self, claimed: &[usize]) -> Result<(), Error> {
        self.journal.update(|_| Ok(claimed.iter().map(|&at| Operation::claim(at, None)).collect()))
    }

    /// Adds to the journal what the records have more.
    pub(super) fn note(&self, table: &Table) -> Result<(), Error> {
        self.journal.update(|log| {
            let mut operations = Vec::new();
            for (at, (row, trial)) in table.rows.iter().zip(&log.trials).enumerate() {
                if trial.ended {
                    continue;
                }
                let mut of_trial = Vec::new();
                for (epoch, value) in row.curve(&self.sweep, &self.base) {
                    if value.is_finite() && !trial.epochs.contains(&epoch) {
                        of_trial.push(Operation::epoch(at, epoch, value));
                    }
                }
                if row.state != State::Waiting {
                    row.problem.iter().for_each(|problem| of_trial.push(Operation::problem(at, problem)));
                    of_trial.push(Operation::end(at, row.state, row.value));
                }
                if !(trial.running || of_trial.is_empty()) {
                    operations.push(Operation::begin(at));
                }
                operations.append(&mut of_trial);
            }
            Ok(operations)
        })
    }

    /// Notes an epoch of a run.
    fn epoch(&self, table: &Table, job: &Job, report: &EpochReport) -> Result<(), Error> {
        let scores = Scores::new(report.metric, Some(report.train), report.validation, report.test);
        let (epoch, value) = (report.epoch as u64, self.sweep.objective.value(&scores));
        // The mean of folds is noted when all have it.
        if let Some(value) = value.filter(|value| self.sweep.folds.is_none() && value.is_finite()) {
            self.journal.update(|log| {
                let known = log.trials.get(job.at).is_none_or(|trial| trial.ended || trial.epochs.contains(&epoch));
                Ok(if known { Vec::new() } else { vec![Operation::epoch(job.at, epoch, value)] })
            })?;
        }
        self.live.epoch(self, table, job, epoch, &scores)
    }

    /// A trial that cannot be trained fails. An error that the other trials would meet too is returned.
    fn fail(&self, job: &Job, error: &Error) -> anyhow::Result<()> {
        match error {
            // Its record says so.
            Error::Diverged { .. } | Error::NotFinite { .. } => Ok(()),
            Error::Setting(_) | Error::TooLarge { .. } => {
                let folder = self.trial(job).folder(&self.folder);
                std::fs::create_dir_all(&folder).map_err(Error::file(&folder))?;
                let path = folder.join(FAILED);
                Ok(gpu_mlp::base::disk::write_whole(&gpu_mlp::base::disk::Os, &path, error.to_string().as_bytes())?)
            }
            error => {
                let name = self.trial(job).name();
                Err(anyhow::anyhow!("{name}: {error}; {}", crate::cli::next(error)))
            }
        }
    }
}
