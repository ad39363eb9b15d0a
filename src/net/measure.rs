//! Steps that measure: norms for clipping, the health of an update, and whether all parameters are finite.

use super::build::{Builder, Layer};
use crate::config::ActivationName;
use crate::kernels::average::Average;
use crate::kernels::clip::Clip;
use crate::kernels::dead::Dead;
use crate::kernels::forms::MatmulShape;
use crate::kernels::linear_db::LinearDb;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::squares::Squares;
use crate::kernels::sum::Sum;
use crate::plan::tensor::{Role, TensorId};
use std::ops::Range;

/// Steps that measure an update. They write nothing that training reads, so a run is bit-identical without them.
#[derive(Clone, Debug)]
pub struct Health {
    /// Steps that run after the gradients and before the update, with step number 0; they also copy the weights.
    pub before: Range<usize>,
    /// Steps after the update.
    pub after: Range<usize>,
    /// Four values per layer (4·L, 1): sums of squares of the gradients, of the parameters and of their changes, biases
    /// included; and for hidden layers with ReLU, the number of units that were zero for every sample of the last
    /// micro-batch.
    pub values: TensorId,
}

/// Steps that check all parameters.
#[derive(Clone, Debug)]
pub struct FiniteCheck {
    /// The steps.
    pub steps: Range<usize>,
    /// Sum of squares of each layer's parameters (L, 1): not finite if a parameter is not.
    pub totals: TensorId,
}

impl Builder<'_> {
    /// Adds scratch memory for the partial sums of all parameters, and for the counts of a layer's units.
    pub(super) fn parts(&mut self, layers: &[Layer]) -> TensorId {
        let of = |(ids, _): &Layer| Squares::parts(ids.w) + Squares::parts(ids.b);
        let counts = layers.iter().map(|(ids, _)| Dead::parts(ids.b)).max().unwrap_or(0);
        self.plan.f32("parts", Role::Scratch, 1, counts.max(layers.iter().map(of).sum()))
    }

    /// Adds steps that write the sum of squares of all these tensors, or of their differences from another tensor, to
    /// row `row` of `total`.
    fn norm(&mut self, of: &[(TensorId, Option<TensorId>)], parts: TensorId, total: TensorId, row: usize) {
        let mut count = 0;
        for &(a, minus) in of {
            self.plan.push(Squares { a, minus, parts, first: count });
            count += Squares::parts(a);
        }
        self.plan.push(Sum { parts, first: 0, count, total, row });
    }

    /// Adds steps that clip the gradients, if the settings ask for it.
    pub(super) fn clip(&mut self, gradients: &[(TensorId, TensorId)], parts: TensorId) {
        let (norm, value) = (self.config.clip_norm, self.config.clip_value);
        let gradients: Vec<TensorId> = gradients.iter().flat_map(|&(dw, db)| [dw, db]).collect();
        let mut total = self.none;
        if norm > 0.0 {
            total = self.plan.f32("squares", Role::Scratch, 1, 1);
            self.norm(&gradients.iter().map(|&g| (g, None)).collect::<Vec<_>>(), parts, total, 0);
        }
        if norm > 0.0 || value > 0.0 {
            gradients.into_iter().for_each(|g| self.plan.push(Clip { total, g, norm, value }));
        }
    }

    /// Adds the steps that measure an update.
    pub(super) fn health(
        &mut self,
        layers: &[Layer],
        activations: &[TensorId],
        deltas: &[TensorId],
        parts: TensorId,
    ) -> Health {
        let values = self.plan.f32("health", Role::Record, 4 * layers.len(), 1);
        let begin = self.plan.steps.len();
        let mut old = Vec::new();
        for (number, (ids, gradients)) in layers.iter().enumerate() {
            let (dw, db) = gradients.unwrap_or_else(|| {
                let (dy, x) = (deltas[number], activations[number]);
                let (dw, db) = (self.gradient(ids.w, number + 1), self.gradient(ids.b, number + 1));
                let form = self.sizes.forms.of(MatmulShape::linear_dw(dy, x));
                self.plan.push(LinearDw { dy, x, dw, form });
                self.plan.push(LinearDb { dy, db });
                (dw, db)
            });
            self.norm(&[(dw, None), (db, None)], parts, values, 4 * number);
            self.norm(&[(ids.w, None), (ids.b, None)], parts, values, 4 * number + 1);
            if self.config.activation == ActivationName::Relu && number + 1 < layers.len() {
                let h = activations[number + 1];
                self.plan.push(Dead { h, parts, first: 0 });
                self.plan.push(Sum { parts, first: 0, count: Dead::parts(h), total: values, row: 4 * number + 3 });
            }
            // The old weights overwrite gradients that only this measurement needs. Stored gradients are needed by the
            // update, so the old weights then get tensors of their own.
            let role = Role::Parameter { layer: number + 1 };
            let mut copy = |w: TensorId, dw: TensorId| {
                let a = if gradients.is_some() { self.plan.like("old_", role, w) } else { dw };
                self.plan.push(Average { w, a, decay: 0.0 });
                (w, Some(a))
            };
            old.push([copy(ids.w, dw), copy(ids.b, db)]);
        }
        let middle = self.plan.steps.len();
        for (number, pairs) in old.iter().enumerate() {
            self.norm(pairs, parts, values, 4 * number + 2);
        }
        Health { before: begin..middle, after: middle..self.plan.steps.len(), values }
    }

    /// Adds the steps that check all parameters.
    pub(super) fn finite_check(&mut self, layers: &[Layer], parts: TensorId) -> FiniteCheck {
        let begin = self.plan.steps.len();
        let totals = self.plan.f32("totals", Role::Record, layers.len(), 1);
        for (number, (ids, _)) in layers.iter().enumerate() {
            self.norm(&[(ids.w, None), (ids.b, None)], parts, totals, number);
        }
        FiniteCheck { steps: begin..self.plan.steps.len(), totals }
    }
}
