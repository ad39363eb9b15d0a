//! The shapes of learning-rate schedules. A new schedule is a change in this file.
//!
//! A shape is a pure function from progress to a share of the base rate. [`crate::train::rates`] adds the base rate,
//! the warm-up and the plateau factor. Cosines and powers come from `libm`, which gives the same bits on every platform.

use super::Config;
use crate::base::error::Error;
use serde::{Deserialize, Serialize};

/// How the learning rate changes over a run, after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Schedule {
    /// Constant.
    Constant,
    /// Multiplied by `lr-gamma` after every `lr-step` epochs.
    Step,
    /// Multiplied by `lr-gamma` per epoch, gradually with each update.
    Exponential,
    /// Linear to `lr-end`.
    Linear,
    /// Along half a cosine to `lr-end` (Loshchilov and Hutter, ICLR 2017).
    Cosine,
    /// Rises from 1/25 of the rate to the full rate, then falls to `lr-end`; momentum moves in the opposite direction
    /// (Smith and Topin, arXiv 1708.07120).
    OneCycle,
    /// Multiplied by `lr-gamma`, but not below `lr-end`, after every `plateau-patience` epochs without improvement on
    /// the validation split.
    Plateau,
}

/// Share of the base rate at which one-cycle starts: 1/25, as in fastai.
const CYCLE_START: f64 = 0.04;

/// Half a cosine, from 0 (at 0) to 1 (at 1).
fn ease(x: f64) -> f64 {
    0.5 * (1.0 - libm::cos(std::f64::consts::PI * x))
}

/// Progress of a run in its schedule. The schedule starts after the warm-up.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Updates made since the schedule started.
    pub updates: u64,
    /// Updates per epoch.
    pub per_epoch: u64,
    /// Share of the schedule that is done, 0 to 1.
    pub share: f64,
}

/// A schedule with its parameters.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    schedule: Schedule,
    /// Final share of the base rate.
    end: f64,
    /// Factor per step, epoch or plateau.
    gamma: f64,
    /// Epochs between two steps.
    step_epochs: u64,
    /// Share of the run at which one-cycle peaks.
    peak: f64,
}

impl Shape {
    /// The schedule of a run.
    pub fn of(config: &Config) -> Shape {
        Shape {
            schedule: config.schedule,
            end: f64::from(config.lr_end),
            gamma: f64::from(config.lr_gamma),
            step_epochs: config.lr_step as u64,
            peak: f64::from(config.cycle_peak),
        }
    }

    /// Share of the base rate.
    pub fn rate(&self, at: Progress) -> f64 {
        let Progress { updates, per_epoch, share } = at;
        match self.schedule {
            // `Plateau` has a separate factor: see `lowered`.
            Schedule::Constant | Schedule::Plateau => 1.0,
            Schedule::Step => {
                libm::pow(self.gamma, (updates / self.step_epochs.saturating_mul(per_epoch).max(1)) as f64)
            }
            Schedule::Exponential => libm::pow(self.gamma, updates as f64 / per_epoch as f64),
            Schedule::Linear => self.end + (1.0 - self.end) * (1.0 - share),
            Schedule::Cosine => self.end + (1.0 - self.end) * (0.5 * (1.0 + libm::cos(std::f64::consts::PI * share))),
            Schedule::OneCycle if share < self.peak => CYCLE_START + (1.0 - CYCLE_START) * ease(share / self.peak),
            Schedule::OneCycle => 1.0 - (1.0 - self.end) * ease((share - self.peak) / (1.0 - self.peak)),
        }
    }

    /// How far the momentum is lowered towards `momentum-low`, 0 to 1; `None` if the schedule does not set the
    /// momentum.
    pub fn momentum_lowered(&self, at: Progress) -> Option<f64> {
        let rest = at.share - self.peak;
        match self.schedule {
            Schedule::OneCycle if at.share < self.peak => Some(ease(at.share / self.peak)),
            Schedule::OneCycle => Some(1.0 - ease(rest / (1.0 - self.peak))),
            _ => None,
        }
    }

    /// Returns the plateau factor that follows `factor` after a plateau was found.
    pub fn lowered(&self, factor: f64) -> f64 {
        (factor * self.gamma).max(self.end)
    }
}

impl Config {
    /// Checks the parameters of the schedule.
    pub(super) fn check_schedule(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Setting(what));
        for (name, value) in [("lr-end", self.lr_end), ("lr-gamma", self.lr_gamma)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("{name} is {value} but must be a share of the learning rate, 0 to 1"));
            }
        }
        if !(0.0..1.0).contains(&self.cycle_peak) {
            return refuse(format!("cycle-peak is {} but must be at least 0 and below 1", self.cycle_peak));
        }
        for (name, value) in [("lr-step", self.lr_step), ("plateau-patience", self.plateau_patience)] {
            if value == 0 {
                return refuse(format!("{name} is 0 but must be at least 1"));
            }
        }
        if self.momentum_warmup > 0.0 && self.schedule == Schedule::OneCycle {
            return refuse("one-cycle sets the momentum itself: leave out momentum-warmup".into());
        }
        Ok(())
    }
}
