//! Gradient clipping: by the norm of all gradients together, and by value.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Clips one gradient in place (Pascanu et al., ICML 2013), by norm as `torch.nn.utils.clip_grad_norm_` does it and by
/// value as `clip_grad_value_`; by norm first if both are set. A NaN stays a NaN, so that it is not hidden from later
/// checks.
#[derive(Clone, Debug)]
pub struct Clip {
    /// Sum of the squares of all gradients (1, 1); ignored, and of any shape, if `norm` is 0.
    pub total: TensorId,
    /// Gradient (O, I) or (O).
    pub g: TensorId,
    /// Largest norm of all gradients together; 0 for no limit.
    pub norm: f32,
    /// Largest magnitude of a value; 0 for no limit.
    pub value: f32,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { count4: u32, norm: f32, value: f32, pad: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "clip",
    source: include_str!("../../shaders/clip.wgsl"),
    args: &[read(1, "total"), update(2, "g")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Clip {
    /// The factor of all gradients.
    fn scale(&self, total: f32) -> f32 {
        let scale = if self.norm > 0.0 { self.norm / (total.sqrt() + 1e-6) } else { 1.0 };
        if scale > 1.0 { 1.0 } else { scale }
    }
}

impl Kernel for Clip {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.total, self.g]
    }

    fn params(&self) -> Vec<u8> {
        if self.norm > 0.0 {
            expect("clip", "total", self.total, DType::F32, 1, 1, "all gradients have one norm");
        }
        let params =
            Params { count4: (self.g.words() / 4) as u32, norm: self.norm, value: self.value, ..Params::default() };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.g.words() / 4, 64)
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        let (total, g) = (args.f32(0)[0], args.f32_mut(1));
        let limit = if self.value > 0.0 { self.value } else { f32::INFINITY };
        clip(g, self.scale(total), limit);
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let scale = self.scale(witness.f32(0)[0]);
        // Square root (5 units), sum, division (2.5), product; the limits move no two values further apart.
        let bound = witness.f32(1).iter().map(|g| 10.0 * EPSILON * scale * g.abs()).collect();
        vec![None, Some(bound)]
    }

    fn flops(&self) -> u64 {
        3 * (self.g.rows * self.g.cols) as u64
    }
}

/// The loop, compiled for the widest vector registers.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn clip(g: &mut [f32], scale: f32, limit: f32) {
    for g in g {
        let scaled = *g * scale;
        // Unlike `clamp` of some machines, comparisons let a NaN pass.
        let above = if scaled > limit { limit } else { scaled };
        *g = if above < -limit { -limit } else { above };
    }
}

/// Either limit, both, neither reached; whole numbers where nothing is rounded.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (1, 10), (7, 13), (65, 257), (128, 784)] {
        for (norm, value) in [(0.5, 0.0), (100.0, 0.0), (0.0, 0.3), (0.7, 0.01)] {
            let mut case = Case::new(format!("({rows},{cols}) norm {norm} value {value}"));
            let total = case.f32("total", 1, 1, Fill::Positive(9.0));
            let g = case.f32("g", rows, cols, Fill::Reals(1.0));
            case.push(Clip { total, g, norm, value });
            cases.push(case);
        }
        // A few whole numbers may all be so round that a rounding error would not show.
        if cols < 13 {
            continue;
        }
        let mut case = Case::new(format!("integers ({rows},{cols})"));
        let total = case.f32("total", 1, 1, Fill::Below(9));
        let g = case.f32("g", rows, cols, Fill::Integers(4095));
        case.push(Clip { total, g, norm: 4.0, value: 1000.0 });
        cases.push(case.exact());
    }
    cases
}
