//! How learning rate and momentum change over a run: functions of the update's number alone, so that a run that is
//! resumed continues to the bit.

use super::{Config, Optimizer};
use serde::{Deserialize, Serialize};

/// How the learning rate changes over a run, after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Schedule {
    /// Not at all.
    Constant,
    /// Times `lr-gamma` after every `lr-step` epochs.
    Step,
    /// Times `lr-gamma` in the course of each epoch, evenly from update to update.
    Exponential,
    /// In a straight line to `lr-end`.
    Linear,
    /// Along half a cosine to `lr-end` (Loshchilov and Hutter, ICLR 2017).
    Cosine,
    /// Up from a 25th to the whole rate and down to `lr-end`, momentum the other way (Smith and Topin, arXiv 1708.07120).
    OneCycle,
    /// Times `lr-gamma`, but not below `lr-end`, whenever `plateau-patience` epochs have brought nothing better on the
    /// validation split.
    Plateau,
}

/// Where one-cycle begins, as a share of its highest rate: 1/25, as fastai has it.
const CYCLE_START: f64 = 0.04;

/// Half a cosine from 0 (at 0) to 1 (at 1).
fn ease(x: f64) -> f64 {
    0.5 * (1.0 - (std::f64::consts::PI * x).cos())
}

impl Config {
    /// Updates of the warm-up, in a run whose epochs have `per_epoch` updates.
    fn warmup_updates(&self, per_epoch: u64) -> u64 {
        (f64::from(self.warmup) * per_epoch as f64).round() as u64
    }

    /// How much of the schedule proper is over before update `step`, 0 … 1.
    fn gone(&self, step: u64, per_epoch: u64) -> f64 {
        let warm = self.warmup_updates(per_epoch);
        let whole = (self.epochs as u64).saturating_mul(per_epoch).saturating_sub(warm).max(1);
        step.saturating_sub(warm) as f64 / whole as f64
    }

    /// Share of `lr` that update `step` (from 0) uses, in a run whose epochs have `per_epoch` updates. The warm-up rises
    /// in a straight line (Goyal et al., arXiv 1706.02677); the schedule begins after it and lasts for the rest.
    pub fn lr_factor(&self, step: u64, per_epoch: u64) -> f64 {
        let warm = self.warmup_updates(per_epoch);
        if step < warm {
            return (step + 1) as f64 / (warm as f64 + 1.0);
        }
        let (gone, since) = (self.gone(step, per_epoch), step - warm);
        let (end, gamma, peak) = (f64::from(self.lr_end), f64::from(self.lr_gamma), f64::from(self.cycle_peak));
        match self.schedule {
            Schedule::Constant | Schedule::Plateau => 1.0,
            Schedule::Step => gamma.powf((since / (self.lr_step as u64).saturating_mul(per_epoch).max(1)) as f64),
            Schedule::Exponential => gamma.powf(since as f64 / per_epoch as f64),
            Schedule::Linear => end + (1.0 - end) * (1.0 - gone),
            Schedule::Cosine => end + (1.0 - end) * (0.5 * (1.0 + (std::f64::consts::PI * gone).cos())),
            Schedule::OneCycle if gone < peak => CYCLE_START + (1.0 - CYCLE_START) * ease(gone / peak),
            Schedule::OneCycle => 1.0 - (1.0 - end) * ease((gone - peak) / (1.0 - peak)),
        }
    }

    /// Momentum (for Adam β₁) of update `step` (from 0). One-cycle lowers it to `momentum-low` where the rate is highest;
    /// otherwise it rises from there over the first `momentum-warmup` epochs.
    pub fn momentum_at(&self, step: u64, per_epoch: u64) -> f32 {
        let top = self.top_momentum();
        let (gone, peak) = (self.gone(step, per_epoch), f64::from(self.cycle_peak));
        let rising = f64::from(self.momentum_warmup) * per_epoch as f64;
        let lowered = if self.schedule == Schedule::OneCycle {
            if gone < peak { ease(gone / peak) } else { 1.0 - ease((gone - peak) / (1.0 - peak)) }
        } else if (step as f64) < rising {
            1.0 - step as f64 / rising
        } else {
            0.0
        };
        // A momentum that is lower already, above all none, stays as it is.
        top - (lowered * f64::from((top - self.momentum_low).max(0.0))) as f32
    }

    /// The highest momentum of the run; for Adam β₁.
    pub(super) fn top_momentum(&self) -> f32 {
        let adam = matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw);
        if adam { self.beta1 } else { self.momentum }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten epochs of ten updates.
    fn factors(config: &Config, steps: &[u64]) -> Vec<f64> {
        steps.iter().map(|&step| (1e6 * config.lr_factor(step, 10)).round() / 1e6).collect()
    }

    fn config(schedule: Schedule) -> Config {
        Config { schedule, epochs: 10, lr_end: 0.0, ..Config::default() }
    }

    #[test]
    fn schedules_have_the_values_of_their_formulas() {
        assert_eq!(factors(&config(Schedule::Constant), &[0, 99]), [1.0, 1.0]);
        assert_eq!(factors(&config(Schedule::Plateau), &[0, 99]), [1.0, 1.0]);
        assert_eq!(factors(&config(Schedule::Linear), &[0, 25, 50, 99]), [1.0, 0.75, 0.5, 0.01]);
        let to_tenth = Config { lr_end: 0.1, ..config(Schedule::Linear) };
        assert_eq!(factors(&to_tenth, &[0, 50, 100]), [1.0, 0.55, 0.1]);
        // cos 60° = 1/2.
        assert_eq!(factors(&config(Schedule::Cosine), &[0, 50, 100]), [1.0, 0.5, 0.0]);
        assert_eq!(factors(&Config { epochs: 3, ..config(Schedule::Cosine) }, &[10, 20]), [0.75, 0.25]);
        let step = Config { lr_step: 3, lr_gamma: 0.5, ..config(Schedule::Step) };
        assert_eq!(factors(&step, &[0, 29, 30, 59, 60, 99]), [1.0, 1.0, 0.5, 0.5, 0.25, 0.125]);
        let exponential = Config { lr_gamma: 0.25, ..config(Schedule::Exponential) };
        assert_eq!(factors(&exponential, &[0, 5, 10, 20]), [1.0, 0.5, 0.25, 0.0625]);
    }

    #[test]
    fn one_cycle_peaks_where_it_should_and_momentum_is_its_mirror() {
        let cycle =
            Config { cycle_peak: 0.5, lr_end: 0.01, momentum: 0.95, momentum_low: 0.85, ..config(Schedule::OneCycle) };
        assert_eq!(factors(&cycle, &[0, 25, 50, 75, 100]), [0.04, 0.52, 1.0, 0.505, 0.01]);
        let momenta = [0, 25, 50, 75, 100].map(|step| (1e6 * cycle.momentum_at(step, 10)).round() / 1e6);
        assert_eq!(momenta, [0.95, 0.9, 0.85, 0.9, 0.95]);
        let none = Config { momentum: 0.0, ..cycle.clone() };
        assert_eq!(none.momentum_at(50, 10), 0.0, "plain descent has none to lower");
        let adam = Config { optimizer: Optimizer::Adam, momentum: 0.0, beta1: 0.9, ..cycle };
        assert_eq!((adam.momentum_at(0, 10), adam.momentum_at(50, 10)), (0.9, 0.85));
    }

    #[test]
    fn a_warm_up_goes_before_any_schedule_which_then_has_the_rest() {
        let warm = Config { warmup: 2.0, ..config(Schedule::Linear) };
        assert_eq!(factors(&warm, &[0, 20, 60, 100]), [0.047619, 1.0, 0.5, 0.0]);
        let warm = Config { warmup: 0.4, lr_step: 1, lr_gamma: 0.1, ..config(Schedule::Step) };
        assert_eq!(factors(&warm, &[0, 1, 2, 3, 4, 13, 14]), [0.2, 0.4, 0.6, 0.8, 1.0, 1.0, 0.1]);
    }

    #[test]
    fn momentum_rises_in_a_straight_line_and_stays() {
        let config = Config { momentum: 0.9, momentum_low: 0.5, momentum_warmup: 4.0, ..config(Schedule::Constant) };
        let momenta = [0, 10, 20, 40, 99].map(|step| (1e6 * config.momentum_at(step, 10)).round() / 1e6);
        assert_eq!(momenta, [0.5, 0.6, 0.7, 0.9, 0.9]);
        assert_eq!(Config { momentum_warmup: 0.0, ..config }.momentum_at(0, 10), 0.9);
    }
}
