//! h = act(z) ⊙ mask: the activations that a product does not compute itself.

use super::dropout::drop_out;
use super::{Activation, EPSILON};
use crate::base::audited::parts::for_each_part;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};

/// A layer's activation, apart from its product: for functions whose slope needs z. See [`Activation::is_fused`].
#[derive(Clone, Debug)]
pub struct Activate {
    /// Sums (B, O).
    pub z: TensorId,
    /// Dropout mask (B, O); ignored, and of any shape, if `keep` is 1.
    pub mask: TensorId,
    /// Outputs (B, O).
    pub h: TensorId,
    /// The function.
    pub act: Activation,
    /// Probability that dropout keeps an output; kept outputs are divided by it.
    pub keep: f32,
}

uniform! {
    /// Uniform block of the shaders.
    pub(super) struct Params {
        batch: u32, units: u32, units4: u32, mask_stride: u32, scale: f32, pad0: u32, pad1: u32, pad2: u32,
    }
}

/// Rows per piece of work: for fewer, a second thread does not pay.
const ROWS: usize = 16;

/// The loop of both twins: `f` changes each value of the third tensor by its z; then dropout, and zeros in the padding.
pub(super) fn each_value(
    z: TensorId,
    mask: TensorId,
    keep: f32,
    args: &mut Args<'_>,
    f: impl Fn(&mut f32, f32) + Sync,
) {
    let sums = args.f32(0);
    let bits = args.words(1);
    for_each_part([(args.f32_mut(2), ROWS * z.stride())], |part, [lines]| {
        for (row, line) in (part * ROWS..).zip(lines.chunks_exact_mut(z.stride())) {
            let (values, padding) = line.split_at_mut(z.cols);
            values.iter_mut().zip(&sums[row * z.stride()..]).for_each(|(value, z)| f(value, *z));
            if keep < 1.0 {
                drop_out(values, &bits[row * mask.stride()..], 0, 1.0 / keep);
            }
            padding.fill(0.0);
        }
    });
}

/// Pipeline constants of the module, with their defaults.
pub(super) const OVERRIDES: &[(&str, f64)] = &[("ACT", 5.0), ("ALPHA", 1.0), ("MASKED", 0.0)];

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "activate",
    source: include_str!("../../shaders/activate.wgsl"),
    args: &[read(1, "z"), read(2, "mask"), write(3, "h")],
    params: Params::FIELDS,
    overrides: OVERRIDES,
}];

/// The uniform block of a call. Checks the shapes of z and mask, which both shaders have.
pub(super) fn params(kernel: &str, z: TensorId, mask: TensorId, out: TensorId, act: Activation, keep: f32) -> Vec<u8> {
    assert!(!act.is_fused(), "{kernel}: products compute {act} themselves");
    expect(kernel, "the output", out, DType::F32, z.rows, z.cols, &format!("z is {}", z.shape()));
    if keep < 1.0 {
        expect(kernel, "mask", mask, DType::Bits, z.rows, z.cols, &format!("z is {}", z.shape()));
    }
    let params = Params {
        batch: z.rows as u32,
        units: z.cols as u32,
        units4: z.stride() as u32 / 4,
        mask_stride: mask.stride() as u32,
        scale: 1.0 / keep,
        ..Params::default()
    };
    bytemuck::bytes_of(&params).to_vec()
}

/// The activations of this module.
pub(super) const ALL: [Activation; 7] = [
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Mish,
    Activation::Selu,
    Activation::Elu(0.7),
    Activation::Softplus,
];

impl Kernel for Activate {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.z, self.mask, self.h]
    }

    fn params(&self) -> Vec<u8> {
        params("activate", self.z, self.mask, self.h, self.act, self.keep)
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        self.act.overrides(self.keep)
    }

    fn groups(&self) -> u32 {
        groups(self.z.words() / 4, 64)
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        each_value(self.z, self.mask, self.keep, &mut args, |h, z| *h = self.act.apply(z));
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let bound = |&z: &f32| {
            // 1/keep and the product with it are rounded.
            let rounding = 2.0 * EPSILON * self.act.apply(z).abs();
            (self.act.evaluation_error(z) + rounding) / self.keep + f32::MIN_POSITIVE
        };
        vec![None, None, Some(witness.f32(0).iter().map(bound).collect())]
    }

    fn flops(&self) -> u64 {
        10 * (self.z.rows * self.z.cols) as u64
    }
}

/// Every function at edges, with dropout, and far from zero; whole numbers where a function does not round them.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |label: String, (rows, units), act, keep: f32, fill, exact: bool| {
        let mut case = Case::new(format!("{label} ({rows},{units})"));
        let z = case.f32("z", rows, units, fill);
        let mask = case.mask("mask", rows, units, keep);
        let h = case.output("h", rows, units);
        case.push(Activate { z, mask, h, act, keep });
        cases.push(if exact { case.exact() } else { case });
    };
    for act in ALL {
        for size in [(1, 1), (7, 13), (33, 31), (64, 128), (65, 257)] {
            case(format!("{act:?}"), size, act, 1.0, Fill::Reals(6.0), false);
        }
        case(format!("{act:?} keep 0.8"), (64, 130), act, 0.8, Fill::Reals(3.0), false);
        case(format!("{act:?} far"), (5, 67), act, 1.0, Fill::Far(9), false);
    }
    case("integers ELU keep 0.5".into(), (33, 67), Activation::Elu(1.0), 0.5, Fill::Below(4096), true);
    cases
}
