//! The loss of updates, by updates, samples seen or seconds.

use super::chart::{Across, Chart, Line};
use super::groups::{Curve, Group, mean, range};
use crate::train::updates::UpdateLoss;
use maud::{Markup, html};

/// The x axes: their names, and the value of a point.
type Axis = (&'static str, fn(&UpdateLoss) -> f64);
const AXES: [Axis; 3] = [
    ("updates", |update| update.step as f64),
    ("samples seen", |update| update.samples as f64),
    ("seconds of training", |update| update.seconds),
];

/// A moving mean covers a share of the points of about 1 in this many.
const SMOOTHING: usize = 16;
/// An axis is logarithmic if the last points of two lines lie further apart than this.
const FAR: f64 = 8.0;

/// The chart for each axis, and buttons to choose one; nothing if no run has such points.
pub fn charts(groups: &[Group<'_>]) -> Markup {
    if groups.iter().all(|group| of(group, AXES[0].1).0.is_empty()) {
        return html! {};
    }
    html! {
        div.axes {
            span.ask { "Loss of single updates by" }
            @for (at, (name, _)) in AXES.iter().enumerate() {
                input type="radio" name="axis" id={ "axis" (at) } checked[at == 0];
                label for={ "axis" (at) } { (name) }
            }
            @for axis in AXES { div.charts { @if let Some(chart) = chart(groups, axis).draw() { (chart) } } }
            p.note {
                @if let [_] = groups { "Pale: the loss of each sampled update, on its own batch. " } @else { "Each on its own batches. " }
                "The line is their moving mean. The smaller the batch, the noisier is the loss of one update."
            }
        }
    }
}

fn chart(groups: &[Group<'_>], (name, place): Axis) -> Chart {
    let mut lines = Vec::new();
    let mut ends = Vec::new();
    for group in groups {
        let (points, band) = of(group, place);
        let colour = if groups.len() == 1 { "var(--train)".to_string() } else { group.colour.clone() };
        ends.extend(points.last().map(|point| point.0).filter(|end| *end > 0.0));
        if groups.len() == 1 {
            lines.push(Line { colour: colour.clone(), faint: true, points: points.clone(), ..Line::default() });
        }
        lines.push(Line {
            name: if groups.len() == 1 { String::new() } else { group.short.clone() },
            colour: if groups.len() == 1 { "var(--test)".into() } else { colour },
            points: smoothed(&points),
            band: if groups.len() == 1 { band } else { Vec::new() },
            ..Line::default()
        });
    }
    let (shortest, longest) = range(&ends);
    let values = || lines.iter().flat_map(|line| &line.points).map(|point| point.1).filter(|&loss| loss > 0.0);
    let (low, high) = range(&values().collect::<Vec<_>>());
    Chart {
        title: "Loss of updates",
        across: name,
        across_scale: match name {
            _ if longest > FAR * shortest => Across::Log,
            "seconds of training" => Across::Linear,
            _ => Across::Whole,
        },
        log: high > FAR * low,
        lines,
        ..Chart::default()
    }
}

/// Points (x, mean loss) of a group, and the ranges of several runs. They end with the last point that all runs have.
fn of(group: &Group<'_>, place: fn(&UpdateLoss) -> f64) -> Curve {
    let runs = group.runs.iter().map(|run| &run.history.updates);
    let shared = runs.clone().map(Vec::len).min().unwrap_or(0);
    let (mut points, mut band) = (Vec::new(), Vec::new());
    for at in 0..shared {
        let updates: Vec<&UpdateLoss> = runs.clone().map(|updates| &updates[at]).collect();
        let losses: Vec<f64> = updates.iter().map(|update| f64::from(update.loss)).collect();
        let x = mean(&updates.iter().map(|update| place(update)).collect::<Vec<_>>());
        points.push((x, mean(&losses)));
        if losses.len() > 1 {
            let (low, high) = range(&losses);
            band.push((x, low, high));
        }
    }
    (points, band)
}

/// The moving mean, over as many points before as after where there are as many.
pub fn smoothed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let most = points.len() / (2 * SMOOTHING);
    let around = |at: usize| {
        let around = at.saturating_sub(most)..points.len().min(at + most + 1);
        let values: Vec<f64> = points[around].iter().map(|point| point.1).collect();
        (points[at].0, mean(&values))
    };
    (0..points.len()).map(around).collect()
}

#[cfg(test)]
mod tests {
    use super::smoothed;

    #[test]
    fn a_moving_mean_keeps_a_straight_line_except_near_its_ends() {
        let straight: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), f64::from(3 * at))).collect();
        let found = smoothed(&straight);
        assert_eq!((found.len(), &found[3..97]), (100, &straight[3..97]));
        // The mean of the first four values: 0, 3, 6, 9.
        assert_eq!(found[0], (0.0, 4.5));
        assert_eq!(smoothed(&[]), []);
        assert_eq!(smoothed(&[(1.0, 2.0)]), [(1.0, 2.0)]);
    }
}
