//! Results on the test split by target: predicted against true values, residuals, and scores; scores of labels.

use super::axis::short;
use super::chart::px;
use crate::base::text;
use crate::results::assess::metrics::{Labels, Metric, Regression};
use crate::results::assess::{LabelFindings, ValueFindings};
use maud::{Markup, html};

/// Maximum number of targets that are drawn.
const DRAWN: usize = 6;
/// Maximum number of points of a drawing.
const POINTS: usize = 600;

/// Scores of each target, and its predicted values against the true ones.
pub fn values(findings: &ValueFindings, names: &[String], weights: Option<&[f32]>) -> Markup {
    let targets =
        Regression::of_targets(&findings.predicted, &findings.truth, names.len(), weights).unwrap_or_default();
    let scores: Vec<Vec<Metric>> = targets.iter().map(|target| target.metrics(None)).collect();
    html! {
        (table("target", names, &scores))
        div.charts { @for (target, name) in names.iter().enumerate().take(DRAWN) { (drawing(findings, names.len(), target, name)) } }
        @if names.len() > DRAWN { p.note { "Drawn: the first " (DRAWN) " of " (text::counted(names.len(), "target")) "." } }
    }
}

/// Scores of each label.
pub fn labels(findings: &LabelFindings, names: &[String], weights: Option<&[f32]>) -> Markup {
    let labels = Labels::new(&findings.probabilities, &findings.truth, names.len(), weights);
    let scores: Vec<Vec<Metric>> = labels.iter().flat_map(Labels::each).map(|label| label.metrics(None)).collect();
    table("label", names, &scores)
}

fn table(head: &str, names: &[String], scores: &[Vec<Metric>]) -> Markup {
    let heads = scores.first().map_or(&[][..], |metrics| metrics);
    html! { div.scroll { table.figures {
        thead { tr { th scope="col" { (head) } @for metric in heads { th scope="col" { (metric.name) } } } }
        tbody { @for (name, metrics) in names.iter().zip(scores) { tr {
            th scope="row" { (name) }
            @for metric in metrics { td { (metric.value.map_or("–".into(), short)) } }
        } } }
    } } }
}

const SIDE: f64 = 200.0;
const LEFT: f64 = 60.0;
const TOP: f64 = 10.0;

/// Predicted against true values of one target. Points on the diagonal are right; the distance to it is the residual.
fn drawing(findings: &ValueFindings, width: usize, target: usize, name: &str) -> Markup {
    let pairs = findings.predicted.chunks_exact(width).zip(findings.truth.chunks_exact(width));
    let step = (findings.truth.len() / width.max(1)).div_ceil(POINTS).max(1);
    let points: Vec<[f64; 2]> =
        pairs.step_by(step).map(|(z, y)| [f64::from(y[target]), f64::from(z[target])]).collect();
    let all = || points.iter().flatten().copied();
    let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
    let range = if high > low { high - low } else { 1.0 };
    let x = |value: f64| LEFT + SIDE * 1.38 * (value - low) / range;
    let y = |value: f64| TOP + SIDE * (1.0 - (value - low) / range);
    html! {
        figure.chart {
            figcaption { h3 { (name) } span.unit { "predicted against true; on the diagonal both are equal" } }
            svg viewBox="0 0 400 250" role="img" aria-label=(format!("predicted against true values of {name}")) {
                @for tick in [low, low + range / 2.0, low + range] {
                    line.grid x1=(px(x(low))) x2=(px(x(low + range))) y1=(px(y(tick))) y2=(px(y(tick))) {}
                    text.tick x=(px(LEFT - 7.0)) y=(px(y(tick) + 3.5)) text-anchor="end" { (short(tick)) }
                    text.tick x=(px(x(tick))) y=(px(y(low) + 17.0)) text-anchor="middle" { (short(tick)) }
                }
                text.tick x=(px(x(low + range / 2.0))) y="246" text-anchor="middle" { "true value" }
                line.guide x1=(px(x(low))) y1=(px(y(low))) x2=(px(x(low + range))) y2=(px(y(low + range))) {}
                @for [truth, predicted] in &points { circle.point cx=(px(x(*truth))) cy=(px(y(*predicted))) r="2" {} }
            }
        }
    }
}
