//! Improves errors of the command line: names of other tools, and values from the environment.

use super::environment;
use clap::builder::StyledStr;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};
use gpu_mlp::base::text::plain;
use gpu_mlp::config::synonyms;
use std::env;

/// Adds to an error the option or value that was probably meant, and the environment variable that a value came from.
pub fn improve(mut error: Error, command: &Command) -> Error {
    let words: Vec<String> = env::args_os().skip(1).filter_map(|word| word.into_string().ok()).collect();
    let sub = words.iter().find_map(|word| command.find_subcommand(word));
    let mut tips = environment::tips(&error, command);
    match error.kind() {
        ErrorKind::UnknownArgument => {
            let found = sub.zip(text(&error, ContextKind::InvalidArg)).and_then(|(sub, arg)| option(sub, arg, &words));
            if let Some(tip) = found {
                error.remove(ContextKind::SuggestedArg);
                tips = vec![tip];
            }
        }
        ErrorKind::InvalidValue => tips.extend(suggest_value(&mut error)),
        _ => {}
    }
    if !tips.is_empty() {
        let tips = tips.into_iter().map(StyledStr::from).collect();
        error.insert(ContextKind::Suggested, ContextValue::StyledStrs(tips));
    }
    // clap's own usage line lists options that the environment has set as if they were required.
    if let Some(sub) = sub.filter(|_| error.get(ContextKind::Usage).is_some()) {
        error.insert(ContextKind::Usage, ContextValue::StyledStr(sub.clone().render_usage()));
    }
    error
}

fn text(error: &Error, kind: ContextKind) -> Option<&str> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text),
        _ => None,
    }
}

/// The option of `sub` that an unknown argument probably means.
fn option(sub: &Command, argument: &str, words: &[String]) -> Option<String> {
    // `-lr 0.1` is reported as `-l`.
    let single = argument.starts_with('-') && !argument.starts_with("--");
    let word =
        words.iter().position(|word| word.split('=').next() == Some(argument) || single && word.starts_with(argument));
    let word = word.unwrap_or(words.len());
    let given = words.get(word).map_or(argument, String::as_str);
    let (name, value) = given.split_once('=').map_or((given, None), |(name, value)| (name, Some(value)));
    let value = value.or_else(|| words.get(word + 1).map(String::as_str).filter(|value| !value.starts_with("--")));
    let name = name.trim_start_matches('-');
    let longs: Vec<&str> = sub.get_arguments().filter_map(Arg::get_long).collect();
    if let Some(long) = longs.iter().find(|long| plain(long) == plain(name) && !name.is_empty()) {
        return Some(format!("use --{long}"));
    }
    let synonym = synonyms::name(name).filter(|synonym| longs.contains(&synonym.option))?;
    let value = synonym.value(value).map_or(String::new(), |value| format!(" {value}"));
    let note = if synonym.note.is_empty() { String::new() } else { format!(": {}", synonym.note) };
    Some(format!("use --{}{value}{note}", synonym.option))
}

/// Replaces the suggested value by the one that other tools' value means. Returns how its meaning differs, if it does.
fn suggest_value(error: &mut Error) -> Option<String> {
    let option =
        text(error, ContextKind::InvalidArg)?.split([' ', '=', '[']).next()?.trim_start_matches("--").to_owned();
    let given = text(error, ContextKind::InvalidValue)?.to_owned();
    let Some(ContextValue::Strings(valid)) = error.get(ContextKind::ValidValue) else { return None };
    let same = valid.iter().find(|value| plain(value) == plain(&given)).cloned();
    let (value, note) = match (same, synonyms::value(&option, &given)) {
        (Some(same), _) => (same, ""),
        (None, Some((value, note))) => (value.to_owned(), note),
        (None, None) => return None,
    };
    error.remove(ContextKind::SuggestedValue);
    if value.is_empty() {
        return Some(format!("there is no {given} here, and nothing equal to it"));
    }
    error.insert(ContextKind::SuggestedValue, ContextValue::String(value.clone()));
    (!note.is_empty()).then(|| format!("use {value}, {note}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_synonym_means_an_option_of_train() {
        let command = crate::cli::command();
        let train = command.find_subcommand("train").expect("a command");
        let globals = command.get_arguments().filter_map(Arg::get_long);
        let longs: Vec<&str> = train.get_arguments().filter_map(Arg::get_long).chain(globals).collect();
        for option in synonyms::options() {
            assert!(longs.contains(&option), "{option}");
        }
    }
}
