//! The environment as a layer of settings below the flags: `--batch-size 32` is also `GPU_MLP_BATCH_SIZE=32`.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgAction, Command};
use gpu_mlp::config::file::nearest;
use std::env;

const PREFIX: &str = "GPU_MLP_";

/// Variables that are no option: where MNIST lies, and what the tests insist on.
const OTHERS: [&str; 2] = ["GPU_MLP_DATA_DIR", "GPU_MLP_REQUIRE_ADAPTER"];

/// Gives each setting of each command its variable. Settings are the options under a heading; but `bench` measures the net
/// that its command line names.
pub fn layer(command: Command) -> Command {
    // The short help is short.
    let hide = env::args_os().any(|word| word == "-h");
    command.mut_subcommands(|sub| {
        let bench = sub.get_name() == "bench";
        sub.mut_args(|arg| match name(&arg) {
            Some(_) if bench && arg.get_help_heading().is_some_and(|heading| NET.contains(&heading)) => arg,
            Some(name) => {
                let arg = arg.hide_env(hide).hide_env_values(true);
                let is_set = env::var_os(&name).is_some_and(|value| !value.is_empty());
                let switch = matches!(arg.get_action(), ArgAction::SetTrue);
                let arg = if is_set && switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
                arg.env(name)
            }
            None => arg,
        })
    })
}

/// Headings of the options that say what is trained.
const NET: [&str; 3] = ["Net", "Training", "Schedule"];

/// The variable of an option, unless it has none or one of its own.
fn name(arg: &Arg) -> Option<String> {
    let long = arg.get_long().filter(|_| arg.get_help_heading().is_some() && arg.get_env().is_none())?;
    Some(format!("{PREFIX}{}", long.replace('-', "_").to_uppercase()))
}

/// What to tell about variables that look like settings and are none.
pub fn strangers(command: &Command) -> Vec<String> {
    let options = command.get_subcommands().flat_map(Command::get_arguments);
    let known: Vec<String> = options.filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).chain(OTHERS).collect();
    let given = env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    let mut notes: Vec<String> = given
        .filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()))
        .map(|name| match nearest(&name, &known) {
            Some(near) => format!("{name} in the environment is no setting; did you mean {near}?"),
            None => format!("{name} in the environment is no setting"),
        })
        .collect();
    notes.sort();
    notes
}
