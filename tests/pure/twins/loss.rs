//! The losses of values and labels in double precision, from their definitions.

use gpu_mlp::kernels::loss::LossKind;

fn sigmoid(z: f64) -> f64 {
    1.0 / (1.0 + (-z).exp())
}

/// The loss.
pub fn value(kind: LossKind, z: f64, y: f64) -> f64 {
    match kind {
        LossKind::Mse => (z - y).powi(2),
        LossKind::Mae => (z - y).abs(),
        LossKind::Huber(delta) => {
            let (delta, d) = (f64::from(delta), (z - y).abs());
            // The square, from which the part beyond δ takes the square of the excess.
            0.5 * (d.powi(2) - (d - delta).max(0.0).powi(2))
        }
        LossKind::Poisson => z.exp() - y * z,
        // ln(1 − σ(z)) = ln σ(−z) = −ln(1 + eᶻ).
        LossKind::Bce => y * (-z).exp().ln_1p() + (1.0 - y) * z.exp().ln_1p(),
    }
}

/// Its derivative by z.
pub fn slope(kind: LossKind, z: f64, y: f64) -> f64 {
    match kind {
        LossKind::Mse => 2.0 * (z - y),
        LossKind::Mae if z == y => 0.0,
        LossKind::Mae => (z - y).signum(),
        LossKind::Huber(delta) => (z - y).clamp(-f64::from(delta), f64::from(delta)),
        LossKind::Poisson => z.exp() - y,
        LossKind::Bce => sigmoid(z) - y,
    }
}

/// The second number of a score.
pub fn metric(kind: LossKind, z: f64, y: f64) -> f64 {
    match kind {
        LossKind::Mse | LossKind::Mae | LossKind::Huber(_) => (z - y).powi(2),
        LossKind::Poisson => (z.exp() - y).powi(2),
        LossKind::Bce => f64::from((sigmoid(z) > 0.5) == (y == 1.0)),
    }
}
