//! The learning rate and the momentum of every update. No other module computes them.
//!
//! Both are functions of the update's number, so a resumed run is bit-identical. The only state is the plateau factor,
//! which a checkpoint stores.

use crate::base::error::Error;
use crate::config::{Config, Progress, Shape};

/// Learning rate and momentum of an update.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rate {
    /// Learning rate.
    pub lr: f32,
    /// Momentum; for Adam, β₁.
    pub momentum: f32,
}

/// The rates of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    source: Source,
    /// Product of the plateau's reductions so far: 1 at first.
    plateau: f64,
    momentum: Momentum,
}

/// Where the learning rate comes from.
#[derive(Clone, Debug, PartialEq)]
enum Source {
    /// The settings of a run: a base rate times a share.
    Scheduled { base: f64, timetable: Timetable },
    /// A range test, whose rates grow with each update.
    Sweep(Sweep),
}

/// Warm-up and schedule of a run, in updates.
#[derive(Clone, Debug, PartialEq)]
struct Timetable {
    shape: Shape,
    per_epoch: u64,
    /// Updates of the warm-up.
    warmup: u64,
    /// Updates after the warm-up, at least 1.
    rest: u64,
}

impl Timetable {
    fn of(config: &Config, per_epoch: u64) -> Timetable {
        let warmup = (f64::from(config.warmup) * per_epoch as f64).round() as u64;
        let rest = (config.epochs as u64).saturating_mul(per_epoch).saturating_sub(warmup).max(1);
        Timetable { shape: Shape::of(config), per_epoch, warmup, rest }
    }

    fn progress(&self, step: u64) -> Progress {
        let updates = step.saturating_sub(self.warmup);
        Progress { updates, per_epoch: self.per_epoch, share: updates as f64 / self.rest as f64 }
    }

    /// Share of the base rate. The warm-up rises in a straight line (Goyal et al., arXiv 1706.02677).
    fn share(&self, step: u64) -> f64 {
        if step < self.warmup {
            return (step + 1) as f64 / (self.warmup as f64 + 1.0);
        }
        self.shape.rate(self.progress(step))
    }
}

/// Momentum over a run.
#[derive(Clone, Debug, PartialEq)]
struct Momentum {
    top: f32,
    low: f32,
    /// Updates over which momentum rises from `low` to `top`, unless the schedule sets it.
    rising: f64,
}

impl Momentum {
    fn at(&self, step: u64, by_schedule: Option<f64>) -> f32 {
        let by_warmup = if (step as f64) < self.rising { 1.0 - step as f64 / self.rising } else { 0.0 };
        let lowered = by_schedule.unwrap_or(by_warmup);
        // A top momentum below `low`, such as 0, is not changed.
        self.top - (lowered * f64::from((self.top - self.low).max(0.0))) as f32
    }
}

impl Rates {
    /// The rates of a run, given the size of the training split.
    pub fn new(config: &Config, samples: usize) -> Rates {
        let per_epoch = config.updates_per_epoch(samples);
        let timetable = Timetable::of(config, per_epoch);
        let rising = f64::from(config.momentum_warmup) * per_epoch as f64;
        Rates {
            source: Source::Scheduled { base: f64::from(config.learning_rate(samples)), timetable },
            plateau: 1.0,
            momentum: Momentum { top: config.top_momentum(), low: config.momentum_low, rising },
        }
    }

    /// The rates of a range test. Only the momentum comes from the settings; it stays at its highest.
    pub fn sweep(config: &Config, sweep: Sweep) -> Rates {
        let momentum = Momentum { top: config.top_momentum(), low: config.momentum_low, rising: 0.0 };
        Rates { source: Source::Sweep(sweep), plateau: 1.0, momentum }
    }

    /// Learning rate and momentum of update `step` (from 0).
    pub fn at(&self, step: u64) -> Rate {
        Rate { lr: self.lr(step) as f32, momentum: self.momentum(step) }
    }

    /// Learning rate of update `step` (from 0), in double precision.
    pub fn lr(&self, step: u64) -> f64 {
        match &self.source {
            Source::Scheduled { base, timetable } => base * timetable.share(step) * self.plateau,
            Source::Sweep(sweep) => sweep.lr(step),
        }
    }

    /// Momentum (for Adam, β₁) of update `step` (from 0).
    pub fn momentum(&self, step: u64) -> f32 {
        let by_schedule = match &self.source {
            Source::Scheduled { timetable, .. } => timetable.shape.momentum_lowered(timetable.progress(step)),
            Source::Sweep(_) => None,
        };
        self.momentum.at(step, by_schedule)
    }

    /// Product of the plateau's reductions so far.
    pub fn plateau(&self) -> f64 {
        self.plateau
    }

    /// Sets the plateau factor to that of a checkpoint.
    pub(super) fn set_plateau(&mut self, factor: f64) {
        self.plateau = factor;
    }

    /// Lowers all later rates, after a plateau was found.
    pub(super) fn lower(&mut self) {
        if let Source::Scheduled { timetable, .. } = &self.source {
            self.plateau = timetable.shape.lowered(self.plateau);
        }
    }
}

/// The learning rates of a range test: each is the same multiple of the one before.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sweep {
    /// First rate.
    pub from: f64,
    /// Last rate.
    pub to: f64,
    /// Number of rates, one update each.
    pub steps: usize,
}

impl Default for Sweep {
    fn default() -> Self {
        Sweep { from: 1e-5, to: 10.0, steps: 200 }
    }
}

impl Sweep {
    /// Minimum number of rates that show a slope.
    const FEWEST: usize = 50;

    /// Checks that the rates rise and are enough to show a slope.
    pub(super) fn check(&self) -> Result<(), Error> {
        let Sweep { from, to, steps } = *self;
        if !(from > 0.0 && from < to && to.is_finite()) {
            return Err(Error::Setting(format!("the rates go from {from} to {to}, but must rise from above 0")));
        }
        if steps < Self::FEWEST {
            let fewest = Self::FEWEST;
            return Err(Error::Setting(format!("steps is {steps} but must be at least {fewest} to see a slope")));
        }
        Ok(())
    }

    /// The rate of update `step` (from 0).
    fn lr(&self, step: u64) -> f64 {
        self.from * libm::pow(self.to / self.from, step as f64 / (self.steps - 1) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{BatchSize, Optimizer, Schedule};

    /// Rates of a run whose epochs have ten updates.
    fn rates(config: &Config) -> Rates {
        Rates::new(&Config { batch_size: BatchSize::Samples(1), ..config.clone() }, 10)
    }

    fn momentum(config: &Config, step: u64) -> f64 {
        (1e6 * f64::from(rates(config).momentum(step))).round() / 1e6
    }

    /// Ten epochs of ten updates.
    fn factors(config: &Config, steps: &[u64]) -> Vec<f64> {
        let rates = rates(&Config { lr: Some(1.0), ..config.clone() });
        steps.iter().map(|&step| (1e6 * rates.lr(step)).round() / 1e6).collect()
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
        let momenta = [0, 25, 50, 75, 100].map(|step| momentum(&cycle, step));
        assert_eq!(momenta, [0.95, 0.9, 0.85, 0.9, 0.95]);
        let none = Config { momentum: 0.0, ..cycle.clone() };
        assert_eq!(momentum(&none, 50), 0.0, "plain descent has none to lower");
        let adam = Config { optimizer: Optimizer::Adam, momentum: 0.0, beta1: 0.9, ..cycle };
        assert_eq!((momentum(&adam, 0), momentum(&adam, 50)), (0.9, 0.85));
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
        let momenta = [0, 10, 20, 40, 99].map(|step| momentum(&config, step));
        assert_eq!(momenta, [0.5, 0.6, 0.7, 0.9, 0.9]);
        assert_eq!(momentum(&Config { momentum_warmup: 0.0, ..config }, 0), 0.9);
    }

    #[test]
    fn a_plateau_multiplies_what_the_schedule_gives_but_not_below_the_end() {
        let config = Config { lr: Some(2.0), lr_gamma: 0.5, lr_end: 0.1875, ..config(Schedule::Plateau) };
        let mut rates = rates(&config);
        let lowered = [(); 4].map(|()| {
            rates.lower();
            rates.lr(7)
        });
        assert_eq!(lowered, [1.0, 0.5, 0.375, 0.375]);
        assert_eq!(rates.at(7), Rate { lr: 0.375, momentum: 0.0 });
    }

    #[test]
    fn a_sweep_goes_from_its_first_rate_to_its_last_by_equal_factors_whatever_the_schedule() {
        let config = Config { momentum: 0.9, momentum_warmup: 5.0, warmup: 1.0, ..config(Schedule::Cosine) };
        let rates = Rates::sweep(&config, Sweep { from: 1e-4, to: 1.0, steps: 101 });
        let near = |step, lr: f64| assert!((rates.lr(step) / lr - 1.0).abs() < 1e-12, "{step}: {}", rates.lr(step));
        near(0, 1e-4);
        near(50, 1e-2);
        near(100, 1.0);
        assert_eq!(rates.momentum(0), 0.9);
    }
}
