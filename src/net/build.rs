//! A plan under construction.

use super::{EVAL_BATCH, Evaluation, LayerIds, Sizes, Source};
use crate::base::rng::{Stream, device_key};
use crate::config::{Config, Optimizer, PlanKind};
use crate::kernels::activate::Activate;
use crate::kernels::dropout::Dropout;
use crate::kernels::fixed::WEIGHT_BITS;
use crate::kernels::forms::MatmulShape;
use crate::kernels::gather::Gather;
use crate::kernels::linear::Linear;
use crate::kernels::loss::Loss;
use crate::kernels::pick::Pick;
use crate::kernels::softmax_xent::SoftmaxXent;
use crate::kernels::tally::Tally;
use crate::kernels::update::Rule;
use crate::kernels::{Activation, InputMap};
use crate::plan::Plan;
use crate::plan::tensor::{DType, Role, TensorId};

/// A layer and its gradients (dw, db), if they are stored.
pub(super) type Layer = (LayerIds, Option<(TensorId, TensorId)>);

/// Targets of a micro-batch: classes (1, B), or values and labels (B, T); and its weights (1, B), if there are any.
#[derive(Clone, Copy)]
pub(super) struct Batch {
    pub t: TensorId,
    pub weights: Option<TensorId>,
}

pub(super) struct Builder<'a> {
    pub plan: Plan,
    /// Bound as the mask if a kernel has no dropout.
    pub none: TensorId,
    pub config: &'a Config,
    pub sizes: Sizes,
    pub map: &'a InputMap,
    /// Levels of the error signals, in an integer plan.
    pub levels: TensorId,
}

impl<'a> Builder<'a> {
    pub(super) fn new(config: &'a Config, sizes: Sizes, map: &'a InputMap) -> Self {
        let mut plan = Plan::default();
        let none = plan.tensor("none", Role::Scratch, DType::Bits, 1, 1);
        let sizes = Sizes { forms: sizes.forms.in_precision(config.precision), ..sizes };
        let mut builder = Builder { plan, none, config, sizes, map, levels: none };
        if builder.exact() {
            builder.levels = builder.add_levels();
        }
        builder
    }

    /// Whether gradient and optimizer step are fused.
    pub(super) fn fused(&self) -> bool {
        self.config.plan == PlanKind::Fused && self.config.plain_because(self.sizes.train).is_none()
    }

    /// Adds the parameters of all layers. For training, also adds optimizer state, averages, and gradients unless
    /// fused.
    pub(super) fn layers(&mut self, train: bool) -> Vec<Layer> {
        let fused = self.fused();
        let widths = self.config.widths(self.sizes.inputs, self.sizes.outputs);
        let state = if train { self.rule().state() } else { &[] };
        let pairs = widths.windows(2).zip(1..);
        let dtype = if self.exact() { DType::I32(WEIGHT_BITS) } else { DType::F32 };
        pairs
            .map(|(pair, number)| {
                let role = Role::Parameter { layer: number };
                let w = self.plan.tensor(format!("w{number}"), role, dtype, pair[1], pair[0]);
                let b = self.plan.tensor(format!("b{number}"), role, dtype, 1, pair[1]);
                let mut remember = |of: TensorId| -> Vec<TensorId> {
                    let role = Role::Optimizer { layer: number };
                    state.iter().map(|kind| self.plan.like(&format!("{kind}_"), role, of)).collect()
                };
                let state = [remember(w), remember(b)].concat();
                let gradients = (train && !fused).then(|| (self.gradient(w, number), self.gradient(b, number)));
                let mut average = |of: TensorId| self.plan.like("ema_", Role::Average { layer: number }, of);
                let average = (train && self.config.ema > 0.0).then(|| [average(w), average(b)]);
                let grid = self.exact().then(|| self.grid(number - 1, pair[0]));
                (LayerIds { w, b, state, average, grid }, gradients)
            })
            .collect()
    }

    /// Adds the gradient of a parameter of a layer (from 1).
    pub(super) fn gradient(&mut self, of: TensorId, layer: usize) -> TensorId {
        let dtype = if self.exact() { DType::I32(0) } else { of.dtype };
        let name = format!("d{}", self.plan.name(of));
        self.plan.tensor(name, Role::Gradient { layer }, dtype, of.rows, of.cols)
    }

    /// Adds the tensors that hold a split, or two windows of it if it is streamed.
    pub(super) fn source(&mut self, prefix: &str, samples: usize, batch: usize, stream: bool) -> Source {
        // A window holds whole batches, about 8192 samples unless the device can bind less. There are two, so that one
        // is filled while the other is used.
        let binds = usize::try_from(self.most() / (2 * self.row())).unwrap_or(usize::MAX);
        let window = if stream { batch * 8192usize.div_ceil(batch).min(binds / batch).max(1) } else { samples };
        let rows = if window < samples { 2 * window } else { samples };
        let Sizes { inputs, outputs, floats, weighted, loss, .. } = self.sizes;
        let stored = match (floats, self.exact()) {
            (false, _) => DType::U8,
            (true, false) => DType::F32,
            (true, true) => self.input_type(),
        };
        let mut tensor =
            |name: &str, role, dtype, rows, cols| self.plan.tensor(format!("{prefix}{name}"), role, dtype, rows, cols);
        Source {
            samples: tensor("samples", Role::Data, stored, rows, inputs),
            targets: match loss {
                None => tensor("targets", Role::Data, DType::U32, 1, rows),
                Some(_) => tensor("targets", Role::Data, DType::F32, rows, outputs),
            },
            order: tensor("order", Role::Order, DType::U32, 1, rows),
            weights: weighted.then(|| tensor("all_weights", Role::Data, DType::F32, 1, rows)),
            count: samples,
            window: window.min(samples),
        }
    }

    /// Bytes of a sample on the device.
    fn row(&self) -> u64 {
        let words =
            if self.sizes.floats { self.sizes.inputs.next_multiple_of(4) } else { self.sizes.inputs.div_ceil(4) };
        4 * words as u64
    }

    /// Largest tensor in bytes, limited by what the device can bind and by the 32-bit word index.
    fn most(&self) -> u64 {
        self.sizes.limit.min(4 * u64::from(u32::MAX))
    }

    pub(super) fn too_large(&self, samples: usize) -> bool {
        samples as u64 * self.row() > self.most()
    }

    /// Maximum number of samples for which each layer's values, and two windows of pixels, fit in a tensor; at least 1.
    fn samples_that_fit(&self) -> usize {
        let widths = self.config.widths(self.sizes.inputs, self.sizes.outputs);
        let widest = widths.into_iter().max().map_or(0, |width| 16 * width.div_ceil(4) as u64);
        usize::try_from(self.most() / widest.max(2 * self.row()).max(1)).unwrap_or(usize::MAX).max(1)
    }

    /// Adds the mask of a layer's outputs (0: of the inputs) and the step that draws it. Returns `none` if all units
    /// are kept.
    pub(super) fn mask(&mut self, layer: usize, rows: usize, cols: usize, keep: f32) -> TensorId {
        if keep == 1.0 {
            return self.none;
        }
        let role = Role::Activation { layer: layer.max(1) };
        let mask = self.plan.tensor(format!("mask{layer}"), role, DType::Bits, rows, cols);
        let key = device_key(self.config.seed, Stream::Dropout, layer as u64);
        self.plan.push(Dropout { mask, keep, key });
        mask
    }

    pub(super) fn rule(&self) -> Rule {
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

    pub(super) fn optimizer(&mut self, w: TensorId, dw: TensorId, state: &[TensorId], l2: f32) {
        self.rule().push(&mut self.plan, dw, w, state, l2);
    }

    /// Adds a layer's steps: y = act(x·wᵀ + b) ⊙ mask. Returns the tensor of the sums if the activation is a separate
    /// step.
    #[expect(clippy::too_many_arguments, reason = "the operands of one formula")]
    pub(super) fn layer(
        &mut self,
        x: TensorId,
        w: TensorId,
        b: TensorId,
        mask: TensorId,
        y: TensorId,
        act: Activation,
        keep: f32,
    ) -> Option<TensorId> {
        let form = self.sizes.forms.of(MatmulShape::linear(x, w));
        if act.is_fused() {
            self.plan.push(Linear { x, w, b, mask, y, act, keep, form });
            return None;
        }
        let role = self.plan.role(y);
        let z = self.plan.like("sums_", role, y);
        self.plan.push(Linear { x, w, b, mask: self.none, y: z, act: Activation::Identity, keep: 1.0, form });
        self.plan.push(Activate { z, mask, h: y, act, keep });
        Some(z)
    }

    pub(super) fn evaluation(&mut self, layers: &[Layer], split: &str, samples: usize) -> Evaluation {
        let none = self.none;
        let micro = samples.clamp(1, EVAL_BATCH).min(self.samples_that_fit());
        let source = self.source(&format!("{split}_"), samples, micro, self.too_large(samples));
        if self.exact() {
            return self.int_evaluation(layers, split, source, micro, samples.div_ceil(micro));
        }
        let start = self.plan.steps.len();
        let mut x = self.plan.f32(format!("{split}_x0"), Role::Evaluation, micro, self.sizes.inputs);
        let batch = self.gather(&source, none, x, 1.0, &format!("{split}_"), Role::Evaluation);
        for (number, (ids, _)) in layers.iter().enumerate() {
            let last = number + 1 == layers.len();
            let name = if last { format!("{split}_logits") } else { format!("{split}_h{}", number + 1) };
            let y = self.plan.f32(name, Role::Evaluation, micro, ids.w.rows);
            let act = if last { Activation::Identity } else { self.config.activation() };
            let [w, b] = ids.evaluated();
            self.layer(x, w, b, none, y, act, 1.0);
            x = y;
        }
        let score = self.plan.f32(format!("{split}_score"), Role::Evaluation, micro, 2);
        let dlogits = self.plan.f32(format!("{split}_dlogits"), Role::Evaluation, micro, self.sizes.outputs);
        // Labels are smoothed in training only.
        self.score(x, &batch, score, dlogits, 0.0);
        let tally = self.plan.f32(format!("{split}_tally"), Role::Record, samples.div_ceil(micro), 2);
        self.plan.push(Tally { score, tally });
        Evaluation { source, micro, steps: start..self.plan.steps.len(), logits: x, tally }
    }

    /// Adds the steps that pick a micro-batch from a split: inputs `x0`, targets, weights.
    pub(super) fn gather(
        &mut self,
        from: &Source,
        mask: TensorId,
        x0: TensorId,
        keep: f32,
        prefix: &str,
        role: Role,
    ) -> Batch {
        let Source { samples, targets, order, .. } = *from;
        let rows = x0.rows;
        let t = match self.sizes.loss {
            None => self.plan.tensor(format!("{prefix}t"), role, DType::U32, 1, rows),
            Some(_) => self.plan.f32(format!("{prefix}t"), role, rows, self.sizes.outputs),
        };
        let map = self.map.clone();
        self.plan.push(Gather { samples, targets, order, mask, x0, t, map, keep });
        let weights = from.weights.map(|weights| {
            let picked = self.plan.f32(format!("{prefix}weights"), role, 1, rows);
            self.plan.push(Pick { values: weights, order, picked });
            picked
        });
        Batch { t, weights }
    }

    /// Adds the step from outputs to losses, metrics and the gradient of the outputs.
    pub(super) fn score(&mut self, z: TensorId, batch: &Batch, score: TensorId, dz: TensorId, smoothing: f32) {
        let Batch { t, weights } = *batch;
        let weighted = weights.is_some();
        let weights = weights.unwrap_or(self.none);
        match self.sizes.loss {
            None => self.plan.push(SoftmaxXent { logits: z, t, weights, weighted, score, dlogits: dz, smoothing }),
            Some(kind) => self.plan.push(Loss { z, y: t, weights, weighted, score, dz, kind }),
        }
    }
}
