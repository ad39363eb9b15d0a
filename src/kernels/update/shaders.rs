//! The shaders of [`super::Update`]: one for each rule in each form of an update, all in one file with
//! [`super::linear_dw`] and the optimizers.

use crate::kernels::Form;
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Shader, read, update};
use crate::plan::tensor::TensorId;

/// The file.
pub(in crate::kernels) const SOURCE: &str = include_str!("../../../shaders/update.wgsl");

uniform! {
    /// Uniform block of every shader in the file.
    pub(in crate::kernels) struct Params {
        /// B.
        batch: u32,
        /// I in vec4.
        inputs4: u32,
        /// O.
        outputs: u32,
        /// O in vec4.
        outputs4: u32,
        /// Strength of the penalty or decay.
        l2: f32,
        /// Decay rate of the mean square: β₂ of Adam, ρ of RMSprop.
        memory: f32,
        /// ε, added to the divisor to avoid a division by zero.
        epsilon: f32,
        /// Unused; keeps the block a multiple of 16 bytes.
        pad: u32,
    }
}

impl Params {
    /// For an optimizer alone: the sizes of the tensor it changes.
    pub fn of(w: TensorId) -> Params {
        let (inputs4, outputs) = (w.stride() as u32 / 4, w.rows as u32);
        Params { inputs4, outputs, outputs4: outputs.div_ceil(4), ..Params::default() }
    }
}

/// Forms of an update, in the order of [`SHADERS`]. An update has as many outputs as weights: too many for
/// [`Form::Split`], except in a last layer, which is the smallest part of the work.
pub(in crate::kernels) const FORMS: [Form; 3] = [Form::Tiled, Form::Registers, Form::Wide];

const SGD: &[Arg] = &[read(6, "dy"), read(1, "x"), update(2, "w"), update(3, "b")];
const MOMENTUM: &[Arg] =
    &[read(6, "dy"), read(1, "x"), update(2, "w"), update(3, "b"), update(10, "first_w"), update(12, "first_b")];
/// Adam and RMSprop.
const TWO_STATES: &[Arg] = &[
    read(6, "dy"),
    read(1, "x"),
    update(2, "w"),
    update(3, "b"),
    update(10, "first_w"),
    update(11, "second_w"),
    update(12, "first_b"),
    update(13, "second_b"),
];

const NESTEROV: &[(&str, f64)] = &[("NESTEROV", 0.0)];
const DECOUPLED: &[(&str, f64)] = &[("DECOUPLED", 0.0)];

const fn shader(name: &'static str, args: &'static [Arg], overrides: &'static [(&'static str, f64)]) -> Shader {
    Shader { name, source: SOURCE, args, params: Params::FIELDS, overrides }
}

/// For each rule, one shader per form in `FORMS`.
pub static SHADERS: &[Shader] = &[
    shader("update_sgd_tiled", SGD, &[]),
    shader("update_sgd_registers", SGD, &[]),
    shader("update_sgd_wide", SGD, &[]),
    shader("update_momentum_tiled", MOMENTUM, NESTEROV),
    shader("update_momentum_registers", MOMENTUM, NESTEROV),
    shader("update_momentum_wide", MOMENTUM, NESTEROV),
    shader("update_adam_tiled", TWO_STATES, DECOUPLED),
    shader("update_adam_registers", TWO_STATES, DECOUPLED),
    shader("update_adam_wide", TWO_STATES, DECOUPLED),
    shader("update_rmsprop_tiled", TWO_STATES, &[]),
    shader("update_rmsprop_registers", TWO_STATES, &[]),
    shader("update_rmsprop_wide", TWO_STATES, &[]),
];
