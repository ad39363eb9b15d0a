//! Small runs, to compare engines.

use super::feed::Feed;
use super::rates::Rates;
use super::steps::Steps;
use super::{input_map, prepare, shuffled};
use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::config::{ActivationName, BatchSize, Config, LossName, Optimizer, PlanKind};
use crate::data::{DataSet, Scaling, Split, Targets, digits};
use crate::engine::Engine;
use crate::kernels::Precision;
use crate::kernels::forms::Forms;
use crate::net::mlp::Mlp;
use crate::net::{Net, Sizes, exact, standardises};
use crate::plan::Work;
use rand::RngExt;

/// A small run.
#[derive(Clone, Debug)]
pub struct Run {
    /// Name, for messages.
    pub name: &'static str,
    /// Settings.
    pub config: Config,
    /// Data, ready for a net.
    pub data: DataSet,
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
    /// Small runs. Their first epochs together use every kernel, partial batches, and batches of several micro-batches. Each run
    /// on digits has a plain plan and, if possible, a fused one.
    ///
    /// # Errors
    /// [`Error::Data`] if a data set is inconsistent, which would be a bug.
    pub fn runs() -> Result<Vec<Run>, Error> {
        // There is only one epoch, and health is measured in the last one.
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
        let integers = Config {
            precision: Precision::Int8,
            optimizer: Optimizer::Nesterov,
            momentum: 0.9,
            keep_prob: 0.8,
            input_keep_prob: 0.9,
            ..small.clone()
        };
        let cut_integers = Config { physical_batch: 16, optimizer: Optimizer::Sgd, momentum: 0.0, ..integers.clone() };
        let gelu = Config { activation: ActivationName::Gelu, keep_prob: 0.8, ..small.clone() };
        let digits = digits::generate(&digits::Options { train: 120, test: 10, seed: 1 });
        let runs = [
            ("step: SGD", Config { l2: 1e-4, ..small.clone() }),
            ("step: momentum, cut", Config { physical_batch: 16, momentum: 0.9, ..small.clone() }),
            ("step: Nesterov", nesterov),
            ("step: Adam", adam),
            ("step: RMSprop", rmsprop),
            ("step: clipped", Config { clip_norm: 0.5, clip_value: 0.01, ..small }),
            ("step: AdamW, one layer", adamw),
            ("step: GELU, dropout", gelu),
            ("step: integers, cut", cut_integers),
            ("step: integers, Nesterov", integers),
        ];
        let plans = |(name, fused): (&'static str, Config)| {
            let plain = Config { plan: PlanKind::Plain, ..fused.clone() };
            let fused = fused.plain_because(usize::MAX).is_none().then_some(("  the same, fused", fused));
            [(name, plain)].into_iter().chain(fused)
        };
        let with_digits = |(name, config)| Run { name, config, data: digits.clone() };
        let mut runs: Vec<Run> = runs.into_iter().flat_map(plans).map(with_digits).collect();
        runs.extend(Trial::tables()?);
        Ok(runs)
    }

    /// The small runs on tables of floats: one for each loss, some with weights.
    ///
    /// # Errors
    /// As [`Trial::runs`].
    pub fn tables() -> Result<Vec<Run>, Error> {
        let small = Config { hidden: vec![20], batch_size: BatchSize::Samples(50), epochs: 1, ..Config::default() };
        let of = |loss: LossName| Config { loss, ..small.clone() };
        let adam = Config { optimizer: Optimizer::Adam, ..of(LossName::Poisson) };
        let dropped = Config { input_keep_prob: 0.9, ..of(LossName::Bce) };
        let runs = [
            ("step: MSE, weights, cut", Config { physical_batch: 16, ..of(LossName::Mse) }, true),
            ("step: MAE", of(LossName::Mae), false),
            ("step: Huber", of(LossName::Huber), false),
            ("step: Poisson, Adam", adam, false),
            ("step: labels, dropout", dropped, false),
            ("step: classes, weights", of(LossName::CrossEntropy), true),
            ("step: integers", Config { precision: Precision::Int8, ..of(LossName::CrossEntropy) }, false),
        ];
        let with_table = |(name, config, weighted): (&'static str, Config, bool)| {
            let data = table(config.loss, weighted)?.encoded(Scaling::Standard, standardises(&config))?;
            Ok(Run { name, config, data })
        };
        runs.into_iter().map(with_table).collect()
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
            let order = shuffled(train, config.shuffle_seed(), 0);
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
        feed.begin(&shuffled(data.train.len(), config.shuffle_seed(), 0), engine);
        if let Some(training) = &self.net.training {
            // A run writes only part of the record. The rest must not be poison, because whole tensors are compared.
            engine.write(training.tally, 0, &vec![0; training.tally.words()]);
        }
    }
}

/// A table of 120 training and 10 test rows of 7 random numbers, with random targets that suit the loss.
fn table(loss: LossName, weighted: bool) -> Result<DataSet, Error> {
    let split = |rows: usize, number: u64| {
        let mut random = host(1, Stream::Init, number);
        let samples: Vec<f32> = (0..7 * rows).map(|_| random.random_range(-2.0..5.0)).collect();
        let targets = match loss {
            LossName::Bce => {
                let values = (0..3 * rows).map(|_| f32::from(u8::from(random.random_bool(0.3)))).collect();
                Targets::Labels { width: 3, values }
            }
            LossName::Poisson => {
                Targets::Values { width: 1, values: (0..rows).map(|_| random.random_range(0..6) as f32).collect() }
            }
            LossName::Auto | LossName::CrossEntropy => (0..rows as u32).map(|row| row % 4).collect::<Vec<u32>>().into(),
            LossName::Mse | LossName::Mae | LossName::Huber => {
                Targets::Values { width: 2, values: (0..2 * rows).map(|_| random.random_range(-9.0..40.0)).collect() }
            }
        };
        let weights = weighted.then(|| (0..rows).map(|row| (row % 5) as f32 / 2.0).collect());
        Split { weights, ..Split::new(samples, targets) }
    };
    DataSet::from_splits("table", vec![7], split(120, 0), split(10, 1))
}
