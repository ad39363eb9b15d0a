//! One training step as dispatches: forward, backward, update.

use super::build::{Batch, Builder, Layer};
use super::{Source, Training};
use crate::config::{HealthName, Upload};
use crate::kernels::activate_dx::ActivateDx;
use crate::kernels::average::Average;
use crate::kernels::forms::MatmulShape;
use crate::kernels::head::{self, Head};
use crate::kernels::linear::Linear;
use crate::kernels::linear_db::LinearDb;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::linear_dx::LinearDx;
use crate::kernels::tally::Tally;
use crate::kernels::update::Update;
use crate::kernels::{Activation, Form};
use crate::plan::tensor::{Role, TensorId};

/// Tensors of a micro-batch on its way through the net and back.
struct Pass {
    /// Targets of the samples, and their weights.
    batch: Batch,
    /// Dropout masks of each layer's inputs, first layer to last.
    masks: Vec<TensorId>,
    /// Inputs of each layer: x0, h1, ….
    activations: Vec<TensorId>,
    /// Sums z = x·wᵀ + b behind each entry of `activations`, if the activation is a separate step.
    sums: Vec<Option<TensorId>>,
    /// Error signal δ of each layer: the gradient of the loss with respect to its output before the activation. All
    /// entries start as that of the last layer.
    deltas: Vec<TensorId>,
    /// Whether one dispatch computes the whole last layer.
    headed: bool,
}

impl Builder<'_> {
    /// Adds the steps of backpropagation: forward to the loss, back with the error signals, then the update of all
    /// weights.
    pub(super) fn training(&mut self, layers: &[Layer]) -> Training {
        let (config, train) = (self.config, self.sizes.train);
        let (batch, micro) = (config.batch(train), config.micro_batch(train));
        let stream = config.upload == Upload::Stream || config.upload == Upload::Auto && self.too_large(train);
        let source = self.source("", train, batch, stream);
        let slots = train / batch * batch.div_ceil(micro) + (train % batch).div_ceil(micro);
        if self.exact() {
            return self.int_training(layers, source, micro, slots);
        }
        // With few classes, a fused step computes the whole last layer in one dispatch.
        let headed = self.fused() && layers.len() > 1 && self.has_head();
        let tally_rows = if headed { Head::record_rows(micro) } else { 1 };
        let tally = self.plan.f32("tally", Role::Record, slots * tally_rows, 2);

        let start = self.plan.steps.len();
        let mut pass = self.forward(layers, &source, micro, headed);
        self.loss(layers, &mut pass, tally);
        self.backward(layers, &mut pass);
        // All error signals have been computed from the old weights by now, so the weights may change.
        let update = self.plan.steps.len();
        let parts = self.parts(layers);
        self.change(layers, &pass, parts);
        let end = self.plan.steps.len();

        let Pass { activations, deltas, .. } = &pass;
        let health = (config.health != HealthName::Off).then(|| self.health(layers, activations, deltas, parts));
        let finite = self.finite_check(layers, parts);
        Training { source, micro, gradients: start..update, update: update..end, tally, tally_rows, health, finite }
    }

    /// Whether one dispatch can compute the last layer and its loss: softmax over few classes, without weights.
    fn has_head(&self) -> bool {
        self.sizes.loss.is_none() && !self.sizes.weighted && self.sizes.outputs <= head::MAX_CLASSES
    }

    /// Probability that an input of a layer, from 0, is kept.
    pub(super) fn keep(&self, layer: usize) -> f32 {
        if layer == 0 { self.config.input_keep_prob } else { self.config.keep_prob }
    }

    /// Adds the steps from samples to the inputs of the last layer.
    fn forward(&mut self, layers: &[Layer], source: &Source, micro: usize, headed: bool) -> Pass {
        // All masks first: they depend on nothing.
        let masks: Vec<TensorId> = (0..layers.len())
            .map(|layer| {
                let inputs = layers[layer].0.w.cols;
                self.mask(layer, micro, inputs, self.keep(layer))
            })
            .collect();
        let x0 = self.plan.f32("x0", Role::Activation { layer: 1 }, micro, self.sizes.inputs);
        let batch = self.gather(source, masks[0], x0, self.keep(0), "", Role::Batch);
        let mut activations = vec![x0];
        let mut sums = vec![None];
        for (number, (ids, _)) in layers[..layers.len() - 1].iter().enumerate() {
            let y =
                self.plan.f32(format!("h{}", number + 1), Role::Activation { layer: number + 1 }, micro, ids.w.rows);
            let keep = self.keep(number + 1);
            let act = self.config.activation();
            sums.push(self.layer(activations[number], ids.w, ids.b, masks[number + 1], y, act, keep));
            activations.push(y);
        }
        let dlogits = self.plan.f32("dlogits", Role::ErrorSignal { layer: layers.len() }, micro, self.sizes.outputs);
        let deltas = vec![dlogits; layers.len()];
        Pass { batch, masks, activations, sums, deltas, headed }
    }

    /// Adds the last layer, the loss and its error signal; the tally sums losses and hits.
    fn loss(&mut self, layers: &[Layer], pass: &mut Pass, tally: TensorId) {
        let last = layers.len() - 1;
        let (x, w, b) = (pass.activations[last], layers[last].0.w, layers[last].0.b);
        let (dlogits, smoothing) = (pass.deltas[last], self.config.label_smoothing);
        if pass.headed {
            let dx = self.plan.like("d", Role::ErrorSignal { layer: last }, x);
            let (mask, act, keep) = self.below(pass, last);
            let (form, t) = (self.sizes.forms.default, pass.batch.t);
            self.plan.push(Head { x, w, b, t, mask, record: tally, dlogits, dx, act, keep, smoothing, form });
            self.through_activation(pass, last, dx);
            pass.deltas[last - 1] = dx;
            return;
        }
        let role = Role::Activation { layer: layers.len() };
        let (logits, mask) = (self.plan.f32("logits", role, x.rows, self.sizes.outputs), self.none);
        let form = self.sizes.forms.of(MatmulShape::linear(x, w));
        self.plan.push(Linear { x, w, b, mask, y: logits, act: Activation::Identity, keep: 1.0, form });
        let score = self.plan.f32("score", role, x.rows, 2);
        self.score(logits, &pass.batch, score, dlogits, smoothing);
        self.plan.push(Tally { score, tally });
    }

    /// Mask, activation and keep probability that a product applies to the gradient with respect to
    /// `activations[number]`.
    fn below(&self, pass: &Pass, number: usize) -> (TensorId, Activation, f32) {
        match pass.sums[number] {
            None => (pass.masks[number], self.config.activation(), self.keep(number)),
            // A separate step applies these.
            Some(_) => (self.none, Activation::Identity, 1.0),
        }
    }

    /// Adds the step that multiplies by the activation's slope, if that is a separate step.
    fn through_activation(&mut self, pass: &Pass, number: usize, d: TensorId) {
        if let Some(z) = pass.sums[number] {
            let (mask, act, keep) = (pass.masks[number], self.config.activation(), self.keep(number));
            self.plan.push(ActivateDx { z, mask, d, act, keep });
        }
    }

    /// Adds the error signals from the last layer to the first, and the gradients if they are stored.
    fn backward(&mut self, layers: &[Layer], pass: &mut Pass) {
        for (number, (ids, gradients)) in layers.iter().enumerate().rev() {
            let (dy, x) = (pass.deltas[number], pass.activations[number]);
            if number > 0 && !(pass.headed && number + 1 == layers.len()) {
                let dx = self.plan.like("d", Role::ErrorSignal { layer: number }, x);
                let (mask, act, keep) = self.below(pass, number);
                let form = self.sizes.forms.of(MatmulShape::linear_dx(dy, ids.w));
                self.plan.push(LinearDx { dy, w: ids.w, x, mask, dx, act, keep, form });
                self.through_activation(pass, number, dx);
                pass.deltas[number - 1] = dx;
            }
            if let Some((dw, db)) = *gradients {
                let form = self.sizes.forms.of(MatmulShape::linear_dw(dy, x));
                self.plan.push(LinearDw { dy, x, dw, form });
                self.plan.push(LinearDb { dy, db });
            }
        }
    }

    /// Adds the update of weights and biases, from stored gradients or fused with computing the gradients from δ and x.
    fn change(&mut self, layers: &[Layer], pass: &Pass, parts: TensorId) {
        let gradients: Vec<_> = layers.iter().filter_map(|(_, gradients)| *gradients).collect();
        self.clip(&gradients, parts);
        let l2 = self.config.l2;
        for (number, (ids, gradients)) in layers.iter().enumerate() {
            // As usual, biases are not penalized.
            if let Some((dw, db)) = *gradients {
                let (of_w, of_b) = ids.state.split_at(ids.state.len() / 2);
                self.optimizer(ids.w, dw, of_w, l2);
                self.optimizer(ids.b, db, of_b, 0.0);
                continue;
            }
            let (dy, x, rule, form) = (pass.deltas[number], pass.activations[number], self.rule(), Form::Tiled);
            let update = Update { dy, x, w: ids.w, b: ids.b, state: ids.state.clone(), l2, rule, form };
            let form = self.sizes.forms.of(MatmulShape::update(&update));
            self.plan.push(Update { form, ..update });
        }
        for (ids, _) in layers {
            for (w, a) in [ids.w, ids.b].into_iter().zip(ids.average.into_iter().flatten()) {
                self.plan.push(Average { w, a, decay: self.config.ema });
            }
        }
    }
}
