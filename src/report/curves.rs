//! Loss, accuracy, learning rate, throughput, epoch by epoch.

use super::axis::{Unit, duration, short};
use super::chart::{Chart, Line};
use super::{Subject, colour};
use crate::history::{Epoch, History};
use maud::{Markup, html};

/// Charts of all runs, overlaid.
pub fn charts(subjects: &[Subject]) -> Markup {
    let charts = [
        Chart {
            lines: splits(subjects, |e| e.train_loss, |e| e.validation_loss, |e| e.test_loss),
            unit: "cross-entropy, nats",
            log: spread(subjects) > 8.0,
            ..chart("Loss")
        },
        Chart {
            lines: splits(subjects, |e| e.train_accuracy, |e| e.validation_accuracy, |e| e.test_accuracy),
            figures: Unit::Percent,
            ..chart("Accuracy")
        },
        Chart {
            lines: each(subjects, |epoch| epoch.lr),
            unit: "of each epoch's last update",
            from_zero: true,
            ..chart("Learning rate")
        },
    ];
    html! {
        div.charts { @for chart in charts.iter().filter_map(Chart::draw) { (chart) } }
        @if subjects.iter().all(|subject| subject.history.epochs.is_empty()) {
            p.warning { "No epoch has been recorded yet." }
        }
    }
}

fn chart(title: &'static str) -> Chart {
    Chart { title, across: "epoch", ..Chart::default() }
}

/// Throughput of all runs, with what it comes to in words; none if no epoch has been recorded.
pub fn speed(subjects: &[Subject]) -> Option<Markup> {
    let drawn = Chart {
        lines: each(subjects, |epoch| epoch.images_per_second),
        unit: "training samples a second",
        from_zero: true,
        ..chart("Throughput")
    };
    let drawn = drawn.draw()?;
    let sentence = |history: &History| {
        let rate = short(history.images_per_second()?);
        let training = duration(history.training_seconds());
        let whole = history.end.as_ref().and_then(|end| end.seconds).map_or(String::new(), |seconds| {
            format!(" Evaluation, files and start-up included, it took {}.", duration(seconds))
        });
        Some(format!("{rate} images a second over {training} of training.{whole}"))
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

/// How many times the largest loss is the smallest: curves that fall far are shown on a log scale.
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

/// Of one run a line a split; of several, two lines each: the test split, else the validation split, and dashed the
/// training split.
fn splits(subjects: &[Subject], train: Pick, validation: Pick, test: Pick) -> Vec<Line> {
    let line = |history, name: &str, colour: String, dashed, pick: Pick| Line {
        name: name.into(),
        colour,
        dashed,
        points: points(history, pick),
    };
    if let [Subject { history, .. }] = subjects {
        return vec![
            line(history, "train", "var(--train)".into(), false, train),
            line(history, "validation", "var(--validation)".into(), false, validation),
            line(history, "test", "var(--test)".into(), false, test),
        ];
    }
    let both = subjects.iter().enumerate().flat_map(|(number, Subject { name, history, .. })| {
        let tested = history.epochs.iter().any(|epoch| test(epoch).is_some());
        [
            line(history, "", colour(number), true, train),
            line(history, name, colour(number), false, if tested { test } else { validation }),
        ]
    });
    both.collect()
}

/// One line a run.
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
