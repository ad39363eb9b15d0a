//! Loss, accuracy, learning rate and throughput by epoch.

use super::axis::{Unit, duration, grouped, short};
use super::chart::{Chart, Line};
use super::{Subject, colour, schedule};
use crate::run::history::{End, Epoch, History};
use maud::{Markup, html};

/// Charts of all runs, overlaid.
pub fn charts(subjects: &[Subject]) -> Markup {
    let schedules: Vec<_> = subjects.iter().map(|subject| schedule::rates(&subject.history)).collect();
    let epochs_only = schedules
        .iter()
        .zip(subjects)
        .any(|(rates, subject)| rates.is_none() && subject.history.epochs.iter().any(|epoch| epoch.lr.is_some()));
    let mut rates = each(subjects, |epoch| epoch.lr);
    for (line, schedule) in rates.iter_mut().zip(schedules) {
        line.points = schedule.unwrap_or_else(|| std::mem::take(&mut line.points));
    }
    let charts = [
        Chart {
            lines: splits(subjects, [|e| e.train_loss, |e| e.validation_loss, |e| e.test_loss], |end| end.test_loss),
            unit: "cross-entropy, nats",
            log: spread(subjects) > 8.0,
            ..chart("Loss")
        },
        Chart {
            lines: splits(subjects, [|e| e.train_accuracy, |e| e.validation_accuracy, |e| e.test_accuracy], |end| {
                end.test_accuracy
            }),
            figures: Unit::Percent,
            ..chart("Accuracy")
        },
        Chart {
            lines: rates,
            unit: match (epochs_only, subjects) {
                (false, _) => "of every update",
                (true, [_]) => "of each epoch's last update",
                (true, _) => "of every update if known, else of each epoch's last update",
            },
            from_zero: true,
            ..chart("Learning rate")
        },
    ];
    html! {
        div.charts { @for chart in charts.iter().filter_map(Chart::draw) { (chart) } }
        @if subjects.iter().all(|subject| subject.history.epochs.is_empty()) {
            @let over = subjects.iter().all(|subject| subject.history.end.is_some());
            p.warning { @if over { "No epoch was completed, so there are no curves." } @else { "No epoch has been recorded yet." } }
        }
    }
}

fn chart(title: &'static str) -> Chart {
    Chart { title, across: "epoch", ..Chart::default() }
}

/// Throughput of all runs, with a summary in words; `None` if no epoch has been recorded.
pub fn speed(subjects: &[Subject]) -> Option<Markup> {
    let drawn = Chart {
        lines: each(subjects, |epoch| epoch.images_per_second),
        unit: "training samples per second",
        from_zero: true,
        ..chart("Throughput")
    };
    let drawn = drawn.draw()?;
    let sentence = |history: &History| {
        let rate = short(history.images_per_second()?);
        let training = duration(history.training_seconds()?);
        let whole = match (history.end.as_ref().and_then(|end| end.seconds).map(duration), history.resumed) {
            (None, _) => String::new(),
            (Some(time), None) => format!(" The whole run took {time}, including evaluation, files and start-up."),
            (Some(time), Some(step)) => {
                format!(
                    " After it was resumed from update {}, the run took {time}, including evaluation, files and start-up.",
                    grouped(step)
                )
            }
        };
        Some(format!("{rate} images per second over {training} of training.{whole}"))
    };
    Some(html! {
        div.charts {
            (drawn)
            div { @for subject in subjects { @if let Some(sentence) = sentence(&subject.history) {
                p { @if subjects.len() > 1 { strong { (subject.name) } ": " } (sentence) }
            } } }
        }
    })
}

type Pick = fn(&Epoch) -> Option<f64>;

/// Ratio of the largest to the smallest loss. If it is large, the curves are shown on a log scale.
fn spread(subjects: &[Subject]) -> f64 {
    let epochs = subjects.iter().flat_map(|subject| &subject.history.epochs);
    let losses: Vec<f64> =
        epochs.flat_map(|e| [e.train_loss, e.validation_loss, e.test_loss]).flatten().filter(|&l| l > 0.0).collect();
    let largest = losses.iter().copied().fold(0.0, f64::max);
    largest / losses.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Points (epoch, value) of a run.
pub fn points(history: &History, pick: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    history.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, pick(epoch)?))).collect()
}

/// For one run, one line per split; a test split that was scored only at the end is a point at the epoch of the model.
/// For several runs, two lines each: the test split, else the validation split; and the training split, dashed.
fn splits(subjects: &[Subject], [train, validation, test]: [Pick; 3], at_end: fn(&End) -> Option<f64>) -> Vec<Line> {
    let line = |name: &str, colour: String, dashed, points| Line { name: name.into(), colour, dashed, points };
    if let [Subject { history, .. }] = subjects {
        let mut tests = points(history, test);
        if tests.is_empty() {
            let last = history.epochs.last().map(|epoch| epoch.epoch);
            let score = |end: &End| Some((end.restored_epoch.min(last).or(last)? as f64, at_end(end)?));
            tests.extend(history.end.as_ref().and_then(score));
        }
        return vec![
            line("train", "var(--train)".into(), false, points(history, train)),
            line("validation", "var(--validation)".into(), false, points(history, validation)),
            line("test", "var(--test)".into(), false, tests),
        ];
    }
    let both = subjects.iter().enumerate().flat_map(|(number, Subject { name, history, .. })| {
        let tested = history.epochs.iter().any(|epoch| test(epoch).is_some());
        [
            line("", colour(number), true, points(history, train)),
            line(name, colour(number), false, points(history, if tested { test } else { validation })),
        ]
    });
    both.collect()
}

/// One line per run.
fn each(subjects: &[Subject], pick: Pick) -> Vec<Line> {
    let single = subjects.len() == 1;
    let line = |(number, subject): (usize, &Subject)| Line {
        name: if single { String::new() } else { subject.name.clone() },
        colour: if single { "var(--test)".into() } else { colour(number) },
        dashed: false,
        points: points(&subject.history, pick),
    };
    subjects.iter().enumerate().map(line).collect()
}
