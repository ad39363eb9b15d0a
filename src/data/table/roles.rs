//! Decides which column of a file is what: by the options for a training file, by the header of that file for others.

use std::path::Path;

use super::field::{labelled, short};
use super::plan::{Kind, Plan, Role, Use};
use super::source::Columns;
use super::words::{Alike, Lexicon};
use super::{Goal, Header, Options, Target, TargetColumn, TargetKind};
use crate::base::error::Error;
use crate::base::text::{counted, nearest};
use crate::data::bad;
use crate::data::csv::is_label;
use crate::data::folder::few;

/// The column with this name or index.
fn find(path: &Path, columns: &Columns, name: &str, what: &str) -> Result<usize, Error> {
    let names = columns.names.as_deref().unwrap_or_default();
    if let Some(at) = names.iter().position(|known| known == name) {
        return Ok(at);
    }
    let mut alike = (0..names.len()).filter(|&at| names[at].eq_ignore_ascii_case(name.trim()));
    if let (Some(at), None) = (alike.next(), alike.next()) {
        return Ok(at);
    }
    let width = columns.width();
    if let Ok(index) = name.trim().parse::<i64>() {
        let at = if index < 0 { index.checked_add_unsigned(width as u64) } else { Some(index) };
        if let Some(at) = at.and_then(|at| usize::try_from(at).ok()).filter(|&at| at < width) {
            return Ok(at);
        }
        let problem = format!("has no column {index} for {what}; it has {}", counted(width, "column"));
        return Err(bad(path, problem, format!("give an index from 0 to {}, or from -{width} to -1", width - 1)));
    }
    if names.is_empty() {
        let problem = format!("has no header, so no column named {name} for {what}");
        return Err(bad(path, problem, "give the index of the column: 0 for the first, -1 for the last"));
    }
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let meant = nearest(name, &known).map(|name| format!("; did you mean {}?", short(name))).unwrap_or_default();
    let problem = format!("has no column named {name} for {what}{meant}");
    Err(bad(path, problem, format!("its columns are {}", listed(columns))))
}

/// The first names.
fn listed(columns: &Columns) -> String {
    few(&(0..columns.width()).map(|at| short(&columns.name(at))).collect::<Vec<_>>())
}

/// The columns of the options, each with its role; `None` for all others.
///
/// Columns with a role in `lenient` may be absent.
fn named(
    path: &Path,
    columns: &Columns,
    options: &Options,
    lenient: &[Option<Role>],
) -> Result<Vec<Option<Option<Role>>>, Error> {
    let mut roles = vec![None; columns.width()];
    let mut set = |name: &str, what: &str, role: Option<Role>| {
        let at = match find(path, columns, name, what) {
            Err(_) if lenient.contains(&role) => return Ok(()),
            found => found?,
        };
        if roles[at].replace(role).is_some_and(|before| before != role) {
            let problem = format!("{} is to be {what} and something else too", labelled(&columns.name(at)));
            return Err(bad(path, problem, "name it once"));
        }
        Ok(())
    };
    options.ignore.iter().try_for_each(|name| set(name, "a column to ignore", None))?;
    options.weight.iter().try_for_each(|name| set(name, "the weight", Some(Role::Weight)))?;
    options.id.iter().try_for_each(|name| set(name, "the id", Some(Role::Id)))?;
    if columns.weights > 0 {
        let last = columns.width() - 1;
        if roles[last].is_none() && roles.contains(&Some(Some(Role::Weight))) {
            let problem = "has an array of weights, and a weight column is named too";
            return Err(bad(path, problem, "leave out the weight column, or remove the array"));
        }
        roles[last] = roles[last].or(Some(Some(Role::Weight)));
    }
    Ok(roles)
}

/// The target columns of a training file.
fn targets(path: &Path, columns: &Columns, options: &Options) -> Result<Vec<usize>, Error> {
    if let Some(names) = &options.target {
        return names.iter().map(|name| find(path, columns, name, "the target")).collect();
    }
    if columns.targets > 0 {
        let end = columns.width() - columns.weights;
        return Ok((end - columns.targets..end).collect());
    }
    let names = columns.names.as_deref().unwrap_or_default();
    let found: Vec<usize> = (0..names.len()).filter(|&at| is_label(names[at].as_bytes())).collect();
    match found[..] {
        [only] => Ok(vec![only]),
        [] if names.is_empty() => {
            let problem = format!(
                "has no names of columns, so the target is not known; it has {}",
                counted(columns.width(), "column")
            );
            Err(bad(path, problem, "name the target by its index: 0 for the first column, -1 for the last"))
        }
        [] => {
            let problem = format!("has no column named label, class, target or y; its columns are {}", listed(columns));
            Err(bad(path, problem, "name the target column, by its name or its index"))
        }
        _ => {
            let found: Vec<String> = found.iter().map(|&at| names[at].clone()).collect();
            let problem = format!("has several columns that may be the target: {}", few(&found));
            Err(bad(path, problem, "name the target column, and ignore the others if they tell the target"))
        }
    }
}

/// The plan for a training file, and notes about what is not used. `words` are further columns that turned out to hold texts.
/// The features are those of `header`, if there is one.
pub(super) fn training(
    path: &Path,
    columns: &Columns,
    header: Option<&Header>,
    options: &Options,
    words: &[usize],
) -> Result<(Plan, Vec<String>), Error> {
    let mut roles = named(path, columns, options, &[])?;
    let targets = targets(path, columns, options)?;
    for (slot, &at) in targets.iter().enumerate() {
        if roles[at].is_some() || targets[..slot].contains(&at) {
            let problem = format!("{} is to be the target and something else too", labelled(&columns.name(at)));
            return Err(bad(path, problem, "name it once"));
        }
        roles[at] = Some(Some(Role::Target));
    }
    if options.task == Some(Goal::Classes) && targets.len() > 1 {
        let problem = format!("{} were named, but classes are in one", counted(targets.len(), "target column"));
        return Err(Error::Setting(format!("{problem}; take several targets as values or as labels")));
    }
    let forced = options.categorical.iter().map(|name| find(path, columns, name, "a column of categories"));
    let forced = forced.collect::<Result<Vec<usize>, _>>()?;
    let mut plan = Plan::new(columns);
    let free: Vec<usize> = (0..columns.width()).filter(|&at| roles[at].is_none()).collect();
    if let Some(header) = header {
        let features = Header { target: None, ..header.clone() };
        let found = matched(path, columns, &features, &free)?;
        set_features(&mut plan, &found.features, header);
        plan.known = true;
    }
    let otherwise = header.is_none().then_some(Role::Feature);
    for (at, (role, guess)) in roles.iter().zip(&columns.guesses).enumerate() {
        let Some(role) = role.unwrap_or(otherwise) else { continue };
        let slot = match role {
            Role::Target => targets.iter().position(|&target| target == at).unwrap_or(0),
            _ => plan.features,
        };
        let kind = match (role, options.task) {
            (Role::Feature, _) if forced.contains(&at) => Kind::Word,
            (Role::Target, Some(Goal::Labels)) => Kind::Label,
            (Role::Target, Some(Goal::Classes)) => Kind::Word,
            (Role::Target, Some(Goal::Values)) => Kind::Number,
            (Role::Feature | Role::Target, _) if guess.is_text() || words.contains(&at) => Kind::Word,
            _ => Kind::Number,
        };
        let comma = guess.is_text() && guess.commas == guess.texts;
        if comma && role != Role::Id && !forced.contains(&at) {
            let problem = format!("{} has numbers with a decimal comma", labelled(&columns.name(at)));
            return Err(bad(path, problem, "write numbers with a decimal point"));
        }
        if role == Role::Target && kind == Kind::Word && targets.len() > 1 {
            let problem = format!("{} holds texts, but several targets must be numbers", labelled(&columns.name(at)));
            return Err(bad(path, problem, "name a single target, or write numbers into all of these columns"));
        }
        plan.set(at, Use { role, slot, kind }, (kind == Kind::Word).then(Lexicon::open));
    }
    plan.targets = targets.len();
    if plan.features == 0 {
        let problem = format!("has no features: it has {}", counted(columns.width(), "column"));
        let next = "put the values of a sample into each row, beside the target; check the delimiter";
        return Err(bad(path, problem, next));
    }
    let notes = header.map_or_else(Vec::new, |header| unused(path, columns, header, &plan, &free));
    Ok((plan, notes))
}

/// The plan for a file with the columns of a training file, and notes about what is not used. `demanded` is whether the
/// targets must be there.
pub(super) fn like(
    path: &Path,
    columns: &Columns,
    header: &Header,
    options: &Options,
    demanded: bool,
) -> Result<(Plan, Vec<String>), Error> {
    let lenient = [None, Some(Role::Weight)];
    let roles = named(path, columns, options, if demanded { &lenient[..1] } else { &lenient })?;
    if let (true, true, Some(target)) = (demanded, header.named, &header.target) {
        refuse_another_target(path, target, options)?;
    }
    let mut plan = Plan::new(columns);
    plan.lenient = !demanded;
    for (at, role) in roles.iter().enumerate() {
        if let Some(Some(role)) = *role {
            plan.set(at, Use { role, slot: 0, kind: Kind::Number }, None);
        }
    }
    let free: Vec<usize> = (0..columns.width()).filter(|&at| roles[at].is_none()).collect();
    let Found { features, targets } = matched(path, columns, header, &free)?;
    set_features(&mut plan, &features, header);
    match (&header.target, targets) {
        (Some(target), Some(places)) => {
            plan.targets = places.len();
            for (slot, at) in places.into_iter().enumerate() {
                let (kind, lexicon) = match &target.kind {
                    TargetKind::Classes { names } => {
                        let alike = if header.spelled { Alike::Classes } else { Alike::Values };
                        (Kind::Word, Some(Lexicon::closed(names, alike)))
                    }
                    TargetKind::Values => (Kind::Number, None),
                    TargetKind::Labels => (Kind::Label, None),
                };
                plan.set(at, Use { role: Role::Target, slot, kind }, lexicon);
            }
        }
        (Some(target), None) if demanded => {
            let missing = named_columns(target);
            let problem = format!("lacks targets: {}", few(&missing));
            return Err(bad(path, problem, "add the target columns of the training file"));
        }
        _ => {}
    }
    let notes = unused(path, columns, header, &plan, &free);
    Ok((plan, notes))
}

/// Refuses options that name a target which is not one of `target`. Targets that are given by number are not compared, because
/// the number refers to another file.
fn refuse_another_target(path: &Path, target: &Target, options: &Options) -> Result<(), Error> {
    let is_known = |name: &&String| {
        let same = |column: &TargetColumn| column.name.trim().eq_ignore_ascii_case(name.trim());
        name.trim().parse::<i64>().is_ok() || target.columns.iter().any(same)
    };
    match options.target.iter().flatten().find(|name| !is_known(name)) {
        None => Ok(()),
        Some(name) => {
            let known = few(&named_columns(target));
            let problem = format!("is to be read with the target {}, but the model predicts {known}", short(name));
            Err(bad(path, problem, "leave the target out; another one needs a new model, or a new head for this one"))
        }
    }
}

/// The names of target columns, for messages.
fn named_columns(target: &Target) -> Vec<String> {
    target.columns.iter().map(|column| short(&column.name)).collect()
}

/// Uses these columns of the file as the features of `header`.
fn set_features(plan: &mut Plan, places: &[usize], header: &Header) {
    plan.spelled = header.spelled;
    for (slot, (&at, column)) in places.iter().zip(&header.columns).enumerate() {
        let alike = if header.spelled { Alike::Categories } else { Alike::Values };
        let lexicon = column.categories.as_deref().map(|names| Lexicon::closed(names, alike));
        let kind = if lexicon.is_some() { Kind::Word } else { Kind::Number };
        plan.set(at, Use { role: Role::Feature, slot, kind }, lexicon);
    }
}

/// Notes about unused columns of a file that is read by the header of another one.
fn unused(path: &Path, columns: &Columns, header: &Header, plan: &Plan, free: &[usize]) -> Vec<String> {
    let mut notes = Vec::new();
    let extra = free.iter().filter(|&&at| plan.uses[at].is_none());
    let extra: Vec<String> = extra.map(|&at| short(&columns.name(at))).collect();
    if !extra.is_empty() {
        notes.push(format!(
            "{}: the training file lacks these columns, so they are not used: {}",
            path.display(),
            few(&extra)
        ));
    }
    if header.named != columns.names.is_some() {
        notes.push(format!(
            "{}: columns are matched by position, since one of the files has no names of columns",
            path.display()
        ));
    }
    notes
}

/// Where the columns of a training file are in another file.
struct Found {
    features: Vec<usize>,
    targets: Option<Vec<usize>>,
}

/// Finds the columns of `header` in a file, by name, or by position if one of the files has no names. `free` are
/// the columns of the file without another use.
fn matched(path: &Path, columns: &Columns, header: &Header, free: &[usize]) -> Result<Found, Error> {
    let by_name = header.named && columns.names.is_some();
    if by_name { by_names(path, columns, header, free) } else { by_places(path, header, free) }
}

fn by_names(path: &Path, columns: &Columns, header: &Header, free: &[usize]) -> Result<Found, Error> {
    let places: std::collections::HashMap<String, usize> = free.iter().map(|&at| (columns.name(at), at)).collect();
    let place = |name: &String| places.get(name).copied();
    let missing: Vec<String> =
        header.columns.iter().map(|column| &column.name).filter(|name| place(name).is_none()).cloned().collect();
    if let Some(name) = missing.iter().find(|name| (0..columns.width()).any(|at| columns.name(at) == **name)) {
        let problem = format!("has {} for another purpose, but it is one of the model's features", labelled(name));
        return Err(bad(path, problem, "name another column for that, or train a new model"));
    }
    if !missing.is_empty() {
        let problem = format!("lacks {} of the training file: {}", counted(missing.len(), "column"), few(&missing));
        let next = format!("add them, or leave their fields empty; its columns are {}", listed(columns));
        return Err(bad(path, problem, next));
    }
    let features = header.columns.iter().filter_map(|column| place(&column.name)).collect();
    let target = header.target.as_ref();
    let targets = target.and_then(|target| target.columns.iter().map(|column| place(&column.name)).collect());
    Ok(Found { features, targets })
}

fn by_places(path: &Path, header: &Header, free: &[usize]) -> Result<Found, Error> {
    let features = header.columns.len();
    let targets = header.target.as_ref().map_or(&[][..], |target| &target.columns);
    if free.len() == features {
        return Ok(Found { features: free.to_vec(), targets: None });
    }
    let all = features + targets.len();
    if free.len() != all {
        let with = if targets.is_empty() { String::new() } else { format!(", or {all} with the targets") };
        let problem = format!(
            "has {} of values, but the training file has {}{with}",
            counted(free.len(), "column"),
            counted(features, "feature")
        );
        return Err(bad(path, problem, "give it the columns of the training file, in the same order"));
    }
    let is_target = |rank: &usize| targets.iter().any(|target| target.place == *rank);
    let features = (0..all).filter(|rank| !is_target(rank)).map(|rank| free[rank]).collect();
    let targets = targets.iter().map(|target| free.get(target.place).copied()).collect();
    Ok(Found { features, targets })
}
