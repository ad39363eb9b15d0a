//! The header of the page: what was trained, and how well.

use super::Subject;
use super::axis::{duration, grouped, percent, short};
use super::compare::comparison;
use super::details::date;
use super::groups::Group;
use super::notes::notes;
use super::scores::{self, Split, accuracy, interval};
use crate::run::history::History;
use maud::{Markup, html};
use serde_json::Value;

/// Widths of the net as text.
pub fn widths(history: &History) -> String {
    history.header.widths.iter().map(ToString::to_string).collect::<Vec<_>>().join(" – ")
}

/// Title of the page.
pub fn title(subjects: &[Subject]) -> String {
    let [only] = subjects else { return format!("{} runs compared", subjects.len()) };
    let lead = scores::lead(subjects).and_then(|split| Some((split, accuracy(only, split)?)));
    match lead.filter(|(_, accuracy)| accuracy.of.is_none()) {
        Some((split, accuracy)) => {
            let (share, data) = (percent(accuracy.share), &only.history.header.data);
            format!("{}: {share} on the {} split of {data}", only.name, split.name())
        }
        None => only.name.clone(),
    }
}

/// Header of the page.
pub fn header(subjects: &[Subject], groups: &[Group<'_>]) -> Markup {
    let [only] = subjects else {
        return html! { p.over { "gpu-mlp" } h1 { (subjects.len()) " runs compared" } (comparison(subjects, groups)) };
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
    let measured = [("Validation accuracy", Split::Validation), ("Test accuracy", Split::Test)];
    let measured = measured.into_iter().filter_map(|(name, split)| Some((name, accuracy(subject, split)?)));
    html! {
        dl.tiles {
            // The first split leads.
            @for (number, (name, accuracy)) in measured.enumerate() {
                div.main[number == 0] { dt { (name) @if let Some(of) = &accuracy.of { " " (of) } } dd { (percent(accuracy.share)) span { "95 % confidence interval " (interval(&accuracy)) } } }
                @if number == 0 { div { dt { "Mistakes" } dd { (grouped(accuracy.misses)) span { "of " (grouped(accuracy.samples)) } } } }
            }
            @if let Some(rmse) = history.end.as_ref().and_then(|end| end.validation_rmse.or(end.test_rmse)) {
                div.main { dt { "RMSE" } dd { (short(rmse)) span { "in standard deviations of the targets" } } }
            }
            div { dt { "Training" } dd { (training(history)) span {
                (epochs(history)) @if epochs(history) == "1" { " epoch" } @else { " epochs" }
            } } }
            @if let Some(rate) = history.images_per_second() {
                div { dt { "Throughput" } dd { (short(rate)) span { "samples per second" } } }
            }
            div { dt { "Parameters" } dd { (short(history.header.parameters as f64)) span { (grouped(history.header.parameters)) " weights and biases" } } }
        }
    }
}

fn training(history: &History) -> String {
    history.training_seconds().map_or("–".into(), duration)
}

/// Number of epochs trained, and the planned number if training ended early.
pub fn epochs(history: &History) -> String {
    let done = history.epochs.len();
    let wanted = history.header.config.get("epochs").and_then(Value::as_u64);
    wanted.filter(|&wanted| wanted > done as u64).map_or(done.to_string(), |wanted| format!("{done} of {wanted}"))
}
