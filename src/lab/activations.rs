//! Activations, their slopes, and units that die.

use super::bench::Run;
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::{BatchSize, Config, HealthName, OnNan, Schedule};
use crate::kernels::Activation;
use crate::results::report::axis::{Unit, percent};
use crate::results::report::chart::{Across, Chart, Line};
use maud::html;

const SHOWN: [(Activation, &str, &str); 6] = [
    (Activation::Sigmoid, "sigmoid", "var(--run0)"),
    (Activation::Tanh, "tanh", "var(--run2)"),
    (Activation::Relu, "ReLU", "var(--run1)"),
    (Activation::LeakyRelu(0.1), "leaky 0.1", "var(--run6)"),
    (Activation::Elu(1.0), "ELU", "var(--run4)"),
    (Activation::Gelu, "GELU", "var(--run3)"),
];
/// Trainings whose dead units are counted: learning rate, largest norm of the gradient (0 for no limit), name, colour.
const TRAINED: [(f32, f32, &str, &str); 3] = [
    (0.1, 0.0, "rate 0.1", "var(--run0)"),
    (0.4, 0.0, "rate 0.4", "var(--run1)"),
    (0.4, 1.0, "0.4 clipped", "var(--run2)"),
];

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let plot = |title, value: &dyn Fn(Activation, f32) -> f32| {
        let line = |(activation, name, colour): (Activation, &str, &str)| Line {
            name: name.into(),
            colour: colour.into(),
            points: (-100..=100).map(|at| at as f32 / 25.0).map(|z| (z.into(), value(activation, z).into())).collect(),
            ..Line::default()
        };
        Chart {
            title,
            across: "z",
            across_scale: Across::Linear,
            lines: SHOWN.into_iter().map(line).collect(),
            ..Chart::default()
        }
    };
    let functions = plot("f(z)", &|activation, z| activation.apply(z).clamp(-1.5, 2.5));
    let slopes = plot("f′(z)", &Activation::derivative);
    let data = lab.few(3000, 500);
    let mut dead = Vec::new();
    for (lr, clip_norm, ..) in TRAINED {
        let config = Config {
            hidden: vec![64, 64],
            batch_size: BatchSize::Samples(32),
            epochs: lab.scaled(10, 2),
            schedule: Schedule::Constant,
            lr: Some(lr),
            clip_norm,
            health: HealthName::Show,
            // On other data a rate of 0.4 may go too far.
            on_nan: OnNan::Ignore,
            ..Config::default()
        };
        dead.push(lab.train(&config, &data).await?);
    }
    let second = |run: &Run| -> Vec<(f64, f64)> {
        let share = |epoch: &crate::train::session::EpochReport| epoch.health.as_ref()?.get(1)?.dead_share;
        run.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, share(epoch)?))).collect()
    };
    let lines = dead.iter().zip(TRAINED).map(|(run, (_, _, name, colour))| Line {
        name: name.into(),
        colour: colour.into(),
        points: second(run),
        ..Line::default()
    });
    let units = Chart {
        title: "Dead ReLU units",
        unit: "second layer: zero for every sample of a batch",
        across: "epoch",
        figures: Unit::Percent,
        from_zero: true,
        lines: lines.collect(),
        ..Chart::default()
    };
    let picture = html! {
        div.charts { (functions.draw().unwrap_or_default()) (slopes.draw().unwrap_or_default()) (units.draw().unwrap_or_default()) }
        figure.spaced {
            figcaption { h3 { "Accuracy" } span.unit { "of these three nets, on the test split" } }
            div.scroll { table.figures {
                thead { tr { th {} @for (_, _, name, _) in TRAINED { th scope="col" { (name) } } } }
                tbody { tr { th scope="row" { "ReLU, two layers of 64" } @for run in &dead { td { (percent(run.accuracy())) } } } }
            } }
        }
    };
    let died = |run: &Run| percent(second(run).last().map_or(f64::NAN, |last| last.1));
    let seen = vec![
        "The sigmoid's slope is a quarter at z = 0 and almost nothing beyond ±4: a saturated unit learns hardly anything. \
         tanh has slope 1 at 0, which is why it trains deeper nets."
            .into(),
        "ReLU's slope is exactly 0 or 1. A unit whose z is negative for every sample gets no error signal, so its weights never change \
         again: it is dead."
            .into(),
        format!(
            "A large step can throw units there: at rate 0.4, {} of the second layer's units are dead at the end, and the accuracy is {}. \
             The same rate with gradients clipped to a norm of 1 leaves {} dead, with an accuracy of {}.",
            died(&dead[1]),
            percent(dead[1].accuracy()),
            died(&dead[2]),
            percent(dead[2].accuracy())
        ),
        "Leaky ReLU, ELU and GELU keep some slope below zero, so their units can come back.".into(),
    ];
    Ok((picture, seen))
}
