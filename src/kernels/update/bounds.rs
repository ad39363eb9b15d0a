//! How far two machines may differ in an update.

use super::{Rule, Update};
use crate::kernels::EPSILON;
use crate::plan::kernel::{Bounds, Now, Witness};

impl Update {
    /// Bounds of weights, biases and their states.
    pub(super) fn bounds_of_all(&self, now: &Now, witness: &Witness<'_>) -> Bounds {
        let (dy, x) = (witness.f32(0), witness.f32(1));
        // The gradients, and how far two machines may differ in them.
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

    /// Bounds of one parameter and its state: those of the optimizer for gradients that large, and what the error of the
    /// gradient adds.
    fn bounds_of(&self, now: &Now, g: &[f32], g_error: &[f32], w: &[f32], state: &[&[f32]], l2: f32) -> Vec<Vec<f32>> {
        let lr = now.lr.abs();
        let each = |f: &dyn Fn(usize) -> f32| (0..w.len()).map(f).collect::<Vec<f32>>();
        let full = |i: usize| g[i].abs() + g_error[i] + l2 * w[i].abs();
        match (self.rule, state) {
            (Rule::Momentum { .. }, [v]) => {
                let velocity = |i: usize| full(i) + now.momentum * v[i].abs();
                vec![
                    each(&|i| EPSILON * (12.0 * lr * velocity(i) + w[i].abs()) + 2.0 * lr * g_error[i]),
                    each(&|i| 4.0 * EPSILON * velocity(i) + g_error[i]),
                ]
            }
            (Rule::Adam { beta2, epsilon, decoupled }, [m, v]) => {
                let (beta1, decay) = (now.momentum, |i: usize| l2 * w[i].abs());
                let g_full = |i: usize| g[i].abs() + if decoupled { 0.0 } else { decay(i) };
                let m_error = |i: usize| {
                    let m1 = beta1 * m[i].abs() + (1.0 - beta1) * (g_full(i) + g_error[i]);
                    4.0 * EPSILON * m1 + (1.0 - beta1) * g_error[i] + f32::MIN_POSITIVE
                };
                let v_error = |i: usize| {
                    let v1 = beta2 * v[i] + (1.0 - beta2) * (g_full(i) + g_error[i]).powi(2);
                    6.0 * EPSILON * v1 + (1.0 - beta2) * 2.0 * (g_full(i) + g_error[i]) * g_error[i] + f32::MIN_POSITIVE
                };
                let w_error = |i: usize| {
                    let signed = g[i] + if decoupled { 0.0 } else { l2 * w[i] };
                    let smallest = (signed.abs() - g_error[i]).max(0.0);
                    let least = beta2 * v[i] + (1.0 - beta2) * smallest * smallest;
                    let divisor = (least / now.bias2).sqrt() + epsilon;
                    let largest = (beta1 * m[i].abs() + (1.0 - beta1) * (g_full(i) + g_error[i])) / now.bias1 / divisor;
                    let sqrt_error = v_error(i) / now.bias2 / divisor;
                    let update = m_error(i) / now.bias1 / divisor + largest * (20.0 * EPSILON + sqrt_error / divisor);
                    lr * (update + 3.0 * EPSILON * decay(i)) + EPSILON * w[i].abs()
                };
                vec![each(&w_error), each(&m_error), each(&v_error)]
            }
            (Rule::Rmsprop { .. }, [v, s]) => self.rmsprop(l2).errors(now, g, g_error, w, v, s).into(),
            // The twin's w is rounded three times: 1 − lr·l2, its product with w, and the sum.
            _ => vec![each(&|i| EPSILON * (4.0 * lr * full(i) + 3.0 * w[i].abs()) + lr * g_error[i])],
        }
    }
}
