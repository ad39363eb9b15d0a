//! The head of the page: what was run, and how good it is.

use super::axis::{duration, grouped, percent, short};
use super::details::{date, setting};
use super::notes::{failure, notes};
use super::{Subject, colour};
use crate::results::assess::wilson;
use crate::run::history::{Epoch, History};
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeSet;

/// Share of hits on the test split and its 95 % interval.
struct Accuracy {
    /// Whose it is, if not the run's model's.
    of: Option<String>,
    share: f64,
    low: f64,
    high: f64,
    misses: u64,
    samples: u64,
}

/// From the evaluation, else from the record. Weights that are not finite have none, whatever was counted.
fn accuracy(subject: &Subject) -> Option<Accuracy> {
    let history = &subject.history;
    let written = history.end.as_ref().is_some_and(|end| end.model_sha256.is_some());
    let (of, hits, samples) = match &subject.results {
        Ok(results) => {
            ("of an earlier model".to_string(), results.assessment.score.hits, results.assessment.score.samples)
        }
        Err(_) => {
            let at_end = history.end.as_ref().and_then(|end| Some((end.test_accuracy?, end.test_loss, None)));
            let scored = |epoch: &Epoch| Some((epoch.test_accuracy?, epoch.test_loss, Some(epoch.epoch)));
            let (share, loss, epoch) = at_end.or_else(|| history.epochs.iter().rev().find_map(scored))?;
            if !(0.0..=1.0).contains(&share) || !written && loss.is_some_and(|loss| !loss.is_finite()) {
                return None;
            }
            let of = epoch.map_or("of the last weights".into(), |epoch| format!("after epoch {epoch}"));
            let samples = history.header.test_samples;
            // A double does not hold every count.
            (of, ((share * samples as f64).round() as u64).min(samples), samples)
        }
    };
    let (of, (low, high)) = ((!written).then_some(of), wilson(hits, samples.max(1)));
    let share = hits as f64 / samples as f64;
    (samples > 0).then(|| Accuracy { of, share, low, high, misses: samples - hits, samples })
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
    match accuracy(only).filter(|accuracy| accuracy.of.is_none()) {
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
        (notes(only))
        (tiles(only))
    }
}

fn tiles(subject: &Subject) -> Markup {
    let history = &subject.history;
    let accuracy = accuracy(subject);
    html! {
        dl.tiles {
            @if let Some(accuracy) = &accuracy {
                div.main { dt { "Test accuracy" @if let Some(of) = &accuracy.of { " " (of) } } dd { (percent(accuracy.share)) span { "95 % interval " (interval(accuracy)) } } }
                div { dt { "Mistakes" } dd { (grouped(accuracy.misses)) span { "of " (grouped(accuracy.samples)) } } }
            }
            div { dt { "Training" } dd { (training(history)) span {
                (epochs(history)) @if epochs(history) == "1" { " epoch" } @else { " epochs" }
            } } }
            @if let Some(rate) = history.images_per_second() {
                div { dt { "Throughput" } dd { (short(rate)) span { "images a second" } } }
            }
            div { dt { "Parameters" } dd { (short(history.header.parameters as f64)) span { (grouped(history.header.parameters)) " weights, biases" } } }
        }
    }
}

fn training(history: &History) -> String {
    history.training_seconds().map_or("–".into(), duration)
}

/// Epochs trained, and of how many if that is not all.
fn epochs(history: &History) -> String {
    let (done, wanted) = (history.epochs.len(), history.header.config.get("epochs").and_then(Value::as_u64));
    wanted.filter(|&wanted| wanted > done as u64).map_or(done.to_string(), |wanted| format!("{done} of {wanted}"))
}

/// A table with a column a run: there are few runs, but maybe many settings in which they differ.
fn comparison(subjects: &[Subject]) -> Markup {
    let accuracies: Vec<Option<Accuracy>> = subjects.iter().map(accuracy).collect();
    let best = accuracies.iter().flatten().filter(|a| a.of.is_none()).map(|a| a.share).fold(0.0, f64::max);
    let settings = differing(subjects);
    let row = |name: &str, cell: &dyn Fn(&History) -> String| {
        html! { tr { th scope="row" { (name) } @for subject in subjects { td { (cell(&subject.history)) } } } }
    };
    let several_sets = subjects.iter().any(|s| s.history.header.data_sha256 != subjects[0].history.header.data_sha256);
    html! {
        div.scroll { table.figures.compare {
            thead { tr {
                th { span.unseen { "run" } }
                @for (number, subject) in subjects.iter().enumerate() {
                    th scope="col" { span.swatch style={ "--c:" (colour(number)) } {} (subject.name) }
                }
            } }
            tbody {
                tr { th scope="row" { "test accuracy" } @for accuracy in &accuracies {
                    @match accuracy {
                        None => { td { "–" } }
                        Some(Accuracy { of: Some(of), share, .. }) => { td { (percent(*share)) " " span.unit { (of) } } }
                        Some(accuracy) => { td.best[accuracy.share == best && !several_sets] { (percent(accuracy.share)) } }
                    }
                } }
                tr { th scope="row" { "95\u{a0}% interval" } @for accuracy in &accuracies {
                    td { (accuracy.as_ref().map_or("–".into(), interval)) }
                } }
                (row("training", &training))
                (row("epochs", &epochs))
                (row("images/s", &|history| history.images_per_second().map_or("–".into(), short)))
                (row("parameters", &|history| short(history.header.parameters as f64)))
                (row("net", &widths))
                @if several_sets { (row("data", &|history| data(history, subjects))) }
                @for name in &settings { (row(name, &|history| history.header.config.get(name).map_or("–".into(), setting))) }
            }
        } }
        @if several_sets {
            p.warning { "These runs were not trained on the same data set: their accuracies cannot be compared." }
        }
        @for subject in subjects {
            @if subject.history.end.is_none() { p.warning { (subject.name) ": no end is recorded; it is going on, or was cut off." } }
            @if let Some(failure) = failure(&subject.history) { p.warning { (subject.name) ": " (failure) } }
        }
    }
}

/// Name of a run's data set, and its hash if another is called the same.
fn data(history: &History, subjects: &[Subject]) -> String {
    let (name, hash) = (&history.header.data, &history.header.data_sha256);
    let ambiguous = |other: &Subject| other.history.header.data == *name && other.history.header.data_sha256 != *hash;
    if subjects.iter().any(ambiguous) { format!("{name} ({hash:.8})") } else { name.clone() }
}

/// Names of the settings in which the runs differ, but for those that are shown in other words or change nothing.
fn differing(subjects: &[Subject]) -> Vec<String> {
    let names: BTreeSet<&String> = subjects.iter().flat_map(|subject| subject.history.header.config.keys()).collect();
    let value = |subject: &Subject, name: &str| subject.history.header.config.get(name).cloned();
    let differs = |name: &&String| subjects.iter().any(|subject| value(subject, name) != value(&subjects[0], name));
    let told = |name: &&String| ["hidden", "epochs", "forms", "health"].contains(&name.as_str());
    names.into_iter().filter(|name| !told(name) && differs(name)).cloned().collect()
}
