//! Training: epochs of steps over shuffled samples, on any engine.

use crate::config::{Config, Normalize};
use crate::data::{DataSet, Split};
use crate::engine::{Engine, Pending};
use crate::error::Error;
use crate::feed::Feed;
use crate::forms::Forms;
use crate::kernel::Now;
use crate::machine::Machine;
use crate::model::{Layer, Mlp};
use crate::net::{Evaluation, LayerIds, Net, Sizes};
use crate::plan::Work;
use crate::rng::{Stream, host};
use crate::steps::Steps;
use crate::tensor::Id;
use rand::seq::SliceRandom;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Loss and accuracy of a split, or of the part of it seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Score {
    /// Sum of the cross-entropies, in nats.
    pub loss_sum: f64,
    /// Samples classified rightly.
    pub hits: u64,
    /// Samples counted.
    pub samples: u64,
}

impl Score {
    /// Mean cross-entropy, in nats.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }
    /// Share of samples classified rightly.
    pub fn accuracy(&self) -> f64 {
        self.hits as f64 / self.samples as f64
    }
    fn add(&mut self, rows: &[u32], samples: usize) {
        let values: &[f32] = bytemuck::cast_slice(rows);
        for row in values.chunks_exact(4) {
            self.loss_sum += f64::from(row[0]);
            self.hits += row[1] as u64;
        }
        self.samples += samples as u64;
    }
}

/// An epoch that has been trained.
#[derive(Clone, Copy, Debug)]
pub struct Epoch {
    /// Its number, from 1.
    pub number: usize,
    /// Mean over the epoch, each batch scored before it was learned from.
    pub train: Score,
    /// Time of training alone: shuffle, uploads, steps, and the read-back of the record.
    pub time: Duration,
}

/// Bytes of a sample to values: x = byte·scale + shift.
pub fn normalization(normalize: Normalize, pixels: &[u8]) -> (f32, f32) {
    match normalize {
        Normalize::Unit => (1.0 / 255.0, 0.0),
        Normalize::Standard => {
            // Exact integer sums: the same on every machine. Those of a part fit 32 bits, which halves the work.
            let (mut sum, mut squares) = (0, 0);
            for part in pixels.chunks(1 << 15) {
                sum += u64::from(part.iter().map(|&p| u32::from(p)).sum::<u32>());
                squares += u64::from(part.iter().map(|&p| u32::from(p) * u32::from(p)).sum::<u32>());
            }
            let mean = sum as f64 / pixels.len().max(1) as f64;
            let variance = squares as f64 / pixels.len().max(1) as f64 - mean * mean;
            let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 / 255.0 };
            (scale as f32, (-mean * scale) as f32)
        }
    }
}

/// Puts a model's parameters into the tensors of a net.
pub fn load_parameters(engine: &mut dyn Engine, layers: &[LayerIds], model: &Mlp) {
    for (ids, layer) in layers.iter().zip(&model.layers) {
        engine.write(ids.w, 0, &ids.w.pack(&layer.weight));
        engine.write(ids.b, 0, &ids.b.pack(&layer.bias));
    }
}

/// Puts data, first weights and optimizer state on an engine, which must have been made for `net.plan`; returns the feeds
/// of the training and the test split.
///
/// # Panics
/// If the net was not made for training.
pub fn prepare(engine: &mut dyn Engine, net: &Net, model: &Mlp, data: &DataSet) -> (Feed, Feed) {
    let training = net.training.as_ref().expect("a net made for training");
    let feed = Feed::new(training.source, &data.train, engine);
    let test_feed = Feed::new(net.evaluation.source, &data.test, engine);
    load_parameters(engine, &net.layers, model);
    for &id in net.layers.iter().flat_map(|layer| &layer.state) {
        engine.write(id, 0, &vec![0; id.words()]);
    }
    (feed, test_feed)
}

/// The order of the samples in an epoch (from 0): each once.
pub fn shuffled(samples: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples as u32).collect();
    order.shuffle(&mut host(seed, Stream::Shuffle, epoch));
    order
}

/// A training run.
pub struct Trainer<'a> {
    config: Config,
    data: &'a DataSet,
    net: Net,
    engine: Box<dyn Engine>,
    feed: Feed,
    test_feed: Feed,
    /// Updates made.
    step: u64,
    /// Epochs trained.
    epoch: usize,
}

/// About how often `watch` hears of an epoch's progress.
const CHUNK: Duration = Duration::from_millis(100);

impl<'a> Trainer<'a> {
    /// Lays out a run on a machine: plan, first weights, memory, data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings cannot be used with this data, [`Error::TooLarge`] if the plan does not fit.
    pub async fn open(config: &Config, data: &'a DataSet, machine: &Machine) -> Result<Self, Error> {
        config.check(data.train.len())?;
        let (scale, shift) = normalization(config.normalize, &data.train.pixels);
        let forms = Forms { default: machine.form(), chosen: config.forms.clone() };
        let net = Net::for_training(config, Sizes::of(data, forms, machine.limit()), scale, shift);
        let model =
            Mlp::new(&config.widths(data.inputs(), data.classes), config.activation(), config.init, config.seed);
        tracing::debug!(steps = net.plan.steps.len(), "plan and first weights made");
        let engine = machine.engine(&net.plan).await?;
        tracing::debug!("engine made");
        Ok(Self::new(config.clone(), data, net, &model, engine))
    }

    /// The plan that is trained.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Puts data, first weights and optimizer state on the engine, which must have been made for `net.plan`.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub fn new(config: Config, data: &'a DataSet, net: Net, model: &Mlp, mut engine: Box<dyn Engine>) -> Self {
        let (feed, test_feed) = prepare(engine.as_mut(), &net, model, data);
        Trainer { config, data, net, engine, feed, test_feed, step: 0, epoch: 0 }
    }

    /// Trains one epoch: every sample once, in an order drawn for this epoch. `watch` hears of the score so far.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a loss is not finite.
    pub async fn epoch(&mut self, watch: &mut dyn FnMut(&Score)) -> Result<Epoch, Error> {
        let begin = Instant::now();
        let training = self.net.training.clone().expect("a net made for training");
        let samples = self.data.train.len();
        let steps = Steps { config: &self.config.clone(), training: &training, samples };
        let batch = steps.batch();
        let mut order: Vec<u32> = (0..samples as u32).collect();
        order.shuffle(&mut host(self.config.seed, Stream::Shuffle, self.epoch as u64));
        self.feed.begin(&order, self.engine.as_mut());

        let mut score = Score::default();
        let mut chunk = Chunk { first_step: self.step, ..Chunk::default() };
        let rows_an_update = batch.div_ceil(training.micro);
        let mut waiting = VecDeque::new();
        let mut pace = Pace { steps: 8, since: Instant::now() };
        for first in (0..samples).step_by(batch) {
            if self.feed.needs_load(first) {
                // A window may be overwritten only when the steps that use it have been accepted.
                self.send(&mut chunk, training.tally, &mut waiting).await?;
                self.feed.load(first, &self.data.train, &order, self.engine.as_mut());
            }
            steps.push(&self.feed, self.step, first, &mut chunk.slots, &mut chunk.work);
            chunk.samples += batch.min(samples - first);
            self.step += 1;
            if chunk.work.len() >= pace.steps {
                self.send(&mut chunk, training.tally, &mut waiting).await?;
                // One record is read while the next chunk runs, so that the engine never waits for the host.
                while waiting.len() > 1 {
                    self.settle(&mut waiting, &mut score, rows_an_update, watch).await?;
                }
                pace.adapt();
            }
        }
        self.send(&mut chunk, training.tally, &mut waiting).await?;
        while !waiting.is_empty() {
            self.settle(&mut waiting, &mut score, rows_an_update, watch).await?;
        }
        self.epoch += 1;
        Ok(Epoch { number: self.epoch, train: score, time: begin.elapsed() })
    }

    /// Hands a chunk to the engine and asks for its part of the record.
    async fn send(&mut self, chunk: &mut Chunk, tally: Id, waiting: &mut VecDeque<Record>) -> Result<(), Error> {
        if chunk.work.is_empty() {
            return Ok(());
        }
        self.engine.run(&chunk.work).await?;
        let stride = tally.stride();
        let rows = self.engine.read(tally, chunk.sent * stride..chunk.slots * stride);
        waiting.push_back(Record { rows, samples: chunk.samples, first_step: chunk.first_step });
        (chunk.sent, chunk.samples, chunk.first_step) = (chunk.slots, 0, self.step);
        chunk.work.clear();
        Ok(())
    }

    /// Takes in the oldest record.
    async fn settle(
        &mut self,
        waiting: &mut VecDeque<Record>,
        score: &mut Score,
        rows_an_update: usize,
        watch: &mut dyn FnMut(&Score),
    ) -> Result<(), Error> {
        if let Some(record) = waiting.pop_front() {
            let rows = record.rows.await?;
            score.add(&rows, record.samples);
            if self.epoch == 0 && score.samples == record.samples as u64 {
                tracing::debug!(samples = score.samples, "first steps trained");
            }
            let losses = rows.chunks_exact(4).map(|row| f32::from_bits(row[0]));
            if let Some((row, loss)) = losses.enumerate().find(|(_, loss)| !loss.is_finite()) {
                let step = record.first_step + (row / rows_an_update) as u64 + 1;
                return Err(Error::Diverged { loss: f64::from(loss), epoch: self.epoch + 1, step });
            }
            watch(score);
        }
        Ok(())
    }

    /// Scores the test split with the weights as they are.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn evaluate(&mut self) -> Result<Score, Error> {
        evaluate(self.engine.as_mut(), &self.net.evaluation, &mut self.test_feed, &self.data.test, None).await
    }

    /// The model with the weights as they are.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        let mut layers = Vec::new();
        for ids in self.net.layers.clone() {
            let weight = ids.w.unpack(&self.engine.read(ids.w, 0..ids.w.words()).await?);
            let bias = ids.b.unpack(&self.engine.read(ids.b, 0..ids.b.words()).await?);
            layers.push(Layer { inputs: ids.w.cols, outputs: ids.w.rows, weight, bias });
        }
        Ok(Mlp { activation: self.config.activation(), layers })
    }
}

/// Part of the record on its way from the engine.
struct Record {
    rows: Pending<'static, Vec<u32>>,
    samples: usize,
    /// Updates made before its first row.
    first_step: u64,
}

/// Steps that are handed to the engine together.
#[derive(Default)]
struct Chunk {
    work: Vec<Work>,
    samples: usize,
    /// Rows of the tally that steps of this epoch have been given.
    slots: usize,
    /// Rows of the tally that have been asked for.
    sent: usize,
    /// Updates made before its first step.
    first_step: u64,
}

/// How many steps go into a chunk.
struct Pace {
    steps: usize,
    since: Instant,
}

impl Pace {
    fn adapt(&mut self) {
        let took = self.since.elapsed();
        self.since = Instant::now();
        if took < CHUNK / 2 {
            self.steps *= 2;
        } else if took > 2 * CHUNK {
            self.steps = (self.steps / 2).max(1);
        }
    }
}

/// Told the logits (rows × C) of a micro-batch, and the position of its first sample.
pub type OnLogits<'a> = &'a mut dyn FnMut(usize, &[f32]);

/// Scores a split; the logits are read only if somebody wants them.
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
        let now = Now {
            cursor: feed.cursor(first),
            rows: rows as u32,
            batch: rows as u32,
            slot: slot as u32,
            ..Now::default()
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
