//! One training step as dispatches: forward, backward, update.

use super::build::Builder;
use super::{LayerIds, Source, Training};
use crate::config::{HealthName, Upload};
use crate::forms::Product;
use crate::kernels::average::Average;
use crate::kernels::gather::Gather;
use crate::kernels::head::{self, Head};
use crate::kernels::linear::Linear;
use crate::kernels::linear_db::LinearDb;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::linear_dx::LinearDx;
use crate::kernels::softmax_xent::SoftmaxXent;
use crate::kernels::tally::Tally;
use crate::kernels::update::Update;
use crate::kernels::{Activation, Form};
use crate::tensor::{Id, Kind};

impl Builder<'_> {
    pub(super) fn training(&mut self, layers: &[(LayerIds, Option<(Id, Id)>)]) -> Training {
        let config = self.config;
        let (batch, micro) = (config.batch(self.sizes.train), config.micro_batch(self.sizes.train));
        let stream =
            config.upload == Upload::Stream || config.upload == Upload::Auto && self.too_large(self.sizes.train);
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
}
