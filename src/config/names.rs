//! Settings that are one of a few words.

use super::Config;
use serde::{Deserialize, Serialize};

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
    /// The usual α: the slope of leaky ReLU below 0, or minus the limit of ELU.
    pub fn default_alpha(self) -> f32 {
        if self == ActivationName::Elu { 1.0 } else { Config::default().alpha }
    }
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
    /// All of them.
    pub const ALL: [Optimizer; 5] =
        [Optimizer::Sgd, Optimizer::Nesterov, Optimizer::Adam, Optimizer::Adamw, Optimizer::Rmsprop];

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

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::Optimizer;
    use clap::ValueEnum;

    #[test]
    fn no_optimizer_is_left_out() {
        assert_eq!(Optimizer::ALL, Optimizer::value_variants());
    }
}
