//! A data set from tables: one file whose rows are divided, or a file for training and one for testing.

use std::path::Path;

use super::arrays::sha256;
use super::divide::test_samples;
use super::table::{self, Header, RawTargets, Table, TargetKind};
use super::{DataSet, Event, Request, Samples, Split, Targets, Task, TestRows, bad};
use crate::base::error::Error;
use crate::base::text::counted;

/// Seed of the draw of test rows: all runs on a table have the same.
const TEST_SEED: u64 = 1;

/// Opens the table at `path`.
///
/// # Errors
/// [`Error::Data`] if a file cannot be read, or has no targets; [`Error::Setting`] if the options contradict each other.
pub(super) fn open(path: &Path, request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    let whole = match &request.header {
        Some(header) if header.target.is_none() => table::read_anew(path, header, &request.table)?,
        Some(header) => table::read_like(path, header, &request.table)?,
        None => table::read(path, &request.table)?,
    };
    let header = whole.header.clone();
    say(&whole, watch);
    let train = split(path, whole)?;
    let mut origin = path.display().to_string();
    let (train, test) = match &request.test {
        None => (train, empty(&header)),
        Some(TestRows::File(file)) => {
            let other = table::read_like(file, &header, &request.table)?;
            say(&other, watch);
            origin.push_str(&format!(" and {}", file.display()));
            (train, split(file, other)?)
        }
        Some(rows) => {
            let count = match rows {
                TestRows::Count(count) => *count,
                TestRows::Share(share) => ((train.len() as f64 * share).round() as usize).max(1),
                TestRows::File(_) => 0,
            };
            origin.push_str(&format!(", {} of it for testing", counted(count, "row")));
            let classes = if let Targets::Classes(classes) = &train.targets { Some(&classes[..]) } else { None };
            let marked = test_samples(train.len(), classes, count, TEST_SEED)?;
            let (test, train) = train.parted(&marked);
            (train, test)
        }
    };
    let item = vec![header.columns.len()];
    let sha256 = sha256(&item, Some(&header), &train, &test);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    // `table.csv.gz` is the table.
    let name = name.split_once(".csv").or(name.split_once(".tsv")).map_or(&*name, |(stem, _)| stem);
    let name = super::folder::not_reserved(name);
    let task = task(&header).ok_or_else(|| no_target(path, &header))?;
    Ok(DataSet { header: Some(header), ..DataSet::new(name, origin, item, task, train, test, sha256) })
}

fn say(table: &Table, watch: &mut dyn FnMut(Event)) {
    table.notes.iter().for_each(|note| watch(Event::Note(note.clone())));
}

/// The rows of a table as a split.
pub(crate) fn split(path: &Path, table: Table) -> Result<Split, Error> {
    let width = table.header.target.as_ref().map_or(0, |target| target.columns.len());
    let targets = match table.targets {
        RawTargets::None => return Err(no_target(path, &table.header)),
        RawTargets::Classes(classes) => Targets::Classes(classes),
        RawTargets::Values(values) => Targets::Values { width, values },
        RawTargets::Labels(values) => Targets::Labels { width, values },
    };
    Ok(Split { samples: Samples::Floats(table.values), targets, weights: table.weights })
}

fn no_target(path: &Path, header: &Header) -> Error {
    let names: Vec<&str> = header.columns.iter().take(8).map(|column| &*column.name).collect();
    let problem = format!("has no column to predict; its first columns are {}", names.join(", "));
    bad(path, problem, "name the column to predict: the setting `target`")
}

/// A test split without samples.
fn empty(header: &Header) -> Split {
    let width = header.target.as_ref().map_or(1, |target| target.columns.len());
    let values = Vec::new();
    let targets = match header.target.as_ref().map(|target| &target.kind) {
        Some(TargetKind::Values) => Targets::Values { width, values },
        Some(TargetKind::Labels) => Targets::Labels { width, values },
        _ => Targets::default(),
    };
    Split { samples: Samples::Floats(Vec::new()), targets, weights: None }
}

/// The task of a table; `None` without a target.
pub(crate) fn task(header: &Header) -> Option<Task> {
    let target = header.target.as_ref()?;
    let names = || target.columns.iter().map(|column| column.name.clone()).collect();
    Some(match &target.kind {
        TargetKind::Classes { names } => Task::Classes { names: names.clone() },
        TargetKind::Values => Task::Values { names: names(), scales: Vec::new() },
        TargetKind::Labels => Task::Labels { names: names() },
    })
}
