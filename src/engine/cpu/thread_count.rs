//! How many threads are fastest at the moment.
//!
//! Another program on the same CPUs can make two threads slower than one: when the system stops one of them, the other
//! soon has to wait for it. So the number of threads follows measurements. Results do not depend on it.

use std::time::Duration;

/// Shortest time that is judged, in seconds like all times here. A busy CPU serves its programs in turns of a few milliseconds.
const WINDOW: f64 = 5e-3;
/// Shortest time of a trial that wins: a thread that has slept is served first for some milliseconds.
const TRIAL: f64 = 0.04;
/// Longest time of a trial, needed if the times vary much.
const LONG_TRIAL: f64 = 0.16;
/// A trial wins if its time is below this share of the usual time.
const FASTER: f64 = 0.95;
/// The machine's load has changed if the usual time changes by this factor.
const CHANGED: f64 = 1.25;
/// Time from a change to the next trial. It doubles with each trial that changes nothing.
const SOON: f64 = 0.05;
/// Longest time between two trials.
const LATE: f64 = 1.0;
/// Shortest time between two trials, as a multiple of the time that the last one lost.
const PAUSE: f64 = 50.0;

/// The number of threads for a part of the plan that is run again and again.
pub(super) struct ThreadCount {
    most: usize,
    chosen: usize,
    /// Recent runs with the chosen number.
    usual: Runs,
    /// The last window with the chosen number.
    last: Runs,
    /// Mean difference of a window from the one before, as a share of it.
    noise: f64,
    /// Seconds of a usual run at the last trial.
    before: f64,
    /// The number on trial, and its runs.
    trial: Option<(usize, Runs)>,
    /// Trials so far.
    trials: usize,
    window: Runs,
    /// Seconds since the last trial.
    since_trial: f64,
    /// Seconds until the next trial.
    pause: f64,
}

/// A number of runs, and their time in seconds.
#[derive(Clone, Copy, Default)]
struct Runs {
    time: f64,
    number: f64,
}

impl Runs {
    /// Seconds of a run.
    fn mean(self) -> f64 {
        self.time / self.number
    }

    /// Adds runs. The sum counts as `share` of what it would be.
    fn and(self, share: f64, more: Runs) -> Runs {
        Runs { time: share * self.time + more.time, number: share * self.number + more.number }
    }
}

impl ThreadCount {
    /// Begins with `chosen` of at most `most` threads.
    pub fn new(most: usize, chosen: usize) -> Self {
        ThreadCount {
            most,
            chosen: chosen.min(most),
            usual: Runs::default(),
            last: Runs::default(),
            noise: 0.0,
            before: 0.0,
            trial: None,
            trials: 0,
            window: Runs::default(),
            since_trial: 0.0,
            pause: SOON,
        }
    }

    /// The number that was fastest.
    pub fn chosen(&self) -> usize {
        self.chosen
    }

    /// The number for the next run: that on trial, or the fastest.
    pub fn next(&self) -> usize {
        self.trial.map_or(self.chosen, |(threads, _)| threads)
    }

    /// Takes note of the time of a run with [`ThreadCount::next`] threads.
    pub fn took(&mut self, time: Duration) {
        self.window = self.window.and(1.0, Runs { time: time.as_secs_f64(), number: 1.0 });
        if self.window.time < WINDOW {
            return;
        }
        let window = std::mem::take(&mut self.window);
        match self.trial {
            None => self.watch(window),
            Some((threads, runs)) => {
                let runs = runs.and(1.0, window);
                self.trial = Some((threads, runs));
                self.judge(threads, runs);
            }
        }
    }

    /// After a window with the chosen number.
    fn watch(&mut self, window: Runs) {
        let share = (window.time / LONG_TRIAL).min(0.5);
        if self.last.number > 0.0 {
            let difference = (window.mean() / self.last.mean() - 1.0).abs().min(1.0);
            self.noise += share * (difference - self.noise);
        }
        self.last = window;
        self.usual = self.usual.and(1.0 - share, window);
        let usual = self.usual.mean();
        if usual > CHANGED * self.before || usual < self.before / CHANGED {
            // New runs soon outweigh the old ones.
            (self.usual, self.before) = (self.usual.and(0.2, window), usual);
            if self.pause > SOON {
                (self.pause, self.since_trial) = (SOON, 0.0);
            }
        }
        self.since_trial += window.time;
        if self.since_trial >= self.pause {
            self.trial = self.candidate().map(|threads| (threads, Runs::default()));
            self.trials += 1;
        }
    }

    /// The next number to try, in turn a much smaller one, one more, one less, and a much larger one.
    fn candidate(&self) -> Option<usize> {
        let near = [self.chosen / 2, self.chosen + 1, self.chosen - 1, 2 * self.chosen];
        let possible = near.iter().filter(|threads| (1..=self.most).contains(threads));
        possible.cycle().nth(self.trials).copied()
    }

    /// After a window of a trial. It ends when the difference is clear.
    fn judge(&mut self, threads: usize, runs: Runs) {
        let ratio = runs.mean() / self.usual.mean();
        let doubt = 3.0 * self.noise * (WINDOW / runs.time).sqrt();
        let lost = ratio > 1.0 + doubt;
        let won = ratio < FASTER - doubt && runs.time >= TRIAL;
        if !lost && !won && runs.time < LONG_TRIAL {
            return;
        }
        if ratio < FASTER {
            (self.chosen, self.usual, self.last, self.pause) = (threads, runs, Runs::default(), SOON);
        } else {
            let lost = runs.time - runs.number * self.usual.mean();
            self.pause = LATE.min(2.0 * self.pause).max(PAUSE * lost);
        }
        (self.trial, self.since_trial, self.before) = (None, 0.0, self.usual.mean());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs for `seconds` on a machine where a run takes `cost(threads)` milliseconds. Returns the share of the time that
    /// was spent with each number of threads.
    fn shares(count: &mut ThreadCount, seconds: f64, mut cost: impl FnMut(usize) -> f64) -> Vec<f64> {
        let mut spent = vec![0.0; count.most + 1];
        while spent.iter().sum::<f64>() < seconds {
            let threads = count.next();
            let took = cost(threads) / 1e3;
            spent[threads] += took;
            count.took(Duration::from_secs_f64(took));
        }
        spent.iter().map(|time| time / seconds).collect()
    }

    #[test]
    fn the_fastest_number_is_used_almost_all_the_time() {
        for scale in [0.02, 0.15, 3.0, 60.0] {
            let mut count = ThreadCount::new(2, 2);
            let idle = |threads| scale * [0.0, 2.0, 1.0][threads];
            let busy = |threads| scale * [0.0, 2.0, 3.0][threads];
            shares(&mut count, 10.0, idle);
            assert!(shares(&mut count, 20.0, idle)[2] > 0.9, "runs of {scale} ms on an idle machine");
            shares(&mut count, 3.0, busy);
            assert!(shares(&mut count, 20.0, busy)[1] > 0.9, "runs of {scale} ms beside a neighbour");
            shares(&mut count, 3.0, idle);
            assert!(shares(&mut count, 20.0, idle)[2] > 0.9, "runs of {scale} ms after the neighbour has left");
        }
    }

    #[test]
    fn trials_cost_less_than_a_hundredth_of_an_idle_machine() {
        let mut count = ThreadCount::new(2, 2);
        let idle = |threads| 0.15 * [0.0, 1.9, 1.0][threads];
        assert!(shares(&mut count, 1.0, idle)[1] < 0.03);
        assert!(shares(&mut count, 20.0, idle)[1] < 0.01);
    }

    #[test]
    fn a_change_is_noticed_within_a_third_of_a_second() {
        let mut count = ThreadCount::new(2, 2);
        shares(&mut count, 10.0, |threads| 0.15 * [0.0, 2.0, 1.0][threads]);
        shares(&mut count, 0.33, |threads| 0.15 * [0.0, 2.0, 3.0][threads]);
        assert_eq!(count.chosen(), 1);
    }

    #[test]
    fn any_number_can_be_found() {
        for most in [1, 2, 3, 4, 7, 8, 16, 64] {
            for best in 1..=most {
                let mut count = ThreadCount::new(most, most);
                let cost = |threads: usize| 0.1 + 0.1 * threads.abs_diff(best) as f64;
                shares(&mut count, 20.0, cost);
                assert!(count.chosen().abs_diff(best) <= 1, "{} instead of {best} of {most}", count.chosen());
            }
        }
    }

    /// Each window of 4 ms is served or not at random, as on a crowded machine.
    #[test]
    fn noise_does_not_hide_the_faster_number() {
        let mut random = 1u64;
        let mut count = ThreadCount::new(2, 2);
        let mut cost = |threads| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let stopped = (random >> 33).is_multiple_of(40);
            [0.0, 0.3, 0.6][threads] + if stopped { 4.0 } else { 0.0 }
        };
        shares(&mut count, 5.0, &mut cost);
        let spent = shares(&mut count, 30.0, &mut cost);
        assert!(spent[1] > 0.8, "{spent:?}");
    }
}
