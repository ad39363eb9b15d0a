//! Logits, softmax, one-hot and p − y of real samples, before and after training.

use super::draw::{Column, bars, figure, grey};
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::Config;
use crate::data::Split;
use crate::data::shape::picture_size;
use crate::net::mlp::Mlp;
use crate::results::explain::{Explainer, Explanation};
use maud::{Markup, html};

/// Samples shown.
const SHOWN: usize = 3;

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let data = lab.few(5000, 500);
    let config = Config { hidden: vec![32], epochs: lab.scaled(5, 1), ..Config::default() };
    let run = lab.train(&config, &data).await?;
    let widths = config.widths(data.inputs(), data.outputs());
    let first = Mlp::new(&widths, config.activation(), config.init, config.seed);
    let mut explainer = Explainer::new(&lab.machine, &run.finish.model, &run.description).await?;
    // Of the first test samples: the surest, one in between, and the one with the largest loss.
    let mut losses = Vec::new();
    for sample in 0..data.test.len().min(100) {
        let explanation = explainer.explain(&data.test.rows(&[sample]), true, 0).await?;
        losses.push((sample, explanation.backward.map_or(0.0, |backward| backward.loss)));
    }
    losses.sort_by(|a, b| a.1.total_cmp(&b.1));
    let chosen: Vec<usize> = (0..SHOWN).map(|at| losses[at * (losses.len() - 1) / (SHOWN - 1)].0).collect();
    let mut cards = Vec::new();
    for sample in chosen {
        let row = data.test.rows(&[sample]);
        explainer.load(&first);
        let before = explainer.explain(&row, true, 0).await?;
        explainer.load(&run.finish.model);
        let after = explainer.explain(&row, true, 0).await?;
        cards.push(card(data.task.names(), &row, &data.item, [("before training", before), ("after training", after)]));
    }
    let picture = html! { div.cards { @for card in &cards { (card) } } };
    let uniform = (data.outputs() as f32).ln();
    let seen = vec![
        format!(
            "Before training the net guesses: the probabilities are random, and the loss is around ln {} = {}, that of an even guess.",
            data.outputs(),
            figure(uniform)
        ),
        "p − y pulls the true class up (blue, to the left: its logit must grow) and pushes the others down, each by its own \
         probability. A class that is already improbable gets no push."
            .into(),
        "After training, p − y is almost zero for a sample that the net knows. It learns from the samples that it gets wrong.".into(),
        "Softmax looks only at differences: the same number added to all logits changes nothing.".into(),
    ];
    Ok((picture, seen))
}

/// A sample with its numbers, before and after.
fn card(names: &[String], row: &Split, item: &[usize], both: [(&str, Explanation); 2]) -> Markup {
    let truth = row.classes().first().map_or(0, |class| *class as usize);
    let name = &names[truth];
    html! {
        article.card {
            @if let Some((rows, columns)) = picture_size(item) {
                div.head { (grey(row.pixels(), rows, columns, &format!("a picture of the class {name}"))) p { "true class " strong { (name) } } }
            }
            div.pair {
                @for (when, explanation) in &both { @if let Some(backward) = &explanation.backward {
                    @let last = explanation.layers.last().map_or(&[][..], |last| &last.z);
                    @let delta = backward.layers.last().map_or(&[][..], |last| &last.delta);
                    figure {
                        figcaption { h3 { (when) } span.unit { "loss −ln p = " (figure(backward.loss)) } }
                        (bars(names, truth, &[
                            Column { title: "logit z", values: last, scale: None },
                            Column { title: "softmax p", values: &explanation.probabilities, scale: Some(1.0) },
                            Column { title: "one-hot y", values: &backward.target, scale: None },
                            Column { title: "p − y", values: delta, scale: Some(1.0) },
                        ], &format!("logits, probabilities, one-hot and p − y of a {name}, {when}")))
                    }
                } }
            }
        }
    }
}
