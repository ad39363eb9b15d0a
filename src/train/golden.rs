//! The golden run: a small training run in integers. Its result is the same on every device.

use super::Trainer;
use crate::base::error::Error;
use crate::base::hash::sha256;
use crate::config::{BatchSize, Config, Schedule};
use crate::data::digits;
use crate::engine::machine::Machine;
use crate::kernels::Precision;

/// Expected SHA-256 of the golden run ([`Golden::sha256`]). A device with another hash computes wrongly.
pub const SHA256: &str = "4b89e7843c32dc426db1d5a7174eff638c7890751b2d7f1aef9bb06b825bc01a";

/// Settings of the run: two hidden layers of odd widths, dropout, momentum, L2 penalty, label smoothing, a partial last
/// batch, and a cosine schedule.
pub fn config() -> Config {
    Config {
        hidden: vec![65, 33],
        batch_size: BatchSize::Samples(32),
        epochs: 5,
        lr: Some(0.05),
        momentum: 0.9,
        l2: 1e-4,
        keep_prob: 0.9,
        input_keep_prob: 0.95,
        label_smoothing: 0.05,
        schedule: Schedule::Cosine,
        precision: Precision::Int8,
        ..Config::default()
    }
}

/// Result of the golden run on one device.
#[derive(Clone, Debug, PartialEq)]
pub struct Golden {
    /// SHA-256 of the losses and hits of each epoch on both splits, and of weights, velocities and levels after the run.
    pub sha256: String,
    /// Accuracy on the test split, from 0 to 1; it shows that the run has learned.
    pub accuracy: f64,
    /// Number of updates.
    pub updates: u64,
}

impl Golden {
    /// Trains on 2,000 generated digits for 315 updates.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn run(machine: &Machine) -> Result<Golden, Error> {
        let data = digits::generate(&digits::Options { train: 2000, test: 500, seed: 1 });
        let config = config();
        let mut trainer = Trainer::open(&config, &data, machine).await?;
        let mut bytes = Vec::new();
        let mut accuracy = 0.0;
        for _ in 0..config.epochs {
            let train = trainer.epoch(&mut |_| ()).await?.train;
            let test = trainer.evaluate().await?.unwrap_or_default();
            for sum in [train.loss_sum, train.metric_sum, test.loss_sum, test.metric_sum] {
                bytes.extend(sum.to_le_bytes());
            }
            accuracy = test.metric();
        }
        for tensor in trainer.tensors().await? {
            bytes.extend(tensor.name.bytes());
            bytes.extend(tensor.words.iter().flat_map(|word| word.to_le_bytes()));
        }
        Ok(Golden { sha256: sha256(&bytes), accuracy, updates: trainer.step() })
    }

    /// Whether the hash is [`SHA256`].
    pub fn is_right(&self) -> bool {
        self.sha256 == SHA256
    }
}
