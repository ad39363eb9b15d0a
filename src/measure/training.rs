//! A whole training run, timed epoch by epoch, or in parts of epochs where an epoch takes too long.

use super::cut;
use super::spread::Spread;
use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::machine::Machine;
use crate::results::assess::wilson;
use crate::train::{Epoch, Score, Trainer};
use serde::Serialize;
use std::time::{Duration, Instant};

/// What a sample of a run holds.
pub const IN_THE_CLOCK: &str = "shuffle, upload of the order (and of samples that are streamed), every step, read-back \
of losses and hits; not loading, compiling, evaluation";

/// Fewest steps before the clock starts, and in a sample.
const WARM_UP: usize = 10;
/// Fewest steps timed, however long they take.
const TIMED: usize = 30;

/// At the end the loss must be below this share of that of the warm-up: untrained weights alone may be lucky on a few samples.
const LEAST_FALL: f64 = 0.99;

/// How long to measure, and what to demand of the answer.
#[derive(Clone, Copy, Debug)]
pub struct Demand {
    /// About how long warm-up and timed epochs may take together.
    pub max_time: Duration,
    /// Test accuracy to be reached; without it, better than always naming the most frequent class.
    pub floor: Option<f64>,
    /// The same, but only where whole epochs are timed and `floor` is not given.
    pub whole_floor: Option<f64>,
}

/// A timed run.
#[derive(Clone, Debug, Serialize)]
pub struct Run {
    /// Numbers of weights and biases.
    pub parameters: usize,
    /// Bytes of the plan's tensors.
    pub device_bytes: u64,
    /// Bytes that the device has given out in all, where it tells: tensors, uniform blocks, buffers to read back through.
    pub allocated_bytes: Option<u64>,
    /// Samples a step; the last step of an epoch may have fewer.
    pub batch: usize,
    /// Steps of an epoch over the whole training split.
    pub epoch_steps: usize,
    /// Steps a timed sample: those of an epoch, or fewer, over as many batches from the head of the split.
    pub steps: usize,
    /// Whether each sample is an epoch over the whole training split.
    pub whole_epochs: bool,
    /// Images a timed sample.
    pub images: usize,
    /// Steps made before the clock was started, with the same pipelines.
    pub warm_up_steps: usize,
    /// Floating-point operations an image, those of matrix products alone, as [`product_flops`] counts them.
    pub flops_per_image: u64,
    /// Seconds a sample.
    pub seconds: Spread,
    /// Images a second.
    pub images_per_second: Spread,
    /// Steps a second.
    pub steps_per_second: Spread,
    /// 10⁹ floating-point operations of products a second.
    pub gflop_per_second: Spread,
    /// Mean loss of the warm-up, then of each sample, in nats.
    pub loss: Vec<f64>,
    /// Share of hits, likewise.
    pub train_accuracy: Vec<f64>,
    /// Mean loss of the test split at the end.
    pub test_loss: f64,
    /// Share of hits on the test split at the end.
    pub test_accuracy: f64,
    /// What the answer had to reach, in words.
    pub demand: String,
    /// Why the run does not count, if it does not.
    pub fault: Option<String>,
}

/// Operations of the matrix products in training one sample, a multiply-add counted as two: forward and weight gradient in
/// every layer, input gradient in all but the first. Additions of biases, activations and updates are not counted.
pub fn product_flops(widths: &[usize]) -> u64 {
    let layers = widths.windows(2).enumerate();
    layers.map(|(number, pair)| (2 + u64::from(number > 0)) * 2 * pair[0] as u64 * pair[1] as u64).sum()
}

/// Trains and times. `config.epochs` epochs are timed after one of warm-up; where that would take longer than allowed the
/// training split is cut, but never to fewer than ten steps of warm-up and thirty in the clock.
///
/// # Errors
/// Those of [`Trainer`]; a run that does not learn has a `fault`.
pub async fn train(machine: &Machine, config: &Config, data: &DataSet, demand: &Demand) -> Result<Run, Error> {
    config.check(data.train.len())?;
    let (epochs, samples) = (config.epochs, data.train.len());
    // A falling learning rate must last over all that is trained: two epochs of warm-up, and as many as are timed at most.
    let lasting = |steps: usize| Config { epochs: 2 + epochs.max(TIMED.div_ceil(steps)), ..config.clone() };
    let batch = config.batch(samples);
    let epoch_steps = samples.div_ceil(batch);
    let (head, body);

    head = cut(data, batch.saturating_mul(WARM_UP));
    let begin = Instant::now();
    let mut steps = head.train.len().div_ceil(batch);
    let mut trainer = Trainer::open(&lasting(steps), &head, machine).await?;
    let mut history = vec![trainer.epoch(&mut |_| {}).await?];
    let (mut fastest, mut warm_up_steps) = (history[0].time, steps);
    // A first epoch may pay for what is made only once; where it was short another tells more.
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
    let test = trainer.evaluate().await?;
    let whole_epochs = images == samples;
    let floor = demand.floor.or(demand.whole_floor.filter(|_| whole_epochs));
    let (demand, fault) = judge(&history, &test, floor, &data.test.labels);
    let seconds = Spread::of(seconds);
    let widths = config.widths(data.inputs(), data.classes);
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
        train_accuracy: history.iter().map(|epoch| epoch.train.accuracy()).collect(),
        test_loss: test.loss(),
        test_accuracy: test.accuracy(),
        demand,
        fault,
    })
}

/// Says what is demanded, and what is wrong if it was not reached.
fn judge(history: &[Epoch], test: &Score, floor: Option<f64>, labels: &[u8]) -> (String, Option<String>) {
    let mut counts = [0u64; 256];
    labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    let most = counts.into_iter().max().unwrap_or(0) as f64 / labels.len().max(1) as f64;
    let (accuracy, surely) = (test.accuracy(), wilson(test.hits, test.samples).0);
    let (demand, reached) = match floor {
        Some(floor) => (format!("at least {:.2} %", 100.0 * floor), accuracy >= floor),
        None => (format!("surely above {:.2} %, the most frequent class", 100.0 * most), surely > most),
    };
    let loss = |epoch: Option<&Epoch>| epoch.map_or(f64::NAN, |epoch| epoch.train.loss());
    let (first, last) = (loss(history.first()), loss(history.last()));
    // In the positive form, so that a NaN is a fault.
    let (falls, reached) = (last < LEAST_FALL * first, reached && test.loss().is_finite());
    let fault = if !falls {
        Some(format!("the loss does not fall: {first:.4}, at last {last:.4}"))
    } else if !reached {
        Some(format!("the test accuracy is {:.2} %, demanded: {demand}", 100.0 * accuracy))
    } else {
        None
    };
    (demand, fault)
}
