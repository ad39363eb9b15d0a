//! Where a setting comes from, for messages: the command line, the environment, or a file.

use super::environment::variable;
use clap::ArgMatches;
use clap::parser::ValueSource;
use gpu_mlp::run::settings::fields;
use std::path::PathBuf;
use std::sync::OnceLock;

/// Settings given on the command line, and those given in the environment; by the names of their fields.
static GIVEN: OnceLock<[Vec<String>; 2]> = OnceLock::new();
/// The file of --config, and its keys.
static FILE: OnceLock<(PathBuf, Vec<String>)> = OnceLock::new();

/// Remembers which settings of [`gpu_mlp::config::Config`] were given to a command. Data and engine are left out: on resume,
/// the run's own replace those of the environment.
pub fn remember(matches: &ArgMatches) {
    let of = |source| {
        let ids = matches.ids().filter(|id| fields().contains(&id.as_str()));
        let ids = ids.filter(|id| matches.value_source(id.as_str()) == Some(source));
        ids.map(ToString::to_string).collect()
    };
    _ = GIVEN.set([ValueSource::CommandLine, ValueSource::EnvVariable].map(of));
}

/// Remembers the keys of the settings file.
pub fn remember_file<'a>(path: PathBuf, keys: impl Iterator<Item = &'a String>) {
    _ = FILE.set((path, keys.cloned().collect()));
}

/// The origin of a setting, unless it was given on the command line or not at all.
pub fn of(name: &str) -> Option<String> {
    let id = name.replace('-', "_");
    let [flags, variables] = GIVEN.get()?;
    if flags.contains(&id) {
        return None;
    }
    if variables.contains(&id) {
        return Some(format!("{} in the environment", variable(&id)));
    }
    let (path, keys) = FILE.get()?;
    keys.contains(&id).then(|| path.display().to_string())
}

/// The origins of the settings that a message names: `lr comes from GPU_MLP_LR in the environment`.
pub fn named_in(message: &str) -> Vec<String> {
    let mut words: Vec<&str> = message.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).collect();
    words.iter_mut().for_each(|word| *word = word.trim_start_matches("--"));
    words.sort();
    words.dedup();
    words.into_iter().filter_map(|word| Some(format!("{word} comes from {}", of(word)?))).collect()
}
