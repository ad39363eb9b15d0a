//! Successive halving: after a part of its epochs, only the best trials are trained further (Jamieson and Talwalkar, AISTATS
//! 2016).

/// The rungs of a sweep. All trials of a rung are compared before any of them is trained further, so the outcome does not
/// depend on the order in which they end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rungs {
    /// The best 1/η of the trials reach the next rung.
    eta: u64,
    /// Number of rungs, at least 1.
    count: u32,
}

impl Rungs {
    /// The rungs for this many trials of at most this many epochs: as many as leave at least one epoch to the first rung and
    /// one trial to the last. Without η there is one.
    pub fn new(eta: Option<u64>, trials: u64, epochs: usize) -> Rungs {
        let eta = eta.unwrap_or(2).max(2);
        let of =
            |most: u64| (1..).take_while(|&power| eta.checked_pow(power).is_some_and(|least| least <= most)).count();
        let more = of(trials).min(of(epochs as u64)) as u32;
        Rungs { eta, count: more + 1 }
    }

    /// One rung: every trial is trained to its end.
    pub fn one() -> Rungs {
        Rungs { eta: 2, count: 1 }
    }

    /// Number of rungs.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// The last epoch of a rung (from 0) for a trial of this many epochs.
    pub fn epochs(&self, rung: u32, of: usize) -> usize {
        let parts = self.eta.saturating_pow(self.count - 1 - rung);
        of.div_ceil(usize::try_from(parts).unwrap_or(usize::MAX)).max(1)
    }

    /// How many of `trials` are trained in a rung (from 0).
    pub fn trials(&self, rung: u32, trials: u64) -> u64 {
        (trials / self.eta.saturating_pow(rung)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_third_of_the_trials_gets_three_times_the_epochs() {
        let rungs = Rungs::new(Some(3), 64, 9);
        assert_eq!(rungs.count(), 3);
        assert_eq!([0, 1, 2].map(|rung| (rungs.epochs(rung, 9), rungs.trials(rung, 64))), [(1, 64), (3, 21), (9, 7)]);
        // A trial of fewer epochs gets the same shares.
        assert_eq!([0, 1, 2].map(|rung| rungs.epochs(rung, 4)), [1, 2, 4]);
    }

    #[test]
    fn few_trials_or_epochs_have_few_rungs() {
        assert_eq!(Rungs::new(Some(3), 2, 100).count(), 1);
        assert_eq!(Rungs::new(Some(3), 100, 2).count(), 1);
        assert_eq!(Rungs::new(Some(2), 8, 1000).count(), 4);
        assert_eq!((Rungs::one().count(), Rungs::one().epochs(0, 7), Rungs::one().trials(0, 5)), (1, 7, 5));
    }
}
