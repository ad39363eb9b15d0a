//! The journal of a sweep, as Optuna's `JournalStorage(JournalFileBackend(path))` reads and writes it: one operation per line.
//!
//! The file tells other programs, and other processes of the sweep, what happens: trials with their parameters, a value per
//! epoch, how each ended, and which process trains which trial. What a sweep has trained is in the records of its runs.
//! Operations: `optuna/storages/journal/_storage.py`; lock: `JournalFileSymlinkLock` in `_file.py`.

mod lock;
mod operation;

use crate::base::disk::{Disk, Os};
use crate::base::error::Error;
use crate::run::sweep::objective::Objective;
use crate::run::sweep::table::State;
use lock::Held;
pub use operation::Operation;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// The name of the study.
pub const STUDY: &str = "sweep";
/// The attribute of a trial that names the process that trains it.
const WORKER: &str = "gpu-mlp:worker";

/// An open journal.
pub struct Journal {
    path: PathBuf,
    /// Names this process.
    worker: String,
    /// Waits this long.
    wait: fn(Duration),
    log: Mutex<Log>,
}

/// What the journal says so far.
#[derive(Debug, Default)]
pub struct Log {
    /// Bytes read.
    read: u64,
    /// Whether the study was created.
    pub study: bool,
    /// The trials by number, from 0.
    pub trials: Vec<Logged>,
}

/// A trial in the journal.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Logged {
    /// Whether it was begun.
    pub running: bool,
    /// Whether it was ended; nothing can be added then.
    pub ended: bool,
    /// Epochs with a value.
    pub epochs: BTreeSet<u64>,
    /// The process that trains it.
    pub worker: Option<String>,
}

impl Journal {
    /// The journal at a path, which need not exist. `worker` names this process; `wait` waits for the lock.
    pub fn new(path: &Path, worker: &str, wait: fn(Duration)) -> Journal {
        Journal { path: path.into(), worker: worker.into(), wait, log: Mutex::default() }
    }

    /// The name of this process.
    pub fn worker(&self) -> &str {
        &self.worker
    }

    /// Reads what other processes have written, and adds the operations that `next` returns for it. No other process writes
    /// in between.
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be read, written or locked; [`Error::Data`] if it is damaged; those of `next`.
    pub fn update(&self, next: impl FnOnce(&Log) -> Result<Vec<Operation>, Error>) -> Result<(), Error> {
        let mut log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        let held = Held::take(&self.path, self.wait)?;
        self.read(&mut log)?;
        let operations = next(&log)?;
        if !operations.is_empty() {
            let mut text = String::new();
            for operation in &operations {
                let line = operation.line(&self.worker);
                log.take(&line);
                text += &line.to_string();
                text.push('\n');
            }
            Os.append(&self.path, text.as_bytes())
                .and_then(|()| Os.sync(&self.path))
                .map_err(Error::file(&self.path))?;
            log.read += text.len() as u64;
        }
        held.release();
        Ok(())
    }

    /// Reads the rest of the file. Removes a line that a process was writing when it was killed.
    fn read(&self, log: &mut Log) -> Result<(), Error> {
        if !self.path.exists() {
            return Ok(());
        }
        let mut bytes = Vec::new();
        let rest = |file: &mut File, bytes: &mut Vec<u8>| {
            file.seek(SeekFrom::Start(log.read))?;
            file.read_to_end(bytes)
        };
        File::open(&self.path).and_then(|mut file| rest(&mut file, &mut bytes)).map_err(Error::file(&self.path))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            Os.cut(&self.path, log.read + whole as u64).map_err(Error::file(&self.path))?;
        }
        for line in bytes[..whole].split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
            let line: Value = serde_json::from_slice(line).map_err(|error| Error::Data {
                path: self.path.clone(),
                problem: format!("a line is not an operation: {error}"),
                next: "move the file away: the sweep writes a new one from the records of its runs".into(),
            })?;
            log.take(&line);
        }
        log.read += whole as u64;
        Ok(())
    }
}

impl Log {
    /// Applies an operation, as Optuna does.
    fn take(&mut self, line: &Value) {
        let study = line["study_id"].as_u64().unwrap_or_default() == 0;
        let number = line["trial_id"].as_u64().and_then(|id| usize::try_from(id).ok());
        let trial = number.and_then(|number| self.trials.get_mut(number)).filter(|trial| !trial.ended);
        match (line["op_code"].as_u64(), trial) {
            (Some(0), _) => self.study = true,
            (Some(4), _) if study => {
                let state = line["state"].as_u64().unwrap_or(0);
                self.trials.push(Logged { running: state == 0, ended: (1..=3).contains(&state), ..Logged::default() });
            }
            (Some(6), Some(trial)) => {
                let state = line["state"].as_u64().unwrap_or_default();
                (trial.running, trial.ended) = (state == 0, (1..=3).contains(&state));
            }
            (Some(7), Some(trial)) => _ = line["step"].as_u64().map(|epoch| trial.epochs.insert(epoch)),
            (Some(9), Some(trial)) => {
                if let Some(worker) = line["system_attr"].get(WORKER) {
                    trial.worker = worker.as_str().map(str::to_owned);
                }
            }
            _ => {}
        }
    }
}

impl Objective {
    /// Optuna's direction: 1 to minimise, 2 to maximise.
    fn direction(self) -> u8 {
        if self.falls() { 1 } else { 2 }
    }
}

impl State {
    /// Optuna's number of the state.
    fn number(self) -> u8 {
        match self {
            State::Complete => 1,
            State::Pruned => 2,
            State::Failed => 3,
            State::Waiting => 4,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::space::{Search, Space};

    #[test]
    fn a_torn_line_is_removed_and_two_processes_see_each_other() {
        let folder = std::env::temp_dir().join(format!("gpu-mlp-journal-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("journal.log");
        _ = std::fs::remove_file(&path);
        let [one, two] = ["one", "two"].map(|worker| Journal::new(&path, worker, std::thread::sleep));
        let space = Space::new([("lr", "0.01..1:log"), ("optimizer", "sgd,adam")]).expect("a space");
        let values = space.trial(Search::Random, 1, 0).expect("values");
        let create = || Operation::trial(&space, &values, "trial-0001");
        one.update(|log| {
            assert!(!log.study && log.trials.is_empty());
            Ok(vec![Operation::study(Objective::ValidationLoss), create(), create()])
        })
        .expect("an update");
        std::fs::write(&path, std::fs::read_to_string(&path).expect("a file") + "{\"op_co").expect("a file");
        two.update(|log| {
            assert!(log.study && log.trials.len() == 2);
            Ok(vec![Operation::begin(1), Operation::claim(1, Some("two")), Operation::epoch(1, 3, 0.5)])
        })
        .expect("an update");
        one.update(|log| {
            let trial = &log.trials[1];
            assert!(trial.running && trial.worker.as_deref() == Some("two") && trial.epochs.contains(&3));
            Ok(vec![Operation::claim(1, None), Operation::end(1, State::Complete, Some(0.5))])
        })
        .expect("an update");
        two.update(|log| {
            assert!(log.trials[1].ended && log.trials[1].worker.is_none() && !log.trials[0].ended);
            Ok(Vec::new())
        })
        .expect("an update");
        std::fs::remove_dir_all(&folder).expect("a folder");
    }
}
