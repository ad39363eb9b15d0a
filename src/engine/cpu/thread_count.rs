//! How many threads are fastest at the moment.
//!
//! Another program on the same CPUs can make two threads slower than one: when the system stops one of them, the other
//! soon has to wait for it. So the number of threads follows measurements. Results do not depend on it.

use std::time::Duration;

/// Shortest time that is judged. A busy CPU serves its programs in turns of a few milliseconds.
const WINDOW: Duration = Duration::from_millis(5);
/// Fewest runs that are judged.
const RUNS: u32 = 2;
/// Time of a trial that does not end early, and time over which the usual time is a mean.
const TRIAL: Duration = Duration::from_millis(40);
/// A trial wins if its time is below this share of the usual time.
const FASTER: f64 = 0.95;
/// The machine's load has changed if the usual time changes by this factor.
const CHANGED: f64 = 1.25;
/// Time from a change to the next trial. It doubles with each trial that changes nothing.
const SOON: Duration = Duration::from_millis(50);
/// Longest time between two trials.
const LATE: Duration = Duration::from_secs(1);

/// The number of threads for a part of the plan that is run again and again.
pub(super) struct ThreadCount {
    most: usize,
    chosen: usize,
    /// Seconds of a run with the chosen number; 0 before the first window.
    usual: f64,
    /// `usual` at the last trial.
    before: f64,
    /// The number on trial, and its runs.
    trial: Option<(usize, Sum)>,
    /// Trials so far.
    trials: usize,
    window: Sum,
    since_trial: Duration,
    pause: Duration,
}

/// Runs and their time.
#[derive(Clone, Copy, Default)]
struct Sum {
    time: Duration,
    runs: u32,
}

impl Sum {
    /// Seconds of a run.
    fn mean(self) -> f64 {
        self.time.as_secs_f64() / f64::from(self.runs)
    }
}

impl ThreadCount {
    /// Begins with `chosen` of at most `most` threads.
    pub fn new(most: usize, chosen: usize) -> Self {
        ThreadCount {
            most,
            chosen: chosen.min(most),
            usual: 0.0,
            before: 0.0,
            trial: None,
            trials: 0,
            window: Sum::default(),
            since_trial: Duration::ZERO,
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
        self.window.time += time;
        self.window.runs += 1;
        if self.window.time < WINDOW || self.window.runs < RUNS {
            return;
        }
        let window = std::mem::take(&mut self.window);
        match self.trial {
            None => self.watch(window),
            Some((threads, sum)) => {
                let sum = Sum { time: sum.time + window.time, runs: sum.runs + window.runs };
                self.trial = Some((threads, sum));
                self.judge(threads, sum);
            }
        }
    }

    /// After a window with the chosen number.
    fn watch(&mut self, window: Sum) {
        if self.usual == 0.0 {
            (self.usual, self.before) = (window.mean(), window.mean());
        }
        let share = window.time.div_duration_f64(TRIAL).min(0.5);
        self.usual += share * (window.mean() - self.usual);
        if self.usual > CHANGED * self.before || self.usual < self.before / CHANGED {
            self.before = self.usual;
            self.pause = SOON;
        }
        self.since_trial += window.time;
        if self.since_trial >= self.pause {
            self.trial = self.candidate().map(|threads| (threads, Sum::default()));
            self.trials += 1;
        }
    }

    /// The next number to try, in turn a much smaller one, one more, one less, and a much larger one.
    fn candidate(&self) -> Option<usize> {
        let near = [self.chosen / 2, self.chosen + 1, self.chosen - 1, 2 * self.chosen];
        let possible = near.iter().filter(|threads| (1..=self.most).contains(threads));
        possible.cycle().nth(self.trials).copied()
    }

    /// After a window of a trial. A number that is much slower is given up at once.
    fn judge(&mut self, threads: usize, sum: Sum) {
        let ratio = sum.mean() / self.usual;
        let lost = ratio > 1.0 + 0.5 * WINDOW.div_duration_f64(sum.time);
        if !lost && sum.time < TRIAL {
            return;
        }
        self.trial = None;
        self.since_trial = Duration::ZERO;
        self.before = self.usual;
        if ratio < FASTER {
            (self.chosen, self.usual, self.before, self.pause) = (threads, sum.mean(), sum.mean(), SOON);
        } else {
            self.pause = LATE.min(2 * self.pause);
        }
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
    fn a_change_is_noticed_within_a_fifth_of_a_second() {
        let mut count = ThreadCount::new(2, 2);
        shares(&mut count, 10.0, |threads| 0.15 * [0.0, 2.0, 1.0][threads]);
        shares(&mut count, 0.2, |threads| 0.15 * [0.0, 2.0, 3.0][threads]);
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
            let stopped = (random >> 33) % 40 == 0;
            [0.0, 0.3, 0.6][threads] + if stopped { 4.0 } else { 0.0 }
        };
        shares(&mut count, 5.0, &mut cost);
        let spent = shares(&mut count, 30.0, &mut cost);
        assert!(spent[1] > 0.8, "{spent:?}");
    }
}
