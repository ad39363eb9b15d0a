//! Over-fitting and its cure; the gates of five steps; the nets of fifty masks as an ensemble.

use super::draw::{figure, grey, titled};
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::{BatchSize, Config, Optimizer, Schedule};
use crate::data::shape::picture_size;
use crate::results::explain::{Explainer, Explanation};
use crate::results::report::axis::{Unit, percent, short};
use crate::results::report::chart::{Chart, Line, px};
use maud::{Markup, html};

const KEPT: [(f32, &str, &str); 3] =
    [(1.0, "keep 1", "var(--run1)"), (0.8, "keep 0.8", "var(--run0)"), (0.5, "keep 0.5", "var(--run2)")];
const WIDTH: usize = 256;
/// Units whose gates are drawn.
const GATES: usize = 64;
const STEPS: u32 = 5;
const MASKS: u32 = 50;
/// The keep probability of the gates and the ensemble.
const HALF: f32 = 0.5;

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let data = lab.few(1000, 2000);
    let mut runs = Vec::new();
    for (keep_prob, ..) in KEPT {
        let config = Config {
            hidden: vec![WIDTH, WIDTH],
            optimizer: Optimizer::Adam,
            keep_prob,
            batch_size: BatchSize::Samples(32),
            epochs: lab.scaled(30, 4),
            schedule: Schedule::Constant,
            ..Config::default()
        };
        runs.push(lab.train(&config, &data).await?);
    }
    let line = |at: usize, points: Vec<(f64, f64)>, dashed: bool| Line {
        name: if dashed { String::new() } else { KEPT[at].1.into() },
        colour: KEPT[at].2.into(),
        dashed,
        points,
        ..Line::default()
    };
    let trained = |at: usize| runs[at].epochs.iter().map(|epoch| (epoch.epoch as f64, epoch.train.loss())).collect();
    let all = 0..KEPT.len();
    let loss = Chart {
        title: "Loss",
        unit: "solid: test; dashed: training",
        across: "epoch",
        log: true,
        lines: all
            .clone()
            .flat_map(|at| [line(at, trained(at), true), line(at, runs[at].tested(|s| s.loss()), false)])
            .collect(),
        ..Chart::default()
    };
    let accuracy = Chart {
        title: "Test accuracy",
        across: "epoch",
        figures: Unit::Percent,
        lines: all.map(|at| line(at, runs[at].tested(|s| s.metric()).split_off(1), false)).collect(),
        ..Chart::default()
    };
    let half = &runs[2];
    let mut thinned = Explainer::with_dropout(&lab.machine, &half.finish.model, &half.description, HALF).await?;
    let mut whole = Explainer::new(&lab.machine, &half.finish.model, &half.description).await?;
    // The test sample of the first ones that the whole net is least sure of.
    let mut chosen = (0, f32::INFINITY);
    for sample in 0..data.test.len().min(200) {
        let p = whole.explain(&data.test.rows(&[sample]), false, 0).await?.probabilities;
        let best = p.iter().copied().fold(0.0, f32::max);
        if best < chosen.1 {
            chosen = (sample, best);
        }
    }
    let row = data.test.rows(&[chosen.0]);
    let scaled = whole.explain(&row, false, 0).await?.probabilities;
    let mut masked: Vec<Explanation> = Vec::new();
    for step in 0..MASKS {
        masked.push(thinned.explain(&row, false, step).await?);
    }
    let names = data.task.names();
    let truth = row.classes().first().map_or(0, |class| *class as usize);
    let mean: Vec<f32> = (0..names.len())
        .map(|class| masked.iter().map(|one| one.probabilities[class]).sum::<f32>() / masked.len() as f32)
        .collect();
    let apart = scaled.iter().zip(&mean).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    let picture = html! {
        div.charts {
            (loss.draw().unwrap_or_default())
            (accuracy.draw().unwrap_or_default())
            (titled("The gates of five steps", "first layer, units 1 to 64 of 256, keep 0.5; filled: open", gates(&masked)))
            (titled("Fifty masks as an ensemble", "test picture; dot: one mask; bar: mean; ring: whole net", html! {
                @if let Some((rows, columns)) = picture_size(&data.item) { div.small { (grey(row.pixels(), rows, columns, &format!("a picture of the class {}", names[truth]))) } }
                (ensemble(names, truth, &masked, &mean, &scaled))
            }))
        }
    };
    let losses = |at: usize| {
        let tested = runs[at].tested(|score| score.loss());
        let lowest = tested.iter().map(|point| point.1).fold(f64::INFINITY, f64::min);
        (lowest, tested.last().map_or(f64::NAN, |last| last.1))
    };
    let (lowest, last) = losses(0);
    let seen = vec![
        format!(
            "On {} samples a net of two layers of {WIDTH} units learns by heart: its training loss falls to {}. Its test loss falls to {lowest:.3} and \
             then rises to {last:.3}: over-fitting.",
            data.train.len(),
            short(runs[0].epochs.last().map_or(f64::NAN, |epoch| epoch.train.loss())),
        ),
        format!(
            "With keep 0.5 the test loss reaches {:.3}, later, and the accuracy at the end is {} instead of {}.",
            losses(2).0,
            percent(runs[2].accuracy()),
            percent(runs[0].accuracy())
        ),
        "A dashed line with dropout lies higher: it is the loss of thinned nets, each of which has half of its units."
            .into(),
        format!(
            "One mask alone may be quite wrong. The mean of {MASKS} masks and the whole net differ by at most {} for this picture, and the \
             whole net needs one pass instead of {MASKS}.",
            figure(apart)
        ),
    ];
    Ok((picture, seen))
}

/// The gates of the first units in the first steps.
fn gates(masked: &[Explanation]) -> Markup {
    html! {
        svg.squares viewBox={ "0 0 " (40 + 10 * GATES / 2) " " (STEPS * 26) } role="img" aria-label="open and closed gates of five steps" {
            @for (step, explanation) in masked.iter().take(STEPS as usize).enumerate() {
                text.tick x="0" y=(26 * step + 14) { "step " (step + 1) }
                @for (unit, open) in explanation.layers[0].gates.iter().take(GATES).enumerate() {
                    rect class=(if *open { "plus" } else { "closed" }) x=(40 + 10 * (unit % (GATES / 2))) y=(26 * step + 11 * (unit / (GATES / 2))) width="9" height="9" rx="1.5" {}
                }
            }
        }
    }
}

/// The probabilities of each class by mask, their mean, and those of the whole net.
fn ensemble(names: &[String], truth: usize, masked: &[Explanation], mean: &[f32], scaled: &[f32]) -> Markup {
    const HEIGHT: f64 = 180.0;
    let x = |class: usize| 34.0 + 36.0 * class as f64;
    let y = |p: f32| 10.0 + (HEIGHT - 30.0) * (1.0 - f64::from(p));
    html! {
        svg.ensemble viewBox={ "0 0 " (34 + 36 * names.len()) " " (HEIGHT) } role="img" aria-label="probabilities by class of fifty thinned nets" {
            @for share in [0.0f32, 0.5, 1.0] {
                line.grid x1="20" x2=(34 + 36 * names.len()) y1=(px(y(share))) y2=(px(y(share))) {}
                text.tick x="16" y=(px(y(share) + 4.0)) text-anchor="end" { (share) }
            }
            @for (class, name) in names.iter().enumerate() {
                @for (at, one) in masked.iter().enumerate() {
                    // Spread sideways, so that equal ones remain visible.
                    circle.mask cx=(px(x(class) - 9.0 + 18.0 * ((at * 7) % 10) as f64 / 9.0)) cy=(px(y(one.probabilities[class]))) r="2" {}
                }
                line.mean x1=(px(x(class) - 13.0)) x2=(px(x(class) + 13.0)) y1=(px(y(mean[class]))) y2=(px(y(mean[class]))) {}
                circle.whole cx=(px(x(class))) cy=(px(y(scaled[class]))) r="5" {}
                text.class.truth[class == truth] x=(px(x(class))) y=(HEIGHT - 4.0) text-anchor="middle" { (name) }
            }
        }
    }
}
