//! Settings whose value is one of a few words.

use super::Config;
use serde::{Deserialize, Serialize};
use std::fmt;

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
    /// z·Φ(z), with the normal distribution function.
    Gelu,
    /// GELU by its tanh approximation.
    GeluTanh,
    /// z·sigmoid(z), also called swish.
    Silu,
    /// z·tanh(softplus(z)).
    Mish,
    /// Scaled ELU that keeps mean 0 and variance 1.
    Selu,
    /// z above 0, else α(eᶻ − 1).
    Elu,
    /// ln(1 + eᶻ).
    Softplus,
}

impl ActivationName {
    /// Default α: the slope of leaky ReLU below 0, or minus the limit of ELU.
    pub fn default_alpha(self) -> f32 {
        if self == ActivationName::Elu { 1.0 } else { Config::default().alpha }
    }
}

/// The loss that training minimises. Sources: PyTorch's losses of the same names, with their means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum LossName {
    /// By the targets: cross-entropy for classes, mse for real values, bce for labels.
    Auto,
    /// Softmax and cross-entropy: one of several classes.
    CrossEntropy,
    /// Mean squared error: real values.
    Mse,
    /// Mean absolute error: real values with outliers.
    Mae,
    /// Squared up to `huber_delta`, then linear: real values with some outliers.
    Huber,
    /// Poisson deviance with the logarithm as link: counts.
    Poisson,
    /// Sigmoid and binary cross-entropy: several yes/no labels.
    Bce,
}

impl LossName {
    /// Whether targets are real values.
    pub fn is_of_values(self) -> bool {
        matches!(self, LossName::Mse | LossName::Mae | LossName::Huber | LossName::Poisson)
    }
}

impl fmt::Display for LossName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            LossName::Auto => "auto",
            LossName::CrossEntropy => "cross-entropy",
            LossName::Mse => "mse",
            LossName::Mae => "mae",
            LossName::Huber => "huber",
            LossName::Poisson => "poisson",
            LossName::Bce => "bce",
        })
    }
}

/// Rule that updates the weights from gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Optimizer {
    /// Gradient descent; with `momentum` above zero, with momentum.
    Sgd,
    /// Gradient descent with Nesterov's momentum.
    Nesterov,
    /// Adam; the L2 penalty is added to the gradient.
    Adam,
    /// Adam with decoupled weight decay.
    Adamw,
    /// RMSprop; with `momentum` above zero, with momentum.
    Rmsprop,
}

impl Optimizer {
    /// All optimizers.
    pub const ALL: [Optimizer; 5] =
        [Optimizer::Sgd, Optimizer::Nesterov, Optimizer::Adam, Optimizer::Adamw, Optimizer::Rmsprop];

    /// Default momentum of the optimizer.
    pub fn default_momentum(self) -> f32 {
        if self == Optimizer::Nesterov { 0.9 } else { 0.0 }
    }
}

/// The score on the validation split that decides which epoch is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Monitor {
    /// Mean loss; lower is better.
    Loss,
    /// Accuracy; higher is better.
    Accuracy,
}

/// How samples reach the device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Upload {
    /// Resident if the data set fits in device memory, else streamed.
    Auto,
    /// Upload the whole data set once, then only the sample order of each epoch.
    Resident,
    /// Upload the shuffled samples in each epoch, window by window.
    Stream,
}

/// Kernels of a training step. Both kinds give the same results up to rounding. [`super::Config::plain_because`] says when
/// the plain kind is used instead of the fused one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum PlanKind {
    /// Fused gradient and optimizer step; the gradient is never stored. Where that is impossible, for instance with
    /// gradient accumulation, the plain kind is used.
    Fused,
    /// One kernel per textbook formula.
    Plain,
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::Optimizer;
    use clap::ValueEnum;

    #[test]
    fn no_optimizer_is_left_out() {
        assert_eq!(Optimizer::ALL, Optimizer::value_variants());
    }
}
