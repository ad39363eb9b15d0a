//! A small net with its activations and error signals, and numbers on every edge, checked by finite differences.

use super::draw::figure;
use super::{Found, Lab};
use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::config::{ActivationName, BatchSize, Config};
use crate::data::{DataSet, Split};
use crate::net::mlp::Mlp;
use crate::results::explain::{Backward, Explainer, Explanation};
use crate::results::report::axis::short;
use crate::results::report::chart::px;
use crate::train::divide;
use maud::{Markup, html};
use rand::RngExt;

/// Step of the finite differences: rounding would spoil a smaller one.
const STEP: f32 = 1e-2;
const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
/// Place of each layer's units.
const LEFT: f64 = 70.0;
/// Radius of a unit.
const RADIUS: f64 = 25.0;
/// Size of the two numbers of an edge.
const LABEL: (f64, f64) = (48.0, 30.0);

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let config = Config {
        hidden: vec![3],
        activation: ActivationName::Tanh,
        batch_size: BatchSize::Samples(8),
        epochs: lab.scaled(30, 6),
        lr: Some(0.3),
        seed: 3,
        ..Config::default()
    };
    let data = divide(&config, points()?)?;
    let run = lab.train(&config, &data).await?;
    let model = &run.finish.model;
    let mut explainer = Explainer::new(&lab.machine, model, &run.description).await?;
    // The test point that the net likes least, of those it gets right: its error signal is large enough to see.
    let mut chosen = (0, 0.0);
    for sample in 0..data.test.len() {
        let explanation = explainer.explain(&data.test.rows(&[sample]), true, 0).await?;
        let loss = explanation.backward.map_or(0.0, |backward| backward.loss);
        if loss > chosen.1 && loss < 0.69 {
            chosen = (sample, loss);
        }
    }
    let row = data.test.rows(&[chosen.0]);
    let explanation = explainer.explain(&row, true, 0).await?;
    let Some(backward) = &explanation.backward else { return Ok((html! {}, Vec::new())) };
    let slopes = differences(&mut explainer, model, &row).await?;
    let gradient: Vec<f32> =
        backward.layers.iter().flat_map(|layer| [&layer.weight_gradient[..], &layer.bias_gradient].concat()).collect();
    let worst = gradient.iter().zip(&slopes).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let picture = html! {
        figure.chart.wide {
            figcaption { h3 { "A net of " (model.widths().len() - 1) " layers, trained on " (data.train.len()) " points; one point on its way" }
                span.unit { "on an edge: the weight, and below it the gradient of the loss" } }
            div.scroll { (drawing(model, &explanation, backward)) }
        }
        figure { figcaption { h3 { "Checked by finite differences" } span.unit { "(L(w + h) − L(w − h)) / 2h with h = " (STEP) } }
            div.scroll { (table(model, &gradient, &slopes)) } }
    };
    let seen = vec![
        format!(
            "The loss is −ln {} = {}. The error signal of the last layer is p − y; from there it walks back along the same edges.",
            figure(explanation.probabilities[row.classes().first().map_or(0, |class| *class as usize)]),
            figure(backward.loss)
        ),
        "The gradient of an edge is δ of the unit behind it times h of the unit before it: check one with a calculator.".into(),
        format!(
            "Moving each of the {} weights and biases a little, and measuring the loss again, gives the same gradients: the largest \
             difference is {}. Backpropagation needs one pass for all of them, finite differences two passes for each.",
            gradient.len(),
            short(f64::from(worst))
        ),
    ];
    Ok((picture, seen))
}

/// Points in a square; the class says whether both coordinates have the same sign, which no straight line can tell.
fn points() -> Result<DataSet, Error> {
    let split = |number: u64, count: usize| {
        let mut random = host(1, Stream::Init, number);
        let points: Vec<f32> = (0..2 * count).map(|_| random.random_range(-1.0..1.0)).collect();
        let classes: Vec<u32> = points.chunks_exact(2).map(|xy| u32::from(xy[0] * xy[1] > 0.0)).collect();
        Split::new(points, classes)
    };
    DataSet::from_splits("points", vec![2], split(1000, 400), split(1001, 40))
}

/// The slope of the loss by each weight and bias, by moving it.
async fn differences(explainer: &mut Explainer, model: &Mlp, row: &Split) -> Result<Vec<f32>, Error> {
    let mut slopes = Vec::new();
    let places: Vec<(usize, bool, usize)> = (0..model.layers.len())
        .flat_map(|layer| {
            let of = |bias: bool, count: usize| (0..count).map(move |at| (layer, bias, at));
            of(false, model.layers[layer].weight.len()).chain(of(true, model.layers[layer].bias.len()))
        })
        .collect();
    for (layer, bias, at) in places {
        let mut losses = [0.0; 2];
        for (loss, by) in losses.iter_mut().zip([STEP, -STEP]) {
            let mut moved = model.clone();
            let values = if bias { &mut moved.layers[layer].bias } else { &mut moved.layers[layer].weight };
            values[at] += by;
            explainer.load(&moved);
            *loss = explainer.explain(row, true, 0).await?.backward.map_or(f32::NAN, |backward| backward.loss);
        }
        slopes.push((losses[0] - losses[1]) / (2.0 * STEP));
    }
    explainer.load(model);
    Ok(slopes)
}

/// The net: units with h and δ, edges with weight and gradient.
fn drawing(model: &Mlp, explanation: &Explanation, backward: &Backward) -> Markup {
    let widths = model.widths();
    let gap = (WIDTH - 2.0 * LEFT - 60.0) / (widths.len() - 1) as f64;
    let x = |column: usize| LEFT + gap * column as f64;
    let y = |column: usize, unit: usize| HEIGHT * (unit as f64 + 0.5) / widths[column] as f64;
    let largest = model.layers.iter().flat_map(|layer| &layer.weight).fold(0.1f32, |a, b| a.max(b.abs()));
    let mut labels: Vec<Vec<(f64, f64)>> = Vec::new();
    for (column, layer) in model.layers.iter().enumerate() {
        let mut placed: Vec<(f64, f64)> = Vec::new();
        for at in 0..layer.outputs * layer.inputs {
            let (from, to) = (y(column, at % layer.inputs), y(column + 1, at / layer.inputs));
            placed.push(label((x(column), from), (x(column + 1), to), &placed));
        }
        labels.push(placed);
    }
    html! {
        svg.net viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="A small net with its numbers" {
            @for (column, layer) in model.layers.iter().enumerate() {
                @for to in 0..layer.outputs { @for from in 0..layer.inputs {
                    @let weight = layer.weight[to * layer.inputs + from];
                    line class=(if weight < 0.0 { "edge minus" } else { "edge plus" }) stroke-width=(format!("{:.1}", 0.6 + 5.0 * weight.abs() / largest))
                        x1=(px(x(column))) y1=(px(y(column, from))) x2=(px(x(column + 1))) y2=(px(y(column + 1, to))) {}
                } }
            }
            @for (column, layer) in model.layers.iter().enumerate() {
                @for to in 0..layer.outputs { @for from in 0..layer.inputs {
                    @let at = to * layer.inputs + from;
                    @let (a, b) = labels[column][at];
                    text.edge-number x=(px(a)) y=(px(b - 1.0)) text-anchor="middle" {
                        tspan { (two(layer.weight[at])) }
                        tspan.gradient x=(px(a)) dy="12" { (two(backward.layers[column].weight_gradient[at])) }
                    }
                } }
            }
            @for column in 0..widths.len() {
                @for unit in 0..widths[column] {
                    @let (a, b) = (x(column), y(column, unit));
                    circle.unit-circle cx=(px(a)) cy=(px(b)) r=(RADIUS) {}
                    @let (value, delta) = match column {
                        0 => (explanation.inputs[unit], backward.input_gradient[unit]),
                        _ => (explanation.layers[column - 1].h[unit], backward.layers[column - 1].delta[unit]),
                    };
                    text.unit-value x=(px(a)) y=(px(b - 3.0)) text-anchor="middle" { (two(value)) }
                    text.unit-value.gradient x=(px(a)) y=(px(b + 13.0)) text-anchor="middle" { (two(delta)) }
                    @if column + 1 == widths.len() {
                        text.tick x=(px(a + 32.0)) y=(px(b - 3.0)) { "p " (two(explanation.probabilities[unit])) }
                        text.tick x=(px(a + 32.0)) y=(px(b + 13.0)) { "y " (backward.target[unit]) }
                    }
                }
                text.tick x=(px(x(column))) y=(px(HEIGHT - 2.0)) text-anchor="middle" {
                    @if column == 0 { "x" } @else if column + 1 == widths.len() { "z" (column) ", δ = p − y" } @else { "h" (column) " = tanh(z" (column) "), δ" }
                }
            }
        }
        p.note { "In a unit: its output, and in " span.gradient { "orange" } " its error signal δ (for the inputs, the gradient by x). An edge is blue below zero, grey above; its width is the size of the weight." }
    }
}

/// Where the numbers of an edge stand: on the edge, as far as possible from those of the edges before.
fn label(from: (f64, f64), to: (f64, f64), placed: &[(f64, f64)]) -> (f64, f64) {
    let edge = 2.2 * RADIUS / (to.0 - from.0);
    let candidates = (0..=20).map(|step| {
        let share = edge + (1.0 - 2.0 * edge) * f64::from(step) / 20.0;
        (from.0 + share * (to.0 - from.0), from.1 + share * (to.1 - from.1))
    });
    let free = |place: &(f64, f64)| {
        let apart = placed.iter().map(|other| ((place.0 - other.0) / LABEL.0).hypot((place.1 - other.1) / LABEL.1));
        // Beyond two sizes, the middle of the edge is the better place.
        let centre = ((place.0 - from.0) / (to.0 - from.0) - 0.5).abs();
        apart.fold(2.0, f64::min) - 0.1 * centre
    };
    candidates.max_by(|a, b| free(a).total_cmp(&free(b))).unwrap_or(from)
}

/// A number with two decimals.
fn two(value: f32) -> String {
    let text = format!("{value:.2}");
    if text == "-0.00" { "0.00".into() } else { text.replace('-', "−") }
}

/// Each parameter with both gradients.
fn table(model: &Mlp, gradient: &[f32], slopes: &[f32]) -> Markup {
    let mut names = Vec::new();
    for (number, layer) in (1..).zip(&model.layers) {
        names.extend(
            (0..layer.weight.len()).map(|at| format!("W{number}[{},{}]", at / layer.inputs, at % layer.inputs)),
        );
        names.extend((0..layer.bias.len()).map(|at| format!("b{number}[{at}]")));
    }
    let five = |value: f32| format!("{value:.5}").replace('-', "−");
    html! {
        table.figures.checked {
            thead { tr { th {} @for name in &names { th scope="col" { (name) } } } }
            tbody {
                tr { th scope="row" { "backpropagation" } @for value in gradient { td { (five(*value)) } } }
                tr { th scope="row" { "finite difference" } @for value in slopes { td { (five(*value)) } } }
            }
        }
    }
}
