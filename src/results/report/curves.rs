//! Loss, accuracy, learning rate and throughput by epoch.

use super::axis::{Unit, duration, grouped, short};
use super::chart::{Chart, Line};
use super::groups::{Group, mean, range};
use super::{MOST_RUNS, Subject, schedule};
use crate::run::history::{End, Epoch, History};
use maud::{Markup, html};

/// Charts of all groups, overlaid.
pub fn charts(groups: &[Group<'_>]) -> Markup {
    // The runs of a group have the same schedule.
    let schedules: Vec<_> = groups.iter().map(|group| schedule::rates(&group.runs[0].history)).collect();
    let mut rates = each(groups, |epoch| epoch.lr);
    let epochs_only = schedules.iter().zip(&rates).any(|(rates, line)| rates.is_none() && !line.points.is_empty());
    for (line, schedule) in rates.iter_mut().zip(schedules) {
        if let Some(points) = schedule {
            (line.points, line.band) = (points, Vec::new());
        }
    }
    let subjects = || groups.iter().flat_map(|group| &group.runs);
    let of_values = subjects().flat_map(|subject| &subject.history.epochs).any(|epoch| epoch.train_rmse.is_some());
    let charts = [
        Chart {
            lines: splits(groups, [|e| e.train_loss, |e| e.validation_loss, |e| e.test_loss], |end| end.test_loss),
            unit: if of_values { "of each sample" } else { "cross-entropy, nats" },
            log: spread(groups) > 8.0,
            ..chart("Loss")
        },
        Chart {
            lines: splits(groups, [|e| e.train_accuracy, |e| e.validation_accuracy, |e| e.test_accuracy], |end| {
                end.test_accuracy
            }),
            figures: Unit::Percent,
            ..chart("Accuracy")
        },
        Chart {
            lines: splits(groups, [|e| e.train_rmse, |e| e.validation_rmse, |e| e.test_rmse], |end| end.test_rmse),
            unit: "standard deviations of the targets",
            from_zero: true,
            ..chart("RMSE")
        },
        Chart {
            lines: rates,
            unit: match (epochs_only, groups) {
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
        @if subjects().all(|subject| subject.history.epochs.is_empty()) {
            @let over = subjects().all(|subject| subject.history.end.is_some());
            p.warning { @if over { "No epoch was completed, so there are no curves." } @else { "No epoch has been recorded yet." } }
        }
    }
}

fn chart(title: &'static str) -> Chart {
    Chart { title, across: "epoch", ..Chart::default() }
}

/// Throughput of all runs, with a summary in words; `None` if no epoch has been recorded.
pub fn speed(groups: &[Group<'_>]) -> Option<Markup> {
    let drawn = Chart {
        lines: each(groups, |epoch| epoch.images_per_second),
        unit: "training samples per second",
        from_zero: true,
        ..chart("Throughput")
    };
    let drawn = drawn.draw()?;
    let subjects: Vec<&Subject> = groups.iter().flat_map(|group| group.runs.iter().copied()).collect();
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
        Some(format!("{rate} samples per second over {training} of training.{whole}"))
    };
    Some(html! {
        div.charts {
            (drawn)
            @if subjects.len() <= MOST_RUNS { div { @for subject in &subjects { @if let Some(sentence) = sentence(&subject.history) {
                p { @if subjects.len() > 1 { strong { (subject.name) } ": " } (sentence) }
            } } } }
        }
    })
}

type Pick = fn(&Epoch) -> Option<f64>;

/// Ratio of the largest to the smallest loss. If it is large, the curves are shown on a log scale.
fn spread(groups: &[Group<'_>]) -> f64 {
    let epochs = groups.iter().flat_map(|group| &group.runs).flat_map(|subject| &subject.history.epochs);
    let losses: Vec<f64> =
        epochs.flat_map(|e| [e.train_loss, e.validation_loss, e.test_loss]).flatten().filter(|&l| l > 0.0).collect();
    let largest = losses.iter().copied().fold(0.0, f64::max);
    largest / losses.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Points (epoch, value) of a run.
pub fn points(history: &History, pick: impl Fn(&Epoch) -> Option<f64>) -> Vec<(f64, f64)> {
    history.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, pick(epoch)?))).collect()
}

/// For one group, one line per split; a test split that was scored only at the end is a point at the epoch of the model.
/// For several groups, two lines each: the validation split, else the test split; and the training split, dashed.
fn splits(groups: &[Group<'_>], [train, validation, test]: [Pick; 3], at_end: fn(&End) -> Option<f64>) -> Vec<Line> {
    let line = |name: &str, colour: &str, dashed, (points, band)| Line {
        name: name.into(),
        colour: colour.into(),
        dashed,
        faint: false,
        points,
        band,
    };
    if let [group] = groups {
        let mut tests = group.points(test);
        if tests.0.is_empty() {
            let score = |run: &&Subject| {
                let last = run.history.epochs.last().map(|epoch| epoch.epoch);
                let end = run.history.end.as_ref()?;
                Some((end.restored_epoch.min(last).or(last)? as f64, at_end(end)?))
            };
            let all: Vec<(f64, f64)> = group.runs.iter().filter_map(score).collect();
            let (epochs, scores): (Vec<f64>, Vec<f64>) = all.into_iter().unzip();
            if !scores.is_empty() {
                let ((low, high), at) = (range(&scores), mean(&epochs));
                tests.0.push((at, mean(&scores)));
                tests.1.extend((scores.len() > 1).then_some((at, low, high)));
            }
        }
        return vec![
            line("train", "var(--train)", false, group.points(train)),
            line("validation", "var(--validation)", false, group.points(validation)),
            line("test", "var(--test)", false, tests),
        ];
    }
    let both = groups.iter().flat_map(|group| {
        let (validated, tested) = (group.points(validation), group.points(test));
        let solid = if validated.0.is_empty() { tested } else { validated };
        [
            line("", &group.colour, true, (group.points(train).0, Vec::new())),
            line(&group.short, &group.colour, false, solid),
        ]
    });
    both.collect()
}

/// One line per group.
fn each(groups: &[Group<'_>], pick: Pick) -> Vec<Line> {
    let single = groups.len() == 1;
    let line = |group: &Group<'_>| {
        let (points, band) = group.points(pick);
        Line {
            name: if single { String::new() } else { group.short.clone() },
            colour: if single { "var(--test)".into() } else { group.colour.clone() },
            dashed: false,
            faint: false,
            points,
            band,
        }
    };
    groups.iter().map(line).collect()
}

/// What the lines of the charts of several runs are.
pub fn legend(groups: &[Group<'_>]) -> String {
    let splits = match groups {
        [_] => "The training score of each batch is measured before its update.",
        _ => {
            "Solid: the validation split, or the test split of runs without one. Dashed: the training split; each batch is scored \
             before its update."
        }
    };
    let seeds = " Of runs that differ only in their seed: the mean, and shaded the lowest to the highest, up to the last epoch \
                 that all of them have.";
    let several = groups.iter().any(|group| group.runs.len() > 1);
    format!("{splits}{}", if several { seeds } else { "" })
}
