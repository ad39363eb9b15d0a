//! Activation functions and their derivatives, one under the other.

use super::EPSILON;
use multiversion::multiversion;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What a layer does to its sums. The derivative is written in terms of the output, which is what backpropagation has.
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
}

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
        }
    }
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
            Activation::Sigmoid => {
                let e = (-z.abs()).exp();
                (if z < 0.0 { e } else { 1.0 }) / (1.0 + e)
            }
            Activation::Tanh => {
                let e = (-2.0 * z.abs()).exp();
                let t = (1.0 - e) / (1.0 + e);
                if z < 0.0 { -t } else { t }
            }
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
        }
    }

    /// Steepest slope anywhere: what an error in z can grow by.
    pub(crate) fn lipschitz(self) -> f32 {
        match self {
            Activation::Sigmoid => 0.25,
            Activation::LeakyRelu(alpha) => alpha.max(1.0),
            _ => 1.0,
        }
    }

    /// How far two evaluations at the same z may differ: `exp` may be off by 3 + 2|z| units in the last place and a
    /// division by 2.5 (accuracy table of the WGSL specification); the rest is rounding.
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
        };
        units * EPSILON
    }

    /// Pipeline constants that make a shader compute this activation, and look at its mask unless all units are kept.
    pub(crate) fn overrides(self, keep: f32) -> Vec<(&'static str, f64)> {
        let mut overrides = match self {
            Activation::Identity => vec![],
            Activation::Relu => vec![("ACT", 1.0)],
            Activation::LeakyRelu(alpha) => vec![("ACT", 2.0), ("ALPHA", f64::from(alpha))],
            Activation::Sigmoid => vec![("ACT", 3.0)],
            Activation::Tanh => vec![("ACT", 4.0)],
        };
        if keep < 1.0 {
            overrides.push(("MASKED", 1.0));
        }
        overrides
    }
}

/// z ← act(z + bias), for part of a row. The choice of function is made once, so that each loop is a straight one.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn activate(values: &mut [f32], biases: &[f32], act: Activation) {
    let pairs = values.iter_mut().zip(biases);
    match act {
        Activation::Identity => pairs.for_each(|(z, bias)| *z = Activation::Identity.apply(*z + bias)),
        Activation::Relu => pairs.for_each(|(z, bias)| *z = Activation::Relu.apply(*z + bias)),
        Activation::LeakyRelu(_) => pairs.for_each(|(z, bias)| *z = act.apply(*z + bias)),
        Activation::Sigmoid => pairs.for_each(|(z, bias)| *z = Activation::Sigmoid.apply(*z + bias)),
        Activation::Tanh => pairs.for_each(|(z, bias)| *z = Activation::Tanh.apply(*z + bias)),
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
    }
}
