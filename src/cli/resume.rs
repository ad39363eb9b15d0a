//! Going on with a run: which, from where, and whether it would still be the same run.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::run::checkpoint::{Every, Found, Identity, Saved};
use gpu_mlp::run::folder::{Lock, RunFolder};
use gpu_mlp::run::settings::fields;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What is saved on the way, and how to go on from it.
#[derive(Args)]
#[command(next_help_heading = "Checkpoints")]
pub struct ResumeOptions {
    /// Go on with the run in folder RUN from its last checkpoint, with its settings, data and engine; `auto`, or nothing,
    /// is the run of --out or the last one in runs/, or a new one where there is none
    #[arg(long, value_name = "RUN|auto", num_args = 0..=1, default_missing_value = AUTO)]
    resume: Option<PathBuf>,
    /// Go on from the checkpoint made after so many updates, not from the last; later ones are forgotten then
    #[arg(long, value_name = "UPDATES", requires = "resume")]
    at: Option<u64>,
    /// Go on although this is not as it was: a setting, `data`, `engine`, `device` or `version`
    #[arg(long, value_name = "NAME", value_delimiter = ',', requires = "resume", value_parser = compared)]
    allow_mismatch: Vec<String>,
    /// Save a checkpoint after each N updates too, not only after each epoch
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_steps: Option<u64>,
    /// Save a checkpoint after each N minutes too
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    checkpoint_minutes: Option<u64>,
}

const AUTO: &str = "auto";

/// The name of something that must be as it was, as [`Identity`] has it.
fn compared(name: &str) -> Result<String, String> {
    let name = name.replace('-', "_");
    let known: Vec<&str> = Identity::NAMES.iter().chain(fields()).copied().collect();
    if known.contains(&name.as_str()) {
        return Ok(name);
    }
    Err(match nearest(&name, &known) {
        Some(near) => format!("nothing of that name is compared; did you mean {}?", near.replace('_', "-")),
        None => format!("expected a setting, or {}", Identity::NAMES.join(", ")),
    })
}

/// A run to go on with.
pub struct Resumed {
    pub folder: RunFolder,
    pub found: Found<Saved>,
    /// Held until the program ends, if it is to write: what was found is still the last.
    _lock: Option<Lock>,
}

impl ResumeOptions {
    pub fn every(&self) -> Every {
        Every {
            steps: self.checkpoint_steps,
            time: self.checkpoint_minutes.map(|minutes| Duration::from_secs(minutes.saturating_mul(60))),
        }
    }

    /// Whether a run was to be gone on with, if there is one.
    pub fn asked(&self) -> bool {
        self.resume.is_some()
    }

    /// The run that is to be gone on with, if one is; taken if anything is to be `written`.
    pub fn find(&self, out: Option<&Path>, written: bool) -> Result<Option<Resumed>, Error> {
        let Some(asked) = &self.resume else { return Ok(None) };
        let auto = asked.as_os_str() == AUTO;
        let same = |out: &Path| asked.canonicalize().ok().is_some_and(|asked| out.canonicalize().ok() == Some(asked));
        if let (false, Some(out)) = (auto, out.filter(|out| !same(out))) {
            let both =
                format!("--resume {} goes on in that folder, and --out {} is another", asked.display(), out.display());
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
            // Who names a checkpoint does not want a new run.
            None if self.at.is_some() => Err(Error::Setting("there is no run that --at could go on with".into())),
            Some(folder) if !auto || self.at.is_some() => {
                if written && folder.metrics().is_file() {
                    // It may be training, and have saved nothing yet.
                    folder.lock()?;
                }
                let path = folder.path().into();
                Err(Error::Checkpoint { path, problem: "there is no checkpoint in it to go on from".into() })
            }
            _ => {
                say!("note: there is no run to go on with, so a new one begins");
                Ok(None)
            }
        }
    }

    /// Refuses to go on with a run as another, and says what differs. Returns whether something does, as allowed.
    pub fn check(&self, resumed: &Resumed, now: &Identity) -> Result<bool, Error> {
        let then = &resumed.found.generation.state.identity;
        let differences = then.differences(now);
        let allowed = |name: &str| self.allow_mismatch.iter().any(|allowed| allowed == name);
        for difference in differences.iter().filter(|difference| allowed(&difference.name)) {
            say!("note: this is not as it was, as allowed: {difference}");
        }
        let refused: Vec<_> = differences.iter().filter(|difference| !allowed(&difference.name)).collect();
        if refused.is_empty() {
            return Ok(!differences.is_empty());
        }
        let lines: String = refused.iter().map(|difference| format!("\n  {difference}")).collect();
        let names: Vec<&str> = refused.iter().map(|difference| difference.name.as_str()).collect();
        Err(Error::Setting(format!(
            "{} would not go on as the run that it is:{lines}\nleave out what changes it, or say --allow-mismatch {}",
            resumed.folder.path().display(),
            names.join(",")
        )))
    }
}

/// The options that were given on the command line itself. What comes from the environment lies below the setup of a resumed
/// run, which has its data and engine already.
pub struct Said(Vec<String>);

impl Said {
    /// Whether this option was given.
    pub fn has(&self, option: &str) -> bool {
        self.0.iter().any(|given| given == option)
    }

    /// Puts what a run saved in place of a value that was not given on the command line.
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

/// It has no options of its own.
impl Args for Said {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}
