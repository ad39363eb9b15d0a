//! Scores a split with the current weights.

use super::Score;
use crate::base::error::Error;
use crate::data::Split;
use crate::engine::Engine;
use crate::net::Evaluation;
use crate::plan::kernel::StepValues;
use crate::train::feed::Feed;

/// Called with the position of a micro-batch's first sample and its logits (rows × C).
pub type OnLogits<'a> = &'a mut dyn FnMut(usize, &[f32]);

/// Scores a split. `each` receives the logits; without it, they are not read back.
///
/// # Errors
/// If the device fails.
pub async fn evaluate(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    mut each: Option<OnLogits<'_>>,
) -> Result<Score, Error> {
    let order: Vec<u32> = (0..split.len() as u32).collect();
    feed.begin(&order, engine);
    for (slot, first) in (0..split.len()).step_by(evaluation.micro).enumerate() {
        let rows = evaluation.micro.min(split.len() - first);
        if feed.needs_load(first) {
            feed.load(first, split, &order, engine);
        }
        let now = StepValues {
            cursor: feed.cursor(first),
            rows: rows as u32,
            batch: rows as u32,
            slot: slot as u32,
            ..StepValues::default()
        };
        engine.run(&[(evaluation.steps.clone(), now)]).await?;
        if let Some(each) = &mut each {
            let logits = evaluation.logits;
            each(first, &logits.unpack(&engine.read(logits, 0..rows * logits.stride()).await?));
        }
    }
    let rows = engine.read(evaluation.tally, 0..evaluation.tally.words()).await?;
    let mut score = Score::default();
    score.add(&rows, split.len());
    Ok(score)
}
