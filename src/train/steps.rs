//! The work of an update: batches, micro-batches, and the values of each step.

use crate::base::error::Error;
use crate::config::{ActivationName, BatchSize, Config, HealthName, Optimizer, PlanKind};
use crate::data::DataSet;
use crate::engine::Engine;
use crate::kernels::forms::Forms;
use crate::net::mlp::Mlp;
use crate::net::{Net, Sizes, Training, exact};
use crate::plan::Work;
use crate::plan::kernel::StepValues;
use crate::train::feed::Feed;
use crate::train::rates::{Rate, Rates};
use crate::train::{input_map, prepare, shuffled};

/// Minimum updates between later health measurements, unless health is shown. A measurement takes about as long as an update,
/// so this keeps its cost near 1 %.
const MEASURED_EVERY: u64 = 100;

/// Updates that are measured early, so that a short run has a record too.
const MEASURED_EARLY: [u64; 2] = [1, 10];

/// The steps of an epoch.
#[derive(Clone, Copy, Debug)]
pub struct Steps<'a> {
    /// Settings of the run.
    pub config: &'a Config,
    /// The part of the plan that trains.
    pub training: &'a Training,
    /// Samples of the training split.
    pub samples: usize,
    /// Their weights, if they have any.
    pub weights: Option<&'a [f32]>,
    /// Learning rate and momentum of each update.
    pub rates: &'a Rates,
}

impl Steps<'_> {
    /// Samples per update; the last one of an epoch may have fewer.
    pub fn batch(&self) -> usize {
        self.config.batch(self.samples)
    }

    /// Updates per epoch; the last one may have a partial batch.
    pub fn per_epoch(&self) -> u64 {
        self.config.updates_per_epoch(self.samples)
    }

    /// Returns the update of `epoch` (both from 0) in which health is measured, if any. It is the one in the middle: it
    /// has a whole batch and a typical learning rate, while a schedule may lower the last rate to zero.
    pub fn measured(&self, epoch: u64) -> Option<u64> {
        self.training.health.as_ref()?;
        let due = (epoch + 1).is_multiple_of(MEASURED_EVERY.div_ceil(self.per_epoch()));
        let wanted = self.config.health == HealthName::Show;
        let last = epoch + 1 == self.config.epochs as u64;
        let early = MEASURED_EARLY.iter().any(|update| (update - 1) / self.per_epoch() == epoch);
        (due || early || wanted || last).then_some(epoch * self.per_epoch() + (self.per_epoch() - 1) / 2)
    }

    /// Appends the work of update `step` (from 0, over the whole run). Its batch starts at position `first` of `order`, the
    /// order of its epoch. Each micro-batch takes the next `slot` of the record.
    pub fn push(&self, feed: &Feed, step: u64, order: &[u32], first: usize, slot: &mut usize, work: &mut Vec<Work>) {
        let Training { micro, gradients, update, health, .. } = self.training;
        let measured = self.measured(step / self.per_epoch()) == Some(step);
        let health = health.as_ref().filter(|_| measured);
        let rows = self.batch().min(self.samples - first);
        let whole = self.values(step, rows, self.total(&order[first..first + rows]));
        for start in (0..rows).step_by(*micro) {
            let now = StepValues {
                cursor: feed.cursor(first + start),
                rows: (*micro).min(rows - start) as u32,
                first: start as u32,
                slot: *slot as u32,
                accumulate: u32::from(start > 0),
                ..whole
            };
            *slot += 1;
            let last = start + micro >= rows;
            if start == 0 && last && health.is_none() {
                // The usual case: one micro-batch, gradients and update together.
                work.push((gradients.start..update.end, now));
                continue;
            }
            work.push((gradients.clone(), now));
            if !last {
                continue;
            }
            work.extend(health.map(|health| (health.before.clone(), StepValues { step: 0, ..now })));
            work.push((update.clone(), now));
            work.extend(health.map(|health| (health.after.clone(), now)));
        }
    }

    /// The sum of the weights of these samples, or their number: the divisor of the mean. A batch whose weights are all 0 has a
    /// gradient of 0, so any divisor but 0 is right for it.
    fn total(&self, samples: &[u32]) -> f32 {
        let Some(weights) = self.weights else { return samples.len() as f32 };
        let sum: f64 = samples.iter().map(|&sample| f64::from(weights[sample as usize])).sum();
        if sum > 0.0 { sum as f32 } else { 1.0 }
    }

    /// The values that all micro-batches of an update share.
    fn values(&self, step: u64, rows: usize, total: f32) -> StepValues {
        let Rate { lr, momentum } = self.rates.at(step);
        // Beyond 2³¹ updates a power of β is zero in any case.
        let update = i32::try_from(step + 1).unwrap_or(i32::MAX);
        StepValues {
            batch: rows as u32,
            total,
            step: step as u32,
            lr,
            momentum,
            // If β₁ changes, the current value is raised to the power, as in PyTorch.
            bias1: (1.0 - f64::from(momentum).powi(update)) as f32,
            bias2: (1.0 - f64::from(self.config.beta2).powi(update)) as f32,
            ..StepValues::default()
        }
    }
}

/// The first epoch of a run as a list of work, to compare engines.
pub struct Trial {
    /// The net.
    pub net: Net,
    /// Initial weights of the net.
    pub model: Mlp,
    /// The work of the epoch.
    pub work: Vec<Work>,
}

impl Trial {
    /// Returns small runs with names. Their first epochs together use every kernel, partial batches, and batches of
    /// several micro-batches. They need at least 100 samples. Each run has a plain plan and, if possible, a fused one.
    pub fn configs() -> Vec<(&'static str, Config)> {
        // Health is measured in the last epoch, which is this one.
        let small = Config { hidden: vec![65, 34], batch_size: BatchSize::Samples(50), epochs: 1, ..Config::default() };
        let nesterov = Config {
            optimizer: Optimizer::Nesterov,
            momentum: 0.9,
            activation: ActivationName::Tanh,
            keep_prob: 0.8,
            input_keep_prob: 0.9,
            ..small.clone()
        };
        let adam = Config { optimizer: Optimizer::Adam, activation: ActivationName::LeakyRelu, ..small.clone() };
        let rmsprop =
            Config { optimizer: Optimizer::Rmsprop, momentum: 0.5, ema: 0.9, label_smoothing: 0.1, ..small.clone() };
        let adamw = Config {
            optimizer: Optimizer::Adamw,
            l2: 0.01,
            activation: ActivationName::Sigmoid,
            hidden: vec![],
            ..small.clone()
        };
        let gelu = Config { activation: ActivationName::Gelu, keep_prob: 0.8, ..small.clone() };
        let runs = [
            ("step: SGD", Config { l2: 1e-4, ..small.clone() }),
            ("step: momentum, cut", Config { physical_batch: 16, momentum: 0.9, ..small.clone() }),
            ("step: Nesterov", nesterov),
            ("step: Adam", adam),
            ("step: RMSprop", rmsprop),
            ("step: clipped", Config { clip_norm: 0.5, clip_value: 0.01, ..small }),
            ("step: AdamW, one layer", adamw),
            ("step: GELU, dropout", gelu),
        ];
        let plans = |(name, fused): (&'static str, Config)| {
            let plain = Config { plan: PlanKind::Plain, ..fused.clone() };
            let fused = fused.plain_because(usize::MAX).is_none().then_some(("  the same, fused", fused));
            [(name, plain)].into_iter().chain(fused)
        };
        runs.into_iter().flat_map(plans).collect()
    }

    /// Lists the first epoch of a run with resident data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the settings do not suit the task of the data.
    pub fn new(config: &Config, data: &DataSet, forms: impl Into<Forms>) -> Result<Trial, Error> {
        let inputs = input_map(&config.normalize, &data.train.samples);
        let train = data.train.len();
        let sizes = Sizes::of(config, data, forms, u64::MAX)?;
        exact::check(config, &sizes, &inputs)?;
        let net = Net::for_training(config, sizes, &inputs);
        let model =
            Mlp::new(&config.widths(data.inputs(), data.outputs()), config.activation(), config.init, config.seed);
        let mut work = Vec::new();
        if let Some(training) = &net.training {
            let rates = Rates::new(config, train);
            let weights = data.train.weights.as_deref();
            let steps = Steps { config, training, samples: train, weights, rates: &rates };
            let feed = Feed::resident(training.source);
            let order = shuffled(train, config.seed, 0);
            let mut slot = 0;
            for (step, first) in (0..train).step_by(steps.batch()).enumerate() {
                steps.push(&feed, step as u64, &order, first, &mut slot, &mut work);
            }
        }
        Ok(Trial { net, model, work })
    }

    /// Writes data, weights and state to an engine that was made for `net.plan`.
    pub fn start(&self, config: &Config, data: &DataSet, engine: &mut dyn Engine) {
        let (mut feed, _) = prepare(engine, &self.net, &self.model, data);
        feed.begin(&shuffled(data.train.len(), config.seed, 0), engine);
        if let Some(training) = &self.net.training {
            // A run writes only part of the record. The rest must not be poison, because whole tensors are compared.
            engine.write(training.tally, 0, &vec![0; training.tally.words()]);
        }
    }
}
