//! The configurations for comparisons with other trainers.

use crate::config::{BatchSize, Config, Normalize, Schedule};
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// A net, an optimizer and a batch size. The scripts in `bench/peers` train the same nets. All use ReLU, a constant
/// learning rate and pixels in 0 … 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Workload {
    /// 784-128-10, SGD with rate 0.1, batch 64: limited by synchronisation.
    S,
    /// 784-512-512-10, keep probability 0.8, momentum 0.9, rate 0.05, batch 128: a typical net.
    K,
    /// 784-2048-2048-10, SGD with rate 0.1, batch 1024: limited by arithmetic.
    W,
}

impl Workload {
    /// All workloads.
    pub const ALL: [Workload; 3] = [Workload::S, Workload::K, Workload::W];

    /// Returns the settings.
    pub fn config(self) -> Config {
        let plain =
            Config { lr: Some(0.1), schedule: Schedule::Constant, normalize: Normalize::Unit, ..Config::default() };
        match self {
            Workload::S => Config { hidden: vec![128], batch_size: BatchSize::Samples(64), ..plain },
            Workload::K => Config {
                hidden: vec![512, 512],
                batch_size: BatchSize::Samples(128),
                keep_prob: 0.8,
                lr: Some(0.05),
                momentum: 0.9,
                ..plain
            },
            Workload::W => Config { hidden: vec![2048, 2048], batch_size: BatchSize::Samples(1024), ..plain },
        }
    }

    /// Test accuracy on MNIST required after two or more epochs. Every peer exceeds it after two or three epochs.
    pub fn floor(self) -> f64 {
        match self {
            Workload::S | Workload::K => 0.94,
            Workload::W => 0.84,
        }
    }
}

impl FromStr for Workload {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "S" | "s" => Ok(Workload::S),
            "K" | "k" => Ok(Workload::K),
            "W" | "w" => Ok(Workload::W),
            _ => Err("the configurations are S, K and W".into()),
        }
    }
}
