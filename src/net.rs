//! From a configuration to a plan: which tensors a net needs, and which kernels one training step runs over them.

mod measure;

use crate::config::{Config, HealthName, Optimizer, PlanKind};
use crate::data::{DataSet, Split};
use crate::forms::{Forms, Product};
use crate::kernels::adam::Adam;
use crate::kernels::average::Average;
use crate::kernels::dropout::Dropout;
use crate::kernels::gather::Gather;
use crate::kernels::head::{self, Head};
use crate::kernels::linear::Linear;
use crate::kernels::linear_db::LinearDb;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::linear_dx::LinearDx;
use crate::kernels::momentum::Momentum;
use crate::kernels::rmsprop::Rmsprop;
use crate::kernels::sgd::Sgd;
use crate::kernels::softmax_xent::SoftmaxXent;
use crate::kernels::tally::Tally;
use crate::kernels::update::{Rule, Update};
use crate::kernels::{Activation, Form};
use crate::plan::Plan;
use crate::rng::{Stream, device_key};
use crate::tensor::{Id, Kind};
pub use measure::{Health, Watch};
use std::ops::Range;

/// Most samples that an evaluation computes at a time.
pub const EVAL_BATCH: usize = 1024;

/// What a plan is built for: the data's sizes, the engine's taste and its room.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Inputs I of a sample.
    pub inputs: usize,
    /// Number of classes C.
    pub classes: usize,
    /// Samples of the training split.
    pub train: usize,
    /// Samples of the validation split; 0 if there is none.
    pub validation: usize,
    /// Samples of the test split, or of the only split that is evaluated.
    pub test: usize,
    /// Forms of the matrix products.
    pub forms: Forms,
    /// Most bytes the engine can hold in one tensor.
    pub limit: u64,
}

impl Sizes {
    /// Sizes of a data set.
    pub fn of(data: &DataSet, forms: impl Into<Forms>, limit: u64) -> Sizes {
        let validation = data.validation.as_ref().map_or(0, Split::len);
        let (train, test) = (data.train.len(), data.test.len());
        Sizes { inputs: data.inputs(), classes: data.classes, train, validation, test, forms: forms.into(), limit }
    }
}

/// Where samples lie on the device, and how they are normalised.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Samples (N, I), bytes: the whole split, or two windows of it.
    pub pixels: Id,
    /// Classes (N).
    pub labels: Id,
    /// Which row comes when.
    pub order: Id,
    /// Samples of the split.
    pub samples: usize,
    /// Samples a window holds; equal to `samples` where the split is resident.
    pub window: usize,
    /// A byte p becomes p·scale + shift.
    pub scale: f32,
    /// See `scale`.
    pub shift: f32,
}

/// The tensors of a layer.
#[derive(Clone, Debug)]
pub struct LayerIds {
    /// Weights (O, I).
    pub w: Id,
    /// Biases (O).
    pub b: Id,
    /// What the optimizer remembers between steps: zero at first.
    pub state: Vec<Id>,
    /// Running averages of weights and biases, if they are averaged: the first weights at first.
    pub average: Option<[Id; 2]>,
}

impl LayerIds {
    /// The weights and biases that are evaluated and saved: their averages, if there are any.
    pub fn evaluated(&self) -> [Id; 2] {
        self.average.unwrap_or([self.w, self.b])
    }
}

/// The part of a plan that trains.
#[derive(Clone, Debug)]
pub struct Training {
    /// Training split.
    pub source: Source,
    /// Rows B of a micro-batch.
    pub micro: usize,
    /// Steps that turn a micro-batch into gradients.
    pub gradients: Range<usize>,
    /// Steps that turn gradients into weights; they follow directly on `gradients`.
    pub update: Range<usize>,
    /// Sums of losses and hits of each micro-batch of an epoch (S·R, 2).
    pub tally: Id,
    /// Rows R of the tally that a micro-batch writes.
    pub tally_rows: usize,
    /// Steps that measure one update, if it is to be measured.
    pub health: Option<Health>,
    /// Steps that look at all parameters.
    pub watch: Watch,
}

/// The part of a plan that evaluates.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The split that is evaluated.
    pub source: Source,
    /// Rows of a micro-batch.
    pub micro: usize,
    /// Its steps.
    pub steps: Range<usize>,
    /// Logits (B, C) of the last micro-batch.
    pub logits: Id,
    /// Sum of losses and hits of each micro-batch (S, 2).
    pub tally: Id,
}

/// A net laid out as a plan.
#[derive(Clone, Debug)]
pub struct Net {
    /// Tensors and steps.
    pub plan: Plan,
    /// The layers, first to last.
    pub layers: Vec<LayerIds>,
    /// Present if the net was made for training.
    pub training: Option<Training>,
    /// Evaluation of the test split.
    pub evaluation: Evaluation,
    /// Evaluation of the validation split, if there is one.
    pub validation: Option<Evaluation>,
}

struct Builder<'a> {
    plan: Plan,
    /// Bound where a kernel has a mask and nothing is dropped.
    none: Id,
    config: &'a Config,
    sizes: Sizes,
    scale: f32,
    shift: f32,
}

impl Net {
    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.w.rows * layer.w.cols + layer.b.cols).sum()
    }

    /// The tensors that outlast a step: weights, biases, what the optimizer remembers, averages; layer by layer.
    pub fn lasting(&self) -> Vec<Id> {
        let of =
            |ids: &LayerIds| [&[ids.w, ids.b], ids.state.as_slice(), ids.average.as_slice().as_flattened()].concat();
        self.layers.iter().flat_map(of).collect()
    }

    /// The plan of a training run with an evaluation.
    pub fn for_training(config: &Config, sizes: Sizes, scale: f32, shift: f32) -> Net {
        let mut build = Builder::new(config, sizes, scale, shift);
        let layers = build.layers(true);
        let training = build.training(&layers);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let validation = build.sizes.validation;
        let validation = (validation > 0).then(|| build.evaluation(&layers, "validation", validation));
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        Net { plan: build.plan, layers, training: Some(training), evaluation, validation }
    }

    /// The plan of an evaluation of one split alone, whose size is `sizes.test`.
    pub fn for_evaluation(config: &Config, sizes: Sizes, scale: f32, shift: f32) -> Net {
        let mut build = Builder::new(config, sizes, scale, shift);
        let layers = build.layers(false);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        Net { plan: build.plan, layers, training: None, evaluation, validation: None }
    }
}

impl<'a> Builder<'a> {
    fn new(config: &'a Config, sizes: Sizes, scale: f32, shift: f32) -> Self {
        let mut plan = Plan::default();
        let none = plan.tensor("none", Kind::Bits, 1, 1);
        let sizes = Sizes { forms: sizes.forms.in_precision(config.precision), ..sizes };
        Builder { plan, none, config, sizes, scale, shift }
    }

    /// Whether gradients are used where they are made, which they can be only if a batch is computed in one go.
    fn fused(&self) -> bool {
        self.config.plan == PlanKind::Fused && self.config.plain_because(self.sizes.train).is_none()
    }

    /// Parameters of all layers; with optimizer state, and unless fused with gradients (dw, db), if they are to be trained.
    fn layers(&mut self, train: bool) -> Vec<(LayerIds, Option<(Id, Id)>)> {
        let fused = self.fused();
        let widths = self.config.widths(self.sizes.inputs, self.sizes.classes);
        let state: &[&str] = match self.rule() {
            _ if !train => &[],
            Rule::Sgd => &[],
            Rule::Momentum { .. } => &["v"],
            Rule::Adam { .. } => &["m", "v"],
            Rule::Rmsprop { .. } => &["v", "s"],
        };
        let pairs = widths.windows(2).zip(1..);
        pairs
            .map(|(pair, number)| {
                let w = self.plan.f32(format!("w{number}"), pair[1], pair[0]);
                let b = self.plan.f32(format!("b{number}"), 1, pair[1]);
                let mut remember = |of: Id| -> Vec<Id> {
                    let name = self.plan.name(of).to_string();
                    state.iter().map(|kind| self.plan.f32(format!("{kind}_{name}"), of.rows, of.cols)).collect()
                };
                let state = [remember(w), remember(b)].concat();
                let gradients = (train && !fused).then(|| (self.plan.grad(w), self.plan.grad(b)));
                let mut average = |of: Id| self.plan.f32(format!("ema_{}", self.plan.name(of)), of.rows, of.cols);
                let average = (train && self.config.ema > 0.0).then(|| [average(w), average(b)]);
                (LayerIds { w, b, state, average }, gradients)
            })
            .collect()
    }

    /// Tensors that hold a split, or two windows of it where it is too large or is to be streamed.
    fn source(&mut self, prefix: &str, samples: usize, batch: usize, stream: bool) -> Source {
        // Windows of whole batches; two of them, so that one is filled while the other is used.
        let window = if stream { batch * 8192usize.div_ceil(batch) } else { samples };
        let rows = if window < samples { 2 * window } else { samples };
        let (inputs, scale, shift) = (self.sizes.inputs, self.scale, self.shift);
        Source {
            pixels: self.plan.tensor(format!("{prefix}pixels"), Kind::U8, rows, inputs),
            labels: self.plan.tensor(format!("{prefix}labels"), Kind::U32, 1, rows),
            order: self.plan.tensor(format!("{prefix}order"), Kind::U32, 1, rows),
            samples,
            window: window.min(samples),
            scale,
            shift,
        }
    }

    fn too_large(&self, samples: usize) -> bool {
        let bytes = samples as u64 * 4 * self.sizes.inputs.div_ceil(4) as u64;
        // The device finds a sample by a 32-bit word number.
        bytes > self.sizes.limit || bytes / 4 > u64::from(u32::MAX)
    }

    /// A mask for a layer's output and the step that draws it, or nothing if all units are kept.
    fn mask(&mut self, name: String, rows: usize, cols: usize, keep: f32, layer: u64) -> Id {
        if keep == 1.0 {
            return self.none;
        }
        let mask = self.plan.tensor(name, Kind::Bits, rows, cols);
        let key = device_key(self.config.seed, Stream::Dropout, layer);
        self.plan.push(Dropout { mask, keep, key });
        mask
    }

    fn training(&mut self, layers: &[(LayerIds, Option<(Id, Id)>)]) -> Training {
        let config = self.config;
        let (batch, micro) = (config.batch(self.sizes.train), config.micro_batch(self.sizes.train));
        let stream = config.upload == crate::config::Upload::Stream
            || config.upload == crate::config::Upload::Auto && self.too_large(self.sizes.train);
        let source = self.source("", self.sizes.train, batch, stream);
        let start = self.plan.steps.len();

        // Forward. All masks first: they depend on nothing.
        let keep = |layer: usize| {
            if layer == 0 { config.input_keep_prob } else { config.keep_prob }
        };
        let masks: Vec<Id> = (0..layers.len())
            .map(|layer| self.mask(format!("mask{layer}"), micro, layers[layer].0.w.cols, keep(layer), layer as u64))
            .collect();
        let x0 = self.plan.f32("x0", micro, self.sizes.inputs);
        let t = self.plan.tensor("t", Kind::U32, 1, micro);
        let Source { pixels, labels, order, scale, shift, .. } = source;
        self.plan.push(Gather { pixels, labels, order, mask: masks[0], x0, t, scale, shift, keep: keep(0) });
        // Where its classes are few, a fused step does all of the last layer in one dispatch.
        let heads = self.fused() && layers.len() > 1 && self.sizes.classes <= head::MAX_CLASSES;
        let (act, last) = (config.activation(), layers.len() - 1);
        let slots = self.sizes.train / batch * batch.div_ceil(micro) + (self.sizes.train % batch).div_ceil(micro);
        let tally_rows = if heads { Head::record_rows(micro) } else { 1 };
        let tally = self.plan.f32("tally", slots * tally_rows, 2);
        let mut activations = vec![x0];
        for (number, (ids, _)) in layers[..last].iter().enumerate() {
            let y = self.plan.f32(format!("h{}", number + 1), micro, ids.w.rows);
            let (x, keep, mask) = (activations[number], keep(number + 1), masks[number + 1]);
            let form = self.sizes.forms.of(Product::linear(x, ids.w));
            self.plan.push(Linear { x, w: ids.w, b: ids.b, mask, y, act, keep, form });
            activations.push(y);
        }
        let (x, w, b) = (activations[last], layers[last].0.w, layers[last].0.b);
        let dlogits = self.plan.f32("dlogits", micro, self.sizes.classes);
        let mut deltas = vec![dlogits; layers.len()];
        if heads {
            let dx = self.plan.grad(x);
            let (keep, mask, form) = (keep(last), masks[last], self.sizes.forms.default);
            self.plan.push(Head {
                x,
                w,
                b,
                t,
                mask,
                record: tally,
                dlogits,
                dx,
                act,
                keep,
                smoothing: config.label_smoothing,
                form,
            });
            deltas[last - 1] = dx;
        } else {
            let (logits, mask) = (self.plan.f32("logits", micro, self.sizes.classes), self.none);
            let form = self.sizes.forms.of(Product::linear(x, w));
            self.plan.push(Linear { x, w, b, mask, y: logits, act: Activation::Identity, keep: 1.0, form });
            let score = self.plan.f32("score", micro, 2);
            self.plan.push(SoftmaxXent { logits, t, score, dlogits, smoothing: config.label_smoothing });
            self.plan.push(Tally { score, tally });
        }

        // Backward: the error signal δ walks from the head to the first layer, leaving gradients on its way.
        for (number, (ids, gradients)) in layers.iter().enumerate().rev() {
            let (dy, x) = (deltas[number], activations[number]);
            if number > 0 && !(heads && number == last) {
                let dx = self.plan.grad(x);
                let (keep, mask) = (keep(number), masks[number]);
                let form = self.sizes.forms.of(Product::linear_dx(dy, ids.w));
                self.plan.push(LinearDx { dy, w: ids.w, x, mask, dx, act, keep, form });
                deltas[number - 1] = dx;
            }
            if let Some((dw, db)) = *gradients {
                let form = self.sizes.forms.of(Product::linear_dw(dy, x));
                self.plan.push(LinearDw { dy, x, dw, form });
                self.plan.push(LinearDb { dy, db });
            }
        }
        // Every error signal has been made from the old weights by now, so all layers may change side by side.
        let update = self.plan.steps.len();
        let gradients: Vec<_> = layers.iter().filter_map(|(_, gradients)| *gradients).collect();
        let parts = self.parts(layers);
        self.clip(&gradients, parts);
        for (number, (ids, gradients)) in layers.iter().enumerate() {
            // Biases are few and shift no slope: they are not penalised.
            if let Some((dw, db)) = *gradients {
                let (of_w, of_b) = ids.state.split_at(ids.state.len() / 2);
                self.optimizer(ids.w, dw, of_w, config.l2);
                self.optimizer(ids.b, db, of_b, 0.0);
                continue;
            }
            let (dy, x, rule, l2, form) = (deltas[number], activations[number], self.rule(), config.l2, Form::Tiled);
            let update = Update { dy, x, w: ids.w, b: ids.b, state: ids.state.clone(), l2, rule, form };
            let form = self.sizes.forms.of(Product::update(&update));
            self.plan.push(Update { form, ..update });
        }
        for (ids, _) in layers {
            for (w, a) in [ids.w, ids.b].into_iter().zip(ids.average.into_iter().flatten()) {
                self.plan.push(Average { w, a, decay: config.ema });
            }
        }
        let end = self.plan.steps.len();
        let health = (config.health != HealthName::Off).then(|| self.health(layers, &activations, &deltas, parts));
        let watch = self.watch(layers, parts);
        Training { source, micro, gradients: start..update, update: update..end, tally, tally_rows, health, watch }
    }

    fn rule(&self) -> Rule {
        let Config { optimizer, momentum, beta2, rho, epsilon, .. } = *self.config;
        match optimizer {
            Optimizer::Sgd if momentum == 0.0 => Rule::Sgd,
            Optimizer::Sgd | Optimizer::Nesterov => Rule::Momentum { nesterov: optimizer == Optimizer::Nesterov },
            Optimizer::Adam | Optimizer::Adamw => {
                Rule::Adam { beta2, epsilon, decoupled: optimizer == Optimizer::Adamw }
            }
            Optimizer::Rmsprop => Rule::Rmsprop { rho, epsilon },
        }
    }

    fn optimizer(&mut self, w: Id, dw: Id, state: &[Id], l2: f32) {
        match (self.rule(), state) {
            (Rule::Momentum { nesterov }, &[v]) => self.plan.push(Momentum { dw, w, v, l2, nesterov }),
            (Rule::Adam { beta2, epsilon, decoupled }, &[m, v]) => {
                self.plan.push(Adam { dw, w, m, v, l2, beta2, epsilon, decoupled });
            }
            (Rule::Rmsprop { rho, epsilon }, &[v, s]) => self.plan.push(Rmsprop { dw, w, v, s, l2, rho, epsilon }),
            _ => self.plan.push(Sgd { dw, w, l2 }),
        }
    }

    fn evaluation(&mut self, layers: &[(LayerIds, Option<(Id, Id)>)], split: &str, samples: usize) -> Evaluation {
        let none = self.none;
        let micro = samples.clamp(1, EVAL_BATCH);
        let source = self.source(&format!("{split}_"), samples, micro, self.too_large(samples));
        let start = self.plan.steps.len();
        let mut x = self.plan.f32(format!("{split}_x0"), micro, self.sizes.inputs);
        let t = self.plan.tensor(format!("{split}_t"), Kind::U32, 1, micro);
        let Source { pixels, labels, order, scale, shift, .. } = source;
        self.plan.push(Gather { pixels, labels, order, mask: none, x0: x, t, scale, shift, keep: 1.0 });
        for (number, (ids, _)) in layers.iter().enumerate() {
            let last = number + 1 == layers.len();
            let name = if last { format!("{split}_logits") } else { format!("{split}_h{}", number + 1) };
            let y = self.plan.f32(name, micro, ids.w.rows);
            let act = if last { Activation::Identity } else { self.config.activation() };
            let form = self.sizes.forms.of(Product::linear(x, ids.w));
            let [w, b] = ids.evaluated();
            self.plan.push(Linear { x, w, b, mask: none, y, act, keep: 1.0, form });
            x = y;
        }
        let score = self.plan.f32(format!("{split}_score"), micro, 2);
        let dlogits = self.plan.f32(format!("{split}_dlogits"), micro, self.sizes.classes);
        // An evaluation asks how likely the true class is: its labels are never smoothed.
        self.plan.push(SoftmaxXent { logits: x, t, score, dlogits, smoothing: 0.0 });
        let tally = self.plan.f32(format!("{split}_tally"), samples.div_ceil(micro), 2);
        self.plan.push(Tally { score, tally });
        Evaluation { source, micro, steps: start..self.plan.steps.len(), logits: x, tally }
    }
}
