//! Published recipes by name: what their source states, and how the run of this program differs.

use crate::config::Init;
use crate::config::{ActivationName, BatchSize, Config, Normalize, Optimizer, Schedule};

/// A recipe for MNIST.
#[derive(Clone, Copy, Debug)]
pub struct Preset {
    /// Name on the command line.
    pub name: &'static str,
    /// The net and its training, in one line.
    pub recipe: &'static str,
    /// Where it was published.
    pub source: &'static str,
    /// What the source states.
    pub stated: &'static str,
    /// Mean test accuracy of this program after the last epoch, with seeds, engine and date.
    pub measured: &'static str,
    /// Where the run differs from the source.
    pub differs: &'static str,
    settings: fn() -> Config,
}

impl Preset {
    /// All presets.
    pub const ALL: [Preset; 3] = [NIELSEN, GGML, KERAS];

    /// Settings of the preset.
    pub fn config(&self) -> Config {
        (self.settings)()
    }

    /// Returns the preset with this name.
    pub fn find(name: &str) -> Option<Preset> {
        Preset::ALL.into_iter().find(|preset| preset.name == name)
    }
}

/// Settings that all presets share: pixels in 0 … 1 and a constant learning rate.
fn plain() -> Config {
    Config { normalize: Normalize::Unit, schedule: Schedule::Constant, ..Config::default() }
}

const NIELSEN: Preset = Preset {
    name: "nielsen",
    recipe: "784-100-10, sigmoid, cross-entropy, SGD 0.1, batch 10, weight decay 5/50000, 60 epochs",
    source: "M. Nielsen, Neural Networks and Deep Learning (2015), chapter 3; network2.py",
    stated: "98.04 % on its validation images",
    measured: "98.02 % (97.97, 98.02, 98.06), seeds 1 to 3, CPU engine, 2026-11-22",
    differs: "softmax instead of ten sigmoids; biases start at 0, not N(0,1); all 60000 training images, not 50000",
    settings: || Config {
        hidden: vec![100],
        activation: ActivationName::Sigmoid,
        init: Init::Lecun,
        batch_size: BatchSize::Samples(10),
        epochs: 60,
        lr: Some(0.1),
        l2: 1e-4,
        ..plain()
    },
};

const GGML: Preset = Preset {
    name: "ggml",
    recipe: "784-500-10, ReLU, Adam 0.001, batch 1000, 30 epochs",
    source: "ggml, examples/mnist: mnist-train, mnist-fc",
    stated: "97.94 ± 0.14 %",
    measured: "98.05 % (98.04, 98.05, 98.07), seeds 1 to 3, CPU engine, 2026-11-22",
    differs: "biases start at 0, not N(0, 0.01²); all 60000 training images, not 57000",
    settings: || Config {
        hidden: vec![500],
        init: Init::Normal,
        batch_size: BatchSize::Samples(1000),
        epochs: 30,
        optimizer: Optimizer::Adam,
        lr: Some(0.001),
        ..plain()
    },
};

const KERAS: Preset = Preset {
    name: "keras",
    recipe: "784-512-512-10, ReLU, keep 0.8, RMSprop 0.001, batch 128, 20 epochs",
    source: "Keras, examples/mnist_mlp.py",
    stated: "98.40 %",
    measured: "98.37 % (98.18, 98.46, 98.47), seeds 1 to 3, CPU engine, 2026-11-22",
    differs: "Glorot weights from a normal, not a uniform distribution",
    settings: || Config {
        hidden: vec![512, 512],
        init: Init::Glorot,
        batch_size: BatchSize::Samples(128),
        epochs: 20,
        optimizer: Optimizer::Rmsprop,
        lr: Some(0.001),
        rho: 0.9,
        epsilon: 1e-7,
        keep_prob: 0.8,
        ..plain()
    },
};
