//! Where a run is, and how well its last updates did.

use gpu_mlp::Error;
use gpu_mlp::train::{Score, Trainer};
use serde::Serialize;
use std::ops::ControlFlow;

/// Where a run is, and how well its last updates did.
#[derive(Serialize)]
pub(crate) struct Position {
    /// Updates made.
    step: u64,
    /// Updates of the whole run.
    last: u64,
    /// Epochs trained, with a fraction.
    epoch: f64,
    /// Samples of this call.
    samples: u64,
    /// Mean loss of this call's updates, each batch scored before its update; `null` if there were none.
    loss: Option<f64>,
    /// Their accuracy.
    accuracy: Option<f64>,
    /// Learning rate of the last update.
    lr: f32,
}

/// A score of a split.
#[derive(Serialize)]
pub(crate) struct Scored {
    loss: f64,
    accuracy: f64,
    samples: u64,
}

impl From<Score> for Scored {
    fn from(score: Score) -> Scored {
        Scored { loss: score.loss(), accuracy: score.metric(), samples: score.samples }
    }
}

/// Updates of the whole run.
pub(crate) fn last(trainer: &Trainer<'_>) -> u64 {
    trainer.config().epochs as u64 * trainer.updates_per_epoch()
}

/// Makes this many updates, or fewer if the run ends before.
///
/// # Errors
/// If the device fails, or if a loss or a parameter is not finite.
pub(crate) async fn advance(trainer: &mut Trainer<'_>, updates: u32) -> Result<Position, Error> {
    let until = (trainer.step() + u64::from(updates)).min(last(trainer));
    let per_epoch = trainer.updates_per_epoch();
    let mut part = Score::default();
    while trainer.step() < until {
        let begins = trainer.step().is_multiple_of(per_epoch);
        let before = if begins { Score::default() } else { trainer.score() };
        trainer.advance(until, &mut |_| ControlFlow::Continue(())).await?;
        let after = trainer.score();
        part.loss_sum += after.loss_sum - before.loss_sum;
        part.metric_sum += after.metric_sum - before.metric_sum;
        part.samples += after.samples - before.samples;
    }
    let step = trainer.step();
    let some = part.samples > 0;
    Ok(Position {
        step,
        last: last(trainer),
        epoch: step as f64 / per_epoch as f64,
        samples: part.samples,
        loss: some.then(|| part.loss()),
        accuracy: some.then(|| part.metric()),
        lr: trainer.rate(step.saturating_sub(1)).lr,
    })
}
