//! Resuming a run: selects the run and the checkpoint, and checks that the run is the same.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::run::checkpoint::{Difference, Every, Identity, Loaded, Saved};
use gpu_mlp::run::folder::{Lock, RunFolder};
use gpu_mlp::run::settings::fields;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// When checkpoints are saved, and how to resume from one.
#[derive(Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct ResumeOptions {
    /// Resume the run in folder RUN from its last checkpoint, with its settings, data and engine; `auto` (or no value) resumes
    /// the run of --out or the last one in runs/, and starts a new run if there is none
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
    pub found: Loaded<Saved>,
    /// If the program writes: held until it ends, so that no other program can add a checkpoint.
    _lock: Option<Lock>,
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

    /// Finds the run to resume, if any. If anything will be `written`, locks the run.
    pub fn find(&self, out: Option<&Path>, written: bool) -> Result<Option<Resumed>, Error> {
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
        if let Some(folder) = folder.as_ref().filter(|folder| folder.has_checkpoints()) {
            let _lock = written.then(|| folder.lock()).transpose()?;
            if let Some(found) = folder.checkpoints().of_run(self.at)? {
                found.passed_over.iter().for_each(|problem| say!("note: a checkpoint is damaged, {problem}"));
                return Ok(Some(Resumed { folder: folder.clone(), found, _lock }));
            }
        }
        match folder {
            // --at does not start a new run.
            None if self.at.is_some() => Err(Error::Setting("there is no run to resume --at this update".into())),
            Some(folder) if !auto || self.at.is_some() => {
                if written && folder.metrics().is_file() {
                    // Another program may be training in this folder and have saved nothing yet.
                    folder.lock()?;
                }
                let path = folder.path().into();
                Err(Error::Checkpoint { path, problem: "it has no checkpoint to resume from".into() })
            }
            _ => {
                say!("note: there is no run to resume; a new one starts");
                Ok(None)
            }
        }
    }

    /// Refuses to resume if something differs that is not allowed. Returns whether anything differs.
    pub fn check(&self, resumed: &Resumed, now: &Identity) -> Result<bool, Error> {
        let then = &resumed.found.generation.state.identity;
        let differences = then.differences(now);
        let allowed = |name: &str| self.allow_mismatch.iter().any(|allowed| allowed == name);
        for difference in differences.iter().filter(|difference| allowed(&difference.name)) {
            say!("note: differs from the checkpoint, as allowed: {difference}");
        }
        let origin = |difference: &Difference| {
            super::origin::of(&difference.name).map_or(String::new(), |origin| format!(" (from {origin})"))
        };
        let refused: Vec<_> = differences.iter().filter(|difference| !allowed(&difference.name)).collect();
        if refused.is_empty() {
            return Ok(!differences.is_empty());
        }
        let lines: String =
            refused.iter().map(|difference| format!("\n  {difference}{}", origin(difference))).collect();
        let names: Vec<&str> = refused.iter().map(|difference| difference.name.as_str()).collect();
        Err(Error::Setting(format!(
            "the resumed run in {} would differ from its checkpoint:{lines}\nremove the differences, or give \
             --allow-mismatch {}",
            resumed.folder.path().display(),
            names.join(",")
        )))
    }
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
