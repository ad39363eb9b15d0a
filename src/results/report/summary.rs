//! The header of the page: what was trained, and how well.

use super::axis::{duration, grouped, percent, short};
use super::details::{date, setting};
use super::notes::{failure, notes};
use super::{Subject, colour};
use crate::base::text;
use crate::results::assess::wilson;
use crate::run::history::{Epoch, History};
use maud::{Markup, html};
use serde_json::Value;
use std::collections::BTreeSet;

/// Accuracy on the test split and its 95 % confidence interval.
struct Accuracy {
    /// The weights that were evaluated, if not the run's final model.
    of: Option<String>,
    share: f64,
    low: f64,
    high: f64,
    misses: u64,
    samples: u64,
}

/// The accuracy from the evaluation, else the recorded one. `None` for weights that are not finite, even with a record.
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
            // An f64 cannot represent every count.
            (of, ((share * samples as f64).round() as u64).min(samples), samples)
        }
    };
    let of = (!written).then_some(of);
    let (low, high) = wilson(hits, samples.max(1));
    let share = hits as f64 / samples as f64;
    (samples > 0).then(|| Accuracy { of, share, low, high, misses: samples - hits, samples })
}

fn interval(accuracy: &Accuracy) -> String {
    format!("{} to {}", text::percent(accuracy.low, 2), percent(accuracy.high))
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

/// Header of the page.
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
                div.main { dt { "Test accuracy" @if let Some(of) = &accuracy.of { " " (of) } } dd { (percent(accuracy.share)) span { "95 % confidence interval " (interval(accuracy)) } } }
                div { dt { "Mistakes" } dd { (grouped(accuracy.misses)) span { "of " (grouped(accuracy.samples)) } } }
            }
            div { dt { "Training" } dd { (training(history)) span {
                (epochs(history)) @if epochs(history) == "1" { " epoch" } @else { " epochs" }
            } } }
            @if let Some(rate) = history.images_per_second() {
                div { dt { "Throughput" } dd { (short(rate)) span { "images per second" } } }
            }
            div { dt { "Parameters" } dd { (short(history.header.parameters as f64)) span { (grouped(history.header.parameters)) " weights and biases" } } }
        }
    }
}

fn training(history: &History) -> String {
    history.training_seconds().map_or("–".into(), duration)
}

/// Number of epochs trained, and the planned number if training ended early.
fn epochs(history: &History) -> String {
    let done = history.epochs.len();
    let wanted = history.header.config.get("epochs").and_then(Value::as_u64);
    wanted.filter(|&wanted| wanted > done as u64).map_or(done.to_string(), |wanted| format!("{done} of {wanted}"))
}

/// A table with one column per run: there are few runs, but they may differ in many settings.
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
                tr { th scope="row" { "95\u{a0}% confidence interval" } @for accuracy in &accuracies {
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
            p.warning { "These runs were trained on different data sets. Their accuracies cannot be compared." }
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
