//! The shaders of [`super::Update`]: one for each rule in each form of its own.

use crate::kernels::Form;
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Arg, Field, Shader, read, update};

uniform! {
    /// Uniform block of the shaders of SGD and momentum.
    pub(super) struct Params { batch: u32, inputs4: u32, outputs: u32, outputs4: u32, l2: f32, pad0: u32, pad1: u32, pad2: u32, }
}

uniform! {
    /// Uniform block of the shaders of Adam.
    pub(super) struct AdamParams {
        batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
        l2: f32, beta2: f32, epsilon: f32, pad: u32,
    }
}

uniform! {
    /// Uniform block of the shaders of RMSprop.
    pub(super) struct RmspropParams {
        batch: u32, inputs4: u32, outputs: u32, outputs4: u32,
        l2: f32, rho: f32, epsilon: f32, pad: u32,
    }
}

const SGD: &[Arg] = &[read("dy"), read("x"), update("w"), update("b")];
const MOMENTUM: &[Arg] = &[read("dy"), read("x"), update("w"), update("b"), update("v_w"), update("v_b")];
const ADAM: &[Arg] =
    &[read("dy"), read("x"), update("w"), update("b"), update("m_w"), update("v_w"), update("m_b"), update("v_b")];
const RMSPROP: &[Arg] =
    &[read("dy"), read("x"), update("w"), update("b"), update("v_w"), update("s_w"), update("v_b"), update("s_b")];

const fn shader(
    name: &'static str,
    source: &'static str,
    args: &'static [Arg],
    params: &'static [Field],
    overrides: &'static [(&'static str, f64)],
) -> Shader {
    Shader { name, source, args, params, overrides }
}

const NESTEROV: &[(&str, f64)] = &[("NESTEROV", 0.0)];
const DECOUPLED: &[(&str, f64)] = &[("DECOUPLED", 0.0)];

/// Forms that have a shader of their own, in the order of [`SHADERS`]. Outputs of an update are as many as weights: too
/// many for [`Form::Split`], but for a last layer, which is the smallest part of the work.
pub(super) const FORMS: [Form; 3] = [Form::Tiled, Form::Regs, Form::Wide];

/// For each rule a shader of each of `FORMS`.
pub static SHADERS: &[Shader] = &[
    shader("update_sgd_tiled", include_str!("../../../shaders/update_sgd_tiled.wgsl"), SGD, Params::FIELDS, &[]),
    shader("update_sgd_regs", include_str!("../../../shaders/update_sgd_regs.wgsl"), SGD, Params::FIELDS, &[]),
    shader("update_sgd_wide", include_str!("../../../shaders/update_sgd_wide.wgsl"), SGD, Params::FIELDS, &[]),
    shader(
        "update_momentum_tiled",
        include_str!("../../../shaders/update_momentum_tiled.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_momentum_regs",
        include_str!("../../../shaders/update_momentum_regs.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_momentum_wide",
        include_str!("../../../shaders/update_momentum_wide.wgsl"),
        MOMENTUM,
        Params::FIELDS,
        NESTEROV,
    ),
    shader(
        "update_adam_tiled",
        include_str!("../../../shaders/update_adam_tiled.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_adam_regs",
        include_str!("../../../shaders/update_adam_regs.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_adam_wide",
        include_str!("../../../shaders/update_adam_wide.wgsl"),
        ADAM,
        AdamParams::FIELDS,
        DECOUPLED,
    ),
    shader(
        "update_rmsprop_tiled",
        include_str!("../../../shaders/update_rmsprop_tiled.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
    shader(
        "update_rmsprop_regs",
        include_str!("../../../shaders/update_rmsprop_regs.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
    shader(
        "update_rmsprop_wide",
        include_str!("../../../shaders/update_rmsprop_wide.wgsl"),
        RMSPROP,
        RmspropParams::FIELDS,
        &[],
    ),
];
