//! What settings of the loop must be, alone and together.

use super::{Config, Schedule};
use crate::error::Error;

impl Config {
    /// Checks schedules, limits of the data and choices by the validation split.
    pub(super) fn check_loop(&self) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Setting(what));
        for (name, value) in [("lr-end", self.lr_end), ("lr-gamma", self.lr_gamma)] {
            if !(0.0..=1.0).contains(&value) {
                return refuse(format!("{name} is {value} but is a share of the learning rate, 0 to 1"));
            }
        }
        for (name, value) in [("cycle-peak", self.cycle_peak), ("momentum-low", self.momentum_low)] {
            if !(0.0..1.0).contains(&value) {
                return refuse(format!("{name} is {value} but must be at least 0 and below 1"));
            }
        }
        let spans = [("warmup", self.warmup), ("momentum-warmup", self.momentum_warmup), ("min-delta", self.min_delta)];
        for (name, value) in spans {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be at least 0"));
            }
        }
        if self.warmup > 0.0 && self.warmup >= self.epochs as f32 {
            return refuse(format!("warmup is {} epochs, but the run has only {}", self.warmup, self.epochs));
        }
        for (name, value) in
            [("lr-step", self.lr_step), ("plateau-patience", self.plateau_patience), ("accumulate", self.accumulate)]
        {
            if value == 0 {
                return refuse(format!("{name} is 0 but must be at least 1"));
            }
        }
        if self.momentum_warmup > 0.0 && self.schedule == Schedule::OneCycle {
            return refuse("one-cycle has a momentum schedule of its own: leave momentum-warmup out".into());
        }
        let (low, top) = (self.momentum_low, self.top_momentum());
        if self.momentum_warmup > 0.0 && low >= top {
            return refuse(format!("momentum cannot rise from {low} to {top}: see momentum-low and momentum"));
        }
        Ok(())
    }

    /// Checks that a run which is to choose something has a validation split to choose by.
    ///
    /// # Errors
    /// [`Error::Setting`] names what would be chosen.
    pub fn check_choices(&self, validation: bool) -> Result<(), Error> {
        let choices = [
            (self.early_stopping > 0, "early-stopping"),
            (self.restore_best, "restore-best"),
            (self.schedule == Schedule::Plateau, "the plateau schedule"),
        ];
        match choices.iter().find(|(chosen, _)| *chosen && !validation) {
            Some((_, name)) => Err(Error::Setting(format!(
                "{name} needs a validation split, since the test split is not for choosing: add for instance --validation 10000"
            ))),
            None => Ok(()),
        }
    }
}
