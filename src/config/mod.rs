//! What a run is made of. Every default of the program is written here, once.

mod batch;
mod check;
mod health;
mod init;
mod names;
mod normalize;
mod over;
pub mod preset;
mod schedule;
mod widths;

use crate::kernels::forms::Chosen;
use crate::kernels::{Activation, Precision};
pub use batch::BatchSize;
pub use health::{HealthName, OnNan};
pub use init::Init;
pub use names::{ActivationName, Monitor, Optimizer, PlanKind, Upload};
pub use normalize::Normalize;
pub use over::Settings;
pub use schedule::{Progress, Schedule, Shape};
use serde::{Deserialize, Serialize};
pub use widths::widths;

/// Most layers of a net, the last one included.
pub(crate) const MOST_LAYERS: usize = 1001;

/// The settings of a training run; `config.toml` of a run folder holds all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Widths of the hidden layers; empty for softmax regression.
    #[serde(deserialize_with = "widths::deserialize")]
    pub hidden: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: ActivationName,
    /// Slope of leaky ReLU for negative sums.
    pub alpha: f32,
    /// How first weights are drawn.
    pub init: Init,
    /// Samples an update.
    pub batch_size: BatchSize,
    /// Most samples of a batch on the device at a time; larger batches add up the gradients of several.
    pub physical_batch: usize,
    /// Passes over the training split.
    pub epochs: usize,
    /// How weights follow gradients.
    pub optimizer: Optimizer,
    /// Batches an update: their gradients are averaged, so that an update is of `accumulate · batch_size` samples.
    pub accumulate: usize,
    /// Learning rate, at its highest.
    pub lr: f32,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Epochs, or a part of one, over which the learning rate first rises.
    pub warmup: f32,
    /// Share of the learning rate at which `linear`, `cosine` and `one-cycle` end and below which `plateau` does not go.
    pub lr_end: f32,
    /// Factor of the learning rate for `step`, `exponential` and `plateau`.
    pub lr_gamma: f32,
    /// Epochs between the falls of `step`.
    pub lr_step: usize,
    /// Epochs without anything better after which `plateau` lowers the rate.
    pub plateau_patience: usize,
    /// Share of the run at which `one-cycle` has its highest rate.
    pub cycle_peak: f32,
    /// Lowest momentum (for Adam β₁): at the peak of `one-cycle`, or where `momentum_warmup` begins.
    pub momentum_low: f32,
    /// Epochs over which momentum rises from `momentum_low`.
    pub momentum_warmup: f32,
    /// Momentum μ of SGD, Nesterov and RMSprop; 0 for none.
    pub momentum: f32,
    /// Memory of Adam's first moment.
    pub beta1: f32,
    /// Memory of Adam's second moment.
    pub beta2: f32,
    /// Memory ρ of RMSprop's mean square: PyTorch's α.
    pub rho: f32,
    /// Keeps the divisor of Adam and RMSprop from zero.
    pub epsilon: f32,
    /// Strength of the penalty l2/2·‖w‖² on weights (not on biases); for AdamW the decay.
    pub l2: f32,
    /// Largest norm of all gradients together; larger ones are scaled down to it. 0 for any.
    pub clip_norm: f32,
    /// Largest magnitude of any gradient; what is beyond it is cut off. 0 for any.
    pub clip_value: f32,
    /// Decay of the running average of the weights, which is then what is evaluated and saved; 0 for none.
    pub ema: f32,
    /// Label smoothing ε of the loss in training; the test split is always scored with labels as they are.
    pub label_smoothing: f32,
    /// Probability that dropout keeps a hidden unit.
    pub keep_prob: f32,
    /// Probability that dropout keeps an input.
    pub input_keep_prob: f32,
    /// Samples of the training split that are kept apart to choose by; 0 for none.
    pub validation: usize,
    /// Seed of the draws of `validation` and `limit_train`, apart from `seed` so that runs of several seeds agree on them.
    pub split_seed: u64,
    /// Most samples of the training split to learn from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_train: Option<usize>,
    /// What is better on the validation split.
    pub monitor: Monitor,
    /// Epochs without anything better after which the run ends; 0 for never.
    pub early_stopping: usize,
    /// What counts as better, for patience: an improvement of more than this.
    pub min_delta: f32,
    /// Whether the model is that of the best epoch and not that of the last.
    pub restore_best: bool,
    /// What a byte becomes.
    pub normalize: Normalize,
    /// Seed of every random stream.
    pub seed: u64,
    /// How samples reach the device.
    pub upload: Upload,
    /// Which kernels a step is made of.
    pub plan: PlanKind,
    /// Whether gradients, weights, updates and units are measured now and then.
    pub health: HealthName,
    /// What is done about a loss or a weight that is not a finite number.
    pub on_nan: OnNan,
    /// In which numbers matrix products are computed.
    pub precision: Precision,
    /// Forms of matrix products on a GPU, as [`crate::measure::tune`] chose them; where there is none, the form that suits the
    /// adapter. Forms differ in the order of their sums, so the same bits need the same forms.
    #[serde(skip_serializing_if = "Chosen::is_empty")]
    pub forms: Chosen,
}

impl Default for Config {
    fn default() -> Self {
        Config {
            hidden: vec![128],
            activation: ActivationName::Relu,
            alpha: 0.01,
            init: Init::Auto,
            batch_size: BatchSize::Samples(64),
            physical_batch: 4096,
            epochs: 5,
            optimizer: Optimizer::Sgd,
            // Falls in a straight line to 0, so it is 0.1 on average.
            lr: 0.2,
            accumulate: 1,
            schedule: Schedule::Linear,
            warmup: 0.0,
            lr_end: 0.0,
            lr_gamma: 0.5,
            lr_step: 2,
            plateau_patience: 2,
            cycle_peak: 0.3,
            momentum_low: 0.85,
            momentum_warmup: 0.0,
            momentum: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            rho: 0.99,
            epsilon: 1e-8,
            l2: 0.0,
            clip_norm: 0.0,
            clip_value: 0.0,
            ema: 0.0,
            label_smoothing: 0.0,
            keep_prob: 1.0,
            input_keep_prob: 1.0,
            validation: 0,
            split_seed: 1,
            limit_train: None,
            monitor: Monitor::Loss,
            early_stopping: 0,
            min_delta: 0.0,
            restore_best: false,
            normalize: Normalize::Standard,
            seed: 1,
            upload: Upload::Auto,
            plan: PlanKind::Fused,
            health: HealthName::Record,
            on_nan: OnNan::Stop,
            precision: Precision::F32,
            forms: Chosen::new(),
        }
    }
}

impl Config {
    /// The activation with its parameter.
    pub fn activation(&self) -> Activation {
        match self.activation {
            ActivationName::Relu => Activation::Relu,
            ActivationName::LeakyRelu => Activation::LeakyRelu(self.alpha),
            ActivationName::Sigmoid => Activation::Sigmoid,
            ActivationName::Tanh => Activation::Tanh,
            ActivationName::Identity => Activation::Identity,
        }
    }

    /// Why gradients must take memory although [`PlanKind::Fused`] was asked for, given the size of the training split.
    pub fn plain_because(&self, samples: usize) -> Option<&'static str> {
        if self.plan == PlanKind::Plain {
            None
        } else if self.clip_norm > 0.0 || self.clip_value > 0.0 {
            Some("gradients are clipped when all of them are there")
        } else if self.batch(samples) > self.micro_batch(samples) {
            Some("gradients of several micro-batches are added up")
        } else if self.precision == Precision::F16Mixed {
            Some("the fused updates have no form in mixed precision")
        } else {
            None
        }
    }

    /// Samples of an update, given the size of the training split.
    pub fn batch(&self, samples: usize) -> usize {
        self.batch_size.samples(samples).saturating_mul(self.accumulate)
    }

    /// Updates per epoch, given the size of the training split; the last one may be of a partial batch.
    pub fn updates_per_epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch(samples)) as u64
    }

    /// The highest momentum of the run; for Adam, β₁.
    pub fn top_momentum(&self) -> f32 {
        let adam = matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw);
        if adam { self.beta1 } else { self.momentum }
    }

    /// Samples on the device at a time.
    pub fn micro_batch(&self, samples: usize) -> usize {
        self.batch_size.samples(samples).min(self.physical_batch)
    }

    /// Widths of the net, input first and classes last.
    pub fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        [&[inputs], self.hidden.as_slice(), &[classes]].concat()
    }
}
