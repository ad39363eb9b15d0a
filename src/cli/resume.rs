//! Resuming a run: selects the run and the checkpoint, and checks that the run is the same.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::run::checkpoint::{Difference, Every, Generation, Identity, Loaded, Saved, Setup};
use gpu_mlp::run::folder::{Contents, Lock, RunFolder};
use gpu_mlp::run::restart::Restart;
use gpu_mlp::run::seeds::Seeds;
use gpu_mlp::run::settings::{Ancestor, fields};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When checkpoints are saved, and how to resume from one.
#[derive(Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct ResumeOptions {
    /// Resume the run in folder RUN from its last checkpoint, with its settings, data and engine; a run without a checkpoint
    /// begins again; `auto` (or no value) resumes the run of --out or the last one in runs/, and starts a new run if there is
    /// none
    #[arg(long, value_name = "RUN|auto", num_args = 0..=1, default_missing_value = AUTO)]
    resume: Option<PathBuf>,
    /// Resume from the checkpoint after this many updates instead of the last; later checkpoints are deleted
    #[arg(long, value_name = "UPDATES", requires = "resume")]
    at: Option<u64>,
    /// Resume even though this differs from the checkpoint: a setting, `data`, `engine`, `device` or `version`
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "resume", value_parser = compared)]
    allow_mismatch: Vec<String>,
    /// Save a checkpoint every N updates, in addition to each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_steps: Option<u64>,
    /// Save a checkpoint every N minutes, in addition to each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_minutes: Option<u64>,
}

const AUTO: &str = "auto";

/// The name of something that [`Identity`] compares.
fn compared(name: &str) -> Result<String, String> {
    let name = name.replace('-', "_");
    let known: Vec<&str> = Identity::NAMES.iter().chain(fields()).copied().collect();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(match nearest(&name, &known) {
        Some(near) => format!("unknown name; did you mean {}?", near.replace('_', "-")),
        None => format!("expected a setting, or {}", Identity::NAMES.join(", ")),
    })
}

/// A run to resume.
pub struct Resumed {
    pub folder: RunFolder,
    /// What determined the results of the run so far.
    pub identity: Identity,
    pub setup: Setup,
    /// The model that the run started with, if any.
    pub from: Option<Ancestor>,
    /// The checkpoint to resume from; `None` if the run begins again.
    pub checkpoint: Option<Generation<Saved>>,
    /// If the program writes: held until it ends, so that no other program can add a checkpoint.
    _lock: Option<Lock>,
}

impl Resumed {
    /// Resumes from a checkpoint.
    fn at(folder: RunFolder, found: Loaded<Saved>, _lock: Option<Lock>) -> Resumed {
        found.passed_over.iter().for_each(|problem| say!("note: a checkpoint is damaged, {problem}"));
        let Saved { identity, setup, from, .. } = found.generation.state.clone();
        Resumed { folder, identity, setup, from, checkpoint: Some(found.generation), _lock }
    }

    /// Begins again. The caller locks the folder when it opens it.
    fn again(folder: RunFolder, restart: Restart) -> Resumed {
        let path = folder.path().display();
        say!("note: {path} was stopped before its first checkpoint; it begins again with its settings");
        let Restart { identity, setup, from } = restart;
        Resumed { folder, identity, setup, from, checkpoint: None, _lock: None }
    }

    /// The number of updates made.
    pub fn step(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.step)
    }
}

impl ResumeOptions {
    pub fn every(&self) -> Every {
        Every {
            steps: self.checkpoint_steps,
            time: self.checkpoint_minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        }
    }

    /// Whether --resume was given.
    pub fn asked(&self) -> bool {
        self.resume.is_some()
    }

    /// Finds the run to resume, if any. If anything will be `written`, locks the run. With `force`, `auto` replaces a run
    /// that cannot be resumed.
    pub fn find(&self, out: Option<&Path>, force: bool, written: bool) -> Result<Option<Resumed>, Error> {
        let Some(asked) = &self.resume else { return Ok(None) };
        let auto = asked.as_os_str() == AUTO;
        let same = |out: &Path| asked.canonicalize().ok().is_some_and(|asked| out.canonicalize().ok() == Some(asked));
        if let (false, Some(out)) = (auto, out.filter(|out| !same(out))) {
            let both = format!("--resume {} writes to that folder, but --out is {}", asked.display(), out.display());
            return Err(Error::Setting(both));
        }
        let folder = match (auto, out) {
            (false, _) => Some(RunFolder::new(asked)),
            (true, Some(out)) => Some(RunFolder::new(out)),
            (true, None) => RunFolder::last(),
        };
        let Some(folder) = folder else { return self.none("there is no run to resume") };
        // Another program may be training here and have saved nothing yet.
        let lock = (written && folder.contents() != Contents::Nothing).then(|| folder.lock()).transpose()?;
        let path = folder.path().display();
        match folder.contents() {
            Contents::Checkpoints => {
                let steps = folder.checkpoints().steps()?;
                if let Some(at) = self.at.filter(|at| !steps.contains(at)) {
                    return Err(missing(&folder, at, &steps));
                }
                let found = folder.checkpoints().of_run(self.at)?;
                Ok(found.map(|found| Resumed::at(folder.clone(), found, lock)))
            }
            Contents::Settings if self.at.is_none() => match Restart::read(&folder)? {
                Some(restart) => Ok(Some(Resumed::again(folder, restart))),
                None => Err(unusable(&folder, "no run wrote its settings")),
            },
            Contents::Nothing if auto => self.none("there is no run to resume"),
            Contents::Ended if auto && (force || out.is_none()) => {
                self.none(&format!("{path} ended without a checkpoint"))
            }
            Contents::Ended => Err(unusable(&folder, "its run ended without a checkpoint to resume from")),
            Contents::Settings => {
                Err(unusable(&folder, "it has no checkpoint, so it can only begin again, without --at"))
            }
            Contents::Nothing if folder.path().is_dir() => Err(unusable(&folder, "there is no run in this folder")),
            Contents::Nothing if folder.path().exists() => Err(unusable(&folder, "this is a file, not a run folder")),
            Contents::Nothing => Err(unusable(&folder, "there is no such folder")),
        }
    }

    /// The folder of runs with several seeds that is to be resumed, if it is one, and one of its runs, whose settings all
    /// have. Locks nothing.
    pub fn seeds(&self, out: Option<&Path>) -> Result<Option<(RunFolder, Seeds, Resumed)>, Error> {
        let Some(asked) = &self.resume else { return Ok(None) };
        let path = if asked.as_os_str() == AUTO { out } else { Some(asked.as_path()) };
        let Some(path) = path else { return Ok(None) };
        let Some(seeds) = Seeds::read(path)? else { return Ok(None) };
        let folder = RunFolder::new(path);
        for seed in seeds.all() {
            if let Some(resumed) = self.member_of(&Seeds::member(path, seed), false)? {
                return Ok(Some((folder, seeds, resumed)));
            }
        }
        Err(unusable(&folder, "none of its runs was begun"))
    }

    /// The run in a folder of one of several runs, locked; `None` if it was not begun.
    pub fn member(&self, folder: &Path) -> Result<Option<Resumed>, Error> {
        self.member_of(folder, true)
    }

    fn member_of(&self, folder: &Path, written: bool) -> Result<Option<Resumed>, Error> {
        if RunFolder::new(folder).contents() == Contents::Nothing {
            return Ok(None);
        }
        let options = ResumeOptions {
            resume: Some(folder.into()),
            at: None,
            allow_mismatch: Vec::new(),
            checkpoint_steps: None,
            checkpoint_minutes: None,
        };
        options.find(None, false, written)
    }

    /// Starts a new run because of `reason`, unless --at was given.
    fn none(&self, reason: &str) -> Result<Option<Resumed>, Error> {
        match self.at {
            Some(at) => Err(Error::Setting(format!("{reason} --at {at}"))),
            None => {
                say!("note: {reason}; a new run starts");
                Ok(None)
            }
        }
    }

    /// Refuses to resume if something differs that is not allowed. Returns the names of what differs.
    pub fn check(&self, resumed: &Resumed, now: &Identity) -> Result<Vec<String>, Error> {
        let differences = resumed.identity.differences(now);
        let allowed = |name: &str| self.allow_mismatch.iter().any(|allowed| allowed == name);
        for difference in differences.iter().filter(|difference| allowed(&difference.name)) {
            say!("note: differs from the checkpoint, as allowed: {difference}");
        }
        let origin = |difference: &Difference| {
            super::origin::of(&difference.name).map_or(String::new(), |origin| format!(" (from {origin})"))
        };
        let refused: Vec<_> = differences.iter().filter(|difference| !allowed(&difference.name)).collect();
        if refused.is_empty() {
            return Ok(differences.into_iter().map(|difference| difference.name).collect());
        }
        // No float is as exact as the integers of a checkpoint, nor the other way round.
        let precision = |difference: &Difference| {
            difference.name == "precision"
                && [&difference.then, &difference.now].iter().any(|side| side.contains("int8"))
        };
        if let Some(difference) = differences.iter().find(|difference| precision(difference)) {
            let path = resumed.folder.path().display();
            return Err(Error::Setting(format!(
                "the resumed run in {path} has another number format ({difference}): train --from {path} starts a new run with its weights"
            )));
        }
        let lines: String =
            refused.iter().map(|difference| format!("\n  {difference}{}", origin(difference))).collect();
        let names: Vec<&str> = refused.iter().map(|difference| difference.name.as_str()).collect();
        Err(Error::Setting(format!(
            "the resumed run in {} would differ from its {}:{lines}\nremove the differences, or give --allow-mismatch {}",
            resumed.folder.path().display(),
            if resumed.checkpoint.is_some() { "checkpoint" } else { "settings" },
            names.join(",")
        )))
    }
}

/// The error of a checkpoint that does not exist.
fn missing(folder: &RunFolder, at: u64, steps: &[u64]) -> Error {
    let offers: Vec<String> = steps.iter().map(|step| format!("--at {step}")).collect();
    let problem = format!("there is no checkpoint of update {at}");
    Error::Data { path: folder.path().into(), problem, next: format!("give {}", offers.join(" or ")) }
}

/// Most runs that an error names.
const NAMED: usize = 8;

/// The error of a folder without a run that can be resumed.
fn unusable(folder: &RunFolder, problem: &str) -> Error {
    let runs = folder.neighbours();
    let named: Vec<String> = runs
        .iter()
        .filter(|run| *run != folder && run.contents() != Contents::Ended)
        .rev()
        .take(NAMED)
        .map(|run| run.path().strip_prefix(".").unwrap_or(run.path()).display().to_string())
        .collect();
    let next = match named.is_empty() {
        true => "start a new run, in another folder".into(),
        false => format!("resume one of these runs: {}; or start a new run, in another folder", named.join(", ")),
    };
    Error::Data { path: folder.path().into(), problem: problem.into(), next }
}

/// The options given on the command line itself. The setup of a resumed run overrides the environment, because the run
/// already has its data and engine.
pub struct Said(Vec<String>);

impl Said {
    /// Whether this option was given.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|given| given == option)
    }

    /// Replaces a value by the saved one, unless the option was given on the command line.
    pub fn or_saved<T>(&self, option: &str, value: &mut Option<T>, saved: Option<T>) {
        if saved.is_some() && !self.has(option) {
            *value = saved;
        }
    }
}

impl FromArgMatches for Said {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let given = |id: &&clap::Id| matches.value_source(id.as_str()) == Some(ValueSource::CommandLine);
        Ok(Said(matches.ids().filter(given).map(ToString::to_string).collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// Adds no options.
impl Args for Said {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
