//! Random initialization of weights.

use crate::kernels::Activation;
use serde::{Deserialize, Serialize};

/// Distribution of the initial weights; biases start at zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Init {
    /// Chosen by the activation after the layer: Glorot for sigmoid and tanh, LeCun for SELU and the last layer, He for
    /// all others.
    #[default]
    Auto,
    /// N(0, 2/I) (He et al., ICCV 2015): keeps the signal's variance through ReLUs.
    He,
    /// N(0, 2/(I+O)) (Glorot and Bengio, AISTATS 2010): a compromise between forward and backward signal.
    Glorot,
    /// N(0, 1/I) (LeCun et al., "Efficient BackProp", 1998): keeps the variance of a linear signal.
    Lecun,
    /// N(0, 0.01²) for every width: for comparison with the others.
    Normal,
}

impl Init {
    /// Standard deviation of the initial weights of a layer with `activation` after it.
    pub fn standard_deviation(self, activation: Activation, inputs: usize, outputs: usize) -> f64 {
        let (inputs, outputs) = (inputs as f64, outputs as f64);
        match self {
            Init::He => (2.0 / inputs).sqrt(),
            Init::Glorot => (2.0 / (inputs + outputs)).sqrt(),
            Init::Lecun => (1.0 / inputs).sqrt(),
            Init::Normal => 0.01,
            Init::Auto => match activation {
                Activation::Relu | Activation::LeakyRelu(_) | Activation::Gelu | Activation::GeluTanh => Init::He,
                Activation::Silu | Activation::Mish | Activation::Elu(_) | Activation::Softplus => Init::He,
                Activation::Sigmoid | Activation::Tanh => Init::Glorot,
                // SELU keeps the variance only if the weights have variance 1/I.
                Activation::Identity | Activation::Selu => Init::Lecun,
            }
            .standard_deviation(activation, inputs as usize, outputs as usize),
        }
    }
}
