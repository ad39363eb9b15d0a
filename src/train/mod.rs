//! Training: steps over shuffled samples, on any engine, from any step to any other.

mod chunk;
mod evaluate;
mod fault;
pub mod feed;
pub mod health;
pub mod lr_find;
mod prepare;
mod score;
pub mod session;
pub mod steps;
mod tensors;

use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::engine::memory;
use crate::kernels::forms::Forms;
use crate::net::mlp::Mlp;
use crate::net::{Net, Sizes};
use crate::train::feed::Feed;
use crate::train::health::LayerHealth;
use crate::train::steps::Steps;
use chunk::{Chunk, Pace};
pub use evaluate::{OnLogits, evaluate};
use fault::Base;
pub use prepare::{divide, load_parameters, normalization, prepare, shuffled};
pub use score::Score;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};
pub use tensors::Values;
use tensors::first_values;

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

/// A net in training: data, weights and optimizer state on an engine, and how far it is.
///
/// Where it stands is one number, the updates made. Everything else that a step needs (the order of its epoch, its learning
/// rate, its dropout masks) is a function of the settings and that number, so training can go on from any step.
pub struct Trainer<'a> {
    config: Config,
    data: &'a DataSet,
    net: Net,
    engine: Box<dyn Engine>,
    feed: Feed,
    test_feed: Feed,
    validation_feed: Option<Feed>,
    /// Updates made.
    step: u64,
    /// Score of the epoch that the last update belongs to, up to there.
    score: Score,
    lr_factor: f64,
    /// The order that the feed was given, and the epoch (from 0) that it is of.
    order: Option<(u64, Arc<[u32]>)>,
    pace: Pace,
    /// What is repeated when a fault is sought, and when it was taken.
    base: Base,
    based: Option<Instant>,
    /// When the parameters were last looked at.
    watched: Option<Instant>,
    /// The update whose health was measured last.
    measured: Option<u64>,
    /// What was measured before training was gone on with, in the epoch that the last update belongs to.
    recalled: Option<Vec<LayerHealth>>,
}

/// Told the score of the epoch so far, about ten times a second; `Break` pauses the training at the next settled moment.
pub type Watch<'a> = &'a mut dyn FnMut(&Score) -> ControlFlow<()>;

impl<'a> Trainer<'a> {
    /// Lays out a run on a machine: plan, first weights, memory, data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings cannot be used with this data, [`Error::TooLarge`] if the plan does not fit.
    pub async fn open(config: &Config, data: &'a DataSet, machine: &Machine) -> Result<Self, Error> {
        // The state that a fault is sought from.
        Self::open_beside(config, data, machine, 1).await
    }

    /// As `open`, where the host is to have room for so many copies of what training changes.
    pub(crate) async fn open_beside(
        config: &Config,
        data: &'a DataSet,
        machine: &Machine,
        copies: u64,
    ) -> Result<Self, Error> {
        config.check(data.train.len())?;
        let (scale, shift) = normalization(config.normalize, &data.train.pixels);
        let forms = Forms { default: machine.form(), chosen: config.forms.clone() };
        let net = Net::for_training(config, Sizes::of(data, forms, machine.limit()), scale, shift);
        let state: u64 = net.lasting().iter().map(|id| id.bytes()).sum();
        memory::check(&net.plan, machine.room(), 0, copies * state)?;
        let model =
            Mlp::new(&config.widths(data.inputs(), data.classes), config.activation(), config.init, config.seed);
        tracing::debug!(steps = net.plan.steps.len(), "plan and first weights made");
        let engine = machine.engine(&net.plan).await?;
        tracing::debug!("engine made");
        Ok(Self::new(config.clone(), data, net, &model, engine))
    }

    /// Puts data, first weights and optimizer state on the engine, which must have been made for `net.plan`.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub fn new(config: Config, data: &'a DataSet, net: Net, model: &Mlp, mut engine: Box<dyn Engine>) -> Self {
        let (feed, test_feed) = prepare(engine.as_mut(), &net, model, data);
        let base = Base { step: 0, tensors: first_values(&net, model) };
        let validation = net.validation.as_ref().zip(data.validation.as_ref());
        let validation_feed = validation.map(|(part, split)| Feed::new(part.source, split, engine.as_mut()));
        Trainer {
            config,
            data,
            net,
            engine,
            feed,
            test_feed,
            validation_feed,
            step: 0,
            score: Score::default(),
            lr_factor: 1.0,
            order: None,
            pace: Pace::new(),
            base,
            based: Some(Instant::now()),
            watched: None,
            measured: None,
            recalled: None,
        }
    }

    /// Puts a model's weights in place of the first ones.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model's layers are not those of this net.
    pub fn begin_with(&mut self, model: &Mlp) -> Result<(), Error> {
        let (widths, wanted) = (model.widths(), self.widths());
        if !model.has(&wanted) {
            return Err(Error::Setting(format!(
                "the model to begin with is {widths:?}, but the data set {} asks for {wanted:?}",
                self.data.name
            )));
        }
        load_parameters(self.engine.as_mut(), &self.net.layers, model);
        self.base = Base { step: 0, tensors: first_values(&self.net, model) };
        Ok(())
    }

    /// Widths of the net, input first and classes last.
    pub fn widths(&self) -> Vec<usize> {
        self.config.widths(self.data.inputs(), self.data.classes)
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What is trained on, and what scores it.
    pub fn data(&self) -> &'a DataSet {
        self.data
    }

    /// The plan that is trained.
    pub fn net(&self) -> &Net {
        &self.net
    }

    /// Bytes that the device has given out, see [`Engine::allocated`].
    pub fn allocated(&self) -> Option<u64> {
        self.engine.allocated()
    }

    /// Updates made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Score of the epoch that the last update belongs to, up to there, each batch scored before it was learned from.
    pub fn score(&self) -> Score {
        self.score
    }

    /// Updates of an epoch.
    pub fn updates_per_epoch(&self) -> u64 {
        let batch = self.config.batch(self.data.train.len());
        self.data.train.len().div_ceil(batch) as u64
    }

    /// Multiplies the learning rates that the schedule gives from here on.
    pub fn set_lr_factor(&mut self, factor: f64) {
        if factor != self.lr_factor {
            // What was trained with the old factor cannot be repeated with the new one.
            self.based = None;
        }
        self.lr_factor = factor;
    }

    /// Learning rate and momentum (for Adam β₁) of an update, from 0.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub fn rates(&self, step: u64) -> (f32, f32) {
        let training = self.net.training.as_ref().expect("a net made for training");
        self.steps(&self.config, training).rates(step)
    }

    /// Goes on from after update `step` as if it had just been made; `score` is that of its epoch so far. Weights and
    /// optimizer state are those of [`Trainer::restore`], or as they are.
    pub fn seek(&mut self, step: u64, score: Score) {
        (self.step, self.score, self.order) = (step, score, None);
        (self.measured, self.recalled, self.based) = (None, None, None);
    }

    /// Takes over what [`Trainer::health`] said when the place was left that [`Trainer::seek`] has gone to.
    pub(crate) fn recall(&mut self, health: Option<Vec<LayerHealth>>) {
        self.recalled = health;
    }

    fn steps<'s>(&self, config: &'s Config, training: &'s crate::net::Training) -> Steps<'s> {
        Steps { config, training, samples: self.data.train.len(), lr_factor: self.lr_factor }
    }

    /// Trains to the end of the epoch: every sample once, in an order drawn for it. `watch` hears of the score so far.
    ///
    /// # Errors
    /// As [`Trainer::advance`].
    pub async fn epoch(&mut self, watch: &mut dyn FnMut(&Score)) -> Result<Epoch, Error> {
        let begin = Instant::now();
        let mut go_on = |score: &Score| {
            watch(score);
            ControlFlow::Continue(())
        };
        self.advance(u64::MAX, &mut go_on).await?;
        let number = self.step.div_ceil(self.updates_per_epoch()) as usize;
        Ok(Epoch { number, train: self.score, time: begin.elapsed() })
    }

    /// Trains until the epoch ends, until `until` updates have been made over the run, or until `watch` asks for a pause,
    /// whichever comes first. When it returns all work is settled: every loss has been looked at, and weights, optimizer
    /// state, [`Trainer::step`] and [`Trainer::score`] belong together.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a loss or a parameter is not finite.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub async fn advance(&mut self, until: u64, watch: Watch<'_>) -> Result<(), Error> {
        let training = self.net.training.clone().expect("a net made for training");
        let config = self.config.clone();
        let steps = self.steps(&config, &training);
        let (batch, samples, per_epoch) = (steps.batch(), steps.samples, steps.per_epoch());
        let epoch = self.step / per_epoch;
        let order = self.order_of(epoch);
        if self.step == epoch * per_epoch {
            self.score = Score::default();
            self.recalled = None;
        }

        if self.based_long_ago() {
            self.rebase().await?;
        }
        let rows_an_update = training.tally_words(0..batch.div_ceil(training.micro)).len() / training.tally.stride();
        // Only the last batch of an epoch is a partial one.
        let slots = (self.step - epoch * per_epoch) as usize * batch.div_ceil(training.micro);
        let mut chunk = Chunk { first_step: self.step, slots, sent: slots, ..Chunk::default() };
        let mut waiting = VecDeque::new();
        let mut flow = ControlFlow::Continue(());
        self.pace.start();
        while flow.is_continue() && self.step < until.min((epoch + 1) * per_epoch) {
            let first = (self.step - epoch * per_epoch) as usize * batch;
            if self.feed.needs_load(first) {
                // A window may be overwritten only when the steps that use it have been accepted.
                self.send(&mut chunk, &mut waiting).await?;
                self.feed.load(first, &self.data.train, &order, self.engine.as_mut());
            }
            steps.push(&self.feed, self.step, first, &mut chunk.slots, &mut chunk.work);
            self.measured = steps.measured(epoch).filter(|&step| step == self.step).or(self.measured);
            chunk.samples += batch.min(samples - first);
            self.step += 1;
            if chunk.work.len() >= self.pace.steps {
                self.send(&mut chunk, &mut waiting).await?;
                // One record is read while the next chunk runs, so that the engine never waits for the host.
                while waiting.len() > 1 && flow.is_continue() {
                    flow = self.settle(&mut waiting, rows_an_update, watch).await?;
                }
                if self.based_long_ago() {
                    let settled = self.settle_all(&mut waiting, rows_an_update, watch).await?;
                    flow = if flow.is_break() { flow } else { settled };
                    self.rebase().await?;
                }
                self.pace.adapt();
            }
        }
        self.send(&mut chunk, &mut waiting).await?;
        let _paused_already = self.settle_all(&mut waiting, rows_an_update, watch).await?;
        Ok(())
    }

    /// The order of an epoch (from 0), drawn and given to the feed unless it has it.
    fn order_of(&mut self, epoch: u64) -> Arc<[u32]> {
        if let Some((of, order)) = &self.order
            && *of == epoch
        {
            return order.clone();
        }
        let order: Arc<[u32]> = shuffled(self.data.train.len(), self.config.seed, epoch).into();
        self.feed.begin(&order, self.engine.as_mut());
        self.order = Some((epoch, order.clone()));
        order
    }

    /// Scores the test split with the weights as they are, or with their averages if there are any.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn evaluate(&mut self) -> Result<Score, Error> {
        evaluate(self.engine.as_mut(), &self.net.evaluation, &mut self.test_feed, &self.data.test, None).await
    }

    /// Scores the validation split with the weights as they are, if there is one.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn validate(&mut self) -> Result<Option<Score>, Error> {
        let (part, split) = (self.net.validation.as_ref(), self.data.validation.as_ref());
        let (Some(part), Some(split), Some(feed)) = (part, split, self.validation_feed.as_mut()) else {
            return Ok(None);
        };
        evaluate(self.engine.as_mut(), part, feed, split, None).await.map(Some)
    }
}
