//! Makes a table of the rows of a training file: sorts the categories, and decides what the targets are.

use std::path::Path;

use rayon::prelude::*;

use super::chunk::{Chunk, Misfits};
use super::field::{has_decimal_comma, labelled, word_of};
use super::plan::{Kind, Plan, Role, Use};
use super::source::Columns;
use super::words::{Alike, distinct};
use super::{
    Column, Goal, Header, Ids, MOST_NUMBERED_CLASSES, Options, RawTargets, Table, Target, TargetColumn, TargetKind,
};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::bad;
use crate::data::csv::is_row_number;
use crate::data::folder::few;

/// The columns that were read as numbers and hold texts.
///
/// # Errors
/// [`Error::Data`] if a column is mostly numbers, so that its texts are mistakes.
pub(super) fn texts(
    path: &Path,
    columns: &Columns,
    plan: &Plan,
    all: &Chunk,
    options: &Options,
) -> Result<Vec<usize>, Error> {
    let is_word = |column: usize, misfits: &Misfits| {
        let Some(Some(used)) = plan.uses.get(column) else { return false };
        let numbers = match used.role {
            Role::Feature => count(all.values.iter().skip(used.slot).step_by(plan.features), |value| !value.is_nan()),
            _ => count(all.targets.iter().skip(used.slot).step_by(plan.targets), |value| !value.is_nan()),
        };
        match (used.role, options.task) {
            (Role::Feature, _) if plan.known => false,
            (Role::Target, Some(Goal::Values)) => false,
            (Role::Target, _) if plan.targets > 1 => false,
            _ => misfits.count > numbers && !has_decimal_comma(&misfits.text),
        }
    };
    let (words, mistakes): (Vec<_>, Vec<_>) =
        all.misfits.iter().partition(|(column, misfits)| is_word(**column, misfits));
    match mistakes.into_iter().min_by_key(|(_, misfits)| misfits.at) {
        Some((&column, misfits)) => Err(misfit(path, columns, column, misfits)),
        None => Ok(words.into_iter().map(|(&column, _)| column).collect()),
    }
}

/// The target column that was read as numbers, if they are classes whose names need the texts.
pub(super) fn coded_classes(plan: &Plan, all: &Chunk, options: &Options) -> Option<usize> {
    let is_read = |used: &Option<Use>| used.is_some_and(|used| used.role == Role::Target && used.kind == Kind::Number);
    let target = plan.uses.iter().position(is_read).filter(|_| all.coded)?;
    matches!(decide(plan, all, options), Some((TargetKind::Classes { .. }, _))).then_some(target)
}

fn count<'a, T: 'a>(values: impl Iterator<Item = &'a T>, test: fn(&T) -> bool) -> usize {
    values.filter(|value| test(value)).count()
}

/// Refuses fields that are not numbers in columns that the training file has as numbers.
pub(super) fn refuse_misfits(path: &Path, columns: &Columns, plan: &Plan, chunk: &Chunk) -> Result<(), Error> {
    let is_target =
        |column: usize| plan.uses.get(column).is_some_and(|used| used.is_some_and(|used| used.role == Role::Target));
    let counted = chunk.misfits.iter().filter(|(column, _)| !(plan.lenient && is_target(**column)));
    match counted.min_by_key(|(_, misfits)| misfits.at) {
        Some((&column, misfits)) => Err(misfit(path, columns, column, misfits)),
        None => Ok(()),
    }
}

fn misfit(path: &Path, columns: &Columns, column: usize, misfits: &Misfits) -> Error {
    let Misfits { count, at, text } = misfits;
    let place = format!("{} {at}, {}", columns.unit, labelled(&columns.name(column)));
    if has_decimal_comma(text) {
        return bad(path, format!("{place}: {text:?} has a decimal comma"), "write numbers with a decimal point");
    }
    let problem = format!("{place}: {text:?} is not a number ({} in this column)", counted(*count, "such field"));
    let next = "correct it, leave the field empty if the value is missing, or declare the column categorical";
    bad(path, problem, next)
}

/// The table of all rows of a training file, with notes about its numbers.
pub(super) fn table(
    path: &Path,
    columns: &Columns,
    plan: &Plan,
    mut all: Chunk,
    options: &Options,
) -> Result<Table, Error> {
    refuse_row_numbers(path, columns, plan, &all)?;
    let mut features = vec![Column::numeric(""); plan.features];
    let mut targets = vec![TargetColumn { name: String::new(), place: 0 }; plan.targets];
    let mut place = 0;
    for ((name, used), lexicon) in plan.names.iter().zip(&plan.uses).zip(&plan.words) {
        let Some(used) = used else { continue };
        match used.role {
            Role::Feature => {
                let categories = lexicon.as_ref().map(|lexicon| {
                    let (names, places) = lexicon.sorted(Alike::Categories);
                    recode(&mut all.values, used.slot, plan.features, &places);
                    names
                });
                features[used.slot] = Column { name: name.clone(), categories };
            }
            Role::Target => {
                if let Some(target) = targets.get_mut(used.slot) {
                    *target = TargetColumn { name: name.clone(), place };
                }
            }
            Role::Weight | Role::Id => continue,
        }
        place += 1;
    }
    let (target, raw) = match decide(plan, &all, options) {
        None => (None, RawTargets::None),
        Some((kind, raw)) => (Some(Target { columns: targets, kind }), raw),
    };
    let header = Header { columns: features, target, named: columns.names.is_some(), spelled: plan.spelled };
    let (weights, ids) = attached(path, plan, all.weights, all.ids)?;
    let notes = crowded(plan, &all.values).into_iter().collect();
    Ok(Table { header, values: all.values, targets: raw, weights, ids, notes })
}

/// A note about columns of large numbers that lie close together, such as times in seconds: single precision rounds their
/// differences away.
fn crowded(plan: &Plan, values: &[f32]) -> Option<String> {
    /// From here on, single precision does not hold every whole number.
    const LARGE: f32 = (1_u32 << f32::MANTISSA_DIGITS) as f32;
    /// With more steps between the least and the greatest value, rounding is small beside the differences.
    const FEW: f64 = 65536.0;
    // Most tables have no such number, and one look at all values is quick.
    if !values.par_chunks(1 << 16).any(|values| values.iter().any(|value| value.abs() >= LARGE)) {
        return None;
    }
    let mut ranges = vec![(f32::INFINITY, f32::NEG_INFINITY); plan.features];
    for row in values.chunks_exact(plan.features) {
        ranges.iter_mut().zip(row).for_each(|((low, high), &value)| (*low, *high) = (low.min(value), high.max(value)));
    }
    let is_number = |used: &Use| used.role == Role::Feature && used.kind == Kind::Number;
    let columns = plan.names.iter().zip(&plan.uses).filter_map(|(name, used)| Some((name, used.filter(is_number)?)));
    let rounded = |(name, used): (&String, Use)| {
        let (low, high) = ranges[used.slot];
        let greatest = low.abs().max(high.abs());
        let step = f64::from(greatest) - f64::from(greatest.next_down());
        let steps = (f64::from(high) - f64::from(low)) / step;
        (greatest.is_finite() && greatest >= LARGE && steps < FEW)
            .then(|| format!("{} to a multiple of {step}", labelled(name)))
    };
    let rounded: Vec<String> = columns.filter_map(rounded).collect();
    let next = "subtract a constant first to keep the differences of their values";
    (!rounded.is_empty()).then(|| format!("single precision rounds large numbers: {}; {next}", few(&rounded)))
}

/// Replaces the codes of one of `columns` columns by their places in the sorted list.
fn recode(values: &mut [f32], slot: usize, columns: usize, places: &[usize]) {
    for value in values.iter_mut().skip(slot).step_by(columns) {
        // NaN, a missing value, stays.
        if *value >= 0.0 {
            *value = places.get(*value as usize).map_or(f32::NAN, |&place| place as f32);
        }
    }
}

/// Decides what the targets are. `None` if there are none.
fn decide(plan: &Plan, all: &Chunk, options: &Options) -> Option<(TargetKind, RawTargets)> {
    if plan.targets == 0 {
        return None;
    }
    if options.task == Some(Goal::Labels) {
        return Some((TargetKind::Labels, RawTargets::Labels(singles(&all.targets))));
    }
    let target = plan.uses.iter().position(|used| used.is_some_and(|used| used.role == Role::Target))?;
    if plan.targets == 1 && plan.uses[target]?.kind == Kind::Word {
        let (names, places) = plan.words[target].as_ref()?.sorted(Alike::Classes);
        let class = |&code: &f64| places.get(code as usize).map_or(0, |&place| place as u32);
        return Some((TargetKind::Classes { names }, RawTargets::Classes(all.targets.iter().map(class).collect())));
    }
    let classes = match options.task {
        Some(_) => None,
        None if plan.targets > 1 => None,
        None => {
            let few = distinct(all.targets.iter().copied(), MOST_NUMBERED_CLASSES.min(all.rows / 2));
            few.filter(|classes| classes.iter().all(|class| class.fract() == 0.0))
        }
    };
    let Some(classes) = classes else {
        return Some((TargetKind::Values, RawTargets::Values(singles(&all.targets))));
    };
    let class = |&value: &f64| classes.partition_point(|&class| class < value) as u32;
    let codes = all.targets.iter().map(class).collect();
    let names = classes.iter().map(|&class| word_of(class)).collect();
    Some((TargetKind::Classes { names }, RawTargets::Classes(codes)))
}

/// Numbers in single precision.
pub(super) fn singles(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| value as f32).collect()
}

/// The name of the column of identifiers, if there is one.
pub(super) fn id_name(plan: &Plan) -> Option<String> {
    let at = plan.uses.iter().position(|used| used.is_some_and(|used| used.role == Role::Id))?;
    plan.names.get(at).cloned()
}

/// Weights and identifiers.
pub(super) fn attached(
    path: &Path,
    plan: &Plan,
    weights: Vec<f32>,
    ids: Ids,
) -> Result<(Option<Vec<f32>>, Option<Ids>), Error> {
    if plan.weighted && weights.iter().all(|&weight| weight == 0.0) {
        return Err(bad(path, "has weights that are all zero", "give at least one row a weight above zero"));
    }
    Ok((plan.weighted.then_some(weights), id_name(plan).map(|name| Ids { name, ..ids })))
}

/// Refuses a column that numbers the rows, as pandas and R write: the order of the rows is not a feature.
fn refuse_row_numbers(path: &Path, columns: &Columns, plan: &Plan, all: &Chunk) -> Result<(), Error> {
    /// Fewer rows may be numbered by chance.
    const FEWEST: usize = 3;
    let Some(names) = &columns.names else { return Ok(()) };
    for (at, (name, used)) in names.iter().zip(&plan.uses).enumerate() {
        let Some(used) = used.filter(|used| used.role == Role::Feature && used.kind == Kind::Number) else { continue };
        if all.rows < FEWEST || !is_row_number(name.as_bytes()) && *name != super::source::unnamed(at) {
            continue;
        }
        let mut values = all.values.iter().skip(used.slot).step_by(plan.features).peekable();
        let first = values.peek().map_or(0.0, |&&value| value);
        if values.enumerate().all(|(row, &value)| value == first + row as f32) {
            let problem = format!("{} numbers the rows, and the number of a row is not a feature", labelled(name));
            return Err(bad(path, problem, "ignore the column, or make it the id"));
        }
    }
    Ok(())
}
