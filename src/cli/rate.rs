//! What `train` says about the learning rate.

use super::settings::word;
use gpu_mlp::config::Config;
use gpu_mlp::data::Task;
use gpu_mlp::train::session::EpochReport;

/// Number of updates after which a training loss says something about the learning rate.
const FIRST_UPDATES: u64 = 10;
/// Largest relative difference between two losses of a net that has hardly changed.
const UNCHANGED: f64 = 0.02;

/// Where the default rate comes from.
fn default_for(config: &Config, samples: usize) -> String {
    format!("default for {} at batch size {}", word(&config.optimizer), config.batch(samples))
}

/// The learning rate of a run, for its first lines.
pub fn line(config: &Config, samples: usize) -> String {
    let lr = config.learning_rate(samples);
    match config.lr {
        Some(_) => format!("learning rate {lr}"),
        None => format!("learning rate {lr} ({})", default_for(config, samples)),
    }
}

/// Warns once per run if the net does worse than guessing.
pub struct Guessing {
    /// The loss of a net that gives every class the same probability; `None` after the warning, and for real values.
    loss: Option<f64>,
    /// Training loss of the first epoch.
    first: Option<f64>,
    /// Epochs of the run.
    epochs: usize,
    lr: f32,
    /// Whether the rate is far below the default.
    low: bool,
    advice: String,
}

impl Guessing {
    pub fn new(config: &Config, samples: usize, task: &Task) -> Guessing {
        let lr = config.learning_rate(samples);
        let default = Config { lr: None, ..config.clone() }.learning_rate(samples);
        let advice = match lr == default {
            true => "`gpu-mlp lr-find` with these settings suggests another".to_string(),
            false => format!("try --lr {default}, the {}, or `gpu-mlp lr-find`", default_for(config, samples)),
        };
        Guessing {
            loss: match task {
                Task::Classes { names } => Some((names.len() as f64).ln()),
                Task::Labels { .. } => Some(std::f64::consts::LN_2),
                // The loss of the best constant depends on the loss.
                Task::Values { .. } => None,
            },
            first: None,
            epochs: config.epochs,
            lr,
            low: 10.0 * lr < default,
            advice,
        }
    }

    /// Returns the warning, if the epoch calls for it.
    pub fn warning(&mut self, report: &EpochReport) -> Option<String> {
        // An epoch of few updates mostly scores the initial weights.
        let late = report.step >= FIRST_UPDATES || report.step > 1 && report.epoch == self.epochs;
        let loss = report.train.loss();
        let first = *self.first.get_or_insert(loss);
        let guessing = self.loss.filter(|&guessing| late && report.whole && loss > guessing)?;
        let after = report.validation.or(report.test)?.loss();
        self.loss = None;
        let (lr, advice) = (self.lr, &self.advice);
        // After a divergence the loss may also stand still.
        let unchanged = [first, after].iter().all(|other| (other / loss - 1.0).abs() < UNCHANGED);
        let cause = match self.low || unchanged {
            true => format!(" and has hardly changed: the learning rate {lr} is probably too low"),
            false => format!(": the learning rate {lr} is probably too high"),
        };
        Some(format!("note: the training loss {loss:.2} is worse than guessing ({guessing:.2}){cause}; {advice}"))
    }
}
