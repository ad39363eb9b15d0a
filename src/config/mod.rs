//! The settings of a run. Every default of the program is written here, once. Nothing here depends on data or on a
//! machine.

mod amount;
mod batch;
mod check;
mod choices;
mod class_weight;
mod health;
mod idle;
mod init;
mod layers;
mod lr;
mod normalize;
pub mod preset;
mod schedule;
pub mod space;
pub mod synonyms;
mod truth;
mod widths;

use crate::kernels::forms::Chosen;
use crate::kernels::{Activation, Precision};
pub use amount::{Amount, MOST_FOLDS};
pub use batch::BatchSize;
pub use choices::{ActivationName, LossName, Monitor, Optimizer, PlanKind, Upload};
pub use class_weight::ClassWeight;
pub use health::{HealthName, OnNan};
pub use init::Init;
pub use layers::Settings;
pub use lr::DEFAULT_LR;
pub use normalize::Normalize;
pub use schedule::{Progress, Schedule, Shape};
use serde::{Deserialize, Serialize};
pub use widths::widths;

/// Fewest shards of a batch in a run of several processes, if the settings name no number: see [`Config::default_shards`].
pub const DEFAULT_SHARDS: usize = 8;
/// Maximum number of layers of a net, including the last.
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
    /// α: slope of leaky ReLU below 0, or minus the limit of ELU.
    pub alpha: f32,
    /// Distribution of the initial weights.
    pub init: Init,
    /// Samples per batch.
    pub batch_size: BatchSize,
    /// Maximum number of samples computed at a time; larger batches are split, and their gradients are added.
    pub physical_batch: usize,
    /// Number of shards that a batch is cut into. The gradient of each is computed alone, and the gradients are added in an
    /// order that depends on this number only, so any number of processes computes the same bits. `None`: not cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shards: Option<usize>,
    /// Passes over the training split.
    pub epochs: usize,
    /// The loss that training minimises.
    pub loss: LossName,
    /// δ of the Huber loss, in standard deviations of the target.
    pub huber_delta: f32,
    /// How much the training samples of each class count; `None`: all the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class_weight: Option<ClassWeight>,
    /// Optimizer.
    pub optimizer: Optimizer,
    /// Number of batches whose gradients are averaged before each update (gradient accumulation).
    pub accumulate: usize,
    /// Highest learning rate of the run; `None` for the default: see [`Config::learning_rate`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lr: Option<f32>,
    /// How the learning rate changes over the run.
    pub schedule: Schedule,
    /// Epochs over which the learning rate rises at the start; may be a fraction.
    pub warmup: f32,
    /// Final learning rate as a share of `lr` for `linear`, `cosine` and `one-cycle`; lowest share for `plateau`.
    pub lr_end: f32,
    /// Factor of the learning rate: for `step` every `lr_step` epochs, for `exponential` per epoch, for `plateau` per
    /// reduction.
    pub lr_gamma: f32,
    /// Epochs between two reductions by `step`.
    pub lr_step: usize,
    /// Epochs without improvement after which `plateau` lowers the rate.
    pub plateau_patience: usize,
    /// Share of the run at which `one-cycle` reaches its highest rate.
    pub cycle_peak: f32,
    /// Lowest momentum (for Adam, β₁): at the peak of `one-cycle`, or at the start of `momentum_warmup`.
    pub momentum_low: f32,
    /// Epochs over which momentum rises from `momentum_low`.
    pub momentum_warmup: f32,
    /// Momentum μ of SGD, Nesterov and RMSprop; 0 for none.
    pub momentum: f32,
    /// Decay of Adam's first moment.
    pub beta1: f32,
    /// Decay of Adam's second moment.
    pub beta2: f32,
    /// Decay ρ of RMSprop's mean square: PyTorch's α.
    pub rho: f32,
    /// Added to the divisor of Adam and RMSprop.
    pub epsilon: f32,
    /// Factor of the penalty l2/2·‖w‖² on weights (not on biases); for AdamW, the weight decay.
    pub l2: f32,
    /// Maximum norm of all gradients together; larger ones are scaled down. 0 for no limit.
    pub clip_norm: f32,
    /// Maximum magnitude of each gradient value; larger ones are clipped. 0 for no limit.
    pub clip_value: f32,
    /// Decay of the exponential moving average of the weights; the average is evaluated and saved instead of them. 0
    /// for none.
    pub ema: f32,
    /// Label smoothing ε of the training loss. Evaluation never smooths labels.
    pub label_smoothing: f32,
    /// Probability that dropout keeps a hidden unit; 1 for no dropout.
    pub keep_prob: f32,
    /// Probability that dropout keeps an input; 1 for no dropout.
    pub input_keep_prob: f32,
    /// Training samples moved to the validation split, or the fold of them; 0 for none.
    pub validation: Amount,
    /// Seed that picks the samples of `validation` and `limit_train`. Separate from `seed`, so that runs with different
    /// seeds use the same samples.
    pub split_seed: u64,
    /// Maximum number of training samples to use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit_train: Option<Amount>,
    /// The score on the validation split that decides which epoch is better.
    pub monitor: Monitor,
    /// Epochs without improvement after which the run ends; 0 for never.
    pub early_stopping: usize,
    /// Only a change larger than this counts as an improvement for early stopping and `plateau`.
    pub min_delta: f32,
    /// Whether the final model is that of the best epoch instead of the last.
    #[serde(deserialize_with = "truth::deserialize")]
    pub restore_best: bool,
    /// How samples are normalized.
    pub normalize: Normalize,
    /// Seed of every random stream.
    pub seed: u64,
    /// Seed of the order of the samples; `seed` if absent. Runs with different seeds and one order differ in initial weights
    /// and dropout only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order_seed: Option<u64>,
    /// How samples reach the device.
    pub upload: Upload,
    /// Kernels of a training step.
    pub plan: PlanKind,
    /// Whether the health of the net is measured: gradients, weights, updates, dead units.
    pub health: HealthName,
    /// What to do about a loss or a weight that is NaN or infinite.
    pub on_nan: OnNan,
    /// Number format of the matrix products.
    pub precision: Precision,
    /// Forms of matrix products on a GPU, as chosen by tuning; all other products use the adapter's default form. Forms
    /// sum in different orders, so results are bit-identical only with the same forms.
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
            shards: None,
            epochs: 5,
            loss: LossName::Auto,
            huber_delta: 1.0,
            class_weight: None,
            optimizer: Optimizer::Sgd,
            lr: None,
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
            validation: Amount::Samples(0),
            split_seed: 1,
            limit_train: None,
            monitor: Monitor::Loss,
            early_stopping: 0,
            min_delta: 0.0,
            restore_best: false,
            normalize: Normalize::Standard,
            seed: 1,
            order_seed: None,
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
            ActivationName::Gelu => Activation::Gelu,
            ActivationName::GeluTanh => Activation::GeluTanh,
            ActivationName::Silu => Activation::Silu,
            ActivationName::Mish => Activation::Mish,
            ActivationName::Selu => Activation::Selu,
            ActivationName::Elu => Activation::Elu(self.alpha),
            ActivationName::Softplus => Activation::Softplus,
        }
    }

    /// Returns these settings with numbers of samples in place of shares, given the size of the whole training split. A fold
    /// stays a fold: a number does not say which.
    #[must_use]
    pub fn in_samples(&self, of: usize) -> Config {
        let number = |amount: Amount| match amount {
            Amount::Fold { .. } => amount,
            amount => Amount::Samples(amount.samples(of)),
        };
        Config { validation: number(self.validation), limit_train: self.limit_train.map(number), ..self.clone() }
    }

    /// Whether a validation split is asked for.
    pub fn validates(&self) -> bool {
        self.validation != Amount::Samples(0)
    }

    /// Why the plan is plain although the settings ask for [`PlanKind::Fused`]; `None` if the plan has the requested
    /// kind. `samples`: size of the training split.
    pub fn plain_because(&self, samples: usize) -> Option<&'static str> {
        if self.plan == PlanKind::Plain {
            None
        } else if self.shards.is_some() {
            Some("gradients of the shards are added up")
        } else if self.clip_norm > 0.0 || self.clip_value > 0.0 && self.precision != Precision::Int8 {
            // In integers, the update itself limits each value.
            Some("clipping needs all gradients first")
        } else if self.batch(samples) > self.micro_batch(samples) {
            Some("gradients of several micro-batches are added up")
        } else if self.precision == Precision::F16Mixed {
            Some("fused updates do not support mixed precision")
        } else {
            None
        }
    }

    /// The seed of the order of the samples.
    pub fn shuffle_seed(&self) -> u64 {
        self.order_seed.unwrap_or(self.seed)
    }

    /// Samples per update, given the size of the training split.
    pub fn batch(&self, samples: usize) -> usize {
        self.batch_size.samples(samples).saturating_mul(self.accumulate)
    }

    /// Updates per epoch, given the size of the training split; the last one may have a partial batch.
    pub fn updates_per_epoch(&self, samples: usize) -> u64 {
        samples.div_ceil(self.batch(samples)) as u64
    }

    /// The highest momentum of the run; for Adam, β₁.
    pub fn top_momentum(&self) -> f32 {
        let adam = matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw);
        if adam { self.beta1 } else { self.momentum }
    }

    /// Maximum number of samples computed at a time, given the size of the training split.
    pub fn micro_batch(&self, samples: usize) -> usize {
        match self.shards {
            None => self.batch_size.samples(samples).min(self.physical_batch),
            // A micro-batch is a shard.
            Some(shards) => self.batch(samples).div_ceil(shards.max(1)),
        }
    }

    /// The number of shards of a run of several processes, if the settings name none: [`DEFAULT_SHARDS`], more if a shard
    /// would be larger than `physical_batch`, fewer if the batch has fewer samples.
    pub fn default_shards(&self, samples: usize) -> usize {
        let batch = self.batch(samples);
        batch.div_ceil(self.physical_batch.max(1)).max(DEFAULT_SHARDS).min(batch)
    }

    /// Widths of the net, inputs first and classes last.
    pub fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        [&[inputs], self.hidden.as_slice(), &[classes]].concat()
    }
}
