//! The table of compared runs.

use super::axis::{duration, percent, short};
use super::groups::{Group, mean, range, values};
use super::notes::failure;
use super::scores::{self, Accuracy, Split, accuracy, between, interval};
use super::summary::{epochs, widths};
use super::{MOST_RUNS, Subject};
use crate::run::history::History;
use maud::{Markup, html};
use std::collections::BTreeSet;

/// A cell: its text, a remark, and whether it is the best of its row.
#[derive(Default)]
struct Cell {
    text: String,
    remark: String,
    best: bool,
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell { text, ..Cell::default() }
    }
}

/// A property of all groups.
struct Row {
    name: String,
    cells: Vec<Cell>,
}

/// The table, with one column per group, or one row per group if there are many. Notes follow.
pub fn comparison(subjects: &[Subject], groups: &[Group<'_>]) -> Markup {
    let rows = rows(subjects, groups);
    let head = |group: &Group<'_>| html! { span.swatch style={ "--c:" (group.colour) } {} (group.label) };
    let cell = |cell: &Cell| {
        html! { td.best[cell.best] { (cell.text) @if !cell.remark.is_empty() { " " span.unit { (cell.remark) } } } }
    };
    html! {
        div.scroll { table.figures.compare {
            @if groups.len() <= MOST_RUNS {
                thead { tr { th { span.unseen { "run" } } @for group in groups { th scope="col" { (head(group)) } } } }
                tbody { @for row in &rows {
                    tr { th scope="row" { (row.name) } @for value in &row.cells { (cell(value)) } }
                } }
            } @else {
                thead { tr { th { span.unseen { "run" } } @for row in &rows { th scope="col" { (row.name) } } } }
                tbody { @for (number, group) in groups.iter().enumerate() {
                    tr { th scope="row" { (head(group)) } @for row in &rows { (cell(&row.cells[number])) } }
                } }
            }
        } }
        (notes(subjects, groups))
    }
}

fn several_sets(subjects: &[Subject]) -> bool {
    subjects.iter().any(|subject| subject.history.header.data_sha256 != subjects[0].history.header.data_sha256)
}

fn rows(subjects: &[Subject], groups: &[Group<'_>]) -> Vec<Row> {
    let lead = scores::lead(subjects);
    let mut rows: Vec<Row> = Vec::new();
    let mut row = |name: &str, cell: &dyn Fn(&Group<'_>) -> Cell| {
        rows.push(Row { name: name.into(), cells: groups.iter().map(cell).collect() });
    };
    let accuracies = |group: &Group<'_>, split| -> Vec<Accuracy> {
        group.runs.iter().filter_map(|run| accuracy(run, split)).collect()
    };
    if groups.iter().any(|group| group.label != group.runs[0].name || group.runs.len() > 1) {
        row("run", &|group| names(group, lead).into());
    }
    for split in [Split::Validation, Split::Test] {
        let decides = lead == Some(split) && scores::comparable(subjects);
        let best = groups.iter().filter_map(|group| group.accuracy(split)).fold(0.0, f64::max);
        if split == Split::Validation && lead != Some(split) {
            continue;
        }
        row(&format!("{} accuracy", split.name()), &|group| {
            let all = accuracies(group, split);
            if all.is_empty() {
                return Cell::from("–".to_string());
            }
            let remark = match (all.iter().find_map(|accuracy| accuracy.of.clone()), group.runs.len()) {
                (Some(of), _) => of,
                (None, 1) => String::new(),
                (None, runs) => format!("mean of {runs}"),
            };
            let shares: Vec<f64> = all.iter().map(|accuracy| accuracy.share).collect();
            Cell { text: percent(mean(&shares)), remark, best: decides && group.accuracy(split) == Some(best) }
        });
        if lead != Some(split) {
            continue;
        }
        if groups.iter().any(|group| group.runs.len() > 1) {
            row("lowest to highest", &|group| {
                let shares: Vec<f64> = accuracies(group, split).iter().map(|accuracy| accuracy.share).collect();
                let (low, high) = range(&shares);
                if shares.len() < 2 { "–".to_string().into() } else { between(low, high).into() }
            });
        }
        if groups.iter().any(|group| group.runs.len() == 1 && accuracy(group.runs[0], split).is_some()) {
            row("95\u{a0}% confidence interval", &|group| match (&accuracies(group, split)[..], &group.runs[..]) {
                ([accuracy], [_]) => interval(accuracy).into(),
                _ => "–".to_string().into(),
            });
        }
    }
    let average = |group: &Group<'_>, pick: fn(&History) -> Option<f64>, text: fn(f64) -> String| {
        let all: Vec<f64> = group.runs.iter().filter_map(|run| pick(&run.history)).collect();
        Cell::from(if all.is_empty() { "–".into() } else { text(mean(&all)) })
    };
    row("training", &|group| average(group, History::training_seconds, duration));
    row("epochs", &|group| unique(group, epochs).into());
    row("images/s", &|group| average(group, History::images_per_second, short));
    row("parameters", &|group| short(group.runs[0].history.header.parameters as f64).into());
    row("net", &|group| widths(&group.runs[0].history).into());
    if several_sets(subjects) {
        row("data", &|group| data(&group.runs[0].history, subjects).into());
    }
    for name in differing(subjects) {
        row(&name, &|group| values(group, &name).into());
    }
    rows
}

/// The names of a group's runs; with several, each with its score.
fn names(group: &Group<'_>, lead: Option<Split>) -> String {
    let named = |run: &&Subject| {
        let accuracy = lead.filter(|_| group.runs.len() > 1).and_then(|split| accuracy(run, split));
        accuracy.map_or(run.name.clone(), |accuracy| format!("{}\u{a0}{}", run.name, percent(accuracy.share)))
    };
    group.runs.iter().map(named).collect::<Vec<_>>().join(", ")
}

/// A property of a group's runs, each value once.
fn unique(group: &Group<'_>, of: fn(&History) -> String) -> String {
    let values: BTreeSet<String> = group.runs.iter().map(|run| of(&run.history)).collect();
    values.into_iter().collect::<Vec<_>>().join(", ")
}

fn notes(subjects: &[Subject], groups: &[Group<'_>]) -> Markup {
    let lead = scores::lead(subjects);
    html! {
        @if groups.iter().any(|group| group.runs.len() > 1) {
            p.note { "Runs that differ only in their seed are shown together." }
        }
        @if several_sets(subjects) {
            p.warning { "These runs were trained on different data sets. Their accuracies cannot be compared." }
        } @else if groups.len() > 1 {
            @match (lead, scores::comparable(subjects)) {
                (Some(Split::Validation), true) => { p.note { "Bold: the highest validation accuracy. Choose by it; the test score is for the chosen run." } }
                (Some(Split::Validation), false) => { p.warning { "These runs do not have the same validation split, so their scores do not show which run is best." } }
                (Some(Split::Test), true) => { p.note { "Bold: the highest test accuracy. The test score of a run that is chosen by it is too good; a validation split avoids this." } }
                _ => {}
            }
        }
        @for subject in subjects {
            @if subject.history.end.is_none() { p.warning { (subject.name) ": no end is recorded. The run is still in progress or was interrupted." } }
            @if let Some(failure) = failure(&subject.history) { p.warning { (subject.name) ": " (failure) } }
        }
    }
}

/// Name of a run's data set, with its hash if another run has a different data set of this name.
fn data(history: &History, subjects: &[Subject]) -> String {
    let name = &history.header.data;
    let hash = &history.header.data_sha256;
    let ambiguous = |other: &Subject| other.history.header.data == *name && other.history.header.data_sha256 != *hash;
    if subjects.iter().any(ambiguous) { format!("{name} ({hash:.8})") } else { name.clone() }
}

/// Names of the settings in which the runs differ, without those that the table shows anyway or that do not affect training.
fn differing(subjects: &[Subject]) -> Vec<String> {
    let names: BTreeSet<&String> = subjects.iter().flat_map(|subject| subject.history.header.config.keys()).collect();
    let value = |subject: &Subject, name: &str| subject.history.header.config.get(name).cloned();
    let differs = |name: &&String| subjects.iter().any(|subject| value(subject, name) != value(&subjects[0], name));
    let skipped = |name: &&String| ["hidden", "epochs", "forms", "health"].contains(&name.as_str());
    names.into_iter().filter(|name| !skipped(name) && differs(name)).cloned().collect()
}
