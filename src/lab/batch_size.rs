//! Full batch, mini-batches and single samples, from the same weights over the same error surface.

use super::surface::{Plane, flat};
use super::{Found, Lab};
use crate::base::error::Error;
use crate::config::{ActivationName, BatchSize, Config, HealthName, Schedule};
use crate::data::DataSet;
use crate::net::mlp::Mlp;
use crate::results::png;
use crate::results::report::axis::{duration, grouped, short};
use crate::results::report::chart::{Across, Chart, Line, px};
use crate::results::report::pictures::uri;
use crate::results::report::updates::smoothed;
use crate::train::Trainer;
use crate::train::updates::UpdateLoss;
use maud::{Markup, html};
use std::ops::ControlFlow;

/// A training: batch size, name, colour, passes over the data, learning rate, points of its path.
type Kind = (BatchSize, &'static str, &'static str, usize, f32, u64);
/// The noisier a path, the more points it needs.
const KINDS: [Kind; 3] = [
    (BatchSize::Full, "full batch", "var(--run0)", 100, 0.5, 60),
    (BatchSize::Samples(32), "batch of 32", "var(--run1)", 12, 0.2, 120),
    (BatchSize::Samples(1), "one sample", "var(--run2)", 4, 0.02, 240),
];
const SAMPLES: usize = 1000;
/// Places of the surface along one side.
const SIDE: usize = 33;
/// Pixels of the picture per place.
const FINE: usize = 5;
/// Colours of the surface.
const BANDS: f64 = 14.0;

/// A training with the path of its weights.
struct Path {
    points: Vec<Vec<f32>>,
    updates: Vec<UpdateLoss>,
    /// Samples seen, seconds of training, and the loss of the whole training split, at the points.
    measured: Vec<(u64, f64, f64)>,
}

pub async fn run(lab: &Lab) -> Result<Found, Error> {
    let mut data = lab.few(SAMPLES, 1);
    // The surface is the error of the training samples.
    data.test = data.train.clone();
    let mut paths = Vec::new();
    for (batch_size, _, _, epochs, lr, points) in KINDS {
        let config = Config {
            hidden: vec![16],
            activation: ActivationName::Tanh,
            batch_size,
            epochs: lab.scaled(epochs, 2),
            lr: Some(lr),
            schedule: Schedule::Constant,
            health: HealthName::Off,
            ..Config::default()
        };
        paths.push(follow(lab, &config, &data, points).await?);
    }
    let all: Vec<Vec<f32>> = paths.iter().flat_map(|path| path.points.iter().cloned()).collect();
    let plane = Plane::through(&all);
    let places: Vec<Vec<(f64, f64)>> =
        paths.iter().map(|path| path.points.iter().map(|point| plane.place(point)).collect()).collect();
    let surface = Surface::of(lab, &data, &plane, &places).await?;
    let caption = format!(
        "the training error on the plane in which the three paths spread most; it holds {:.0} % of their spread",
        100.0 * plane.share
    );
    let picture = html! {
        figure.chart.wide {
            figcaption { h3 { "Paths on the error surface" } span.unit { (caption) } }
            (surface.draw(&places))
        }
        div.charts {
            @for (across, chart) in [("samples seen", 0), ("seconds of training", 1)] { (curve(&paths, across, chart).unwrap_or_default()) }
            (noise(&paths).unwrap_or_default())
        }
    };
    Ok((picture, sentences(&paths)))
}

/// Trains, and stops now and then to read the weights and the error.
async fn follow(lab: &Lab, config: &Config, data: &DataSet, points: u64) -> Result<Path, Error> {
    let mut trainer = Trainer::open(config, data, &lab.machine).await?;
    let total = config.epochs as u64 * trainer.updates_per_epoch();
    let mut path = Path { points: Vec::new(), updates: Vec::new(), measured: Vec::new() };
    let mut seconds = 0.0;
    let mut due = 0;
    loop {
        while trainer.step() < due {
            let begin = crate::base::clock::Instant::now();
            trainer.advance(due, &mut |_| ControlFlow::Continue(())).await?;
            path.updates.extend(trainer.take_updates(seconds));
            seconds += begin.elapsed().as_secs_f64();
        }
        path.points.push(flat(&trainer.model().await?));
        let loss = trainer.evaluate().await?.map_or(f64::NAN, |score| score.loss());
        let batch = config.batch(data.train.len()).min(data.train.len()) as u64;
        path.measured.push((trainer.step() * batch, seconds, loss));
        if trainer.step() >= total {
            return Ok(path);
        }
        // Half of the points in the first tenth of the run, where most happens.
        let (early, step) = (total / 10, trainer.step());
        let stride = if step < early { early / (points / 2) } else { (total - early) / (points / 2) };
        due = (step + stride.max(1)).min(total);
    }
}

/// The loss at the places of a grid.
struct Surface {
    low: (f64, f64),
    size: (f64, f64),
    losses: Vec<f64>,
    side: usize,
}

impl Surface {
    async fn of(lab: &Lab, data: &DataSet, plane: &Plane, places: &[Vec<(f64, f64)>]) -> Result<Surface, Error> {
        let side = lab.scaled(SIDE, 9);
        let range = |pick: fn(&(f64, f64)) -> f64| {
            let values = || places.iter().flatten().map(pick);
            let (low, high) = (values().fold(f64::INFINITY, f64::min), values().fold(f64::NEG_INFINITY, f64::max));
            let margin = 0.12 * (high - low).max(1e-9);
            (low - margin, high - low + 2.0 * margin)
        };
        let ((left, width), (low, height)) = (range(|place| place.0), range(|place| place.1));
        let config = Config { hidden: vec![16], activation: ActivationName::Tanh, ..Config::default() };
        let mut trainer = Trainer::open(&config, data, &lab.machine).await?;
        let like: Mlp = trainer.model().await?;
        let mut losses = Vec::new();
        for at in 0..side * side {
            let share = |at: usize| at as f64 / (side - 1) as f64;
            let place = (left + share(at % side) * width, low + share(at / side) * height);
            trainer.load(&plane.model(&like, place));
            losses.push(trainer.evaluate().await?.map_or(f64::NAN, |score| score.loss()));
        }
        Ok(Surface { low: (left, low), size: (width, height), losses, side })
    }

    /// The loss between the places of the grid, from 0 to 1 along each side.
    fn at(&self, x: f64, y: f64) -> f64 {
        let last = self.side - 1;
        let (x, y) = (x * last as f64, y * last as f64);
        let (column, row) = ((x as usize).min(last - 1), (y as usize).min(last - 1));
        let (a, b) = (x - column as f64, y - row as f64);
        let loss = |row: usize, column: usize| self.losses[row * self.side + column];
        let (upper, lower) = (
            (1.0 - a) * loss(row, column) + a * loss(row, column + 1),
            (1.0 - a) * loss(row + 1, column) + a * loss(row + 1, column + 1),
        );
        (1.0 - b) * upper + b * lower
    }

    fn draw(&self, places: &[Vec<(f64, f64)>]) -> Markup {
        const WIDTH: f64 = 720.0;
        const HEIGHT: f64 = 460.0;
        let x = |value: f64| WIDTH * (value - self.low.0) / self.size.0;
        let y = |value: f64| HEIGHT * (1.0 - (value - self.low.1) / self.size.1);
        let line = |path: &[(f64, f64)]| {
            path.iter().map(|&(a, b)| format!("{},{}", px(x(a)), px(y(b)))).collect::<Vec<_>>().join(" ")
        };
        let start = places[0].first().copied().unwrap_or_default();
        html! {
            svg.surface viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="The paths of three trainings on a plane of the error surface" {
                image href=(uri(&self.bands())) x="0" y="0" width=(WIDTH) height=(HEIGHT) preserveAspectRatio="none" {}
                // The single samples tremble most, so they are drawn first.
                @for at in [2, 1, 0] {
                    g style={ "--c:" (KINDS[at].2) } {
                        polyline.path points=(line(&places[at])) {}
                        @for &(a, b) in &places[at] { circle.dot cx=(px(x(a))) cy=(px(y(b))) r="2" {} }
                        @if let Some(&(a, b)) = places[at].last() { circle.end cx=(px(x(a))) cy=(px(y(b))) r="6" {} }
                    }
                }
                circle.start cx=(px(x(start.0))) cy=(px(y(start.1))) r="6" {}
                text.name style="--c:var(--text)" x=(px(x(start.0) + 10.0)) y=(px(y(start.1) + 4.0)) { "start" }
            }
            p.note { @for (at, (_, name, colour, ..)) in KINDS.iter().enumerate() {
                @if at > 0 { "  " }
                span.swatch style={ "--c:" (colour) } {} (name)
            } ". A ring marks the end of each path. The stronger the grey, the larger is the error; each edge between two shades is a line of equal error." }
        }
    }

    /// The surface as a picture: bands of the logarithm of the loss, transparent where it is small.
    fn bands(&self) -> Vec<u8> {
        let fine = FINE * (self.side - 1) + 1;
        let logs: Vec<f64> = self.losses.iter().map(|loss| loss.max(1e-9).ln()).collect();
        let (low, high) = logs.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
        let mut pixels = Vec::new();
        for row in (0..fine).rev() {
            for column in 0..fine {
                let share = |at: usize| at as f64 / (fine - 1) as f64;
                let level = (self.at(share(column), share(row)).max(1e-9).ln() - low) / (high - low).max(1e-9);
                let band = (level * BANDS).floor().clamp(0.0, BANDS - 1.0) / BANDS;
                pixels.extend([90, 100, 120, (20.0 + 170.0 * band) as u8]);
            }
        }
        png::rgba(&pixels, fine, fine)
    }
}

/// The error of all training samples, by samples seen or by seconds.
fn curve(paths: &[Path], across: &'static str, which: usize) -> Option<Markup> {
    let point = |&(samples, seconds, loss): &(u64, f64, f64)| ([samples as f64, seconds][which], loss);
    let line = |(path, (_, name, colour, ..)): (&Path, Kind)| Line {
        name: name.into(),
        colour: colour.into(),
        points: path.measured.iter().skip(1).map(point).collect(),
        ..Line::default()
    };
    let chart = Chart {
        title: "Training error",
        unit: "of all samples",
        across,
        across_scale: Across::Log,
        log: true,
        lines: paths.iter().zip(KINDS).map(line).collect(),
        ..Chart::default()
    };
    chart.draw()
}

/// The losses of single updates: what a step itself sees.
fn noise(paths: &[Path]) -> Option<Markup> {
    let lines = paths.iter().zip(KINDS).flat_map(|(path, (_, name, colour, ..))| {
        let points: Vec<(f64, f64)> =
            path.updates.iter().map(|update| (update.samples as f64, f64::from(update.loss))).collect();
        let mean = Line { name: name.into(), colour: colour.into(), points: smoothed(&points), ..Line::default() };
        [Line { colour: colour.into(), faint: true, points, ..Line::default() }, mean]
    });
    let chart = Chart {
        title: "Error of single updates",
        unit: "pale: on its own batch; line: moving mean",
        across: "samples seen",
        across_scale: Across::Log,
        log: true,
        lines: lines.collect(),
        ..Chart::default()
    };
    chart.draw()
}

/// When each training first reached an error, in words.
fn sentences(paths: &[Path]) -> Vec<String> {
    let lowest = paths.iter().map(|path| path.measured.iter().map(|m| m.2).fold(f64::INFINITY, f64::min));
    // An error that all reach.
    let aim = lowest.fold(0.0, f64::max) * 1.05;
    let each = paths.iter().zip(KINDS).filter_map(|(path, (_, name, ..))| {
        let (samples, seconds, _) = path.measured.iter().find(|(_, _, loss)| *loss <= aim)?;
        Some((name, *samples, *seconds))
    });
    let each: Vec<(&str, u64, f64)> = each.collect();
    let figures =
        each.iter().map(|(name, samples, s)| format!("{name}: {} samples, {}", grouped(*samples), duration(*s)));
    let figures: Vec<String> = figures.collect();
    let by_clock = each.iter().min_by(|a, b| a.2.total_cmp(&b.2)).map_or("", |best| best.0);
    vec![
        format!("To an error of {} it took: {}. By the clock, the {by_clock} was first.", short(aim), figures.join("; ")),
        "Small batches learn more from each sample, because they step more often. But a computer works through a large batch faster: \
         the mini-batch is the usual compromise."
            .into(),
        "The full batch walks smoothly across the lines of equal error. The path of single samples trembles: each step follows the \
         gradient of one sample, which may point elsewhere. (The paths are projected on the plane, so some of the trembling is hidden.)"
            .into(),
    ]
}
