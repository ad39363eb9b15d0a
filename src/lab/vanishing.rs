//! The gradient by layer, for depths, activations and initial weights, and what accuracy comes of it.

use super::bench::Run;
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::{ActivationName, BatchSize, Config, HealthName, Init};
use crate::results::report::axis::{percent, short};
use crate::results::report::chart::{Chart, Line};
use maud::html;

const DEPTHS: [usize; 4] = [2, 4, 8, 16];
const KINDS: [(ActivationName, Init, &str, &str); 6] = [
    (ActivationName::Sigmoid, Init::Normal, "sigmoid, small", "var(--run5)"),
    (ActivationName::Sigmoid, Init::Glorot, "sigmoid, Glorot", "var(--run0)"),
    (ActivationName::Tanh, Init::Normal, "tanh, small", "var(--run4)"),
    (ActivationName::Tanh, Init::Glorot, "tanh, Glorot", "var(--run2)"),
    (ActivationName::Relu, Init::Normal, "ReLU, small", "var(--run3)"),
    (ActivationName::Relu, Init::He, "ReLU, He", "var(--run1)"),
];
/// The names at the ends of lines must be short.
const SHORT: [&str; 6] = ["sigmoid 0.01", "sigmoid Gl.", "tanh 0.01", "tanh Glorot", "ReLU 0.01", "ReLU He"];

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let data = lab.few(3000, 500);
    let mut runs: Vec<Vec<Run>> = Vec::new();
    for (activation, init, ..) in KINDS {
        let mut row = Vec::new();
        for depth in DEPTHS {
            let config = Config {
                hidden: vec![32; depth],
                activation,
                init,
                batch_size: BatchSize::Samples(32),
                epochs: lab.scaled(4, 1),
                lr: Some(0.1),
                health: HealthName::Show,
                ..Config::default()
            };
            row.push(lab.train(&config, &data).await?);
        }
        runs.push(row);
    }
    let norms = |run: &Run| -> Vec<(f64, f64)> {
        let health = run.epochs.first().and_then(|epoch| epoch.health.as_ref());
        health.into_iter().flatten().map(|layer| (layer.layer as f64, layer.gradient_norm)).collect()
    };
    let deepest = DEPTHS.len() - 1;
    let line = |at: usize, points: Vec<(f64, f64)>| Line {
        name: SHORT[at].into(),
        colour: KINDS[at].3.into(),
        points,
        ..Line::default()
    };
    let by_layer = Chart {
        title: "Gradient by layer",
        unit: "norm, 16 hidden layers, middle of epoch 1",
        across: "layer",
        log: true,
        lines: (0..KINDS.len()).map(|at| line(at, norms(&runs[at][deepest]))).collect(),
        ..Chart::default()
    };
    let ratio = |run: &Run| {
        let norms = norms(run);
        Some(norms.first()?.1 / norms.last()?.1)
    };
    let ratios = |at: usize| -> Vec<(f64, f64)> {
        let point = |(depth, run): (&usize, &Run)| Some((*depth as f64, ratio(run)?));
        DEPTHS.iter().zip(&runs[at]).filter_map(point).collect()
    };
    let by_depth = Chart {
        title: "First against last layer",
        unit: "ratio of their gradient norms",
        across: "hidden layers",
        log: true,
        guide: Some((1.0, "as large as in the last layer")),
        lines: (0..KINDS.len()).map(|at| line(at, ratios(at))).collect(),
        ..Chart::default()
    };
    let picture = html! {
        div.charts { (by_layer.draw().unwrap_or_default()) (by_depth.draw().unwrap_or_default()) }
        figure.spaced {
            figcaption { h3 { "Accuracy" } span.unit { "on the test split after " (runs[0][0].epochs.len()) " epochs; guessing gives " (percent(1.0 / data.outputs() as f64)) } }
            div.scroll { table.figures {
                thead { tr { th { "activation, initial weights" } @for depth in DEPTHS { th scope="col" { (depth) " layers" } } } }
                tbody { @for (at, row) in runs.iter().enumerate() {
                    tr { th scope="row" { span.swatch style={ "--c:" (KINDS[at].3) } {} (KINDS[at].2) }
                        @for run in row { td.best[run.accuracy() > 0.8] { (percent(run.accuracy())) } } }
                } }
            } }
        }
    };
    let sigmoid = ratio(&runs[1][deepest]).unwrap_or(f64::NAN);
    let relu = ratio(&runs[5][deepest]).unwrap_or(f64::NAN);
    let seen = vec![
        format!(
            "With 16 sigmoid layers and Glorot's weights, the first layer gets {} of the last layer's gradient: each layer multiplies \
             it by a slope of at most a quarter. With ReLU and He's weights it gets {}.",
            short(sigmoid),
            short(relu)
        ),
        "Small initial weights (standard deviation 0.01) make it vanish with every activation: the weights are the other factor.".into(),
        "A net whose first layers get no gradient guesses, however long it trains. The number of layers is not the fault; the \
         factors are."
            .into(),
    ];
    Ok((picture, seen))
}
