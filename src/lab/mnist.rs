//! From a pixel to a prediction: one picture through a trained net.

use super::draw::{Column, bars, figure, grey, signed, squares, titled};
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::Config;
use crate::data::shape::picture_size;
use crate::results::explain::Explainer;
use crate::results::report::axis::{Unit, percent};
use crate::results::report::chart::{Chart, Line};
use crate::results::report::pictures::first_layer;
use maud::html;

/// The default net's hidden units, drawn in rows of this many.
const COLUMNS: usize = 16;

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let data = lab.few(60_000, 10_000);
    let config = Config { epochs: lab.scaled(3, 1), ..Config::default() };
    let run = lab.train(&config, &data).await?;
    let model = &run.finish.model;
    let mut explainer = Explainer::new(&lab.machine, model, &run.description).await?;
    // Of the first test pictures, the right answer that is least sure: there is something to see in its numbers.
    let mut chosen = (0, f32::INFINITY);
    for sample in 0..data.test.len().min(100) {
        let row = data.test.rows(&[sample]);
        let p = explainer.explain(&row, false, 0).await?.probabilities;
        let truth = row.classes().first().map_or(0, |class| *class as usize);
        let right = (0..p.len()).all(|class| p[class] <= p[truth]);
        if right && p[truth] < chosen.1 {
            chosen = (sample, p[truth]);
        }
    }
    let row = data.test.rows(&[chosen.0]);
    let explanation = explainer.explain(&row, true, 0).await?;
    let (Some(backward), Some((rows, columns))) = (&explanation.backward, picture_size(&data.item)) else {
        return Ok((html! {}, Vec::new()));
    };
    let names = data.task.names();
    let truth = row.classes().first().map_or(0, |class| *class as usize);
    let hidden = &explanation.layers[0];
    let logits = explanation.layers.last().map_or(&[][..], |last| &last.z);
    let accuracy = Chart {
        title: "Accuracy by epoch",
        unit: "test split",
        across: "epoch",
        figures: Unit::Percent,
        lines: vec![Line {
            colour: "var(--test)".into(),
            points: run.tested(|score| score.metric()),
            ..Line::default()
        }],
        ..Chart::default()
    };
    let caption = format!("{rows} × {columns} bytes, 0 to 255");
    let picture = html! {
        div.steps {
            (titled("1. The picture", &caption, grey(row.pixels(), rows, columns, &format!("a picture of the class {}", names[truth]))))
            (titled("2. The input x", "normalised: blue below zero, orange above", signed(&explanation.inputs, rows, columns, "the normalised picture")))
            (titled("3. The hidden units", &format!("h = relu(W·x + b); {} of {} are not zero", hidden.h.iter().filter(|h| **h > 0.0).count(), hidden.h.len()),
                squares(&hidden.h, COLUMNS, "the outputs of the hidden units")))
            (titled("4. The answer", &format!("true class {}", names[truth]), bars(names, truth, &[
                Column { title: "logit z", values: logits, scale: None },
                Column { title: "softmax p", values: &explanation.probabilities, scale: Some(1.0) },
            ], "logits and probabilities")))
            (titled("5. And back to the pixels", "gradient of the loss by x: orange pixels raise the loss if they grow", signed(&backward.input_gradient, rows, columns, "the gradient by the pixels")))
            (accuracy.draw().unwrap_or_default())
        }
        figure.spaced { figcaption { h3 { "What the first layer looks for" } } (first_layer(model, &data.item, 1).unwrap_or_default()) }
    };
    let seen = vec![
        format!(
            "{} weights and biases, {} epochs of {} pictures: {} of the test pictures are right.",
            model.parameters(),
            run.epochs.len(),
            data.train.len(),
            percent(run.accuracy())
        ),
        format!(
            "Of the first hundred test pictures that are right, this one is the least sure: p[{}] = {}.",
            names[truth],
            figure(explanation.probabilities[truth])
        ),
        "Few hidden units answer to a picture. The weights of a unit, drawn as a picture, show where it wants ink (orange) and where \
         it wants none (blue)."
            .into(),
    ];
    Ok((picture, seen))
}
