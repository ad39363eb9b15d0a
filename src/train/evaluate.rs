//! Scores a split with the current weights.

use super::Score;
use super::exchange::{Alone, Exchange, share};
use crate::base::error::Error;
use crate::data::{Split, Targets};
use crate::engine::Engine;
use crate::net::Evaluation;
use crate::plan::kernel::StepValues;
use crate::train::feed::Feed;

/// Called with the position of a micro-batch's first sample and its logits (rows × C).
pub type OnLogits<'a> = &'a mut dyn FnMut(usize, &[f32]);

/// Scores a split. `each` receives the logits; without it, they are not read back. The loss may be NaN or infinite.
///
/// # Errors
/// If the device fails.
pub async fn evaluate(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    each: Option<OnLogits<'_>>,
) -> Result<Score, Error> {
    evaluate_part(engine, evaluation, feed, split, None, each, &mut Alone).await
}

/// As [`evaluate`]. With the number of a pass, for a plan of [`crate::net::Net::for_mc_dropout`]: passes draw different masks.
///
/// # Errors
/// If the device fails.
pub async fn evaluate_pass(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    pass: Option<u32>,
    each: Option<OnLogits<'_>>,
) -> Result<Score, Error> {
    evaluate_part(engine, evaluation, feed, split, pass, each, &mut Alone).await
}

/// Scores a split. Each process computes some of its micro-batches; the score is that of one process.
pub(super) async fn evaluate_shared(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    exchange: &mut dyn Exchange,
) -> Result<Score, Error> {
    evaluate_part(engine, evaluation, feed, split, None, None, exchange).await
}

/// Scores the micro-batches of this process, and gathers the sums of all.
async fn evaluate_part(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    pass: Option<u32>,
    mut each: Option<OnLogits<'_>>,
    exchange: &mut dyn Exchange,
) -> Result<Score, Error> {
    let order: Vec<u32> = (0..split.len() as u32).collect();
    feed.begin(&order, engine);
    let (slots, rank, size) = (split.len().div_ceil(evaluation.micro), exchange.rank(), exchange.size());
    let mine = share(slots, rank, size);
    for slot in mine.clone() {
        let first = slot * evaluation.micro;
        let rows = evaluation.micro.min(split.len() - first);
        if feed.needs_load(first) {
            feed.load(first, split, &order, engine);
        }
        let now = StepValues {
            cursor: feed.cursor(first),
            rows: rows as u32,
            batch: rows as u32,
            total: rows as f32,
            slot: slot as u32,
            step: pass.unwrap_or(0),
            first: if pass.is_some() { first as u32 } else { 0 },
            ..StepValues::default()
        };
        engine.run(&[(evaluation.steps.clone(), now)]).await?;
        if let Some(each) = &mut each {
            let logits = evaluation.logits;
            each(first, &logits.unpack(&engine.read(logits, 0..rows * logits.stride()).await?));
        }
    }
    let stride = evaluation.tally.stride();
    let rows = match mine.is_empty() {
        true => Vec::new(),
        false => engine.read(evaluation.tally, mine.start * stride..mine.end * stride).await?,
    };
    let lengths: Vec<usize> = (0..size).map(|rank| share(slots, rank, size).len() * stride).collect();
    let rows = exchange.all_gather(&rows, &lengths);
    let mut score = Score::default();
    score.add(evaluation.tally, &rows, split.len(), evaluation.source.weights.map(|_| split.weight()));
    Ok(score)
}

/// As [`evaluate`], but refuses a loss that is not finite. `name` is that of the split.
///
/// # Errors
/// [`Error::NotFinite`] names the sample; errors of the device.
pub(super) async fn evaluate_finite(
    engine: &mut dyn Engine,
    evaluation: &Evaluation,
    feed: &mut Feed,
    split: &Split,
    name: &str,
    exchange: &mut dyn Exchange,
) -> Result<Score, Error> {
    let score = evaluate_shared(engine, evaluation, feed, split, exchange).await?;
    if score.loss_sum.is_finite() {
        return Ok(score);
    }
    // The second pass reads all logits, to name the sample.
    let mut found = None;
    let mut worst = WorstLoss::default();
    let mut search = |first: usize, logits: &[f32]| {
        let classes = evaluation.logits.cols;
        found = found.take().or_else(|| not_finite(name, first, logits, classes));
        worst.add(first, logits, split, classes);
    };
    evaluate(engine, evaluation, feed, split, Some(&mut search)).await?;
    Err(found.unwrap_or_else(|| worst.error(name, score.loss_sum as f32)))
}

/// The error for the first logit that is not finite, if any. The logits are those of samples from `first` on.
pub(crate) fn not_finite(name: &str, first: usize, logits: &[f32], classes: usize) -> Option<Error> {
    let at = logits.iter().position(|logit| !logit.is_finite())?;
    let index = first + at / classes;
    let sample = format!("{name} {index}");
    Some(Error::NotFinite { sample, index, class: Some(at % classes), value: logits[at] })
}

/// The sample with the largest loss. With logits that are finite, it is the one whose loss overflows.
#[derive(Default)]
pub(crate) struct WorstLoss {
    index: usize,
    loss: f32,
}

impl WorstLoss {
    /// Takes the outputs of a split's samples from `first` on. `width`: outputs per sample.
    pub fn add(&mut self, first: usize, outputs: &[f32], split: &Split, width: usize) {
        for (sample, row) in (first..).zip(outputs.chunks_exact(width)) {
            let loss = match &split.targets {
                // The largest logit is at least the logarithm of the sum of the exponentials, less ln C.
                Targets::Classes(classes) => {
                    row.iter().copied().fold(f32::NEG_INFINITY, f32::max) - row[classes[sample] as usize]
                }
                // The loss grows with the distance; `exp` and squares overflow first where it is largest.
                Targets::Values { values, .. } | Targets::Labels { values, .. } => {
                    let targets = &values[sample * width..][..width];
                    row.iter().zip(targets).map(|(z, y)| (z - y).abs()).fold(0.0, f32::max)
                }
            };
            if loss > self.loss {
                *self = WorstLoss { index: sample, loss };
            }
        }
    }

    /// The error about its loss.
    pub fn error(&self, name: &str, value: f32) -> Error {
        Error::NotFinite { sample: format!("{name} {}", self.index), index: self.index, class: None, value }
    }
}
