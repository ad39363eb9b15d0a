//! The default learning rate: one rule for every optimizer and batch size.

use super::{Config, Optimizer};

/// The rule in words, for help.
pub const DEFAULT_LR: &str = "at batch size 64 it is 0.2 for sgd and nesterov, but at most (1 − momentum)/2, and 0.001 \
    for adam, adamw and rmsprop; for another batch size B, counted up to 1024, it is multiplied by (B/64)^p, where p is \
    1 for sgd and nesterov below 64, else 1/3";

impl Optimizer {
    /// Default learning rate at this momentum and number of samples per update, to three digits. `values`: for real values as
    /// targets; eight tables diverged at the rate for classes and were best at a tenth of it.
    ///
    /// [`DEFAULT_LR`] is the rule. Small batches of gradient descent scale linearly (Goyal et al., arXiv 1706.02677).
    /// Large ones are limited by the curvature, not by noise (McCandlish et al., arXiv 1812.06162), so their rate grows
    /// less and then no more. Adam and RMSprop divide by the size of the gradient, which leaves less to scale (Malladi
    /// et al., arXiv 2205.10287). The exponent 1/3 was chosen by measurement: see BENCHMARKS.md.
    pub fn default_lr(self, momentum: f32, batch: usize, values: bool) -> f32 {
        let ratio = batch.min(1024) as f64 / 64.0;
        let descent = matches!(self, Optimizer::Sgd | Optimizer::Nesterov);
        // The default schedule falls linearly to 0, so the mean is half of this.
        let base = if descent { f64::min(0.2, 0.5 * (1.0 - f64::from(momentum))) } else { 0.001 };
        // The gradient of cross-entropy is limited, that of a squared error is not.
        let base = if descent && values { base / 10.0 } else { base };
        let exponent = if descent && ratio < 1.0 { 1.0 } else { 1.0 / 3.0 };
        let lr = base * libm::pow(ratio, exponent);
        format!("{lr:.2e}").parse().unwrap_or(lr as f32)
    }
}

impl Config {
    /// The learning rate of the run, given the size of the training split: [`Config::lr`], or the default of the
    /// optimizer at the number of samples per update.
    pub fn learning_rate(&self, samples: usize) -> f32 {
        self.lr
            .unwrap_or_else(|| self.optimizer.default_lr(self.momentum, self.batch(samples), self.loss.is_of_values()))
    }

    /// Returns these settings with [`Config::learning_rate`] written out, as `config.toml` and checkpoints record them.
    pub fn with_learning_rate(&self, samples: usize) -> Config {
        Config { lr: Some(self.learning_rate(samples)), ..self.clone() }
    }
}
