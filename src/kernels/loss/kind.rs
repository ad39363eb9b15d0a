//! The losses: function, slope, metric, and rounding errors.

use crate::kernels::EPSILON;
use crate::kernels::activation::{exp_error, sigmoid, sigmoid_error};

/// A loss of one output z and its target y. Definitions and slopes are PyTorch's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LossKind {
    /// Squared error (z − y)², `MSELoss`.
    Mse,
    /// Absolute error |z − y|, `L1Loss`. Its slope at 0 is 0.
    Mae,
    /// (z − y)²/2 up to |z − y| = δ, and the tangent from there on, `HuberLoss(delta=δ)` (Huber, Annals of Mathematical
    /// Statistics 35, 1964). δ > 0.
    Huber(f32),
    /// eᶻ − y·z, `PoissonNLLLoss(log_input=True)`, where y ≥ 0 counts events: the negative logarithm of the Poisson
    /// probability of y at the rate eᶻ, less a term without z. It is infinite from z = 88.8 on.
    Poisson,
    /// −y·ln σ(z) − (1 − y)·ln(1 − σ(z)), `BCEWithLogitsLoss`, where y is 1 (yes) or 0 (no).
    Bce,
}

/// Largest allowed differences of two evaluations at the same z and y.
pub(super) struct Errors {
    pub value: f32,
    pub slope: f32,
    pub metric: f32,
}

impl LossKind {
    /// The loss.
    #[inline(always)]
    pub fn value(self, z: f32, y: f32) -> f32 {
        match self {
            LossKind::Mse => (z - y) * (z - y),
            LossKind::Mae => (z - y).abs(),
            LossKind::Huber(delta) => {
                let d = (z - y).abs();
                if d > delta { delta * (d - 0.5 * delta) } else { 0.5 * d * d }
            }
            LossKind::Poisson => z.exp() - y * z,
            // In this form nothing overflows, and no logarithm of 0 is taken.
            LossKind::Bce => (if z < 0.0 { 0.0 } else { z }) - z * y + (1.0 + (-z.abs()).exp()).ln(),
        }
    }

    /// The derivative of the loss by z.
    #[inline(always)]
    pub fn slope(self, z: f32, y: f32) -> f32 {
        match self {
            LossKind::Mse => 2.0 * (z - y),
            LossKind::Mae => f32::from(z > y) - f32::from(z < y),
            LossKind::Huber(delta) => {
                let d = z - y;
                // Unlike `clamp` of some machines, comparisons let a NaN pass.
                let above = if d > delta { delta } else { d };
                if above < -delta { -delta } else { above }
            }
            LossKind::Poisson => z.exp() - y,
            LossKind::Bce => sigmoid(z) - y,
        }
    }

    /// What a sum is kept of, beside that of the losses. The squared error, of the rate eᶻ for [`LossKind::Poisson`]; for
    /// [`LossKind::Bce`] 1 if the more likely label is right, else 0.
    #[inline(always)]
    pub fn metric(self, z: f32, y: f32) -> f32 {
        match self {
            LossKind::Mse | LossKind::Mae | LossKind::Huber(_) => (z - y) * (z - y),
            LossKind::Poisson => (z.exp() - y) * (z.exp() - y),
            LossKind::Bce => f32::from((z > 0.0) == (y > 0.5)),
        }
    }

    /// Bounds of the errors of value, slope and metric: one unit for each rounding of a value. `exp` and `log` by the
    /// accuracy table of the WGSL specification, and one unit more for the twin.
    pub(super) fn errors(self, z: f32, y: f32) -> Errors {
        let (d, product) = ((z - y).abs(), (z * y).abs());
        // Difference and square; the difference counts twice.
        let square = 3.0 * d * d;
        let units = match self {
            LossKind::Mse => Errors { value: square, slope: 2.0 * d, metric: square },
            LossKind::Mae => Errors { value: d, slope: 0.0, metric: square },
            // Near δ, two machines may differ in the side. There both formulas agree to within their errors.
            LossKind::Huber(delta) => Errors { value: 3.0 * d * d.min(delta), slope: d.min(delta), metric: square },
            LossKind::Poisson => {
                let e = z.exp();
                let exp = (exp_error(z.abs()) + 1.0) * e;
                let slope = exp + e + y.abs();
                let distance = (e - y).abs();
                let metric = 2.0 * distance * slope + slope * slope * EPSILON + distance * distance;
                Errors { value: exp + 2.0 * product + e, slope, metric }
            }
            LossKind::Bce => {
                let e = (-z.abs()).exp();
                // `log` may be off by 2⁻²¹, four units of 1, between 0.5 and 2.
                let log = (exp_error(z.abs()) + 1.0) * e / (1.0 + e) + 6.0;
                let linear = z.max(0.0) + 2.0 * product;
                let value = linear + log + self.value(z, y).abs();
                Errors { value, slope: sigmoid_error(z) / EPSILON + sigmoid(z) + y.abs(), metric: 0.0 }
            }
        };
        let Errors { value, slope, metric } = units;
        Errors { value: value * EPSILON, slope: slope * EPSILON, metric: metric * EPSILON }
    }
}

#[cfg(test)]
mod tests {
    use super::LossKind;

    #[test]
    fn nothing_but_poisson_overflows_and_no_loss_hides_a_nan() {
        for kind in [LossKind::Mse, LossKind::Mae, LossKind::Huber(0.5), LossKind::Bce] {
            for z in [-1e4, -89.0, 0.0, 89.0, 1e4] {
                for y in [0.0, 1.0] {
                    assert!(kind.value(z, y).is_finite() && kind.slope(z, y).is_finite(), "{kind:?} {z} {y}");
                }
            }
            assert!(kind.value(f32::NAN, 1.0).is_nan(), "{kind:?}");
        }
        assert!(LossKind::Poisson.value(88.0, 3.0).is_finite());
        // As PyTorch's: a loss that was cut off silently would train on a wrong gradient.
        assert_eq!(LossKind::Poisson.value(89.0, 3.0), f32::INFINITY);
        assert_eq!(LossKind::Poisson.slope(89.0, 3.0), f32::INFINITY);
        assert!(LossKind::Poisson.value(f32::NAN, 1.0).is_nan());
    }

    #[test]
    fn values_and_slopes_are_those_of_pytorch() {
        // torch.nn's MSELoss, L1Loss, HuberLoss(delta=0.5), PoissonNLLLoss, BCEWithLogitsLoss at z = 1.25, y = 1, then their
        // gradients by autograd.
        let expected = [
            (LossKind::Mse, 0.0625, 0.5),
            (LossKind::Mae, 0.25, 1.0),
            (LossKind::Huber(0.5), 0.03125, 0.25),
            (LossKind::Huber(0.125), 0.0234375, 0.125),
            (LossKind::Poisson, 2.240_343, 2.490_343),
            (LossKind::Bce, 0.251_929, -0.222_700),
        ];
        for (kind, value, slope) in expected {
            assert!((kind.value(1.25, 1.0) - value).abs() < 1e-6, "{kind:?}: {}", kind.value(1.25, 1.0));
            assert!((kind.slope(1.25, 1.0) - slope).abs() < 1e-6, "{kind:?}: {}", kind.slope(1.25, 1.0));
        }
        assert_eq!(LossKind::Mae.slope(1.0, 1.0), 0.0);
    }
}
