//! Largest allowed differences between two machines in an update.

use super::{Rule, Update};
use crate::kernels::EPSILON;
use crate::plan::kernel::{Bounds, StepValues, Witness};

impl Update {
    /// Bounds of weights, biases and their states.
    pub(super) fn bounds_of_all(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let (dy, x) = (witness.f32(0), witness.f32(1));
        // The gradients, and the largest allowed differences in them.
        let (rows, stride, count) = (self.w.rows, self.w.stride(), (self.x.rows + 2) as f32);
        let (mut g, mut g_error) = (vec![0.0; self.w.words()], vec![0.0; self.w.words()]);
        let (mut g_b, mut g_b_error) = (vec![0.0; self.b.words()], vec![0.0; self.b.words()]);
        for sample in 0..self.x.rows {
            for row in 0..rows {
                let d = dy[sample * self.dy.stride() + row];
                g_b[row] += d;
                g_b_error[row] += count * EPSILON * d.abs();
                for col in 0..self.w.cols {
                    let term = d * x[sample * self.x.stride() + col];
                    g[row * stride + col] += term;
                    g_error[row * stride + col] += count * EPSILON * term.abs();
                }
            }
        }
        let states = self.state.len() / 2;
        let of = |weights: bool| {
            let first = if weights { 4 } else { 4 + states };
            let w = witness.f32(if weights { 2 } else { 3 });
            let (g, error) = if weights { (&g, &g_error) } else { (&g_b, &g_b_error) };
            let state: Vec<&[f32]> = (first..first + states).map(|at| witness.f32(at)).collect();
            self.bounds_of(now, g, error, w, &state, if weights { self.l2 } else { 0.0 })
        };
        let (mut weights, mut biases) = (of(true), of(false));
        let (w, b) = (weights.remove(0), biases.remove(0));
        [vec![None, None, Some(w), Some(b)], weights.into_iter().chain(biases).map(Some).collect()].concat()
    }

    /// Bounds of one parameter and its state: those of the optimizer for gradients that may be off by `g_error`.
    fn bounds_of(
        &self,
        now: &StepValues,
        g: &[f32],
        g_error: &[f32],
        w: &[f32],
        state: &[&[f32]],
        l2: f32,
    ) -> Vec<Vec<f32>> {
        let mut bounds = self.rule.errors(l2, now, g, g_error, w, state);
        if self.rule == Rule::Sgd {
            // This twin's w is rounded once more than the optimizer's: 1 − lr·l2, its product with w, and the sum.
            for (at, bound) in bounds[0].iter_mut().enumerate() {
                let step = now.lr.abs() * (g[at].abs() + g_error[at] + l2 * w[at].abs());
                *bound += EPSILON * (step + 2.0 * w[at].abs());
            }
        }
        bounds
    }
}
