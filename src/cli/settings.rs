//! The options for the fields of [`Config`]. Each has the name of its field. The default that help shows is read from
//! [`Config`], where it is written once.

use clap::builder::BoolishValueParser;
use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use gpu_mlp::config::Init;
use gpu_mlp::config::{
    ActivationName, Amount, BatchSize, ClassWeight, Config, DEFAULT_LR, HealthName, LossName, Monitor, Normalize,
    OnNan, Optimizer, PlanKind, Schedule, Settings, Upload, widths,
};
use gpu_mlp::kernels::Precision;
use serde::Serialize;
use toml::Value;

#[derive(Args, Serialize)]
#[command(next_help_heading = "Net")]
struct Net {
    /// Widths of the hidden layers, separated by commas, or `none` for softmax regression
    #[arg(long, value_parser = widths, value_name = "WIDTHS")]
    hidden: Option<Widths>,
    /// Activation of the hidden layers
    #[arg(long, value_enum)]
    activation: Option<ActivationName>,
    /// Slope of leaky ReLU below zero [default: 0.01], or minus the lower limit of ELU [default: 1]
    #[arg(long, value_name = "SLOPE")]
    alpha: Option<f32>,
    /// Distribution of the initial weights; `auto` chooses by the activation
    #[arg(long, value_enum)]
    init: Option<Init>,
    /// Probability that dropout keeps a hidden unit; 1 turns dropout off
    #[arg(long, value_name = "P")]
    keep_prob: Option<f32>,
    /// Probability that dropout keeps an input; 1 turns it off
    #[arg(long, value_name = "P")]
    input_keep_prob: Option<f32>,
    /// Input scaling. `standard` is zero mean and unit variance. For a byte p, `unit` is p/255 and MEAN,DEVIATION is
    /// (p/255 − MEAN)/DEVIATION. For a table also `robust`, `minmax` and `none`
    #[arg(long, value_name = "standard|robust|minmax|unit|none|MEAN,DEVIATION")]
    normalize: Option<Normalize>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Training")]
struct Training {
    /// Samples per update: 1 is stochastic, `full` is full-batch gradient descent
    #[arg(long, value_name = "N|full")]
    batch_size: Option<BatchSize>,
    /// Largest micro-batch: a larger batch is computed in parts whose gradients are added
    #[arg(long, value_name = "N")]
    physical_batch: Option<usize>,
    /// Number of parts of a batch whose gradients are computed apart and added in a fixed order, so that any number of
    /// processes under mpirun computes the same bits [default: 8 under mpirun, else the batch is not cut]
    #[arg(long, value_name = "N")]
    shards: Option<usize>,
    /// Number of batches whose gradients are averaged before each update
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Number of passes over the training split
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// Optimizer
    #[arg(long, value_enum)]
    optimizer: Option<Optimizer>,
    #[arg(long, help = format!("Learning rate [default: {DEFAULT_LR}]"))]
    lr: Option<f32>,
    /// Momentum of sgd, nesterov and rmsprop [default: 0, but 0.9 for nesterov]
    #[arg(long)]
    momentum: Option<f32>,
    /// Decay rate of Adam's first moment
    #[arg(long)]
    beta1: Option<f32>,
    /// Decay rate of Adam's second moment
    #[arg(long)]
    beta2: Option<f32>,
    /// Decay rate of rmsprop's mean square
    #[arg(long)]
    rho: Option<f32>,
    /// Added to the divisor of Adam and rmsprop to keep it above zero
    #[arg(long)]
    epsilon: Option<f32>,
    /// Strength of the penalty l2/2·|w|² on weights; for adamw the weight decay
    #[arg(long)]
    l2: Option<f32>,
    /// Gradient clipping by global norm: larger gradients are scaled down to this norm; 0 turns it off
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f32>,
    /// Gradient clipping by value: each gradient is limited to this magnitude; 0 turns it off
    #[arg(long, value_name = "LIMIT")]
    clip_value: Option<f32>,
    /// Decay of an exponential moving average of the weights, for example 0.999; the averaged weights are evaluated and
    /// saved; 0 turns it off
    #[arg(long, value_name = "DECAY")]
    ema: Option<f32>,
    /// Loss: cross-entropy for classes; mse, mae, huber or poisson (counts) for real values; bce for several yes/no labels;
    /// `auto` chooses cross-entropy, mse or bce
    #[arg(long, value_enum)]
    loss: Option<LossName>,
    /// Error above which the huber loss is linear, in standard deviations of the target
    #[arg(long, value_name = "DELTA")]
    huber_delta: Option<f32>,
    /// Weights of the classes in the training loss: `balanced` for the same weight in all, or pairs such as spam=5,ham=1
    #[arg(long, value_name = "balanced|CLASS=W,…")]
    class_weight: Option<ClassWeight>,
    /// Label smoothing: share of the target that is spread evenly over all classes
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f32>,
    /// Seed of initial weights, shuffling and dropout
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Seed of the order of the samples [default: --seed]
    #[arg(long, value_name = "N")]
    order_seed: Option<u64>,
    /// Keep the data set on the device, or stream mini-batches to it; `auto` streams what does not fit
    #[arg(long, value_enum)]
    upload: Option<Upload>,
    /// Kernels of a training step: `plain` has one per textbook formula, `fused` combines them and is faster
    #[arg(long, value_enum)]
    plan: Option<PlanKind>,
    /// Measure norms of gradients, weights and updates, and the share of dead units, per layer
    #[arg(long, value_enum)]
    health: Option<HealthName>,
    /// What to do if a loss or weight becomes NaN or infinite: `stop` names the tensor, layer and step where it began
    #[arg(long, value_enum)]
    on_nan: Option<OnNan>,
    /// Number format: `f16-mixed` rounds the factors of products to half precision; `int8` trains with integers alone, so that
    /// every device computes the same bits
    #[arg(long, value_enum)]
    precision: Option<Precision>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Schedule")]
struct Rates {
    /// Learning-rate schedule
    #[arg(long, value_enum)]
    schedule: Option<Schedule>,
    /// Epochs of linear warm-up before the schedule starts; may be a fraction
    #[arg(long, value_name = "EPOCHS")]
    warmup: Option<f32>,
    /// Final learning rate of `linear`, `cosine` and `one-cycle`, and lower limit of `plateau`, as a share of --lr
    #[arg(long, value_name = "SHARE")]
    lr_end: Option<f32>,
    /// Factor of the learning rate: per --lr-step epochs for `step`, per epoch for `exponential`, per reduction for `plateau`
    #[arg(long, value_name = "FACTOR")]
    lr_gamma: Option<f32>,
    /// Epochs between the reductions of `step`
    #[arg(long, value_name = "EPOCHS")]
    lr_step: Option<usize>,
    /// Epochs without a better validation score after which `plateau` reduces the rate
    #[arg(long, value_name = "EPOCHS")]
    plateau_patience: Option<usize>,
    /// Share of the run at which `one-cycle` reaches its highest rate and lowest momentum
    #[arg(long, value_name = "SHARE")]
    cycle_peak: Option<f32>,
    /// Lowest momentum, or β₁ of Adam: at the peak of `one-cycle`, or at the start of --momentum-warmup
    #[arg(long, value_name = "MOMENTUM")]
    momentum_low: Option<f32>,
    /// Epochs over which momentum, or β₁ of Adam, rises linearly from --momentum-low
    #[arg(long, value_name = "EPOCHS")]
    momentum_warmup: Option<f32>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Validation and stopping")]
struct Shares {
    /// Size of the validation split, taken from the training split, or its share of it, such as 0.1, or a fold of it, such as
    /// 2/5; used for early stopping, the best model and the plateau schedule; the test split is then scored once, at the end
    #[arg(long, value_name = "N|SHARE|FOLD")]
    validation: Option<Amount>,
    /// Seed for selecting the samples of --validation and --limit-train; independent of --seed
    #[arg(long, value_name = "N")]
    split_seed: Option<u64>,
    /// Train only on this many samples of the training split, or on this share of it, such as 0.1
    #[arg(long, value_name = "N|SHARE")]
    limit_train: Option<Amount>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Validation and stopping")]
struct Choices {
    /// Validation score that counts as better
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Stop after this many epochs without a better validation score; 0 never stops early
    #[arg(long, value_name = "EPOCHS")]
    early_stopping: Option<usize>,
    /// Smallest improvement that counts, in nats for the loss or as a share for the accuracy
    #[arg(long, value_name = "DELTA")]
    min_delta: Option<f32>,
    /// Save the model of the best epoch instead of the last
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false",
        value_parser = BoolishValueParser::new())]
    restore_best: Option<bool>,
}

/// A list under a name of its own, because clap takes a bare `Vec` for a repeated option.
type Widths = Vec<usize>;

/// The options of a group that were given; options that were not given have no entry.
fn given<T: FromArgMatches + Serialize>(matches: &ArgMatches) -> Result<Settings, clap::Error> {
    let options = T::from_arg_matches(matches)?;
    Settings::try_from(&options).map_err(|error| {
        // TOML's message does not name the option.
        let all = serde_json::to_value(&options).unwrap_or_default();
        let mut given = all.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let refused = given.find(|(_, value)| Value::try_from(value).is_err());
        let name = refused.map_or(String::new(), |(name, _)| format!("--{}: ", name.replace('_', "-")));
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{name}{error}"))
    })
}

/// Options of several groups, as settings by the names of [`Config`]'s fields.
macro_rules! options {
    ($($(#[$doc:meta])* $name:ident: $($group:ident),+;)+) => { $(
        $(#[$doc])*
        pub struct $name(Settings);

        impl $name {
            /// The settings that were given.
            pub fn settings(&self) -> &Settings {
                &self.0
            }
        }

        impl FromArgMatches for $name {
            fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
                let groups = [$(given::<$group>(matches)?),+];
                Ok($name(groups.into_iter().flatten().collect()))
            }

            fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
                *self = Self::from_arg_matches(matches)?;
                Ok(())
            }
        }

        impl Args for $name {
            fn augment_args(command: Command) -> Command {
                let defaults = Config::default().settings().unwrap_or_default();
                $(let command = $group::augment_args(command);)+
                command.mut_args(|arg| with_default(arg, &defaults))
            }

            fn augment_args_for_update(command: Command) -> Command {
                Self::augment_args(command)
            }
        }
    )+ };
}

options! {
    /// Settings of the net and its training.
    NetOptions: Net, Training, Rates;
    /// Settings of validation and stopping.
    ChoiceOptions: Shares, Choices;
    /// Settings of `lr-find`: those that do not depend on the learning rate.
    SweepOptions: Net, Training, Shares;
}

/// The command-line name of a value.
pub fn word(value: &impl ValueEnum) -> String {
    value.to_possible_value().map_or(String::new(), |value| value.get_name().to_string())
}

/// Adds the default to an option's help, unless the help already states it.
fn with_default(arg: Arg, defaults: &Settings) -> Arg {
    let Some(value) = defaults.get(arg.get_id().as_str()) else { return arg };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let value = match value {
        Value::String(word) => word.clone(),
        // With the digits of single precision.
        Value::Float(number) => (*number as f32).to_string(),
        Value::Array(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    };
    if help.contains("[default: ") { arg } else { arg.help(format!("{help} [default: {value}]")) }
}
