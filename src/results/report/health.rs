//! Gradients, updates and dead units by layer. They show which layers learn.

use super::axis::{Unit, short};
use super::chart::{Chart, Line};
use super::curves::points;
use super::groups::Group;
use crate::run::history::{Epoch, History, LayerHealth};
use maud::{Markup, html};

/// A common value of the ratio of update to weights (A. Karpathy, CS231n notes, "Neural Networks Part 3").
const HEALTHY_RATIO: f64 = 1e-3;
/// The page reports vanishing or growing gradients if those of the first and last layer differ by more than this
/// factor.
const APART: f64 = 100.0;

/// Charts of one run, or a sentence if the layers were not measured; `None` if no epoch is recorded.
pub fn charts(history: &History) -> Option<Markup> {
    if history.epochs.is_empty() {
        return None;
    }
    let layers = history.epochs.iter().map(|epoch| epoch.health.len()).max().unwrap_or(0);
    if layers == 0 {
        return Some(html! { p.note { "Not measured in this run." } });
    }
    let norms: Vec<f64> =
        history.epochs.iter().flat_map(|epoch| &epoch.health).filter_map(|layer| layer.gradient_norm).collect();
    if !norms.is_empty() && !norms.iter().any(|norm| norm.is_finite()) {
        return Some(html! { p.warning { "Gradients were measured, but none of their norms is finite." } });
    }
    let by_epoch = |pick: Pick| -> Vec<Line> {
        let line = |layer: usize| Line {
            name: name(layer, layers),
            colour: shade(layer, layers),
            points: points(history, |epoch| layer_of(epoch, layer).and_then(pick)),
            ..Line::default()
        };
        (1..=layers).map(line).collect()
    };
    let chart = |title, unit, log, lines| Chart { title, unit, across: "epoch", log, lines, ..Chart::default() };
    let charts = [
        Chart { across: "layer", lines: profile(history), ..chart("Gradient norm by layer", "", true, Vec::new()) },
        chart("Gradient norm by epoch", "", true, by_epoch(|layer| layer.gradient_norm)),
        Chart {
            guide: Some((HEALTHY_RATIO, "often healthy")),
            ..chart("Update ratio", "|update| / |weights|", true, by_epoch(|layer| layer.update_ratio))
        },
        chart("Weight norm", "", false, by_epoch(|layer| layer.weight_norm)),
        Chart {
            figures: Unit::Percent,
            from_zero: true,
            ..chart("Dead units", "output zero for every sample of a batch", false, by_epoch(|layer| layer.dead_share))
        },
    ];
    Some(html! {
        @if let Some(sentence) = verdict(history) { p { (sentence) } }
        p.note { "Each measurement is of the middle update of an epoch. Epochs of few updates are measured occasionally." }
        div.charts { @for chart in charts.iter().filter_map(Chart::draw) { (chart) } }
    })
}

/// The last epoch's gradients of each group's first run in one chart; `None` if none of them measured them.
pub fn comparison(groups: &[Group<'_>]) -> Option<Markup> {
    let line = |group: &Group<'_>| Line {
        name: group.short.clone(),
        colour: group.colour.clone(),
        points: by_layer(group.runs[0].history.epochs.iter().rev().find(|epoch| !epoch.health.is_empty())),
        ..Line::default()
    };
    let several = groups.iter().any(|group| group.runs.len() > 1);
    let chart = Chart {
        title: "Gradient norm by layer",
        unit: if several { "last epoch of one run each" } else { "last epoch" },
        across: "layer",
        log: true,
        lines: groups.iter().map(line).collect(),
        ..Chart::default()
    };
    let drawn = chart.draw()?;
    let sentences = groups.iter().filter_map(|group| Some((&group.label, verdict(&group.runs[0].history)?)));
    Some(
        html! { div.charts { (drawn) div { @for (name, sentence) in sentences { p { strong { (name) } ": " (sentence) } } } } },
    )
}

type Pick = fn(&LayerHealth) -> Option<f64>;

fn layer_of(epoch: &Epoch, layer: usize) -> Option<&LayerHealth> {
    epoch.health.get(layer - 1)
}

fn by_layer(epoch: Option<&Epoch>) -> Vec<(f64, f64)> {
    let layers = epoch.map_or(&[][..], |epoch| &epoch.health);
    layers.iter().filter_map(|health| Some((health.layer as f64, health.gradient_norm?))).collect()
}

/// Gradient norms across layers in the first and in the last epoch.
fn profile(history: &History) -> Vec<Line> {
    let mut measured = history.epochs.iter().filter(|epoch| !epoch.health.is_empty());
    let first = measured.next();
    let last = measured.next_back();
    let line = |epoch: &Epoch, colour: &str| Line {
        name: format!("epoch {}", epoch.epoch),
        colour: colour.into(),
        points: by_layer(Some(epoch)),
        ..Line::default()
    };
    let lines = [(first, "var(--train)"), (last, "var(--test)")];
    lines.into_iter().filter_map(|(epoch, colour)| Some(line(epoch?, colour))).collect()
}

/// An interpretation of the last epoch's gradients, in a sentence.
fn verdict(history: &History) -> Option<String> {
    let epoch = history.epochs.iter().rev().find(|epoch| !epoch.health.is_empty())?;
    let norm = |layer: Option<&LayerHealth>| layer.and_then(|layer| layer.gradient_norm);
    let first = norm(epoch.health.first())?;
    let last = norm(epoch.health.last())?;
    if epoch.health.len() < 2 {
        return None;
    }
    let times = |ratio: f64| format!("about {} times", short(ratio));
    if !(first.is_finite() && last.is_finite()) {
        return Some(format!("In epoch {}, gradients are not finite.", epoch.epoch));
    }
    Some(match last / first {
        _ if first == 0.0 => "The gradient of the first layer is zero, so this layer does not learn.".into(),
        ratio if ratio > APART => format!(
            "The gradient vanishes towards the first layer: in epoch {} it is {} smaller there than in the last layer.",
            epoch.epoch,
            times(ratio)
        ),
        ratio if ratio < 1.0 / APART => format!(
            "The gradient grows towards the first layer: in epoch {} it is {} larger there than in the last layer.",
            epoch.epoch,
            times(1.0 / ratio)
        ),
        ratio => format!(
            "The gradient reaches the first layer: in epoch {} the first and last layer's gradients are within a factor of {}.",
            epoch.epoch,
            short(ratio.max(1.0 / ratio))
        ),
    })
}

fn name(layer: usize, layers: usize) -> String {
    if layer == layers { "output".into() } else { format!("layer {layer}") }
}

/// The colour of a layer: from blue for the first layer through green to amber for the last. Colour-blind readers can see
/// this order too.
fn shade(layer: usize, layers: usize) -> String {
    const STOPS: [[f64; 3]; 3] = [[58.0, 104.0, 214.0], [38.0, 158.0, 140.0], [214.0, 138.0, 20.0]];
    let place = 2.0 * (layer - 1) as f64 / (layers - 1).max(1) as f64;
    let (from, share) = if place < 1.0 { (0, place) } else { (1, place - 1.0) };
    let [r, g, b] = [0, 1, 2].map(|c| (STOPS[from][c] * (1.0 - share) + STOPS[from + 1][c] * share).round() as u8);
    format!("#{r:02x}{g:02x}{b:02x}")
}
