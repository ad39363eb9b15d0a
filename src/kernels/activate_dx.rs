//! d ← d ⊙ act'(z) ⊙ mask: the error signal through an activation that a product does not compute itself.

use super::activate::{ALL, OVERRIDES, Params, each_value, params};
use super::{Activation, EPSILON};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, groups, read, update};
use crate::plan::tensor::TensorId;

/// The slope of [`super::activate::Activate`]: turns the gradient with respect to h into the gradient with respect to z.
#[derive(Clone, Debug)]
pub struct ActivateDx {
    /// Sums (B, O).
    pub z: TensorId,
    /// Dropout mask (B, O); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Gradient (B, O), updated in place.
    pub d: TensorId,
    /// The function.
    pub act: Activation,
    /// Probability that dropout keeps an output.
    pub keep: f32,
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "activate_dx",
    source: include_str!("../../shaders/activate.wgsl"),
    args: &[read(1, "z"), read(2, "mask"), update(4, "d")],
    params: Params::FIELDS,
    overrides: OVERRIDES,
}];

impl Kernel for ActivateDx {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.z, self.mask, self.d]
    }

    fn params(&self) -> Vec<u8> {
        params("activate_dx", self.z, self.mask, self.d, self.act, self.keep)
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.act.overrides(self.keep)
    }

    fn groups(&self) -> u32 {
        groups(self.z.words() / 4, 64)
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        each_value(self.z, self.mask, self.keep, &mut args, |d, z| *d *= self.act.slope_at(z));
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let bound = |(&d, &z): (&f32, &f32)| {
            let slope = self.act.slope_error(z) + 4.0 * EPSILON * self.act.slope_at(z).abs();
            d.abs() * slope / self.keep + f32::MIN_POSITIVE
        };
        vec![None, None, Some(witness.f32(2).iter().zip(witness.f32(0)).map(bound).collect())]
    }

    fn flops(&self) -> u64 {
        12 * (self.z.rows * self.z.cols) as u64
    }
}

/// The cases of [`super::activate`]. None is exact: an exact slope does not depend on z.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |label: String, (rows, units), act, keep: f32, fill| {
        let mut case = Case::new(format!("{label} ({rows},{units})"));
        let z = case.f32("z", rows, units, fill);
        let mask = case.mask("mask", rows, units, keep);
        let d = case.f32("d", rows, units, Fill::Reals(1.0));
        case.push(ActivateDx { z, mask, d, act, keep });
        cases.push(case);
    };
    for act in ALL {
        for size in [(1, 1), (7, 13), (33, 31), (64, 128), (65, 257)] {
            case(format!("{act:?}"), size, act, 1.0, Fill::Reals(6.0));
        }
        case(format!("{act:?} keep 0.8"), (64, 130), act, 0.8, Fill::Reals(3.0));
        case(format!("{act:?} far"), (5, 67), act, 1.0, Fill::Far(9));
    }
    cases
}
