//! The environment as a layer of settings below the flags: `--batch-size 32` is also `GPU_MLP_BATCH_SIZE=32`.
//!
//! Only settings of a run have a variable: net, training, data, engine, limits, checkpoints. Actions and output paths are given
//! on the command line.

use clap::builder::BoolishValueParser;
use clap::error::{ContextKind, ContextValue};
use clap::{Arg, ArgAction, Command, Error};
use gpu_mlp::base::text::{nearest, plain};
use gpu_mlp::config::synonyms;
use std::env;

const PREFIX: &str = "GPU_MLP_";

/// Variables that belong to no option: the folder of MNIST, and what the tests require.
const OTHERS: [&str; 2] = ["GPU_MLP_DATA_DIR", "GPU_MLP_REQUIRE_ADAPTER"];

/// Options of `train` that are not settings: actions and output paths.
const ACTIONS: [&str; 9] =
    ["print_config", "dry_run", "resume", "at", "allow_mismatch", "out", "tensorboard", "force", "json"];

/// Headings under which an option differs in meaning from the option of `train` with the same name.
const OF_A_CALL: [&str; 2] = ["Model of another program", "Sweep"];

/// Headings of the options that select what `bench` measures.
const OF_BENCH: [&str; 4] = ["Net", "Training", "Schedule", "Measurement"];

/// Gives each setting its variable, in every command that takes the setting. The settings are the options of `train`
/// except its actions. The net that `bench` measures is given only on the command line. An empty variable counts as
/// unset.
pub fn layer(command: Command) -> Command {
    // The short help leaves the variables out.
    let hide = env::args_os().any(|word| word == "-h");
    let train = command.find_subcommand("train").into_iter().flat_map(Command::get_arguments);
    let settings: Vec<String> =
        train.map(|arg| arg.get_id().to_string()).filter(|id| !ACTIONS.contains(&id.as_str())).collect();
    command.mut_subcommands(|sub| {
        let bench = sub.get_name() == "bench";
        // A negative number is accepted as a value; the check of the setting reports what is wrong with it.
        let sub = sub.mut_args(|arg| match arg.get_action() {
            ArgAction::Set | ArgAction::Append if arg.get_long() == Some("normalize") => arg.allow_hyphen_values(true),
            ArgAction::Set | ArgAction::Append => arg.allow_negative_numbers(true),
            _ => arg,
        });
        sub.mut_args(|arg| {
            let heading = arg.get_help_heading().unwrap_or_default();
            let other = OF_A_CALL.contains(&heading) || bench && OF_BENCH.contains(&heading);
            let setting = !heading.is_empty() && !other && settings.iter().any(|id| arg.get_id() == id);
            // The adapter's options already have wgpu's variables.
            let Some(long) = arg.get_long().filter(|_| setting && arg.get_env().is_none()) else { return arg };
            let name = variable(long);
            let arg = arg.hide_env(hide).hide_env_values(true);
            let value = env::var_os(&name);
            let switch = value.is_some() && matches!(arg.get_action(), ArgAction::SetTrue);
            let arg = if switch { arg.value_parser(BoolishValueParser::new()) } else { arg };
            if value.is_some_and(|value| value.is_empty()) { arg } else { arg.env(name) }
        })
    })
}

/// The variable of an option.
pub fn variable(long: &str) -> String {
    format!("{PREFIX}{}", long.replace('-', "_").to_uppercase())
}

/// Names the environment variables that the values of an error of the command line came from.
pub fn tips(error: &Error, command: &Command) -> Vec<String> {
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
    names.map(|name| format!("the value comes from {name} in the environment")).collect()
}

/// Refuses variables that look like settings and are not.
///
/// # Errors
/// [`gpu_mlp::Error::Setting`] names each of them: an action, or an unknown setting with the nearest one.
pub fn check(command: &Command) -> Result<(), gpu_mlp::Error> {
    let options = || command.get_subcommands().flat_map(Command::get_arguments);
    let action = |name: &str| options().filter_map(Arg::get_long).find(|long| variable(long) == name);
    let known: Vec<String> = options().filter_map(|arg| arg.get_env()?.to_str().map(str::to_owned)).collect();
    let known: Vec<&str> = known.iter().map(String::as_str).chain(OTHERS).collect();
    // Without the prefix, which would make all names similar.
    let short: Vec<&str> = known.iter().filter_map(|name| name.strip_prefix(PREFIX)).collect();
    let given = env::vars_os().filter(|(_, value)| !value.is_empty()).filter_map(|(name, _)| name.into_string().ok());
    let mut problems: Vec<String> = given
        .filter(|name| name.starts_with(PREFIX) && !known.contains(&name.as_str()))
        .map(|name| {
            let unknown = format!("unknown setting {name} in the environment");
            let short_name = &name[PREFIX.len()..];
            let same = short.iter().find(|known| plain(known) == plain(short_name)).copied();
            let synonym = synonyms::name(short_name).filter(|_| same.is_none());
            let is_setting = synonym.is_some_and(|synonym| known.contains(&variable(synonym.option).as_str()));
            if let Some(long) = action(&name).filter(|_| !is_setting) {
                return format!(
                    "{name} is set in the environment, but --{long} is an action of one call, not a setting: give it on the \
                     command line"
                );
            }
            if let Some(synonym) = synonym {
                let value = synonym.value(env::var(&name).ok().as_deref());
                let ours = variable(synonym.option);
                let note = if synonym.note.is_empty() { String::new() } else { format!(" ({})", synonym.note) };
                return match (is_setting, value) {
                    (true, Some(value)) => format!("{unknown}; did you mean {ours}={value}?{note}"),
                    (true, None) => format!("{unknown}; did you mean {ours}?{note}"),
                    (false, _) => format!("{unknown}; did you mean --{} on the command line?{note}", synonym.option),
                };
            }
            match same.or_else(|| nearest(short_name, &short)) {
                Some(near) => format!("{unknown}; did you mean {PREFIX}{near}?"),
                None => unknown,
            }
        })
        .collect();
    problems.sort();
    if problems.is_empty() { Ok(()) } else { Err(gpu_mlp::Error::Setting(problems.join("\n"))) }
}
