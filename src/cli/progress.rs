//! Progress of a run on stderr: a bar on a terminal, otherwise an occasional line.

use gpu_mlp::base::text::percent;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::train::session::Progress;
use indicatif::{ProgressBar, ProgressStyle};
use std::io::IsTerminal;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Time between progress lines if there is no bar.
const EVERY: Duration = Duration::from_secs(10);

/// Time after which the program says that it waits for the adapter.
const LONG: Duration = Duration::from_secs(2);

/// Says that the program waits for the adapter, if it lives for longer than two seconds.
pub struct Waiting(#[expect(dead_code, reason = "dropping it ends the wait")] Option<Sender<()>>);

impl Waiting {
    /// Says nothing.
    pub fn none() -> Waiting {
        Waiting(None)
    }

    pub fn on(machine: &Machine) -> Waiting {
        let Machine::Gpu(_) = machine else { return Waiting(None) };
        let (sender, ended) = channel();
        std::thread::spawn(move || {
            if ended.recv_timeout(LONG) == Err(RecvTimeoutError::Timeout) {
                say!(
                    "waiting for the adapter: its driver compiles each shader at the first use, which can take a while"
                );
            }
        });
        Waiting(Some(sender))
    }
}

/// Shows the progress of a run.
pub struct Display {
    /// Until the first progress.
    waiting: Option<Waiting>,
    silent: bool,
    terminal: bool,
    /// Drawn during an epoch.
    bar: Option<ProgressBar>,
    /// When something was last printed.
    last: Instant,
}

impl Display {
    /// A display on stderr.
    pub fn new(waiting: Waiting) -> Self {
        let terminal = std::io::stderr().is_terminal();
        Display { waiting: Some(waiting), silent: super::quiet(), terminal, bar: None, last: Instant::now() }
    }

    /// A display that shows nothing.
    pub fn silent() -> Self {
        Display { waiting: None, silent: true, terminal: false, bar: None, last: Instant::now() }
    }

    /// Shows the progress within an epoch.
    pub fn show(&mut self, at: &Progress) {
        self.waiting = None;
        if self.silent {
            return;
        }
        let epoch = format!("epoch {}/{}", at.epoch, at.epochs);
        if self.terminal {
            let bar = self.bar.get_or_insert_with(|| {
                let style = ProgressStyle::with_template("{prefix} {bar:24} {msg}");
                let bar = ProgressBar::new(at.samples).with_prefix(epoch);
                style.into_iter().for_each(|style| bar.set_style(style.progress_chars("█▉▊▋▌▍▎▏ ")));
                bar
            });
            // Both calls draw; the message first, so that the bar never appears without it.
            bar.set_message(words(at));
            bar.set_position(at.score.samples);
        } else if self.last.elapsed() >= EVERY {
            let share = at.score.samples as f64 / at.samples as f64;
            eprintln!("{epoch} at {} %  {}", percent(share, 0), words(at));
            self.last = Instant::now();
        }
    }

    /// Removes the bar until the next [`Display::show`].
    pub fn clear(&mut self) {
        self.waiting = None;
        self.bar.take().into_iter().for_each(|bar| bar.finish_and_clear());
        self.last = Instant::now();
    }
}

/// Loss, accuracy, rate, and the time left at this rate.
fn words(at: &Progress) -> String {
    let done = (at.epoch as u64 - 1) * at.samples + at.score.samples;
    let rate = done as f64 / at.seconds.max(1e-9);
    let left = (at.epochs as u64 * at.samples).saturating_sub(done) as f64 / rate.max(1e-9);
    // Whole seconds with an upper limit, so that the value can always be formatted.
    let left = humantime::format_duration(Duration::from_secs(left.min(1e9) as u64));
    format!("{}  {rate:.0} samples/s  ETA {left}", at.score.text(at.metric))
}

#[cfg(test)]
mod tests {
    use super::words;
    use gpu_mlp::train::session::Progress;
    use gpu_mlp::train::{Metric, Score};

    #[test]
    fn the_time_left_is_that_of_the_whole_run() {
        let score = Score { loss_sum: 50.0, metric_sum: 90.0, samples: 100, weight: None };
        let at = Progress {
            epoch: 2,
            epochs: 4,
            samples: 200,
            score,
            metric: Metric::Accuracy,
            epoch_seconds: 1.0,
            seconds: 3.0,
        };
        // 300 of 800 samples in three seconds.
        assert_eq!(words(&at), "loss 0.5000 accuracy 90.00 %  100 samples/s  ETA 5s");
        assert!(words(&Progress { seconds: 0.0, ..at }).ends_with("ETA 0s"));
    }
}
