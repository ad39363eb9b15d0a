//! Importance of the columns of a table, as bars.

use super::axis::{grouped, short};
use super::chart::px;
use crate::base::text;
use crate::results::assess::Importances;
use crate::results::assess::metrics::Importance;
use maud::{Markup, html};

/// Maximum number of columns drawn.
const DRAWN: usize = 20;
/// Maximum number of characters of a name.
const NAME: usize = 18;

const LEFT: f64 = 130.0;
const WIDTH: f64 = 210.0;
const ROW: f64 = 22.0;

/// A bar per column, with its standard deviation, and what it means.
pub fn importance(found: &Importances) -> Markup {
    let drawn = &found.columns[..found.columns.len().min(DRAWN)];
    html! {
        div.charts { (bars(drawn, found.score)) }
        p.note {
            "How much the " (found.score) " (" (short(found.value)) ") drops if the values of one column are permuted among "
            (grouped(found.rows as u64)) " test rows: mean of " (text::counted(found.repeats, "permutation")) ", the line is their standard deviation. "
            "If two columns hold the same information, the model can use either, and both may seem unimportant. "
            @if drawn.len() < found.columns.len() {
                "Drawn: the " (drawn.len()) " most important of " (text::counted(found.columns.len(), "column")) "."
            }
        }
    }
}

fn bars(columns: &[(String, Importance)], score: &str) -> Markup {
    let ends =
        |importance: &Importance| [importance.mean - importance.deviation, importance.mean + importance.deviation];
    let all = || columns.iter().flat_map(|(_, importance)| ends(importance)).chain([0.0]);
    let (low, high) = (all().fold(0.0, f64::min), all().fold(0.0, f64::max));
    let range = if high > low { high - low } else { 1.0 };
    let x = |value: f64| LEFT + WIDTH * (value - low) / range;
    let height = ROW * columns.len() as f64;
    html! {
        figure.chart {
            figcaption { h3 { "Importance of columns" } span.unit { "drop of the " (score) } }
            svg viewBox={ "0 0 400 " (px(height + 20.0)) } role="img" aria-label="Importance of columns" {
                @for tick in [low, 0.0, high] {
                    line.grid x1=(px(x(tick))) x2=(px(x(tick))) y1="0" y2=(px(height)) {}
                }
                text.tick x=(px(x(0.0))) y=(px(height + 16.0)) text-anchor="middle" { "0" }
                @if high > 0.0 { text.tick x=(px(x(high))) y=(px(height + 16.0)) text-anchor="middle" { (short(high)) } }
                @for (number, (name, importance)) in columns.iter().enumerate() {
                    @let (middle, mean) = (ROW * (number as f64 + 0.5), importance.mean);
                    @let words = format!("{name}: {} ± {}", short(mean), short(importance.deviation));
                    @let [from, to] = ends(importance);
                    text.tick x=(px(LEFT - 7.0)) y=(px(middle + 4.0)) text-anchor="end" { (cut(name)) }
                    rect.bar x=(px(x(mean.min(0.0)))) width=(px(x(mean.max(0.0)) - x(mean.min(0.0)))) y=(px(middle - 7.0)) height="14" {
                        title { (words) }
                    }
                    line.whisker x1=(px(x(from))) x2=(px(x(to))) y1=(px(middle)) y2=(px(middle)) {}
                    text.tick x=(px(x(high) + 8.0)) y=(px(middle + 4.0)) { (short(mean)) }
                }
            }
        }
    }
}

/// A name that fits the space beside the bars.
fn cut(name: &str) -> String {
    match name.char_indices().nth(NAME) {
        Some((at, _)) => format!("{}…", &name[..at]),
        None => name.into(),
    }
}
