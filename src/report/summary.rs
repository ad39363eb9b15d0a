//! The head of the page: what was run, and how good it is.

use super::axis::{duration, grouped, percent, short};
use super::details::{date, setting};
use super::{Subject, colour};
use crate::assess::wilson;
use crate::history::History;
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeSet;

/// Share of hits on the test split and its 95 % interval.
struct Accuracy {
    share: f64,
    low: f64,
    high: f64,
    misses: u64,
    samples: u64,
}

/// From the evaluation, else from the record.
fn accuracy(subject: &Subject) -> Option<Accuracy> {
    let (hits, samples) = match &subject.results {
        Ok(results) => (results.assessment.score.hits, results.assessment.score.samples),
        Err(_) => {
            let samples = subject.history.header.test_samples;
            let share = subject.history.test_accuracy().filter(|s| (0.0..=1.0).contains(s))?;
            // A double does not hold every count.
            (((share * samples as f64).round() as u64).min(samples), samples)
        }
    };
    let (low, high) = wilson(hits, samples.max(1));
    (samples > 0).then(|| Accuracy { share: hits as f64 / samples as f64, low, high, misses: samples - hits, samples })
}

fn interval(accuracy: &Accuracy) -> String {
    format!("{:.2} to {:.2}\u{a0}%", 100.0 * accuracy.low, 100.0 * accuracy.high)
}

fn widths(history: &History) -> String {
    history.header.widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" – ")
}

/// Title of the page.
pub fn title(subjects: &[Subject]) -> String {
    let [only] = subjects else { return format!("{} runs compared", subjects.len()) };
    match accuracy(only) {
        Some(accuracy) => format!("{}: {} on {}", only.name, percent(accuracy.share), only.history.header.data),
        None => only.name.clone(),
    }
}

/// Head of the page.
pub fn header(subjects: &[Subject]) -> Markup {
    let [only] = subjects else {
        return html! { p.over { "gpu-mlp" } h1 { (subjects.len()) " runs compared" } (comparison(subjects)) };
    };
    let header = &only.history.header;
    html! {
        p.over { "gpu-mlp · " (only.name) " · " (date(header.unix_time)) }
        h1 { (widths(&only.history)) " on " (header.data) }
        p.device { (header.engine) ": " (header.device) }
        (tiles(only))
        @if only.history.end.is_none() { p.warning { "No end is recorded: this run is going on, or was cut off." } }
    }
}

fn tiles(subject: &Subject) -> Markup {
    let history = &subject.history;
    let accuracy = accuracy(subject);
    html! {
        dl.tiles {
            @if let Some(accuracy) = &accuracy {
                div.main { dt { "Test accuracy" } dd { (percent(accuracy.share)) span { "95 % interval " (interval(accuracy)) } } }
                div { dt { "Mistakes" } dd { (grouped(accuracy.misses)) span { "of " (grouped(accuracy.samples)) } } }
            }
            div { dt { "Training" } dd { (duration(history.training_seconds())) span { (epochs(history)) } } }
            @if let Some(rate) = history.images_per_second() {
                div { dt { "Throughput" } dd { (short(rate)) span { "images a second" } } }
            }
            div { dt { "Parameters" } dd { (short(history.header.parameters as f64)) span { (grouped(history.header.parameters)) " weights, biases" } } }
        }
    }
}

fn epochs(history: &History) -> String {
    let (done, wanted) = (history.epochs.len(), history.header.config.get("epochs").and_then(Value::as_u64));
    match wanted {
        Some(wanted) if wanted != done as u64 => format!("{done} of {wanted} epochs"),
        _ if done == 1 => "1 epoch".into(),
        _ => format!("{done} epochs"),
    }
}

fn comparison(subjects: &[Subject]) -> Markup {
    let settings = differing(subjects);
    let best = subjects.iter().filter_map(accuracy).map(|a| a.share).fold(0.0, f64::max);
    html! {
        div.scroll { table.figures.compare {
            thead { tr {
                @for head in ["run", "test accuracy", "95 % interval", "training", "images/s", "parameters", "net"] { th scope="col" { (head) } }
                @for name in &settings { th scope="col" { (name) } }
            } }
            tbody { @for (number, subject) in subjects.iter().enumerate() { (row(number, subject, best, &settings)) } }
        } }
        @if subjects.iter().any(|s| s.history.header.data_sha256 != subjects[0].history.header.data_sha256) {
            p.warning { "These runs were not trained on the same data set: their accuracies cannot be compared." }
        }
        @for subject in subjects.iter().filter(|subject| subject.history.end.is_none()) {
            p.warning { (subject.name) ": no end is recorded; it is going on, or was cut off." }
        }
    }
}

fn row(number: usize, subject: &Subject, best: f64, settings: &[String]) -> Markup {
    let (history, accuracy) = (&subject.history, accuracy(subject));
    html! {
        tr {
            th scope="row" { span.swatch style={ "--c:" (colour(number)) } {} (subject.name) }
            td.best[accuracy.as_ref().is_some_and(|a| a.share == best)] { (accuracy.as_ref().map_or("–".into(), |a| percent(a.share))) }
            td { (accuracy.as_ref().map_or("–".into(), interval)) }
            td { (duration(history.training_seconds())) }
            td { (history.images_per_second().map_or("–".into(), short)) }
            td { (short(history.header.parameters as f64)) }
            td { (widths(history)) }
            @for name in settings { td { (history.header.config.get(name).map_or("–".into(), setting)) } }
        }
    }
}

/// Names of the settings in which the runs differ; those that the column `net` shows are left out.
fn differing(subjects: &[Subject]) -> Vec<String> {
    let names: BTreeSet<&String> = subjects.iter().flat_map(|subject| subject.history.header.config.keys()).collect();
    let value = |subject: &Subject, name: &str| subject.history.header.config.get(name).cloned();
    let differs = |name: &&String| subjects.iter().any(|subject| value(subject, name) != value(&subjects[0], name));
    names.into_iter().filter(|name| !["hidden", "forms"].contains(&name.as_str())).filter(differs).cloned().collect()
}
