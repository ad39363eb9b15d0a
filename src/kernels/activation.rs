//! Activation functions and their derivatives, one under the other.

use super::EPSILON;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Activation of a layer, applied to its sums z. For the first five the slope follows from the output a, so products
/// compute function and slope themselves ([`Activation::is_fused`]). The others need z: [`super::activate`] and
/// [`super::activate_dx`] compute them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// a = z, a' = 1.
    Identity,
    /// a = max(z, 0), a' = 1 for a > 0, else 0.
    Relu,
    /// a = z for z ≥ 0, else α·z, with the slope α ≥ 0; a' = 1 for a > 0, else α.
    LeakyRelu(f32),
    /// a = 1/(1 + e⁻ᶻ), a' = a·(1 − a).
    Sigmoid,
    /// a = tanh z = (1 − e⁻²ᶻ)/(1 + e⁻²ᶻ), a' = 1 − a².
    Tanh,
    /// a = z·Φ(z) with the normal distribution function Φ (Hendrycks and Gimpel, "Gaussian Error Linear Units", 2016).
    Gelu,
    /// GELU by its approximation z·σ(2u), u = √(2/π)·(z + 0.044715·z³) (the same paper).
    GeluTanh,
    /// a = z·σ(z), also called swish (Elfwing et al., Neural Networks 107, 2018).
    Silu,
    /// a = z·tanh(softplus(z)) (Misra, BMVC 2020).
    Mish,
    /// a = λ·z for z > 0, else λ·α·(eᶻ − 1), with constants that keep mean 0 and variance 1 (Klambauer et al., NeurIPS 2017).
    Selu,
    /// a = z for z > 0, else α·(eᶻ − 1) (Clevert et al., ICLR 2016).
    Elu(f32),
    /// a = ln(1 + eᶻ), a' = σ(z) (Dugas et al., NeurIPS 2000).
    Softplus,
}

/// λ of SELU.
const SELU_SCALE: f32 = 1.050_701;
/// α of SELU.
const SELU_ALPHA: f32 = 1.673_263_2;
/// Largest error of the approximation of Φ (Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26).
const NORMAL_ERROR: f32 = 0.75e-7;

/// Pipeline constants of the shaders of a layer, with their defaults.
pub(super) const OVERRIDES: &[(&str, f64)] = &[("ACT", 0.0), ("ALPHA", 0.01), ("MASKED", 0.0)];

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::Identity => "identity".fmt(f),
            Activation::Relu => "relu".fmt(f),
            Activation::LeakyRelu(alpha) => write!(f, "leaky-relu of slope {alpha}"),
            Activation::Sigmoid => "sigmoid".fmt(f),
            Activation::Tanh => "tanh".fmt(f),
            Activation::Gelu => "gelu".fmt(f),
            Activation::GeluTanh => "gelu-tanh".fmt(f),
            Activation::Silu => "silu".fmt(f),
            Activation::Mish => "mish".fmt(f),
            Activation::Selu => "selu".fmt(f),
            Activation::Elu(alpha) => write!(f, "elu of alpha {alpha}"),
            Activation::Softplus => "softplus".fmt(f),
        }
    }
}

/// 1/(1 + e⁻ᶻ); e^−|z| cannot overflow.
#[inline(always)]
pub(super) fn sigmoid(z: f32) -> f32 {
    let e = (-z.abs()).exp();
    (if z < 0.0 { e } else { 1.0 }) / (1.0 + e)
}

/// The normal distribution function Φ(z), to [`NORMAL_ERROR`].
#[inline(always)]
fn normal(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.231_641_89 * z.abs());
    let p = ((((1.061_405_4 * t - 1.453_152) * t + 1.421_413_7) * t - 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = 0.5 * p * (-0.5 * z * z).exp();
    if z < 0.0 { tail } else { 1.0 - tail }
}

/// The u of GELU by tanh, z·σ(2u).
#[inline(always)]
fn gelu_u(z: f32) -> f32 {
    0.797_884_6 * (z + 0.044_715 * z * z * z)
}

/// tanh(softplus(z)) and 1 − tanh(softplus(z)).
#[inline(always)]
fn mish(z: f32) -> (f32, f32) {
    let e = (-z.abs()).exp();
    let (n, r) = if z < 0.0 { (e * (e + 2.0), 2.0) } else { (1.0 + 2.0 * e, 2.0 * e * e) };
    (n / (n + r), r / (n + r))
}

impl Activation {
    /// Whether a layer's product computes the function, because the slope follows from the output.
    pub fn is_fused(self) -> bool {
        use Activation::{Identity, LeakyRelu, Relu, Sigmoid, Tanh};
        matches!(self, Identity | Relu | LeakyRelu(_) | Sigmoid | Tanh)
    }

    /// The slope at z of a function that is not fused; at 0 the slope from the left, as in PyTorch.
    ///
    /// # Panics
    /// For a fused function, whose slope is [`Activation::slope`].
    #[inline(always)]
    pub(super) fn slope_at(self, z: f32) -> f32 {
        match self {
            Activation::Gelu => normal(z) + z * (0.398_942_3 * (-0.5 * z * z).exp()),
            Activation::GeluTanh => {
                let s = sigmoid(2.0 * gelu_u(z));
                // Beyond 16 both s·(1 − s) and the true second term are 0; without the limit c² could overflow.
                let c = z.abs().min(16.0);
                s + z * (s * (1.0 - s) * 1.595_769 * (1.0 + 0.134_145 * c * c))
            }
            Activation::Silu => {
                let s = sigmoid(z);
                s + z * (s * (1.0 - s))
            }
            Activation::Mish => {
                let (t, rest) = mish(z);
                t + z * (rest * (2.0 - rest) * sigmoid(z))
            }
            Activation::Selu if z <= 0.0 => SELU_SCALE * SELU_ALPHA * (-z.abs()).exp(),
            Activation::Selu => z * 0.0 + SELU_SCALE,
            Activation::Elu(alpha) if z <= 0.0 => alpha * (-z.abs()).exp(),
            Activation::Elu(_) => z * 0.0 + 1.0,
            Activation::Softplus => sigmoid(z),
            _ => unreachable!("the slope of {self} follows from its output"),
        }
    }

    /// Largest allowed difference of two evaluations of [`Activation::slope_at`]. Derived as in
    /// [`Activation::evaluation_error`].
    pub(super) fn slope_error(self, z: f32) -> f32 {
        let size = z.abs();
        match self {
            Activation::Gelu => {
                let density = 0.398_942_3 * (-0.5 * z * z).exp();
                normal_error(z) + size * density * (8.0 + z * z) * EPSILON
            }
            Activation::GeluTanh => {
                let (s, error) = gelu_tanh_error(z);
                let c = size.min(16.0);
                let factor = 1.595_769 * (1.0 + 0.134_145 * c * c);
                error + size * factor * (error + 10.0 * s * (1.0 - s) * EPSILON)
            }
            Activation::Silu => sigmoid_error(z) * (1.0 + size) + 3.0 * size * sigmoid(z) * EPSILON,
            Activation::Mish => {
                let (t, rest) = mish(z);
                let (s, exp) = (sigmoid(z), exp_error(size));
                let of_square = 2.0 * rest * ((1.0 + t) * s * exp + 10.0) * EPSILON;
                let square = rest * (2.0 - rest);
                mish_error(z) + size * (s * of_square + square * sigmoid_error(z) + 4.0 * square * s * EPSILON)
            }
            Activation::Selu | Activation::Elu(_) => {
                (exp_error(size.min(128.0)) + 3.0) * self.slope_at(z).abs() * EPSILON
            }
            Activation::Softplus => sigmoid_error(z),
            _ => unreachable!("the slope of {self} follows from its output"),
        }
    }
}

/// Error of e^−x for x ≥ 0, in units in the last place (accuracy table of the WGSL specification).
pub(super) fn exp_error(x: f32) -> f32 {
    3.0 + 2.0 * x
}

pub(super) fn sigmoid_error(z: f32) -> f32 {
    let s = sigmoid(z);
    ((5.0 + 2.0 * z.abs()) * s * (1.0 - s) + 6.0 * s) * EPSILON
}

/// Twice the error of the approximation, and the rounding of the polynomial, whose terms have the sum `size`.
fn normal_error(z: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.231_641_89 * z.abs());
    let size = ((((1.061_405_4 * t + 1.453_152) * t + 1.421_413_7) * t + 0.284_496_74) * t + 0.254_829_6) * t;
    let tail = 0.5 * size * (-0.5 * z * z).exp();
    2.0 * NORMAL_ERROR + (tail * (24.0 + z * z) + 1.0) * EPSILON
}

/// σ(2u) and its error: that of the sum u, and that of σ.
fn gelu_tanh_error(z: f32) -> (f32, f32) {
    let w = 2.0 * gelu_u(z);
    let s = sigmoid(w);
    // Where w is large, s·(1 − s) is 0 and w may be infinite.
    let of_sum = if s * (1.0 - s) > 0.0 { 6.0 * w.abs() * s * (1.0 - s) * EPSILON } else { 0.0 };
    (s, of_sum + if w.is_finite() { sigmoid_error(w) } else { 0.0 })
}

/// A relative error of e^−|z| moves z by as much; the slope of tanh(softplus(z)) is (1 − t²)·σ.
fn mish_error(z: f32) -> f32 {
    let (t, rest) = mish(z);
    (exp_error(z.abs()) * rest * (2.0 - rest) * sigmoid(z) + 10.0 * t) * EPSILON
}

impl Activation {
    /// The activation of z, in the same form as the shaders': e^−|z| cannot overflow.
    #[inline(always)]
    pub fn apply(self, z: f32) -> f32 {
        match self {
            Activation::Identity => z,
            Activation::Relu => {
                if z < 0.0 {
                    0.0
                } else {
                    z
                }
            }
            Activation::LeakyRelu(alpha) => {
                if z < 0.0 {
                    alpha * z
                } else {
                    z
                }
            }
            Activation::Sigmoid => sigmoid(z),
            Activation::Tanh => {
                let e = (-2.0 * z.abs()).exp();
                let t = (1.0 - e) / (1.0 + e);
                if z < 0.0 { -t } else { t }
            }
            Activation::Gelu => z * normal(z),
            Activation::GeluTanh => z * sigmoid(2.0 * gelu_u(z)),
            Activation::Silu => z * sigmoid(z),
            Activation::Mish => z * mish(z).0,
            Activation::Selu if z < 0.0 => SELU_SCALE * (SELU_ALPHA * ((-z.abs()).exp() - 1.0)),
            Activation::Selu => SELU_SCALE * z,
            Activation::Elu(alpha) if z < 0.0 => alpha * ((-z.abs()).exp() - 1.0),
            Activation::Elu(_) => z,
            Activation::Softplus => (if z < 0.0 { 0.0 } else { z }) + (1.0 + (-z.abs()).exp()).ln(),
        }
    }

    /// The derivative at z, from the output a.
    #[inline(always)]
    pub fn slope(self, a: f32) -> f32 {
        match self {
            Activation::Identity => 1.0,
            Activation::Relu => {
                if a > 0.0 {
                    1.0
                } else {
                    0.0
                }
            }
            Activation::LeakyRelu(alpha) => {
                if a > 0.0 {
                    1.0
                } else {
                    alpha
                }
            }
            Activation::Sigmoid => a * (1.0 - a),
            Activation::Tanh => 1.0 - a * a,
            _ => unreachable!("the slope of {self} needs z"),
        }
    }

    /// The derivative at z.
    pub fn derivative(self, z: f32) -> f32 {
        if self.is_fused() { self.slope(self.apply(z)) } else { self.slope_at(z) }
    }

    /// Largest slope: the factor by which an error in z can grow.
    pub(crate) fn lipschitz(self) -> f32 {
        match self {
            Activation::Sigmoid => 0.25,
            Activation::LeakyRelu(alpha) => alpha.max(1.0),
            _ => 1.0,
        }
    }

    /// Largest allowed difference of two evaluations at the same z: `exp` may be off by 3 + 2|z| units in the last
    /// place and a division by 2.5 (accuracy table of the WGSL specification); the rest is rounding.
    pub(crate) fn evaluation_error(self, z: f32) -> f32 {
        let units = match self {
            Activation::Identity | Activation::Relu => 0.0,
            Activation::LeakyRelu(alpha) => (alpha * z).abs(),
            Activation::Sigmoid => {
                let s = self.apply(z);
                (5.0 + 2.0 * z.abs()) * s * (1.0 - s) + 6.0 * s
            }
            Activation::Tanh => {
                let e = (-2.0 * z.abs()).exp();
                (5.0 + 4.0 * z.abs()) * 2.0 * e / ((1.0 + e) * (1.0 + e)) + 6.0
            }
            Activation::Gelu => z.abs() * (normal_error(z) / EPSILON + normal(z)),
            Activation::GeluTanh => {
                let (s, error) = gelu_tanh_error(z);
                z.abs() * (error / EPSILON + s)
            }
            Activation::Silu => z.abs() * (sigmoid_error(z) / EPSILON + sigmoid(z)),
            Activation::Mish => z.abs() * (mish_error(z) / EPSILON + mish(z).0),
            // λ and the product with it are rounded.
            Activation::Selu | Activation::Elu(_) if z >= 0.0 => 2.0 * self.apply(z),
            Activation::Selu | Activation::Elu(_) => {
                let e = (-z.abs()).exp();
                let steep = if let Activation::Elu(alpha) = self { alpha } else { SELU_SCALE * SELU_ALPHA };
                steep * (exp_error(z.abs()) * e + 4.0)
            }
            // `log` may be off by 2⁻²¹, four units of 1, between 0.5 and 2.
            Activation::Softplus => {
                let e = (-z.abs()).exp();
                exp_error(z.abs()) * e / (1.0 + e) + 5.0 + 2.0 * self.apply(z)
            }
        };
        units * EPSILON
    }

    /// Pipeline constants that make a shader compute this activation, and read its mask unless all units are kept.
    pub(crate) fn overrides(self, keep: f32) -> Vec<(&'static str, f64)> {
        let mut overrides = match self {
            Activation::Identity => vec![],
            Activation::Relu => vec![("ACT", 1.0)],
            Activation::LeakyRelu(alpha) => vec![("ACT", 2.0), ("ALPHA", f64::from(alpha))],
            Activation::Sigmoid => vec![("ACT", 3.0)],
            Activation::Tanh => vec![("ACT", 4.0)],
            Activation::Gelu => vec![],
            Activation::GeluTanh => vec![("ACT", 6.0)],
            Activation::Silu => vec![("ACT", 7.0)],
            Activation::Mish => vec![("ACT", 8.0)],
            Activation::Selu => vec![("ACT", 9.0)],
            Activation::Elu(alpha) => vec![("ACT", 10.0), ("ALPHA", f64::from(alpha))],
            Activation::Softplus => vec![("ACT", 11.0)],
        };
        if keep < 1.0 {
            overrides.push(("MASKED", 1.0));
        }
        overrides
    }
}

/// z ← act(z + bias), for part of a row. The function is chosen once, so that no loop has a branch.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn activate(values: &mut [f32], biases: &[f32], act: Activation) {
    let pairs = values.iter_mut().zip(biases);
    match act {
        Activation::Identity => pairs.for_each(|(z, bias)| *z = Activation::Identity.apply(*z + bias)),
        Activation::Relu => pairs.for_each(|(z, bias)| *z = Activation::Relu.apply(*z + bias)),
        Activation::LeakyRelu(_) => pairs.for_each(|(z, bias)| *z = act.apply(*z + bias)),
        Activation::Sigmoid => pairs.for_each(|(z, bias)| *z = Activation::Sigmoid.apply(*z + bias)),
        Activation::Tanh => pairs.for_each(|(z, bias)| *z = Activation::Tanh.apply(*z + bias)),
        _ => unreachable!("{act} is not computed in a product"),
    }
}

/// d ← d·act'(x·keep), for part of a row.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn slope(values: &mut [f32], x: &[f32], act: Activation, keep: f32) {
    let pairs = values.iter_mut().zip(x);
    match act {
        Activation::Identity => {}
        Activation::Relu => pairs.for_each(|(d, x)| *d *= Activation::Relu.slope(x * keep)),
        Activation::LeakyRelu(_) => pairs.for_each(|(d, x)| *d *= act.slope(x * keep)),
        Activation::Sigmoid => pairs.for_each(|(d, x)| *d *= Activation::Sigmoid.slope(x * keep)),
        Activation::Tanh => pairs.for_each(|(d, x)| *d *= Activation::Tanh.slope(x * keep)),
        _ => unreachable!("the slope of {act} needs z"),
    }
}
