//! An HTML page about a sweep: parallel coordinates, the effect of each setting, the curves of the best trials, the table.

use super::axis::{Scale, Unit, grouped, percent, short};
use super::chart::{Chart, Line, px};
use super::{MOST_RUNS, document, section, section_if};
use crate::config::Config;
use crate::config::space::{Choice, Dimension};
use crate::run::sweep::Sweep;
use crate::run::sweep::objective::Objective;
use crate::run::sweep::table::{Row, State, Table};
use maud::{Markup, html};

/// Trials in the table, and lines in the parallel coordinates.
const MOST_TRIALS: usize = 500;

/// A trial with a value, and its place among them (from 0, the best).
struct Placed<'a> {
    row: &'a Row,
    value: f64,
}

/// The page as HTML. `base`: the settings that all trials share; `command` repeats the best trial.
#[must_use]
pub fn sweep_page(name: &str, sweep: &Sweep, base: &Config, table: &Table, command: Option<&str>) -> String {
    let placed = placed(sweep, table);
    let axes = axes(sweep, &placed);
    let failed: Vec<&Row> = table.rows.iter().filter(|row| row.state == State::Failed).collect();
    let counts = [State::Complete, State::Pruned, State::Failed, State::Waiting].map(|state| table.count(state));
    let best = table.best(sweep.objective);
    let header = html! {
        p.over { "gpu-mlp · sweep" }
        h1 { (name) }
        p.device { (varied(sweep)) }
        @if counts[3] > 0 { p.warning { (counts[3]) " trials are not yet at their end." } }
        dl.tiles {
            @if let Some((row, value)) = best.and_then(|best| Some((best, best.value?))) {
                div.main { dt { "Best validation " (word(sweep.objective)) } dd { (figure(sweep.objective, value)) span { (row.trial.name()) ": " (row.trial.in_words()) } } }
            }
            div { dt { "Trials" } dd { (grouped(sweep.trials)) span { (counts[0]) " complete, " (counts[1]) " pruned, " (counts[2]) " failed" } } }
            @if let Some(folds) = sweep.folds { div { dt { "Folds" } dd { (folds) span { "values are means over them" } } } }
            @if table.rungs.count() > 1 { div { dt { "Rungs" } dd { (table.rungs.count()) span { "of successive halving" } } } }
        }
        @if let Some(command) = command { p.note { "Repeat the best trial: " code { (command) } } }
    };
    let main = html! {
        (section_if("Parallel coordinates", parallel(sweep, &axes, &placed)))
        (section_if("Effect of each setting", effects(sweep, &axes, &placed)))
        (section_if("Best trials by epoch", curves(sweep, base, &placed)))
        (section("Trials", trials(sweep, &placed)))
        @if !failed.is_empty() { (section("Failed", html! { @for row in failed.iter().take(MOST_TRIALS) {
            p { strong { (row.trial.name()) } " " (row.trial.in_words()) ": " (row.problem.as_deref().unwrap_or_default()) }
        } })) }
    };
    document(&format!("{name}: sweep"), header, main, "")
}

fn word(objective: Objective) -> &'static str {
    match objective {
        Objective::ValidationLoss => "loss",
        Objective::ValidationAccuracy => "accuracy",
        Objective::ValidationRmse => "RMSE",
    }
}

fn figure(objective: Objective, value: f64) -> String {
    if objective == Objective::ValidationAccuracy { percent(value) } else { short(value) }
}

fn unit(objective: Objective) -> Unit {
    if objective == Objective::ValidationAccuracy { Unit::Percent } else { Unit::Plain }
}

/// The settings that vary.
fn varied(sweep: &Sweep) -> String {
    let settings = sweep.space.iter().map(|(name, values)| format!("{} {values}", name.replace('_', "-")));
    settings.collect::<Vec<_>>().join(" · ")
}

/// The trials with values: first those that were trained to their end, then those of each earlier rung; the best of each first.
fn placed<'a>(sweep: &Sweep, table: &'a Table) -> Vec<Placed<'a>> {
    let known = table.rows.iter().filter(|row| row.state != State::Failed);
    let mut placed: Vec<Placed<'_>> = known.filter_map(|row| Some(Placed { row, value: row.value? })).collect();
    let rank = |state: State| usize::from(state != State::Complete);
    placed.sort_by(|a, b| {
        let later = b.row.epochs.cmp(&a.row.epochs);
        let state = rank(a.row.state).cmp(&rank(b.row.state));
        let state =
            if a.row.state == State::Complete && b.row.state == State::Complete { state } else { state.then(later) };
        state.then(sweep.objective.order(a.value, b.value))
    });
    placed
}

/// The positions of a setting's values on an axis.
struct Axis {
    name: String,
    scale: Scale,
    /// The texts of choices, by position.
    choices: Vec<String>,
}

impl Axis {
    /// The number that stands for a trial's value.
    fn number(&self, values: &[(String, Choice)], at: usize) -> Option<f64> {
        let text = &values.get(at)?.1.text;
        match self.choices.is_empty() {
            true => text.parse().ok(),
            false => self.choices.iter().position(|choice| choice == text).map(|at| at as f64),
        }
    }

    fn share(&self, values: &[(String, Choice)], at: usize) -> Option<f64> {
        self.scale.at(self.number(values, at)?)
    }

    fn ticks(&self) -> Vec<(f64, String)> {
        match self.choices.is_empty() {
            true => self.scale.ticks(Unit::Plain),
            false => {
                let place = |(at, text): (usize, &String)| Some((self.scale.at(at as f64)?, text.clone()));
                self.choices.iter().enumerate().filter_map(place).collect()
            }
        }
    }
}

/// One axis per setting, in the order of the values.
fn axes(sweep: &Sweep, placed: &[Placed<'_>]) -> Vec<Axis> {
    let Ok(space) = sweep.space() else { return Vec::new() };
    let axis = |(at, (name, dimension)): (usize, &(String, Dimension))| {
        let numbers = placed.iter().filter_map(move |one| one.row.trial.values.get(at)?.1.text.parse::<f64>().ok());
        let (scale, choices) = match dimension {
            Dimension::Choices(choices) => {
                let last = choices.len().saturating_sub(1) as f64;
                let texts = choices.iter().map(|choice| choice.text.clone()).collect();
                (Scale::whole([0.0, last].into_iter()), texts)
            }
            Dimension::Range { log: true, .. } => (Scale::log(numbers), Vec::new()),
            Dimension::Range { .. } => (Scale::linear(numbers), Vec::new()),
        };
        Axis { name: name.replace('_', "-"), scale, choices }
    };
    space.dimensions().iter().enumerate().map(axis).collect()
}

/// The scale of the objective, of all trials.
fn objective_scale(placed: &[Placed<'_>]) -> Scale {
    Scale::linear(placed.iter().map(|one| one.value))
}

const HEIGHT: f64 = 300.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 262.0;
const LEFT: f64 = 60.0;
const STEP: f64 = 150.0;

/// One line per trial through the axes of its settings to its value. The darker a line, the better its trial.
fn parallel(sweep: &Sweep, axes: &[Axis], placed: &[Placed<'_>]) -> Option<Markup> {
    if placed.is_empty() || axes.is_empty() {
        return None;
    }
    let value = objective_scale(placed);
    let width = LEFT + STEP * axes.len() as f64 + 70.0;
    let x = |at: usize| LEFT + STEP * at as f64;
    let y = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    let path = |one: &Placed<'_>| {
        let settings = axes.iter().enumerate().map(|(at, axis)| Some((x(at), axis.share(&one.row.trial.values, at)?)));
        let points = settings.chain([value.at(one.value).map(|share| (x(axes.len()), share))]);
        let points = points.flatten().map(|(x, share)| format!("{} {}", px(x), px(y(share))));
        format!("M{}", points.collect::<Vec<_>>().join("L"))
    };
    let shown = &placed[..placed.len().min(MOST_TRIALS)];
    let opacity = |rank: usize| 0.85 - 0.75 * rank as f64 / shown.len() as f64;
    let lines = shown.iter().enumerate().rev();
    let last = axes.len();
    let heads = axes.iter().map(|axis| (axis.name.as_str(), axis.ticks()));
    let heads = heads.chain([(word(sweep.objective), value.ticks(unit(sweep.objective)))]);
    let summary = format!("{} trials, each a line through the values of its settings to its result", shown.len());
    Some(html! {
        div.scroll { figure {
            svg.parallel viewBox={ "0 0 " (width) " " (HEIGHT) } width=(width) height=(HEIGHT) role="img" aria-label=(summary) {
                @for (rank, one) in lines {
                    g style={ "--c:" (if rank == 0 { "var(--validation)" } else { "var(--test)" }) } {
                        path.trial.best[rank == 0] d=(path(one)) opacity=(format!("{:.2}", if rank == 0 { 1.0 } else { opacity(rank) })) {
                            title { (one.row.trial.name()) ": " (figure(sweep.objective, one.value)) " " (one.row.trial.in_words()) }
                        }
                    }
                }
                @for (at, (name, ticks)) in heads.enumerate() {
                    line.axis x1=(x(at)) x2=(x(at)) y1=(TOP) y2=(BOTTOM) {}
                    text.tick x=(x(at)) y=(TOP - 14.0) text-anchor="middle" font-weight="600" { (name) }
                    @for (share, text) in ticks {
                        @let end = at == last;
                        text.tick x=(x(at) + if end { 7.0 } else { -7.0 }) y=(px(y(share) + 3.5)) text-anchor=(if end { "start" } else { "end" }) { (text) }
                    }
                }
            }
        } }
        p.note { "Orange: the best trial. The darker a line, the better. " @if placed.len() > shown.len() { "Shown: the best " (shown.len()) ". " }
            @if placed.iter().any(|one| one.row.state == State::Pruned) { "A pruned trial has its value of the rung at which it was stopped." } }
    })
}

const SMALL: (f64, f64) = (360.0, 220.0);

/// For each setting, the value of every trial by the value of the setting.
fn effects(sweep: &Sweep, axes: &[Axis], placed: &[Placed<'_>]) -> Option<Markup> {
    if placed.is_empty() {
        return None;
    }
    let up = objective_scale(placed);
    let (left, right, top, bottom) = (50.0, SMALL.0 - 14.0, 8.0, SMALL.1 - 34.0);
    // Choices have space at both ends.
    let inner = |axis: &Axis, share: f64| {
        let share = if axis.choices.is_empty() { share } else { 0.1 + 0.8 * share };
        left + share * (right - left)
    };
    let y = |share: f64| bottom - share * (bottom - top);
    let chart = |at: usize, axis: &Axis| {
        html! {
            figure.chart {
                figcaption { h3 { (axis.name) } span.unit { "validation " (word(sweep.objective)) @if axis.scale.is_log() { ", log scale" } } }
                svg viewBox={ "0 0 " (SMALL.0) " " (SMALL.1) } role="img" aria-label={ (word(sweep.objective)) " by " (axis.name) } {
                    @for (share, text) in up.ticks(unit(sweep.objective)) {
                        line.grid x1=(left) x2=(right) y1=(px(y(share))) y2=(px(y(share))) {}
                        text.tick x=(left - 7.0) y=(px(y(share) + 3.5)) text-anchor="end" { (text) }
                    }
                    @for (share, text) in axis.ticks() {
                        text.tick x=(px(inner(axis, share))) y=(bottom + 17.0) text-anchor="middle" { (text) }
                    }
                    @for (rank, one) in placed.iter().enumerate().rev() {
                        @if let (Some(across), Some(high)) = (axis.share(&one.row.trial.values, at), up.at(one.value)) {
                            g style={ "--c:" (if rank == 0 { "var(--validation)" } else { "var(--test)" }) } {
                                circle.dot.hollow[one.row.state == State::Pruned].chosen[rank == 0] cx=(px(inner(axis, across))) cy=(px(y(high))) r=(if rank == 0 { "4.5" } else { "3" }) {}
                            }
                        }
                    }
                }
                @if let Some(text) = means(sweep, axis, placed, at) { p.note { (text) } }
            }
        }
    };
    Some(html! {
        div.charts { @for (at, axis) in axes.iter().enumerate() { (chart(at, axis)) } }
        @if placed.iter().any(|one| one.row.state == State::Pruned) { p.note { "Hollow: pruned trials, at the rung at which they were stopped." } }
    })
}

/// The mean of the trials of each choice, of those that were trained equally long.
fn means(sweep: &Sweep, axis: &Axis, placed: &[Placed<'_>], at: usize) -> Option<String> {
    let whole: Vec<&Placed<'_>> = placed.iter().filter(|one| one.row.state == State::Complete).collect();
    let mean = |choice: &String| {
        let of: Vec<f64> = whole
            .iter()
            .filter(|one| one.row.trial.values.get(at).is_some_and(|(_, value)| value.text == *choice))
            .map(|one| one.value)
            .collect();
        (!of.is_empty()).then(|| {
            let mean = of.iter().sum::<f64>() / of.len() as f64;
            format!("{choice}: {} ({})", figure(sweep.objective, mean), of.len())
        })
    };
    let texts: Vec<String> = axis.choices.iter().filter_map(mean).collect();
    (texts.len() > 1).then(|| format!("Mean (number of complete trials): {}.", texts.join(", ")))
}

/// The objective of the best trials by epoch.
fn curves(sweep: &Sweep, base: &Config, placed: &[Placed<'_>]) -> Option<Markup> {
    let line = |(rank, one): (usize, &Placed<'_>)| Line {
        name: one.row.trial.name(),
        colour: format!("var(--run{rank})"),
        points: one.row.curve(sweep, base).into_iter().map(|(epoch, value)| (epoch as f64, value)).collect(),
        ..Line::default()
    };
    let (title, figures) = match sweep.objective {
        Objective::ValidationLoss => ("Validation loss", Unit::Plain),
        Objective::ValidationAccuracy => ("Validation accuracy", Unit::Percent),
        Objective::ValidationRmse => ("Validation RMSE", Unit::Plain),
    };
    let lines = placed.iter().take(MOST_RUNS).enumerate().map(line).collect();
    let chart = Chart { title, across: "epoch", figures, lines, ..Chart::default() };
    Some(html! { div.charts { (chart.draw()?) } })
}

fn trials(sweep: &Sweep, placed: &[Placed<'_>]) -> Markup {
    let names: Vec<String> = sweep.space.keys().map(|name| name.replace('_', "-")).collect();
    let state = |state: State| match state {
        State::Complete => "complete",
        State::Pruned => "pruned",
        State::Failed => "failed",
        State::Waiting => "in progress",
    };
    html! {
        div.scroll { table.figures {
            thead { tr { th { "trial" } th { "validation " (word(sweep.objective)) } th { "epoch" } th { "state" } @for name in &names { th { (name) } } } }
            tbody { @for (rank, one) in placed.iter().take(MOST_TRIALS).enumerate() { tr {
                th scope="row" { (one.row.trial.name()) }
                td.best[rank == 0] { (figure(sweep.objective, one.value)) }
                td { (one.row.epochs) } td { (state(one.row.state)) }
                @for (_, choice) in &one.row.trial.values { td { (choice.text) } }
            } } }
        } }
        @if placed.len() > MOST_TRIALS { p.note { "Shown: the best " (MOST_TRIALS) " of " (placed.len()) "." } }
        p.note { "The value is a score on the validation split of the model that the run saved. The test split chose nothing." }
    }
}
