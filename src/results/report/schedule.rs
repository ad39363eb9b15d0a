//! The learning rate of every update, computed from the schedule.

use crate::config::{Config, Schedule};
use crate::run::history::History;
use crate::train::rates::Rates;
use serde::Deserialize;

/// Approximate number of points of a schedule that are drawn.
const POINTS: u64 = 240;
/// Maximum number of updates of a run: an f64 counts exactly up to this number.
const MOST_UPDATES: u64 = 1 << f64::MANTISSA_DIGITS;

/// Points (epochs trained, learning rate of the latest update) up to the end of the last recorded epoch.
///
/// `None` if the settings and the update number do not determine the rate (the `plateau` schedule, or settings changed
/// during the run), or if the computed rates differ from the recorded ones (as in a record of another version).
pub fn rates(history: &History) -> Option<Vec<(f64, f64)>> {
    let header = &history.header;
    let samples = usize::try_from(header.train_samples).ok()?;
    let config = Config::deserialize(&header.config).ok()?;
    config.check(samples).ok()?;
    if config.schedule == Schedule::Plateau || !history.changes.is_empty() || config.batch(samples) == 0 {
        return None;
    }
    let per_epoch = config.updates_per_epoch(samples);
    let all = (config.epochs as u64).checked_mul(per_epoch).filter(|&all| all <= MOST_UPDATES)?;
    let made = history.epochs.last()?.step.filter(|made| (1..=all).contains(made))?;
    let rates = Rates::new(&config, samples);
    let rate = |step: u64| rates.lr(step);
    let agrees = |(step, lr): (u64, f64)| {
        (1..=made).contains(&step) && (rate(step - 1) - lr).abs() < 1e-5 * f64::from(config.learning_rate(samples))
    };
    if !history.epochs.iter().filter_map(|epoch| Some((epoch.step?, epoch.lr?))).all(agrees) {
        return None;
    }
    let points = POINTS.min(made - 1);
    // The first and the last update are included.
    let steps = (0..=points).map(|point| (u128::from(made - 1) * u128::from(point) / u128::from(points.max(1))) as u64);
    Some(steps.map(|step| ((step + 1) as f64 / per_epoch as f64, rate(step))).collect())
}
