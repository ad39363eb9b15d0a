//! The progress of an epoch: a bar on a terminal, nothing elsewhere.

use gpu_mlp::session::Progress;
use gpu_mlp::train::Score;
use indicatif::{ProgressBar, ProgressStyle};

/// A bar for one epoch; it hides itself where stderr is not a terminal.
pub struct Bar(ProgressBar);

impl Bar {
    pub fn new(at: &Progress) -> Self {
        let bar = ProgressBar::new(at.samples).with_prefix(format!("epoch {}/{}", at.epoch, at.epochs));
        let style = ProgressStyle::with_template("{prefix} {bar:30} {msg} {per_sec} ETA {eta}");
        if let Ok(style) = style {
            let rate = |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
                let _ = write!(out, "{:.0} images/s", state.per_sec());
            };
            bar.set_style(style.with_key("per_sec", rate).progress_chars("█▉▊▋▌▍▎▏ "));
        }
        Bar(bar)
    }

    pub fn show(&self, score: &Score) {
        self.0.set_position(score.samples);
        self.0.set_message(format!("loss {:.4} accuracy {:.2} %", score.loss(), 100.0 * score.accuracy()));
    }

    pub fn clear(self) {
        self.0.finish_and_clear();
    }
}
