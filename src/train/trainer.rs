//! A net in training: position, score and parameters.

use super::chunk::Pace;
use super::evaluate::{evaluate, evaluate_finite, evaluate_shared};
use super::exchange::{Alone, Metered};
use super::executor::{Executor, Job};
use super::feed::Feed;
use super::health::{self, LayerHealth, Limited};
use super::rates::{Rate, Rates};
use super::replay::ReplayStart;
use super::tensors::first_values;
use super::updates::{Sampler, UpdateLoss};
use super::{Score, Values, input_map, load_parameters, prepare};
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::config::{Config, OnNan};
use crate::data::DataSet;
use crate::engine::Engine;
use crate::engine::gpu::Group;
use crate::engine::machine::Machine;
use crate::engine::memory;
use crate::kernels::forms::Forms;
use crate::net::mlp::Mlp;
use crate::net::{Net, Sizes, exact, with_loss};

/// A net in training: data, weights and optimizer state on an engine, and the number of updates made.
///
/// Everything else that an update needs (the order of its epoch, its learning rate, its dropout masks) is a function of
/// the settings and of the update's number, so training can resume at any update.
pub struct Trainer<'a> {
    pub(super) on: Executor<'a>,
    /// The processes that train together.
    pub(super) exchange: Metered,
    test_feed: Feed,
    validation_feed: Option<Feed>,
    /// Updates made.
    pub(super) step: u64,
    /// Score of the epoch that the last update belongs to, up to that update.
    pub(super) score: Score,
    pub(super) pace: Pace,
    /// Where a replay starts.
    pub(super) replay_start: ReplayStart,
    /// When the parameters were last checked.
    pub(super) finite_checked: Option<Instant>,
    /// The update whose health was measured last.
    pub(super) measured: Option<u64>,
    /// Losses of the updates of the last call of [`Trainer::advance`].
    pub(super) sampler: Sampler,
    /// Health measured before a resume, in the epoch that the last update belongs to.
    pub(super) recalled: Option<Vec<LayerHealth>>,
}

/// The net and the plan of a run on a machine.
///
/// # Errors
/// [`Error::Setting`] if the settings cannot be used with this data.
pub(crate) fn net(config: &Config, data: &DataSet, machine: &Machine) -> Result<Net, Error> {
    config.check(data.train.len())?;
    if !data.is_ready() {
        return Err(Error::Setting(
            "the samples are raw numbers: call `train::divide(&config, data)` first, which encodes them".into(),
        ));
    }
    let inputs = input_map(&config.normalize, &data.train.samples);
    let forms = Forms { default: machine.form(), chosen: config.forms.clone() };
    let sizes = Sizes::of(config, data, forms, machine.limit())?;
    exact::check(config, &sizes, &inputs)?;
    Ok(Net::for_training(config, sizes, &inputs))
}

impl<'a> Trainer<'a> {
    /// Sets up training on a machine: plan, initial weights, memory, data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings cannot be used with this data, [`Error::TooLarge`] if the plan does not fit.
    pub async fn open(config: &Config, data: &'a DataSet, machine: &Machine) -> Result<Self, Error> {
        // The copy is the state that a replay starts from.
        Self::open_in(config, data, machine, None, 1).await
    }

    /// As [`Trainer::open`], as a model of a group if there is one (see [`super::fleet`]), and with room on the host for this
    /// many copies of the lasting tensors; the start of a replay is one.
    ///
    /// # Errors
    /// Also those of [`Group::join`].
    pub async fn open_in(
        config: &Config,
        data: &'a DataSet,
        machine: &Machine,
        group: Option<&Group>,
        copies: u64,
    ) -> Result<Self, Error> {
        let net = net(config, data, machine)?;
        let state: u64 = net.lasting().iter().map(|id| id.bytes()).sum();
        memory::check(&net.plan, machine.room(), 0, copies * state)?;
        let model =
            Mlp::new(&config.widths(data.inputs(), data.outputs()), config.activation(), config.init, config.seed);
        tracing::debug!(steps = net.plan.steps.len(), "plan and initial weights made");
        let engine = match group {
            Some(group) => group.join(&net.plan).await?,
            None => machine.engine(&net.plan).await?,
        };
        tracing::debug!("engine made");
        Ok(Self::new(config.clone(), data, net, &model, engine))
    }

    /// Writes data, initial weights and optimizer state to the engine, which must have been made for `net.plan`.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub fn new(config: Config, data: &'a DataSet, net: Net, model: &Mlp, mut engine: Box<dyn Engine>) -> Self {
        let (feed, test_feed) = prepare(engine.as_mut(), &net, model, data);
        let validation = net.validation.as_ref().zip(data.validation.as_ref());
        let validation_feed = validation.map(|(part, split)| Feed::new(part.source, split, engine.as_mut()));
        let replay_start = ReplayStart::new(0, first_values(&net, model));
        let config = with_loss(&config, &data.task).with_learning_rate(data.train.len());
        let rates = Rates::new(&config, data.train.len());
        Trainer {
            on: Executor::new(Job { config, data, net, rates }, engine, feed),
            exchange: Metered::new(Box::new(Alone)),
            test_feed,
            validation_feed,
            step: 0,
            score: Score::default(),
            pace: Pace::new(),
            replay_start,
            finite_checked: None,
            measured: None,
            sampler: Sampler::new(),
            recalled: None,
        }
    }

    /// Replaces the initial weights with those of a model.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model's layers are not those of this net.
    pub fn begin_with(&mut self, model: &Mlp) -> Result<(), Error> {
        let wanted = self.widths();
        if !model.has(&wanted) {
            return Err(Error::Setting(format!(
                "the model to start from has widths {:?}, but the data set {} needs {wanted:?}",
                model.widths(),
                self.data().name
            )));
        }
        load_parameters(self.on.engine.as_mut(), &self.on.job.net.layers, model);
        self.replay_start = ReplayStart::new(0, first_values(&self.on.job.net, model));
        Ok(())
    }

    /// Widths of the net, inputs first and classes last.
    pub fn widths(&self) -> Vec<usize> {
        self.config().widths(self.data().inputs(), self.data().outputs())
    }

    /// The settings.
    pub fn config(&self) -> &Config {
        &self.on.job.config
    }

    /// The data for training and scoring.
    pub fn data(&self) -> &'a DataSet {
        self.on.job.data
    }

    /// The plan.
    pub fn net(&self) -> &Net {
        &self.on.job.net
    }

    /// Bytes that the device has allocated, see [`Engine::allocated`].
    pub fn allocated(&self) -> Option<u64> {
        self.on.engine.allocated()
    }

    /// Updates made.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Score of the epoch that the last update belongs to, up to that update, each batch scored before its update.
    pub fn score(&self) -> Score {
        self.score
    }

    /// Takes the sampled losses of the last [`Trainer::advance`]. Their seconds count from `base` seconds before its start.
    pub fn take_updates(&mut self, base: f64) -> Vec<UpdateLoss> {
        self.sampler.points(base)
    }

    /// Updates per epoch.
    pub fn updates_per_epoch(&self) -> u64 {
        self.on.job.per_epoch()
    }

    /// The learning rate and the momentum of every update, with the plateau factor as it is now.
    pub fn rates(&self) -> &Rates {
        &self.on.job.rates
    }

    /// Learning rate and momentum (for Adam, β₁) of update `step`, from 0.
    pub fn rate(&self, step: u64) -> Rate {
        self.rates().at(step)
    }

    /// Changes the rates of later updates.
    pub(super) fn change_rates(&mut self, change: impl FnOnce(&mut Rates)) {
        let before = self.rates().clone();
        change(&mut self.on.job.rates);
        if before != self.on.job.rates {
            // Updates made with the old rates cannot be replayed with the new ones.
            self.replay_start.outdate();
        }
    }

    /// Sets the position: `step` updates made, with `score` for the epoch so far. Weights and optimizer state are not
    /// changed: see [`Trainer::restore`].
    pub fn seek(&mut self, step: u64, score: Score) {
        self.step = step;
        self.score = score;
        self.on.forget_order();
        self.replay_start.outdate();
        self.measured = None;
        self.recalled = None;
    }

    /// Sets the health that [`Trainer::health`] returned at this position before. Call it after [`Trainer::seek`].
    pub(crate) fn recall(&mut self, health: Option<Vec<LayerHealth>>) {
        self.recalled = health;
    }

    /// Returns the health per layer in the last measured update; `None` if no update of this epoch was measured.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn health(&mut self) -> Result<Option<Vec<LayerHealth>>, Error> {
        let per_epoch = self.updates_per_epoch();
        let epoch = self.step.saturating_sub(1) / per_epoch;
        if self.measured.is_none_or(|step| step / per_epoch != epoch) {
            return Ok(self.recalled.clone());
        }
        let Job { config, net, .. } = &self.on.job;
        let Some(id) = net.training.as_ref().and_then(|training| training.health.as_ref()).map(|health| health.values)
        else {
            return Ok(self.recalled.clone());
        };
        let values = id.unpack(&self.on.engine.read(id, 0..id.words()).await?);
        Ok(Some(health::layers(config, net, &values)))
    }

    /// For training in integers: the share of each layer's values that were limited since the start of the run; `None` for
    /// floats.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn limited(&mut self) -> Result<Option<Vec<Limited>>, Error> {
        let Some(id) = self.net().levels else { return Ok(None) };
        let levels = self.on.engine.read(id, 0..id.words()).await?;
        let (per_epoch, all) = (self.updates_per_epoch(), self.data().train.len() as u64);
        let rest = self.step % per_epoch * self.config().batch(all as usize) as u64;
        Ok(Some(Limited::of(self.net(), &levels, self.step, self.step / per_epoch * all + rest)))
    }

    /// Returns the model with the current weights, or with their averages if there are any.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a value is not finite.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        let model = self.on.model().await?;
        if !model.is_finite() {
            self.unless_ignored().await?;
        }
        Ok(model)
    }

    /// Writes a model's weights to the tensors that are evaluated. Training cannot continue afterwards.
    pub fn load(&mut self, model: &Mlp) {
        for (ids, layer) in self.on.job.net.layers.iter().zip(&model.layers) {
            let [w, b] = ids.evaluated();
            self.on.engine.write(w, 0, &w.pack(&layer.weight));
            self.on.engine.write(b, 0, &b.pack(&layer.bias));
        }
    }

    /// Returns the lasting tensors: weights, biases, optimizer state, averages; each with its name in the plan.
    ///
    /// # Errors
    /// If the device fails, or [`Error::Diverged`] if a value is not finite.
    pub async fn tensors(&mut self) -> Result<Vec<Values>, Error> {
        let tensors = self.on.values().await?;
        if !tensors.iter().all(Values::is_finite) {
            self.unless_ignored().await?;
        }
        Ok(tensors)
    }

    /// Writes tensors that [`Trainer::tensors`] returned.
    ///
    /// # Errors
    /// [`Error::Setting`] if they are not exactly the tensors of this net; nothing is written then.
    pub fn restore(&mut self, tensors: &[Values]) -> Result<(), Error> {
        self.on.restore(tensors)?;
        self.replay_start = ReplayStart::new(self.step, tensors.to_vec());
        Ok(())
    }

    /// Scores the test split with the current weights, or with their averages if there are any; `None` without a test split.
    ///
    /// # Errors
    /// If the device fails, or, unless the settings ignore it, [`Error::Diverged`] if a parameter is not finite, and
    /// [`Error::NotFinite`] if only the loss is not.
    pub async fn evaluate(&mut self) -> Result<Option<Score>, Error> {
        let Job { config, data, net, .. } = &self.on.job;
        if data.test.is_empty() {
            return Ok(None);
        }
        let (engine, feed, exchange) = (self.on.engine.as_mut(), &mut self.test_feed, &mut self.exchange);
        let score = match config.on_nan {
            OnNan::Ignore => evaluate_shared(engine, &net.evaluation, feed, &data.test, exchange).await,
            OnNan::Stop => evaluate_finite(engine, &net.evaluation, feed, &data.test, "test sample", exchange).await,
        };
        self.explained(score).await.map(Some)
    }

    /// As [`Trainer::evaluate`], for the validation split, if there is one.
    ///
    /// # Errors
    /// As [`Trainer::evaluate`].
    pub async fn validate(&mut self) -> Result<Option<Score>, Error> {
        let Job { config, data, net, .. } = &self.on.job;
        let (Some(part), Some(split), Some(feed)) = (&net.validation, &data.validation, self.validation_feed.as_mut())
        else {
            return Ok(None);
        };
        let (engine, exchange) = (self.on.engine.as_mut(), &mut self.exchange);
        let score = match config.on_nan {
            OnNan::Ignore => evaluate_shared(engine, part, feed, split, exchange).await,
            OnNan::Stop => evaluate_finite(engine, part, feed, split, "validation sample", exchange).await,
        };
        self.explained(score).await.map(Some)
    }

    /// Replaces the error about a loss by the error about a parameter that caused it, if there is one.
    async fn explained(&mut self, score: Result<Score, Error>) -> Result<Score, Error> {
        if let Err(Error::NotFinite { .. }) = &score {
            self.model().await?;
        }
        score
    }

    /// Returns the confusion matrix (C, C), row by row: the number of samples of a class (row) that are assigned to a
    /// class (column); empty if the targets are not classes, or if there is neither a validation nor a test split. Weights are those of [`Trainer::evaluate`]. Of equal logits the first counts. The samples are
    /// those of the validation split, or of the test split if there is no validation split: with a validation split,
    /// the test split is not used before the end.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn confusion(&mut self) -> Result<Vec<u64>, Error> {
        let Job { data, net, .. } = &self.on.job;
        let (part, split, feed) = match (&net.validation, &data.validation, self.validation_feed.as_mut()) {
            (Some(part), Some(split), Some(feed)) => (part, split, feed),
            _ => (&net.evaluation, &data.test, &mut self.test_feed),
        };
        if split.classes().is_empty() {
            return Ok(Vec::new());
        }
        let classes = data.outputs();
        let mut counts = vec![0; classes * classes];
        let mut count = |first: usize, logits: &[f32]| {
            for (row, &label) in logits.chunks_exact(classes).zip(&split.classes()[first..]) {
                let best = (1..classes).fold(0, |best, class| if row[class] > row[best] { class } else { best });
                counts[label as usize * classes + best] += 1;
            }
        };
        evaluate(self.on.engine.as_mut(), part, feed, split, Some(&mut count)).await?;
        Ok(counts)
    }
}
