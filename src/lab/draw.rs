//! Pictures that the report lacks: samples, maps of signed values, bars by class.

use crate::results::png;
use crate::results::report::axis::short;
use crate::results::report::chart::px;
use crate::results::report::pictures::{signed_png, uri};
use maud::{Markup, html};

/// A grey picture of bytes.
pub fn grey(pixels: &[u8], rows: usize, columns: usize, words: &str) -> Markup {
    html! { img.sample src=(uri(&png::grey(pixels, columns, rows))) width=(columns) height=(rows) alt=(words) title=(words); }
}

/// A picture of signed values: blue below zero, orange above.
pub fn signed(values: &[f32], rows: usize, columns: usize, words: &str) -> Markup {
    html! { img.signed src=(uri(&signed_png(values, rows, columns))) width=(columns) height=(rows) alt=(words) title=(words); }
}

/// Values as squares in rows of `columns`: the darker, the larger.
pub fn squares(values: &[f32], columns: usize, words: &str) -> Markup {
    let largest = values.iter().fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let rows = values.len().div_ceil(columns.max(1));
    html! {
        svg.squares viewBox={ "0 0 " (10 * columns) " " (10 * rows) } role="img" aria-label=(words) {
            @for (at, value) in values.iter().enumerate() {
                @let share = value.abs() / largest;
                rect class=(if *value < 0.0 { "minus" } else { "plus" }) x=(10 * (at % columns)) y=(10 * (at / columns)) width="9" height="9" rx="1.5" fill-opacity=(format!("{:.2}", 0.06 + 0.94 * share)) {}
            }
        }
    }
}

/// A column of a [`bars`] picture.
pub struct Column<'a> {
    /// Its head.
    pub title: &'a str,
    /// A value per class.
    pub values: &'a [f32],
    /// Whether to draw bars, from zero, to this largest magnitude; else numbers alone.
    pub scale: Option<f32>,
}

const LINE: f64 = 20.0;
const NAMES: f64 = 30.0;

/// Columns of values by class; the true class is marked.
pub fn bars(names: &[String], truth: usize, columns: &[Column<'_>], words: &str) -> Markup {
    let width = 96.0;
    let height = LINE * (names.len() + 1) as f64;
    let all = NAMES + width * columns.len() as f64;
    html! {
        svg.bars viewBox={ "0 0 " (px(all)) " " (px(height)) } role="img" aria-label=(words) {
            @for (at, column) in columns.iter().enumerate() {
                @let (left, middle) = (NAMES + width * at as f64, NAMES + width * (at as f64 + 0.5));
                text.tick x=(px(middle)) y="13" text-anchor="middle" { (column.title) }
                @for (class, &value) in column.values.iter().enumerate() {
                    @let top = LINE * (class + 1) as f64;
                    @if let Some(scale) = column.scale {
                        @let signed = column.values.iter().any(|value| *value < 0.0);
                        @let (zero, space) = if signed { (middle, 0.42 * width) } else { (left + 6.0, 0.86 * width) };
                        @let length = space * f64::from((value / scale).clamp(-1.0, 1.0));
                        rect class=(if value < 0.0 { "minus" } else { "plus" }) x=(px(zero.min(zero + length))) y=(px(top + 3.0)) width=(px(length.abs())) height=(px(LINE - 6.0)) {}
                        @if signed { line.axis x1=(px(zero)) x2=(px(zero)) y1=(px(top)) y2=(px(top + LINE)) {} }
                    }
                    @if column.scale.is_none() || value.abs() >= 0.005 {
                        @let right = column.scale.is_some_and(|_| value < 0.0);
                        text.value x=(px(if column.scale.is_none() { middle + 18.0 } else if right { left + 4.0 } else { left + width - 4.0 }))
                            y=(px(top + 14.0)) text-anchor=(if right { "start" } else { "end" }) { (figure(value)) }
                    }
                }
            }
            @for (class, name) in names.iter().enumerate() {
                text.class.truth[class == truth] x="4" y=(px(LINE * (class + 1) as f64 + 14.5)) { (name) }
            }
        }
    }
}

/// A number with two decimals, or with few characters.
pub fn figure(value: f32) -> String {
    if (0.005..100.0).contains(&value.abs()) {
        format!("{value:.2}").replace('-', "−")
    } else {
        short(f64::from(value)).replace('-', "−")
    }
}

/// A figure with a title, a remark, and a picture.
pub fn titled(title: &str, remark: &str, picture: Markup) -> Markup {
    html! { figure.chart { figcaption { h3 { (title) } span.unit { (remark) } } (picture) } }
}
