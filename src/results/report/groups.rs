//! Groups of runs. Runs that differ only in their seed are one line of a chart and one entry of the table.

use super::details::setting;
use super::scores::{self, Split};
use super::{MOST_RUNS, Subject};
use crate::run::history::{Epoch, History};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Runs that differ only in their seed.
pub struct Group<'a> {
    /// The settings in which this group differs from the others, or the name of its first run.
    pub label: String,
    /// The label at the end of a line: without the names of the settings if it would be too long.
    pub short: String,
    /// A CSS colour.
    pub colour: String,
    /// The runs, at least one.
    pub runs: Vec<&'a Subject>,
}

/// Settings that do not distinguish groups: they do not change what is learned, or only by chance.
const IGNORED: [&str; 5] = ["seed", "forms", "health", "upload", "on_nan"];
/// If more settings differ, a run's name is the better label.
const MOST_SETTINGS: usize = 3;
/// The longest label at the end of a line.
const LONGEST: usize = 12;

/// Points (epoch, value), and ranges (epoch, lowest, highest).
pub type Curve = (Vec<(f64, f64)>, Vec<(f64, f64, f64)>);

impl Group<'_> {
    /// The mean accuracy of the final models on a split; `None` unless all have one.
    pub fn accuracy(&self, split: Split) -> Option<f64> {
        let each: Option<Vec<f64>> = self
            .runs
            .iter()
            .map(|run| scores::accuracy(run, split).filter(|a| a.of.is_none()).map(|a| a.share))
            .collect();
        each.map(|each| mean(&each))
    }

    /// Points (epoch, mean value), and the range (epoch, lowest, highest) if there are several runs. They end with the last
    /// epoch that all runs have.
    pub fn points(&self, pick: impl Fn(&Epoch) -> Option<f64>) -> Curve {
        let [first, rest @ ..] = &self.runs[..] else { return Default::default() };
        let value = |history: &History, number: u64| {
            let at = history.epochs.binary_search_by_key(&number, |epoch| epoch.epoch).ok()?;
            pick(&history.epochs[at])
        };
        let (mut points, mut band) = (Vec::new(), Vec::new());
        for epoch in &first.history.epochs {
            let others = rest.iter().map(|run| value(&run.history, epoch.epoch));
            let Some(values) = std::iter::once(pick(epoch)).chain(others).collect::<Option<Vec<f64>>>() else {
                continue;
            };
            points.push((epoch.epoch as f64, mean(&values)));
            if values.len() > 1 {
                let (low, high) = range(&values);
                band.push((epoch.epoch as f64, low, high));
            }
        }
        (points, band)
    }
}

/// The mean of at least one value.
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The lowest and the highest of at least one value.
pub fn range(values: &[f64]) -> (f64, f64) {
    values.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &v| (low.min(v), high.max(v)))
}

/// What distinguishes a run from those of other groups, by name. The state of a run has no name.
type Properties = BTreeMap<String, String>;

fn properties(subject: &Subject) -> Properties {
    let History { header, end, changes, .. } = &subject.history;
    let state = match end {
        None => "unfinished",
        Some(end) if end.model_sha256.is_none() => "failed",
        Some(_) => "",
    };
    let hash = |sha256: &str| sha256.chars().take(8).collect::<String>();
    let fixed = [
        ("data", header.data.clone()),
        ("hash", hash(&header.data_sha256)),
        ("engine", header.engine.clone()),
        ("from", header.from.as_ref().map_or(String::new(), |from| hash(&from.sha256))),
        ("changes", changes.join("; ")),
        ("", state.into()),
    ];
    let settings = header.config.iter().filter(|(name, _)| !IGNORED.contains(&name.as_str()));
    let settings = settings.map(|(name, value)| (name.clone(), setting(value)));
    settings.chain(fixed.map(|(name, value)| (name.to_string(), value))).collect()
}

/// The groups of these runs, in order of their first runs. More than [`MOST_RUNS`] groups are in order of the leading score,
/// so that the first ones are worth drawing.
pub fn groups(subjects: &[Subject]) -> Vec<Group<'_>> {
    let mut found: Vec<(Properties, Vec<&Subject>)> = Vec::new();
    for subject in subjects {
        let its = properties(subject);
        match found.iter_mut().find(|(properties, _)| *properties == its) {
            Some((_, runs)) => runs.push(subject),
            None => found.push((its, vec![subject])),
        }
    }
    let names: BTreeSet<&String> = found.iter().flat_map(|(all, _)| all.keys()).collect();
    let differs = |name: &&String| found.iter().any(|(all, _)| all.get(*name) != found[0].0.get(*name));
    let differing: Vec<&String> = names.into_iter().filter(differs).collect();
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (all, runs) in &found {
        let values =
            differing.iter().filter_map(|&name| Some((name, all.get(name).filter(|value| !value.is_empty())?)));
        let parts: Vec<String> =
            values.clone().map(|(name, value)| format!("{name} {value}").trim().to_string()).collect();
        let mut label = parts.join(", ");
        let mut short = label.clone();
        if label.chars().count() > LONGEST {
            short = values.map(|(_, value)| value.as_str()).collect::<Vec<_>>().join(" ");
        }
        let ambiguous = label.is_empty() || groups.iter().any(|other| other.label == label);
        if ambiguous || differing.len() > MOST_SETTINGS {
            short = runs[0].name.clone();
            label = match runs.len() {
                1 => short.clone(),
                many => format!("{short} and {} more", many - 1),
            };
        }
        groups.push(Group { label, short, colour: String::new(), runs: runs.clone() });
    }
    if groups.len() > MOST_RUNS
        && let Some(split) = scores::lead(subjects).filter(|_| scores::comparable(subjects))
    {
        let score = |group: &Group<'_>| group.accuracy(split).unwrap_or(f64::NEG_INFINITY);
        groups.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
    for (number, group) in groups.iter_mut().enumerate() {
        group.colour = if number < MOST_RUNS { format!("var(--run{number})") } else { "transparent".into() };
    }
    groups
}

/// The values of a setting in a group, each once.
pub fn values(group: &Group<'_>, name: &str) -> String {
    let mut values: Vec<String> = Vec::new();
    for run in &group.runs {
        let value = run.history.header.config.get(name).map_or("–".to_string(), |value: &Value| setting(value));
        if !values.contains(&value) {
            values.push(value);
        }
    }
    values.join(", ")
}
