//! A net on an engine, with its data: it can run any update of the run.

use super::exchange::{Alone, share};
use super::rates::Rates;
use super::steps::Steps;
use super::tensors::Values;
use super::{feed::Feed, shuffled};
use crate::base::error::{Error, Origin};
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::Engine;
use crate::kernels::fixed::{MOST, used};
use crate::net::mlp::{Layer, Mlp};
use crate::net::{Net, Training};
use crate::plan::Work;
use crate::plan::kernel::StepValues;
use crate::plan::tensor::{DType, TensorId};
use std::sync::Arc;

/// What is trained: settings, data, plan and rates.
pub(super) struct Job<'a> {
    pub config: Config,
    pub data: &'a DataSet,
    pub net: Net,
    pub rates: Rates,
}

impl Job<'_> {
    /// The part of the plan that trains.
    ///
    /// # Panics
    /// If the net was not made for training.
    pub fn training(&self) -> &Training {
        self.net.training.as_ref().expect("a net made for training")
    }

    /// The steps of an epoch.
    pub fn steps(&self) -> Steps<'_> {
        let train = &self.data.train;
        let weights = train.weights.as_deref();
        Steps { config: &self.config, training: self.training(), samples: train.len(), weights, rates: &self.rates }
    }

    /// Whether the gradients of shards are added up on the host. Integers give the same bits without that.
    pub fn is_cut(&self) -> bool {
        self.config.shards.is_some() && self.net.levels.is_none()
    }

    pub fn per_epoch(&self) -> u64 {
        self.config.updates_per_epoch(self.data.train.len())
    }

    /// Where the batch of update `step` (from 0) starts in the order of its epoch.
    pub fn first(&self, step: u64) -> usize {
        (step % self.per_epoch()) as usize * self.config.batch(self.data.train.len())
    }
}

/// Runs updates. The caller decides which update comes next.
pub(super) struct Executor<'a> {
    pub job: Job<'a>,
    pub engine: Box<dyn Engine>,
    feed: Feed,
    /// The process that this is, and the number of processes. Only its share of a streamed batch is uploaded.
    pub holder: (usize, usize),
    /// The order of samples in the feed, and its epoch (from 0).
    order: Option<(u64, Arc<[u32]>)>,
}

impl<'a> Executor<'a> {
    pub fn new(job: Job<'a>, engine: Box<dyn Engine>, feed: Feed) -> Self {
        Executor { job, engine, feed, holder: (0, 1), order: None }
    }

    /// Forgets which samples the device holds, so that the next update can be any.
    pub fn forget_order(&mut self) {
        self.order = None;
    }

    /// Writes the order of an epoch (from 0) to the feed, unless the feed has it already.
    pub fn begin(&mut self, epoch: u64) {
        if self.order.as_ref().is_none_or(|(of, _)| *of != epoch) {
            let order: Arc<[u32]> = shuffled(self.job.data.train.len(), self.job.config.shuffle_seed(), epoch).into();
            self.feed.begin(&order, self.engine.as_mut());
            self.order = Some((epoch, order));
        }
    }

    /// Whether samples must be uploaded before update `step`, whose epoch has begun.
    pub fn needs_load(&self, step: u64) -> bool {
        self.feed.needs_load(self.job.first(step))
    }

    /// Uploads the samples of update `step`, whose epoch has begun.
    pub fn load(&mut self, step: u64) {
        let (_, order) = self.order.as_ref().expect("an epoch that has begun");
        let (position, split) = (self.job.first(step), &self.job.data.train);
        let (batch, micro) = (self.job.steps().batch(), self.job.training().micro);
        let (window, (rank, size)) = (self.feed.window(position), self.holder);
        let mine = |first: usize| {
            let rows = batch.min(window.end - first);
            let shards = share(rows.div_ceil(micro), rank, size);
            first + shards.start * micro..first + rows.min(shards.end * micro)
        };
        let parts: Vec<_> = match size {
            1 => vec![window],
            _ => window.clone().step_by(batch).map(mine).filter(|part| !part.is_empty()).collect(),
        };
        self.feed.load_parts(position, &parts, split, order, self.engine.as_mut());
    }

    /// The sum of the weights of update `step`, whose epoch has begun; `None` if samples have no weights.
    pub fn weight(&self, step: u64) -> Option<f64> {
        let (_, order) = self.order.as_ref().expect("an epoch that has begun");
        let steps = self.job.steps();
        let first = self.job.first(step);
        steps.weight(&order[first..order.len().min(first + steps.batch())])
    }

    /// Appends the work of update `step`, whose samples are loaded. Each micro-batch takes the next `slot` of the
    /// record.
    pub fn push(&self, step: u64, slot: &mut usize, work: &mut Vec<Work>) {
        let (_, order) = self.order.as_ref().expect("an epoch that has begun");
        self.job.steps().push(&self.feed, step, order, self.job.first(step), slot, work);
    }

    /// The values of each micro-batch of update `step`, whose samples are loaded.
    pub fn micro_batches(&self, step: u64) -> Vec<StepValues> {
        let (_, order) = self.order.as_ref().expect("an epoch that has begun");
        let steps = self.job.steps();
        let slot = (step % self.job.per_epoch()) as usize * steps.batch().div_ceil(self.job.training().micro);
        steps.micro_batches(&self.feed, step, order, self.job.first(step), slot)
    }

    /// Loads the samples of one update.
    fn prepare(&mut self, step: u64) {
        self.begin(step / self.job.per_epoch());
        if self.needs_load(step) {
            self.load(step);
        }
    }

    /// Makes update `step` again, on this process alone.
    pub async fn repeat(&mut self, step: u64) -> Result<(), Error> {
        if self.job.is_cut() {
            self.prepare(step);
            return self.update(step, 0, &mut Alone).await.map(drop);
        }
        let work = self.work(step);
        self.engine.run(&work).await
    }

    /// Loads the samples of one update, and returns its work.
    pub fn work(&mut self, step: u64) -> Vec<Work> {
        self.prepare(step);
        let mut work = Vec::new();
        self.push(step, &mut 0, &mut work);
        work
    }

    /// Whether all parameters are finite, and small enough to be squared, as computed on the device.
    pub async fn finite(&mut self) -> Result<bool, Error> {
        let check = &self.job.training().finite;
        if check.steps.is_empty() {
            return Ok(true);
        }
        self.engine.run(&[(check.steps.clone(), StepValues::default())]).await?;
        let totals = self.engine.read(check.totals, 0..check.totals.words()).await?;
        Ok(all_finite(&totals))
    }

    /// Returns the first value of the lasting tensors that is not finite, if any. The next update is `step` (from 1).
    pub async fn first_not_finite(&mut self, step: u64) -> Result<Option<Origin>, Error> {
        for id in self.job.net.lasting() {
            let origin = self.not_finite_in(id, &[], step, None).await?;
            if origin.is_some() {
                return Ok(origin);
            }
        }
        Ok(None)
    }

    /// Returns the first value of a tensor that is not finite. `before`: the earlier values, if known; a value that was
    /// already bad in them does not count.
    pub async fn not_finite_in(
        &mut self,
        id: TensorId,
        before: &[u32],
        step: u64,
        kernel: Option<&'static str>,
    ) -> Result<Option<Origin>, Error> {
        if id.dtype != DType::F32 {
            return Ok(None);
        }
        let bad = |word: &u32| !f32::from_bits(*word).is_finite();
        let words = self.engine.read(id, 0..id.words()).await?;
        let found = words.iter().enumerate().position(|(at, word)| bad(word) && !before.get(at).is_some_and(bad));
        let Net { plan, layers, .. } = &self.job.net;
        Ok(found.map(|at| Origin::Tensor {
            tensor: format!("{}{}", plan.name(id), id.shape()),
            // A tensor without a layer is written after the last layer, so it is counted as part of that.
            layer: plan.role(id).layer().unwrap_or(layers.len()),
            place: (at / id.stride(), at % id.stride()),
            value: f32::from_bits(words[at]),
            step,
            kernel,
        }))
    }

    /// Returns the model with the current weights, or with their averages if there are any.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        let mut layers = Vec::new();
        for at in 0..self.job.net.layers.len() {
            let [w, b] = self.job.net.layers[at].evaluated();
            let grid = self.job.net.layers[at].grid;
            let weight = self.parameter(w, grid.map(|[bits, _]| (bits, MOST))).await?;
            let bias = self.parameter(b, grid.map(|[_, bits]| (bits, i32::MAX))).await?;
            layers.push(Layer { inputs: w.cols, outputs: w.rows, weight, bias });
        }
        Ok(Mlp { activation: self.job.config.activation(), layers })
    }

    /// Returns the lasting tensors: weights, biases, optimizer state, averages.
    pub async fn values(&mut self) -> Result<Vec<Values>, Error> {
        let mut tensors = Vec::new();
        for id in self.job.net.lasting() {
            let words = self.engine.read(id, 0..id.words()).await?;
            tensors.push(Values::new(&self.job.net, id, &words));
        }
        Ok(tensors)
    }

    /// Writes the lasting tensors.
    ///
    /// # Errors
    /// [`Error::Setting`] if they are not exactly the tensors of this net; nothing is written then.
    pub fn restore(&mut self, tensors: &[Values]) -> Result<(), Error> {
        let Net { plan, .. } = &self.job.net;
        let ids = self.job.net.lasting();
        let text = |name: &str, rows: usize, cols: usize, integers: bool| {
            format!("{name} ({rows},{cols}) {}", if integers { "i32" } else { "f32" })
        };
        let wanted = |id: &TensorId| text(plan.name(*id), id.rows, id.cols, id.dtype != DType::F32);
        let given = |values: &Values| text(&values.name, values.rows, values.cols, values.integers);
        let same =
            |(id, values): (&TensorId, &Values)| given(values) == wanted(id) && values.words.len() == id.rows * id.cols;
        if ids.len() != tensors.len() || !ids.iter().zip(tensors).all(same) {
            let list = |all: Vec<String>| all.join(", ");
            let (wanted, given) = (list(ids.iter().map(wanted).collect()), list(tensors.iter().map(given).collect()));
            return Err(Error::Setting(format!("the net has the tensors {wanted}, but was given {given}")));
        }
        for (id, values) in ids.iter().zip(tensors) {
            self.engine.write(*id, 0, &id.pad(&values.words));
        }
        Ok(())
    }

    /// Reads weights or biases. `grid`: the fractional bits and the largest magnitude that the products of an integer plan
    /// use. Values are rounded to them, so the saved model predicts the same bits as the run.
    async fn parameter(&mut self, id: TensorId, grid: Option<(u8, i32)>) -> Result<Vec<f32>, Error> {
        let words = self.engine.read(id, 0..id.words()).await?;
        Ok(match grid {
            Some((bits, most)) => used(&id.unpad(&words), bits, most),
            None => id.unpack(&words),
        })
    }
}

/// Whether all of these values are finite.
pub(super) fn all_finite(words: &[u32]) -> bool {
    words.iter().all(|&word| f32::from_bits(word).is_finite())
}
