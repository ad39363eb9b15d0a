//! An epoch in the order of the classes against a shuffled one.

use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::{BatchSize, Config, HealthName, Schedule};
use crate::data::DataSet;
use crate::net::mlp::Mlp;
use crate::results::report::axis::Unit;
use crate::results::report::axis::percent;
use crate::results::report::chart::{Chart, Line};
use crate::train::Trainer;
use maud::{Markup, html};
use std::ops::ControlFlow;

const BATCH: usize = 20;
/// Updates from one measurement to the next.
const STRIDE: u64 = 5;

/// What was measured during an epoch: (samples seen, accuracy, loss) on the test split.
type Measured = Vec<(f64, f64, f64)>;

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let data = lab.few(2000, 500);
    let config = Config {
        hidden: vec![32],
        batch_size: BatchSize::Samples(BATCH),
        epochs: 1,
        schedule: Schedule::Constant,
        health: HealthName::Off,
        ..Config::default()
    };
    let (shuffled, model, _) = epoch(lab, &config, &data, None, 0.0).await?;
    let accuracy = shuffled.last().map_or(f64::NAN, |last| last.1);
    drop(model);
    let classes = data.outputs();
    let (mut sorted, mut model, mut answers): (Measured, Option<Mlp>, Vec<Vec<u64>>) = (Vec::new(), None, Vec::new());
    let mut seen = 0;
    for class in 0..classes {
        let rows: Vec<usize> = (0..data.train.len()).filter(|&at| data.train.classes()[at] as usize == class).collect();
        if rows.is_empty() {
            continue;
        }
        // One class after the other: the optimizer keeps nothing from step to step, so this is one epoch of sorted samples.
        let part = DataSet { train: data.train.rows(&rows), test: data.test.clone(), ..lab.without_samples() };
        let (measured, next, counts) = epoch(lab, &config, &part, model.take(), seen as f64).await?;
        seen += rows.len();
        sorted.extend(measured);
        answers.push(counts);
        model = Some(next);
    }
    let after = sorted.last().map_or(f64::NAN, |last| last.1);
    let chart = |title, figures, log, pick: fn(&(f64, f64, f64)) -> f64| {
        let line = |name: &str, colour: &str, measured: &Measured| Line {
            name: name.into(),
            colour: colour.into(),
            points: measured.iter().map(|m| (m.0, pick(m))).collect(),
            ..Line::default()
        };
        let lines = vec![line("shuffled", "var(--run0)", &shuffled), line("sorted", "var(--run1)", &sorted)];
        Chart { title, unit: "test samples", across: "samples seen", figures, log, lines, ..Chart::default() }
            .draw()
            .unwrap_or_default()
    };
    let names = data.task.names();
    let picture = html! {
        div.charts {
            (chart("Accuracy", Unit::Percent, false, |m| m.1))
            (chart("Loss", Unit::Plain, true, |m| m.2))
            (matrix(names, &answers))
        }
    };
    let last = names.last().cloned().unwrap_or_default();
    let says = answers.last().map_or(f64::NAN, |counts| share(counts, classes - 1));
    let seen = vec![
        format!(
            "The same samples, the same steps, the same weights at the start: shuffled, one epoch reaches {}; sorted, {}.",
            percent(accuracy),
            percent(after)
        ),
        format!(
            "After the sorted epoch the net answers {last} for {} of all test pictures: it has seen {last} last.",
            percent(says)
        ),
        "The first update of each class has a large gradient that undoes what the classes before have taught.".into(),
    ];
    Ok((picture, seen))
}

/// The share of the answers that are this class.
fn share(counts: &[u64], class: usize) -> f64 {
    counts[class] as f64 / counts.iter().sum::<u64>().max(1) as f64
}

/// Trains an epoch; returns what was measured, the model, and how often it answers each class.
async fn epoch(
    lab: &Lab,
    config: &Config,
    data: &DataSet,
    from: Option<Mlp>,
    seen: f64,
) -> Result<(Measured, Mlp, Vec<u64>), Error> {
    // A class may have fewer samples than a batch.
    let batch = BATCH.min(data.train.len());
    let config =
        Config { batch_size: BatchSize::Samples(batch), lr: Some(config.learning_rate(usize::MAX)), ..config.clone() };
    let mut trainer = Trainer::open(&config, data, &lab.machine).await?;
    if let Some(model) = &from {
        trainer.begin_with(model)?;
    }
    let mut measured = Vec::new();
    let last = trainer.updates_per_epoch();
    while trainer.step() < last {
        let until = trainer.step() + if trainer.step() == 0 { 1 } else { STRIDE };
        while trainer.step() < until.min(last) {
            trainer.advance(until, &mut |_| ControlFlow::Continue(())).await?;
        }
        if let Some(score) = trainer.evaluate().await? {
            measured.push((seen + (trainer.step() * batch as u64) as f64, score.metric(), score.loss()));
        }
    }
    let classes = data.outputs();
    let confusion = trainer.confusion().await?;
    let counts = (0..classes).map(|class| confusion.iter().skip(class).step_by(classes).sum()).collect();
    Ok((measured, trainer.model().await?, counts))
}

/// How often the net answers each class, after it has seen each class.
fn matrix(names: &[String], answers: &[Vec<u64>]) -> Markup {
    html! {
        figure.chart {
            figcaption { h3 { "What the net answers" } span.unit { "sorted epoch; row: the class seen last; column: share of the answers" } }
            table.matrix {
                thead { tr { th {} @for name in names { th scope="col" { (name) } } } }
                tbody { @for (name, counts) in names.iter().zip(answers) {
                    tr {
                        th scope="row" { (name) }
                        @for class in 0..counts.len() {
                            @let share = share(counts, class);
                            td class=(if counts[class] == 0 { "none" } else if share > 0.5 { "right deep" } else { "right" })
                                style={ "--a:" (format!("{:.0}", 100.0 * share)) "%" } { (format!("{:.0}", 100.0 * share)) }
                        }
                    }
                } }
            }
        }
    }
}
