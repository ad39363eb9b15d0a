//! Line charts in SVG. Each line has its name at its end, so that a chart is readable without colours.

use super::axis::{Scale, Unit, lowest, percent, short};
use super::labels::{apart, fitted, room};
use maud::{Markup, html};
use std::fmt::Write;

/// A line of a chart.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Name, written at the end of the line.
    pub name: String,
    /// A CSS colour.
    pub colour: String,
    /// Whether to draw it thin and dashed.
    pub dashed: bool,
    /// Whether to draw it thin and pale, behind another line.
    pub faint: bool,
    /// Points (x, y) from left to right. y is NaN if it was measured and is not finite.
    pub points: Vec<(f64, f64)>,
    /// Range (x, lowest, highest) that is shaded, from left to right.
    pub band: Vec<(f64, f64, f64)>,
}

/// The scale of an x axis.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Across {
    /// Linear, for integers: it ends at the lowest and highest value.
    #[default]
    Whole,
    /// Linear, with round ends.
    Linear,
    /// Logarithmic, for values above zero.
    Log,
}

/// A chart of lines.
#[derive(Clone, Debug, Default)]
pub struct Chart {
    /// The title.
    pub title: &'static str,
    /// The unit of y, or a remark.
    pub unit: &'static str,
    /// The name of the x axis.
    pub across: &'static str,
    /// The scale of the x axis.
    pub across_scale: Across,
    /// How values of y are written.
    pub figures: Unit,
    /// Whether y is logarithmic.
    pub log: bool,
    /// Whether the y axis starts at zero, so that heights can be compared.
    pub from_zero: bool,
    /// A value of y that is marked with a horizontal line, and its name.
    pub guide: Option<(f64, &'static str)>,
    /// The lines; those without points are omitted.
    pub lines: Vec<Line>,
}

const WIDTH: f64 = 400.0;
const HEIGHT: f64 = 250.0;
const LEFT: f64 = 46.0;
/// Right end of the lines: with space for their names, and without.
const RIGHTS: [f64; 2] = [322.0, 392.0];
const TOP: f64 = 10.0;
const BOTTOM: f64 = 212.0;
/// Longer lines are thinned out to about this many points.
const MOST_POINTS: usize = 300;
/// Lines with at most this many points have a dot at each point.
const DOTS: usize = 24;

impl Chart {
    /// The chart as an HTML figure; `None` if no line has points.
    pub fn draw(&self) -> Option<Markup> {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        if lines.is_empty() {
            return None;
        }
        let points = || lines.iter().flat_map(|line| line.points.iter().copied());
        let values = || points().map(|point| point.1);
        let floor = if self.log { lowest(values()) } else { f64::NEG_INFINITY };
        let shown = |value: &f64| value.is_finite() && *value >= floor;
        let remarks = left_out(values(), floor);
        if !values().any(|value| shown(&value)) {
            let none = if values().any(f64::is_finite) { "above zero" } else { "a finite number" };
            return Some(html! {
                figure.chart { figcaption { h3 { (self.title) } } p.warning { "No value is " (none) "." } }
            });
        }
        let places = points().map(|point| point.0);
        let across = match self.across_scale {
            Across::Whole => Scale::whole(places),
            Across::Linear => Scale::linear(places),
            Across::Log => Scale::log(places),
        };
        let right = RIGHTS[usize::from(lines.iter().all(|line| line.name.is_empty()))];
        let others = self.guide.map(|guide| guide.0).into_iter().chain(self.from_zero.then_some(0.0));
        let bands = lines.iter().flat_map(|line| &line.band).flat_map(|&(_, low, high)| [low, high]);
        let values = values().chain(bands).filter(shown).chain(others);
        let up = if self.log { Scale::log(values) } else { Scale::linear(values) };
        let x = |value: f64| across.at(value).map(|share| LEFT + share * (right - LEFT));
        let y = |value: f64| up.at(value).map(|share| BOTTOM - share * (BOTTOM - TOP));
        let place = |&(a, b): &(f64, f64)| Some((x(a)?, y(b).filter(|_| shown(&b))?));
        let unit = match (self.unit, up.is_log()) {
            ("", true) => "log scale".to_string(),
            (unit, true) => format!("{unit}, log scale"),
            (unit, false) => unit.to_string(),
        };
        Some(html! {
            figure.chart {
                figcaption { h3 { (self.title) } @if !unit.is_empty() { span.unit { (unit) } } }
                svg viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(self.summary(&lines)) {
                    @for (share, text) in up.ticks(self.figures) {
                        @let y = BOTTOM - share * (BOTTOM - TOP);
                        line.grid x1=(LEFT) x2=(right) y1=(px(y)) y2=(px(y)) {}
                        text.tick x=(LEFT - 7.0) y=(px(y + 3.5)) text-anchor="end" { (text) }
                    }
                    @for (share, text) in across.ticks(Unit::Plain) {
                        text.tick x=(px(LEFT + share * (right - LEFT))) y=(BOTTOM + 17.0) text-anchor="middle" { (text) }
                    }
                    text.tick x=((LEFT + right) / 2.0) y=(HEIGHT - 4.0) text-anchor="middle" { (self.across) }
                    @if let Some((at, name)) = self.guide { @if let Some(y) = y(at) {
                        line.guide x1=(LEFT) x2=(right) y1=(px(y)) y2=(px(y)) {}
                        text.tick x=(LEFT + 4.0) y=(px(y - 4.0)) { (name) }
                    } }
                    @for line in lines.iter().filter(|line| !line.band.is_empty()) {
                        g style={ "--c:" (line.colour) } { path.band d=(outline(&line.band, place)) {} }
                    }
                    @for line in &lines {
                        @let path = path(&thinned(&line.points), place);
                        g style={ "--c:" (line.colour) } {
                            path.line.dashed[line.dashed].faint[line.faint] d=(path) {}
                            @let dots: Vec<_> = line.points.iter().filter_map(place).take(DOTS + 1).collect();
                            @if dots.len() == 1 || dots.len() <= DOTS && !line.dashed && !line.faint {
                                @for (x, y) in dots { circle.dot.hollow[line.dashed] cx=(px(x)) cy=(px(y)) r="2.4" {} }
                            }
                        }
                    }
                    @for (line, (x, y), height) in names(&lines, place) {
                        g style={ "--c:" (line.colour) } {
                            // Connects the end of a line with its name. If the line ends early, only a level connection is
                            // drawn; a sloping one would look like data.
                            @if (x > right - 1.0) != ((height - y).abs() < 3.0) {
                                path.leader d={ "M" (px(x + 3.0)) " " (px(y)) "L" (px(right + 6.0)) " " (px(height)) } {}
                            }
                            text.name x=(right + 8.0) y=(px(height + 4.0)) { (fitted(&line.name)) }
                        }
                    }
                }
                @for remark in &remarks { p.note { (remark) } }
            }
        })
    }

    /// A description of the chart for screen readers.
    fn summary(&self, lines: &[&Line]) -> String {
        let figure = |value: f64| match self.figures {
            Unit::Plain => short(value),
            Unit::Percent => percent(value),
        };
        let mut text = format!("{} by {}", self.title, self.across);
        for line in lines {
            let mut finite = line.points.iter().filter(|point| point.1.is_finite());
            let first = finite.next();
            if let (Some(first), Some(last)) = (first, finite.next_back().or(first)) {
                let _ = write!(text, "; {}: from {} to {}", line.name, figure(first.1), figure(last.1));
            }
        }
        text
    }
}

/// Sentences about the values that are not shown.
fn left_out(values: impl Iterator<Item = f64> + Clone, floor: f64) -> Vec<String> {
    let infinite = values.clone().filter(|value| !value.is_finite()).count();
    let tiny = values.filter(|&value| value.is_finite() && value < floor).count();
    let reasons = [
        (infinite, "they are not finite", "it is not finite"),
        (tiny, "they are zero or nearly zero", "it is zero or nearly zero"),
    ];
    let sentence = |(count, many, one): (usize, &str, &str)| match count {
        0 => None,
        1 => Some(format!("One value is not shown: {one}.")),
        _ => Some(format!("{count} values are not shown: {many}.")),
    };
    reasons.into_iter().filter_map(sentence).collect()
}

/// A coordinate, rounded to a tenth of a pixel.
pub fn px(value: f64) -> String {
    format!("{value:.1}")
}

fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let stride = points.len().div_ceil(MOST_POINTS).max(1);
    let kept =
        points.iter().step_by(stride).chain(points.last().filter(|_| !(points.len() - 1).is_multiple_of(stride)));
    kept.copied().collect()
}

/// An SVG path through all points that `place` can place, with a gap at the others.
fn path(points: &[(f64, f64)], place: impl Fn(&(f64, f64)) -> Option<(f64, f64)>) -> String {
    let mut text = String::new();
    let mut pen = 'M';
    for point in points {
        match place(point) {
            Some((x, y)) => {
                let _ = write!(text, "{pen}{x:.1} {y:.1}");
                pen = 'L';
            }
            None => pen = 'M',
        }
    }
    text
}

/// An SVG path around a band: along its upper end, and back along its lower end.
fn outline(band: &[(f64, f64, f64)], place: impl Fn(&(f64, f64)) -> Option<(f64, f64)>) -> String {
    let both = |&(x, low, high): &(f64, f64, f64)| Some((place(&(x, high))?, place(&(x, low))?));
    let (upper, lower): (Vec<_>, Vec<_>) = band.iter().filter_map(both).unzip();
    let corners = upper.iter().chain(lower.iter().rev()).map(|(x, y)| format!("{x:.1} {y:.1}"));
    format!("M{}Z", corners.collect::<Vec<_>>().join("L"))
}

/// A line, its end point, and the height of its name.
type Named<'a> = (&'a Line, (f64, f64), f64);

/// The positions of the names. If there is not enough space, only every n-th line has a name.
fn names<'a>(lines: &[&'a Line], place: impl Fn(&(f64, f64)) -> Option<(f64, f64)>) -> Vec<Named<'a>> {
    let end = |line: &&'a Line| Some((*line, line.points.iter().rev().find_map(&place)?));
    let named: Vec<(&Line, (f64, f64))> = lines.iter().filter(|line| !line.name.is_empty()).filter_map(end).collect();
    let mut named: Vec<_> = named.iter().copied().step_by(named.len().div_ceil(room(TOP, BOTTOM)).max(1)).collect();
    named.sort_by(|a, b| a.1.1.total_cmp(&b.1.1));
    let ends: Vec<f64> = named.iter().map(|(_, end)| end.1).collect();
    let heights = apart(&ends, TOP, BOTTOM - 2.0);
    named.into_iter().zip(heights).map(|((line, end), height)| (line, end, height)).collect()
}
