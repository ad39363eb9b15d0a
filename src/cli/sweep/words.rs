//! The options of `train`, whose settings may have several values: those are the space, and `train` reads the rest.

use crate::cli::hints;
use crate::cli::train::Train;
use clap::builder::StringValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use gpu_mlp::Error;
use gpu_mlp::config::space::Space;
use gpu_mlp::run::folder::settings_in;
use gpu_mlp::run::settings::fields;
use std::ffi::OsString;
use std::path::Path;

/// Options of `train` that a sweep has not, or has with another meaning.
const OWN: [&str; 16] = [
    "print_config",
    "dry_run",
    "overfit_batches",
    "max_time",
    "resume",
    "at",
    "allow_mismatch",
    "out",
    "force",
    "json",
    "tensorboard",
    "tune",
    "seeds",
    "same_order",
    "help",
    "version",
];

/// Options that say how a sweep is trained, not what: they may be given on resume.
const OF_A_CALL: [&str; 8] =
    ["engine", "adapter", "backend", "threads", "data", "offline", "checkpoint_steps", "checkpoint_minutes"];

/// The words of a command line.
pub struct Words {
    /// Settings with several values, by the names of their fields.
    pub space: Vec<(String, String)>,
    /// The other options, each with its name.
    rest: Vec<(String, OsString)>,
}

impl FromArgMatches for Words {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut words = Words { space: Vec::new(), rest: Vec::new() };
        for arg in train().get_arguments().filter(|arg| !OWN.contains(&arg.get_id().as_str())) {
            let (id, Some(long)) = (arg.get_id().as_str(), arg.get_long()) else { continue };
            if matches.value_source(id) != Some(ValueSource::CommandLine) {
                continue;
            }
            if matches!(arg.get_action(), ArgAction::SetTrue) {
                words.rest.push((id.into(), format!("--{long}").into()));
                continue;
            }
            let values: Vec<&std::ffi::OsStr> = matches.get_raw(id).into_iter().flatten().collect();
            let delimiter = arg.get_value_delimiter().map_or(String::new(), String::from);
            let value = values.join(std::ffi::OsStr::new(&delimiter));
            match value.to_str() {
                Some(text) if fields().contains(&id) && Space::varies(id, text) => {
                    words.space.push((id.into(), text.into()));
                }
                _ => {
                    let mut word = OsString::from(format!("--{long}="));
                    word.push(value);
                    words.rest.push((id.into(), word));
                }
            }
        }
        Ok(words)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Words {
    fn augment_args(command: Command) -> Command {
        let train = Train::augment_args(Command::new("train"));
        let args = train.get_arguments().filter(|arg| !OWN.contains(&arg.get_id().as_str()));
        command.args(args.cloned().map(|arg| if fields().contains(&arg.get_id().as_str()) { open(arg) } else { arg }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

/// The option of a setting, with any text as value.
fn open(arg: Arg) -> Arg {
    let values: Vec<String> = arg.get_possible_values().iter().map(|value| value.get_name().to_string()).collect();
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let arg = if values.is_empty() || arg.get_value_names().is_some_and(|names| names[0].contains('|')) {
        arg
    } else {
        arg.help(format!("{help} [possible values: {}]", values.join(", ")))
    };
    arg.value_parser(StringValueParser::new())
}

/// The command that reads the rest.
fn train() -> Command {
    let command = crate::cli::command();
    let train = command.find_subcommand("train").cloned().unwrap_or_default();
    train.name("sweep").bin_name("gpu-mlp sweep").no_binary_name(true)
}

impl Words {
    /// Whether the setting was given.
    pub fn names(&self, name: &str) -> bool {
        self.space.iter().any(|(given, _)| given == name) || self.rest.iter().any(|(given, _)| given == name)
    }

    /// Refuses settings on resume: the sweep has its own.
    pub fn refuse_settings(&self) -> Result<(), Error> {
        let given = self.space.iter().map(|(name, _)| name).chain(self.rest.iter().map(|(name, _)| name));
        match given.into_iter().find(|name| !OF_A_CALL.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let name = name.replace('_', "-");
                Err(Error::Setting(format!("--resume continues a sweep with its own settings: leave out --{name}")))
            }
        }
    }

    /// The rest as `train` reads it, for a sweep that is resumed, with the settings in its folder.
    pub fn train_resumed(&self, folder: &Path) -> Train {
        let mut word = OsString::from("--config=");
        word.push(settings_in(folder));
        self.read([word])
    }

    /// The rest as `train` reads it, with more settings.
    pub fn train(&self, fixed: &[(String, String)]) -> Train {
        self.read(fixed.iter().map(|(name, text)| format!("--{}={text}", name.replace('_', "-")).into()))
    }

    /// Exits as clap does if a word is wrong.
    fn read(&self, more: impl IntoIterator<Item = OsString>) -> Train {
        let mut command = train();
        let words = self.rest.iter().map(|(_, word)| word.clone()).chain(more);
        let matches = command.try_get_matches_from_mut(words);
        let train = matches.and_then(|matches| Train::from_arg_matches(&matches));
        train.unwrap_or_else(|error| hints::improve(error.format(&mut command), &crate::cli::command()).exit())
    }
}
