//! The environment as a layer of settings below the flags: `--batch-size 32` is also `GPU_MLP_BATCH_SIZE=32`.

use clap::builder::{BoolishValueParser, StyledStr};
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error};
use gpu_mlp::base::text::nearest;
use std::env;

const PREFIX: &str = "GPU_MLP_";

/// Variables that are no option: where MNIST lies, and what the tests insist on.
const OTHERS: [&str; 2] = ["GPU_MLP_DATA_DIR", "GPU_MLP_REQUIRE_ADAPTER"];

/// Gives each setting of each command its variable. Settings are the options under a heading; but `bench` measures the net
/// that its command line names, in the way that it says. An empty variable is none.
pub fn layer(command: Command) -> Command {
    // The short help is short.
    let hide = env::args_os().any(|word| word == "-h");
    command.mut_subcommands(|sub| {
        let bench = sub.get_name() == "bench";
        // A negative number is a value: what is wrong with it is said by whoever reads it.
        let sub = sub.mut_args(|arg| match arg.get_action() {
            ArgAction::Set | ArgAction::Append if arg.get_long() == Some("normalize") => arg.allow_hyphen_values(true),
            ArgAction::Set | ArgAction::Append => arg.allow_negative_numbers(true),
            _ => arg,
        });
        sub.mut_args(|arg| match name(&arg) {
            Some(_) if bench && arg.get_help_heading().is_some_and(|heading| OF_BENCH.contains(&heading)) => arg,
            Some(name) => {
                let arg = arg.hide_env(hide).hide_env_values(true);
                let value = env::var_os(&name);
                let switch = value.is_some() && matches!(arg.get_action(), ArgAction::SetTrue);
                let arg = if switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
                if value.is_some_and(|value| value.is_empty()) { arg } else { arg.env(name) }
            }
            None => arg,
        })
    })
}

/// Headings of the options that say what `bench` measures.
const OF_BENCH: [&str; 4] = ["Net", "Training", "Schedule", "Measurement"];

/// Headings of options that mean something else than those of the same name elsewhere, and are of one call.
const OF_A_CALL: [&str; 2] = ["Model of other origin", "Sweep"];

/// Options that are about one run, which goes on: where, and as what else.
const OF_A_RUN: [&str; 2] = ["allow_mismatch", "at"];

/// The variable of an option, unless it has none or one of its own.
fn name(arg: &Arg) -> Option<String> {
    let setting = arg.get_help_heading().is_some_and(|heading| !OF_A_CALL.contains(&heading))
        && !OF_A_RUN.contains(&arg.get_id().as_str());
    let long = arg.get_long().filter(|_| setting && arg.get_env().is_none())?;
    Some(variable(long))
}

fn variable(long: &str) -> String {
    format!("{PREFIX}{}", long.replace('-', "_").to_uppercase())
}

/// An error of the command line, with the variable that its value is from, if it is from one.
pub fn named(mut error: Error, command: &Command) -> Error {
    let given = |name: &String| {
        let options = command.get_subcommands().flat_map(Command::get_arguments);
        let known = options.filter_map(Arg::get_env).any(|known| known == name.as_str());
        known && env::var_os(name).is_some_and(|value| !value.is_empty())
    };
    // `--lr <LR>`.
    let options = [ContextKind::InvalidArg, ContextKind::PriorArg].into_iter().filter_map(|kind| error.get(kind));
    let options = options.filter_map(|value| if let ContextValue::String(text) = value { Some(text) } else { None });
    let options = options.filter_map(|text| text.split([' ', '=', '[']).next());
    let unsaid = |option: &&str| {
        let words = || env::args_os().filter_map(|word| word.into_string().ok());
        !words().any(|word| word.strip_prefix(option).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    };
    let names = options.filter(unsaid).filter_map(|option| Some(variable(option.strip_prefix("--")?))).filter(given);
    let tips: Vec<StyledStr> = names.map(|name| format!("{name} in the environment says so").into()).collect();
    if !tips.is_empty() {
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    error
}

/// What to tell about variables that look like settings and are none.
pub fn strangers(command: &Command) -> Vec<String> {
    let options = command.get_subcommands().flat_map(Command::get_arguments);
    let known: Vec<String> = options.filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).chain(OTHERS).collect();
    let given = env::vars_os().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.into_string().ok());
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
