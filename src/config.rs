//! What a run is made of. Every default of the program is written here, once.

mod batch;
mod check;
pub mod file;
mod health;
mod normalize;
mod over;
mod schedule;

use crate::data::DataSet;
use crate::error::Error;
use crate::forms::Chosen;
use crate::kernels::Activation;
use crate::model::Init;
pub use batch::BatchSize;
pub use health::{HealthName, OnNan};
pub use normalize::Normalize;
pub use over::Settings;
pub use schedule::Schedule;
use serde::{Deserialize, Serialize};

/// The settings of a training run; `config.toml` of a run folder holds all of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Widths of the hidden layers; empty for softmax regression.
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
    /// Forms of matrix products on a GPU, as [`crate::tune`] chose them; where there is none, the form that suits the
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

/// Names of the activations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum ActivationName {
    /// max(z, 0).
    Relu,
    /// max(z, αz).
    LeakyRelu,
    /// 1/(1+e⁻ᶻ).
    Sigmoid,
    /// tanh z.
    Tanh,
    /// z: a linear net.
    Identity,
}

/// How weights follow gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Optimizer {
    /// Gradient descent; with `momentum` above zero, with momentum.
    Sgd,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
    /// Adam, the penalty added to the gradient.
    Adam,
    /// Adam with decay apart from the gradient.
    Adamw,
    /// RMSprop; with `momentum` above zero, with momentum.
    Rmsprop,
}

impl Optimizer {
    /// The learning rate that is customary for it.
    pub fn default_lr(self) -> f32 {
        match self {
            Optimizer::Sgd => Config::default().lr,
            Optimizer::Nesterov => 0.05,
            Optimizer::Adam | Optimizer::Adamw | Optimizer::Rmsprop => 0.001,
        }
    }
    /// The momentum that is customary for it.
    pub fn default_momentum(self) -> f32 {
        if self == Optimizer::Nesterov { 0.9 } else { 0.0 }
    }
}

/// What is looked at on the validation split.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Monitor {
    /// Mean cross-entropy; lower is better.
    Loss,
    /// Share of hits; higher is better.
    Accuracy,
}

/// How samples reach the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Upload {
    /// Resident where the data set fits, else stream.
    Auto,
    /// The whole data set once, then its order each epoch.
    Resident,
    /// Shuffled mini-batches, window by window.
    Stream,
}

/// Which kernels a step is made of. Both kinds train alike, to rounding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PlanKind {
    /// Gradients are used where they are made and never take memory. Batches of several micro-batches take the plain kind.
    Fused,
    /// One kernel for each formula of the textbook.
    Plain,
}

/// In which numbers the matrix products of layers are computed; all else, and every tensor, is in single precision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors rounded to half precision, sums in single precision, see [`crate::kernels::half`]. Takes the plain plan: the
    /// fused updates have no such form.
    F16Mixed,
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

    /// Samples on the device at a time.
    pub fn micro_batch(&self, samples: usize) -> usize {
        self.batch_size.samples(samples).min(self.physical_batch)
    }

    /// The data of this run: the validation split taken out of the training split, and no more of that than is wanted.
    ///
    /// # Errors
    /// Those of [`DataSet::divided`].
    pub fn divide(&self, data: DataSet) -> Result<DataSet, Error> {
        data.divided(self.validation, self.limit_train, self.split_seed)
    }

    /// Widths of the net, input first and classes last.
    pub fn widths(&self, inputs: usize, classes: usize) -> Vec<usize> {
        [&[inputs], self.hidden.as_slice(), &[classes]].concat()
    }

    /// Checks the settings against each other and against the size of the training split.
    ///
    /// # Errors
    /// [`Error::Setting`] names the setting, its value and what it may be.
    pub fn check(&self, samples: usize) -> Result<(), Error> {
        let refuse = |what: String| Err(Error::Setting(what));
        for (name, value) in [("keep-prob", self.keep_prob), ("input-keep-prob", self.input_keep_prob)] {
            if !(value > 0.0 && value <= 1.0) {
                return refuse(format!("{name} is {value} but is a probability, above 0 and at most 1"));
            }
        }
        for (name, value) in [
            ("momentum", self.momentum),
            ("beta1", self.beta1),
            ("beta2", self.beta2),
            ("rho", self.rho),
            ("ema", self.ema),
            ("label-smoothing", self.label_smoothing),
        ] {
            if !(0.0..1.0).contains(&value) {
                return refuse(format!("{name} is {value} but must be at least 0 and below 1"));
            }
        }
        for (name, value) in [("lr", self.lr), ("epsilon", self.epsilon)] {
            if !(value > 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be above 0"));
            }
        }
        for (name, value) in
            [("l2", self.l2), ("alpha", self.alpha), ("clip-norm", self.clip_norm), ("clip-value", self.clip_value)]
        {
            if !(value >= 0.0 && value.is_finite()) {
                return refuse(format!("{name} is {value} but must be at least 0"));
            }
        }
        if let Some(width) = self.hidden.iter().find(|&&width| !(1..=1 << 20).contains(&width)) {
            return refuse(format!("a hidden layer is {width} wide but must have 1 to 1048576 units"));
        }
        if self.hidden.len() > 1000 {
            return refuse(format!("there are {} hidden layers but at most 1000 are possible", self.hidden.len()));
        }
        if self.epochs == 0 {
            return refuse("epochs is 0 but must be at least 1".into());
        }
        if let Normalize::Given { scale, shift } = self.normalize
            && !(scale.is_normal() && shift.is_finite())
        {
            return refuse(format!("normalize is p·{scale} + {shift} but needs a scale other than 0"));
        }
        if self.physical_batch == 0 {
            return refuse("physical-batch is 0 but must be at least 1".into());
        }
        if matches!(self.optimizer, Optimizer::Adam | Optimizer::Adamw) && self.momentum != 0.0 {
            return refuse(format!("momentum is {} but Adam has none: use beta1", self.momentum));
        }
        if self.batch_size.samples(samples) > samples {
            return refuse(format!(
                "batch-size is {} but the training split has {samples} samples: use at most that, or `full`",
                self.batch_size
            ));
        }
        if self.accumulate > 1 && self.batch(samples) > samples {
            let (batch, times) = (self.batch_size, self.accumulate);
            return refuse(format!(
                "{times} batches of {batch} are to be accumulated, but the training split has {samples} samples"
            ));
        }
        self.check_loop()
    }
}
