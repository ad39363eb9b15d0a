//! Times a whole training run by epochs, or by parts of epochs if an epoch takes too long.

use super::cut;
use super::spread::Spread;
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::base::text::percent;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::machine::Machine;
use crate::results::assess::wilson;
use crate::train::{Epoch, Score, Trainer};
use serde::Serialize;
use std::time::Duration;

/// What a sample of a run includes.
pub const TIME_INCLUDES: &str = "shuffle, upload of the order (and of streamed samples), every step, read-back of losses \
and hits; without loading, compilation and evaluation";

/// Minimum number of steps of the warm-up, and of a sample.
const WARM_UP: usize = 10;
/// Minimum number of timed steps in total, however long they take.
const TIMED: usize = 30;

/// The final loss must be below this share of the warm-up's loss. A decrease by chance on a few samples is smaller.
const LEAST_FALL: f64 = 0.99;

/// How long to measure, and which accuracy to require.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// Approximate time limit for warm-up and timed epochs together.
    pub max_time: Duration,
    /// Required test accuracy. If it is `None`, the accuracy must be significantly above the share of the most frequent
    /// class.
    pub floor: Option<f64>,
    /// Required test accuracy if whole epochs are timed and `floor` is `None`.
    pub whole_floor: Option<f64>,
}

/// A timed run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Number of weights and biases.
    pub parameters: usize,
    /// Bytes of the plan's tensors.
    pub device_bytes: u64,
    /// Bytes allocated on the device in total (tensors, uniform blocks, read-back buffers), if the backend reports them.
    pub allocated_bytes: Option<u64>,
    /// Samples per step; the last step of an epoch may have fewer.
    pub batch: usize,
    /// Steps per epoch over the whole training split.
    pub epoch_steps: usize,
    /// Steps per timed sample: an epoch, or the first batches of the split if an epoch takes too long.
    pub steps: usize,
    /// Whether each sample is an epoch over the whole training split.
    pub whole_epochs: bool,
    /// Images per timed sample.
    pub images: usize,
    /// Steps made before the timing, with the same pipelines.
    pub warm_up_steps: usize,
    /// Floating-point operations of matrix products per image, as counted by [`product_flops`].
    pub flops_per_image: u64,
    /// Seconds per sample.
    pub seconds: Spread,
    /// Images per second.
    pub images_per_second: Spread,
    /// Steps per second.
    pub steps_per_second: Spread,
    /// 10⁹ floating-point operations of matrix products per second.
    pub gflop_per_second: Spread,
    /// Mean training loss in nats of the warm-up, then of each sample.
    pub loss: Vec<f64>,
    /// Training accuracy of the warm-up, then of each sample.
    pub train_accuracy: Vec<f64>,
    /// Mean loss on the test split at the end.
    pub test_loss: f64,
    /// Accuracy on the test split at the end.
    pub test_accuracy: f64,
    /// The required accuracy, in words.
    pub demand: String,
    /// Why the run is invalid; `None` if it is valid.
    pub fault: Option<String>,
}

/// Floating-point operations of the matrix products for training on one sample; a multiply-add counts as two. Every
/// layer has a forward product and a weight gradient; every layer but the first also has an input gradient. Biases,
/// activations and updates do not count.
pub fn product_flops(widths: &[usize]) -> u64 {
    let layers = widths.windows(2).enumerate();
    layers.map(|(number, pair)| (2 + u64::from(number > 0)) * 2 * pair[0] as u64 * pair[1] as u64).sum()
}

/// Trains and times `config.epochs` epochs after one epoch of warm-up. If that would take longer than allowed, the training
/// split is shortened, but at least ten steps of warm-up and thirty timed steps remain.
///
/// # Errors
/// Those of [`Trainer`]. A run that does not learn has a `fault`.
pub async fn train(machine: &Machine, config: &Config, data: &DataSet, demand: &Demand) -> Result<Run, Error> {
    config.check(data.train.len())?;
    let epochs = config.epochs;
    let samples = data.train.len();
    // A learning-rate schedule must cover all trained epochs: two of warm-up, and the largest possible number of timed ones.
    let lasting = |steps: usize| Config { epochs: 2 + epochs.max(TIMED.div_ceil(steps)), ..config.clone() };
    let batch = config.batch(samples);
    let epoch_steps = samples.div_ceil(batch);
    let (head, body);

    head = cut(data, batch.saturating_mul(WARM_UP));
    let begin = Instant::now();
    let mut steps = head.train.len().div_ceil(batch);
    let mut trainer = Trainer::open(&lasting(steps), &head, machine).await?;
    let mut history = vec![trainer.epoch(&mut |_| {}).await?];
    let mut fastest = history[0].time;
    let mut warm_up_steps = steps;
    // The first epoch may include one-time work. If it was short, a second epoch gives a better estimate.
    if fastest < Duration::from_millis(500) {
        fastest = trainer.epoch(&mut |_| {}).await?.time.min(fastest);
        warm_up_steps += steps;
    }
    let step = fastest.as_secs_f64() / steps as f64;
    let wanted = demand.max_time.as_secs_f64() / (epochs + 1) as f64 / step.max(1e-9);
    let wanted = (wanted as usize).clamp(WARM_UP, epoch_steps.max(WARM_UP));
    if wanted > steps {
        body = cut(data, batch.saturating_mul(wanted));
        steps = body.train.len().div_ceil(batch);
        trainer = Trainer::open(&lasting(steps), &body, machine).await?;
        history = vec![trainer.epoch(&mut |_| {}).await?];
        warm_up_steps += steps;
    }

    let mut seconds = Vec::new();
    while seconds.len() * steps < TIMED || seconds.len() < epochs && begin.elapsed() < demand.max_time {
        let epoch = trainer.epoch(&mut |_| {}).await?;
        seconds.push(epoch.time.as_secs_f64());
        history.push(epoch);
    }
    let images = history[0].train.samples as usize;
    let test = trainer.evaluate().await?.unwrap_or_default();
    let whole_epochs = images == samples;
    let floor = demand.floor.or(demand.whole_floor.filter(|_| whole_epochs));
    let (demand, fault) = check_training(&history, &test, floor, data.test.classes());
    let seconds = Spread::of(seconds);
    let widths = config.widths(data.inputs(), data.outputs());
    let flops_per_image = product_flops(&widths);
    Ok(Run {
        parameters: widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum(),
        device_bytes: trainer.net().plan.bytes(),
        allocated_bytes: trainer.allocated(),
        batch,
        epoch_steps,
        steps,
        whole_epochs,
        images,
        warm_up_steps,
        flops_per_image,
        images_per_second: seconds.rate(images as f64),
        steps_per_second: seconds.rate(steps as f64),
        gflop_per_second: seconds.rate(images as f64 * flops_per_image as f64 / 1e9),
        seconds,
        loss: history.iter().map(|epoch| epoch.train.loss()).collect(),
        train_accuracy: history.iter().map(|epoch| epoch.train.metric()).collect(),
        test_loss: test.loss(),
        test_accuracy: test.metric(),
        demand,
        fault,
    })
}

/// The required accuracy in words, and the fault if the run did not reach it or did not learn.
fn check_training(history: &[Epoch], test: &Score, floor: Option<f64>, labels: &[u32]) -> (String, Option<String>) {
    let mut counts = vec![0u64; labels.iter().max().map_or(0, |&label| label as usize + 1)];
    labels.iter().for_each(|&label| counts[label as usize] += 1);
    let most = counts.into_iter().max().unwrap_or(0) as f64 / labels.len().max(1) as f64;
    let accuracy = test.metric();
    let lower_limit = wilson(test.metric_sum as u64, test.samples).0;
    let (demand, reached) = match floor {
        Some(floor) => (format!("at least {} %", percent(floor, 2)), accuracy >= floor),
        None => {
            let share = percent(most, 2);
            let demand = format!("significantly above {share} %, the share of the most frequent class");
            (demand, lower_limit > most)
        }
    };
    let loss = |epoch: Option<&Epoch>| epoch.map_or(f64::NAN, |epoch| epoch.train.loss());
    let first = loss(history.first());
    let last = loss(history.last());
    // Written as a positive condition, so that a NaN is a fault.
    let falls = last < LEAST_FALL * first;
    let reached = reached && test.loss().is_finite();
    let fault = if !falls {
        Some(format!("the loss does not fall: {first:.4} at first, {last:.4} at the end"))
    } else if !reached {
        Some(format!("the test accuracy is {} %; required: {demand}", percent(accuracy, 2)))
    } else {
        None
    };
    (demand, fault)
}
