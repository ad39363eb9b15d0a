//! Which loss a net is trained with.

use crate::base::error::Error;
use crate::config::{Config, LossName, Monitor};
use crate::data::Task;
use crate::kernels::loss::LossKind;

/// The loss that the settings choose for a task; `None` for softmax and cross-entropy.
///
/// # Errors
/// [`Error::Setting`] if the loss, or another setting, does not suit the task.
pub fn loss(config: &Config, task: &Task) -> Result<Option<LossKind>, Error> {
    let kind = match (config.loss, task) {
        (LossName::Auto | LossName::CrossEntropy, Task::Classes { .. }) => None,
        (LossName::Auto | LossName::Mse, Task::Values { .. }) => Some(LossKind::Mse),
        (LossName::Mae, Task::Values { .. }) => Some(LossKind::Mae),
        (LossName::Huber, Task::Values { .. }) => Some(LossKind::Huber(config.huber_delta)),
        (LossName::Poisson, Task::Values { .. }) => Some(LossKind::Poisson),
        (LossName::Auto | LossName::Bce, Task::Labels { .. }) => Some(LossKind::Bce),
        (loss, task) => {
            let suits = match task {
                Task::Classes { .. } => "cross-entropy",
                Task::Values { .. } => "mse, mae, huber or poisson",
                Task::Labels { .. } => "bce",
            };
            let targets = task.counted();
            return Err(Error::Setting(format!(
                "the loss is {loss}, but the data set has {targets} as target: use {suits}, or leave it out"
            )));
        }
    };
    let refuse = |setting: &str| {
        let targets = task.counted();
        Err(Error::Setting(format!("{setting} is only for classes, but the data set has {targets} as target")))
    };
    if config.label_smoothing > 0.0 && !task.is_classes() {
        return refuse("label-smoothing");
    }
    if config.monitor == Monitor::Accuracy && matches!(task, Task::Values { .. }) {
        return refuse("monitor accuracy");
    }
    Ok(kind)
}

/// The settings with the loss that `auto` stands for, if targets are real values: the default learning rate depends on it.
#[must_use]
pub fn with_loss(config: &Config, task: &Task) -> Config {
    let loss = match (config.loss, task) {
        (LossName::Auto, Task::Values { .. }) => LossName::Mse,
        (loss, _) => loss,
    };
    Config { loss, ..config.clone() }
}

/// Whether targets are standardised for the loss that the settings choose: all real values but counts.
pub fn standardises(config: &Config) -> bool {
    config.loss != LossName::Poisson
}
