//! The options that stand for fields of [`Config`]. Each has the name of its field and is put over what it would be without
//! it; the default that help shows is read from [`Config`], where each is written once.

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches};
use gpu_mlp::config::Init;
use gpu_mlp::config::{
    ActivationName, BatchSize, Config, HealthName, Monitor, Normalize, OnNan, Optimizer, PlanKind, Schedule, Settings,
    Upload, widths,
};
use gpu_mlp::kernels::Precision;
use serde::Serialize;
use toml::Value;

#[derive(Args, Serialize)]
#[command(next_help_heading = "Net")]
struct Net {
    /// Widths of the hidden layers with commas between, or `none` for softmax regression
    #[arg(long, value_parser = widths, value_name = "WIDTHS")]
    hidden: Option<Widths>,
    /// Activation of the hidden layers
    #[arg(long, value_enum)]
    activation: Option<ActivationName>,
    /// Slope of leaky ReLU for negative sums
    #[arg(long, value_name = "SLOPE")]
    alpha: Option<f32>,
    /// How first weights are drawn; `auto` suits the activation
    #[arg(long, value_enum)]
    init: Option<Init>,
    /// Probability that dropout keeps a hidden unit; 1 keeps all
    #[arg(long, value_name = "P")]
    keep_prob: Option<f32>,
    /// Probability that dropout keeps an input; 1 keeps all
    #[arg(long, value_name = "P")]
    input_keep_prob: Option<f32>,
    /// What a byte p becomes: `unit` p/255, `standard` zero mean and unit variance, or (p/255 − MEAN)/DEVIATION
    #[arg(long, value_name = "unit|standard|MEAN,DEVIATION")]
    normalize: Option<Normalize>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Training")]
struct Training {
    /// Samples an update: 1 is stochastic, `full` is full-batch gradient descent
    #[arg(long, value_name = "N|full")]
    batch_size: Option<BatchSize>,
    /// Most samples on the device at a time; larger batches add up gradients
    #[arg(long, value_name = "N")]
    physical_batch: Option<usize>,
    /// Batches whose gradients are averaged before each update, as if the batch were that many times as large
    #[arg(long, value_name = "N")]
    accumulate: Option<usize>,
    /// Passes over the training split
    #[arg(long, value_name = "N")]
    epochs: Option<usize>,
    /// How weights follow gradients
    #[arg(long, value_enum)]
    optimizer: Option<Optimizer>,
    /// Learning rate [default: 0.2 for sgd, 0.05 for nesterov, 0.001 for adam, adamw and rmsprop]
    #[arg(long)]
    lr: Option<f32>,
    /// Momentum of sgd, nesterov and rmsprop [default: 0, but 0.9 for nesterov]
    #[arg(long)]
    momentum: Option<f32>,
    /// Memory of Adam's first moment
    #[arg(long)]
    beta1: Option<f32>,
    /// Memory of Adam's second moment
    #[arg(long)]
    beta2: Option<f32>,
    /// Memory of rmsprop's mean square
    #[arg(long)]
    rho: Option<f32>,
    /// Keeps the divisor of Adam and rmsprop from zero
    #[arg(long)]
    epsilon: Option<f32>,
    /// Strength of the penalty l2/2·|w|² on weights; for adamw the decay
    #[arg(long)]
    l2: Option<f32>,
    /// Largest norm of all gradients together, larger ones are scaled down; 0 for any
    #[arg(long, value_name = "NORM")]
    clip_norm: Option<f32>,
    /// Largest magnitude of a gradient, what is beyond is cut off; 0 for any
    #[arg(long, value_name = "LIMIT")]
    clip_value: Option<f32>,
    /// Decay of a running average of the weights, which is then evaluated and saved, for instance 0.999; 0 for none
    #[arg(long, value_name = "DECAY")]
    ema: Option<f32>,
    /// Label smoothing: the share of the true class that is spread evenly over all classes
    #[arg(long, value_name = "SHARE")]
    label_smoothing: Option<f32>,
    /// Seed of weights, shuffles and dropout
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// The data set on the device once, or mini-batches streamed to it
    #[arg(long, value_enum)]
    upload: Option<Upload>,
    /// Which kernels a step is made of: `plain` has one for each formula of the textbook, `fused` is faster
    #[arg(long, value_enum)]
    plan: Option<PlanKind>,
    /// Norms of gradients, weights and updates and the share of dead units, layer by layer
    #[arg(long, value_enum)]
    health: Option<HealthName>,
    /// What to do about a loss or weight that is not a finite number: `stop` names its tensor, layer and step
    #[arg(long, value_enum)]
    on_nan: Option<OnNan>,
    /// Numbers of the matrix products: `f16-mixed` rounds their factors to half precision; sums and weights stay single
    #[arg(long, value_enum)]
    precision: Option<Precision>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Schedule")]
struct Rates {
    /// How the learning rate changes over the run
    #[arg(long, value_enum)]
    schedule: Option<Schedule>,
    /// Epochs, or a part of one, over which the learning rate first rises in a straight line, before any schedule
    #[arg(long, value_name = "EPOCHS")]
    warmup: Option<f32>,
    /// Share of the learning rate at which `linear`, `cosine` and `one-cycle` end and below which `plateau` does not go
    #[arg(long, value_name = "SHARE")]
    lr_end: Option<f32>,
    /// Factor of the learning rate: every --lr-step epochs for `step`, an epoch for `exponential`, a time for `plateau`
    #[arg(long, value_name = "FACTOR")]
    lr_gamma: Option<f32>,
    /// Epochs between the falls of `step`
    #[arg(long, value_name = "EPOCHS")]
    lr_step: Option<usize>,
    /// Epochs without anything better on the validation split after which `plateau` lowers the rate
    #[arg(long, value_name = "EPOCHS")]
    plateau_patience: Option<usize>,
    /// Share of the run at which `one-cycle` has its highest rate and its lowest momentum
    #[arg(long, value_name = "SHARE")]
    cycle_peak: Option<f32>,
    /// Lowest momentum, or β₁ of Adam: at the peak of `one-cycle`, or where --momentum-warmup begins
    #[arg(long, value_name = "MOMENTUM")]
    momentum_low: Option<f32>,
    /// Epochs over which momentum, or β₁ of Adam, first rises from --momentum-low in a straight line
    #[arg(long, value_name = "EPOCHS")]
    momentum_warmup: Option<f32>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Validation and stopping")]
struct Shares {
    /// Samples of the training split to keep apart and to choose by: when to stop, which model, which rate. The test split
    /// is then scored once, at the end
    #[arg(long, value_name = "N")]
    validation: Option<usize>,
    /// Seed of the draws of --validation and --limit-train, the same whatever --seed is
    #[arg(long, value_name = "N")]
    split_seed: Option<u64>,
    /// Learn from this many samples of the training split only
    #[arg(long, value_name = "N")]
    limit_train: Option<usize>,
}

#[derive(Args, Serialize)]
#[command(next_help_heading = "Validation and stopping")]
struct Choices {
    /// What has to become better on the validation split
    #[arg(long, value_enum)]
    monitor: Option<Monitor>,
    /// Stop after this many epochs without anything better; 0 for never
    #[arg(long, value_name = "EPOCHS")]
    early_stopping: Option<usize>,
    /// By how much an epoch must be better to count, in nats or as a share of samples
    #[arg(long, value_name = "DELTA")]
    min_delta: Option<f32>,
    /// Write the model of the best epoch instead of the last
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "true|false")]
    restore_best: Option<bool>,
}

/// A list under a name of its own, because clap takes a bare `Vec` for a repeated option.
type Widths = Vec<usize>;

/// What was given of a group of options: what was not is no entry of a table.
fn given<T: FromArgMatches + Serialize>(matches: &ArgMatches) -> Result<Settings, clap::Error> {
    let options = T::from_arg_matches(matches)?;
    Settings::try_from(&options).map_err(|error| {
        // TOML's own message does not say which it is.
        let all = serde_json::to_value(&options).unwrap_or_default();
        let mut given = all.as_object().into_iter().flatten().filter(|(_, value)| !value.is_null());
        let refused = given.find(|(_, value)| Value::try_from(value).is_err());
        let name = refused.map_or(String::new(), |(name, _)| format!("--{}: ", name.replace('_', "-")));
        clap::Error::raw(clap::error::ErrorKind::ValueValidation, format!("{name}{error}"))
    })
}

/// Options of several groups as the settings that they give, by the names of [`Config`]'s fields.
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
    /// What was said of the net and its training.
    NetOptions: Net, Training, Rates;
    /// What was said of validation and stopping.
    ChoiceOptions: Shares, Choices;
    /// What was said of the net, its updates and its data, as far as they are the same at any rate.
    SweepOptions: Net, Training, Shares;
}

/// Ends an option's help with its default, unless the help has said it.
fn with_default(arg: Arg, defaults: &Settings) -> Arg {
    let Some(value) = defaults.get(arg.get_id().as_str()) else { return arg };
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    let value = match value {
        Value::String(word) => word.clone(),
        // As many digits as single precision has.
        Value::Float(number) => (*number as f32).to_string(),
        Value::Array(list) => list.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        value => value.to_string(),
    };
    if help.contains("[default: ") { arg } else { arg.help(format!("{help} [default: {value}]")) }
}
