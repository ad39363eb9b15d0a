//! dw = dyᵀ·x: a layer's weight gradient.

use super::half::{COOP, HALF, factor, loss_scale, roundings, with_factors};
use super::linear::{Params, SIZES};
use super::linear_dx::SCALED;
use super::update;
use super::{EPSILON, Form};
use crate::base::audited::gemm::{Gemm, Operand};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{self, Arg, Args, Bounds, Field, Kernel, Shader, StepValues, Witness, expect, read};
use crate::plan::tensor::{DType, TensorId};

/// The gradient of [`super::linear::Linear`] with respect to its weights, summed over the batch. The gradient of the
/// loss is already divided by the batch size.
#[derive(Clone, Debug)]
pub struct LinearDw {
    /// Error signal (B, O).
    pub dy: TensorId,
    /// Inputs of the layer (B, I).
    pub x: TensorId,
    /// Weight gradient (O, I): replaced, or added to if `StepValues::accumulate` is 1.
    pub dw: TensorId,
    /// Which shader.
    pub form: Form,
}

const ARGS: &[Arg] = &[read(6, "dy"), read(1, "x"), kernel::update(8, "dw")];

const fn shader(name: &'static str, source: &'static str, params: &'static [Field]) -> Shader {
    Shader { name, source, args: ARGS, params, overrides: &[] }
}

/// Single precision: the file is shared with the optimizers, which compute the same products.
const fn single(name: &'static str) -> Shader {
    shader(name, update::SOURCE, update::Params::FIELDS)
}

/// One shader for each [`Form`], in its order.
pub static SHADERS: &[Shader] = &[
    single("linear_dw"),
    single("linear_dw_tiled"),
    single("linear_dw_registers"),
    single("linear_dw_wide"),
    single("linear_dw_split"),
    shader("linear_dw_half", HALF, Params::FIELDS),
    shader("linear_dw_coop", COOP, Params::FIELDS),
];

impl Kernel for LinearDw {
    fn shader(&self) -> &'static Shader {
        &SHADERS[self.form as usize]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dy, self.x, self.dw]
    }

    fn params(&self) -> Vec<u8> {
        let LinearDw { dy, x, dw, .. } = *self;
        expect("linear_dw", "x", x, DType::F32, dy.rows, x.cols, &format!("dy is {}", dy.shape()));
        let because = format!("dy is {} and x is {}", dy.shape(), x.shape());
        expect("linear_dw", "dw", dw, DType::F32, dy.cols, x.cols, &because);
        // This kernel reads only the sizes; both uniform blocks begin with them.
        let params = Params {
            batch: x.rows as u32,
            inputs4: x.stride() as u32 / 4,
            outputs: dy.cols as u32,
            outputs4: dy.stride() as u32 / 4,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        self.form.groups(self.dw.rows, self.dw.cols, 4)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (dy, x, dw) = (args.f32(0), args.f32(1), args.f32_mut(2));
        let stride = self.dw.stride();
        with_factors(self.form, dy, loss_scale(now.batch), x, |dy, x| {
            let product = Gemm {
                m: self.dw.rows,
                k: self.x.rows,
                // The padding of x is zero, so a product over whole rows writes the padding of dw too.
                n: stride,
                a: Operand::transposed(dy, self.dy.stride()),
                b: Operand::rows(x, self.x.stride()),
                alpha: 1.0,
                beta: now.accumulate as f32,
                stride,
                columns: false,
            };
            product.run([dw], |_, _, _| {});
        });
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let dy = factor(self.form, witness.f32(0), loss_scale(now.batch));
        let (x, old) = (factor(self.form, witness.f32(1), 1.0), witness.f32(2));
        let mut bound = vec![0.0; self.dw.words()];
        for row in 0..self.dw.rows {
            for col in 0..self.dw.cols {
                let at = row * self.dw.stride() + col;
                let term = |b| dy[b * self.dy.stride() + row] * x[b * self.x.stride() + col];
                let before = if now.accumulate == 1 { old[at].abs() } else { 0.0 };
                let magnitude = (0..self.x.rows).map(|b| term(b).abs()).sum::<f32>() + before;
                bound[at] = roundings(self.form) * (self.x.rows + 2) as f32 * EPSILON * magnitude + f32::MIN_POSITIVE;
            }
        }
        vec![None, None, Some(bound)]
    }

    fn flops(&self) -> u64 {
        2 * (self.dw.rows * self.dw.cols) as u64 * self.x.rows as u64
    }
}

/// Every form at every size with exact integers, fresh and accumulating, then with real values.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut case = |label: &str, form, (batch, inputs, outputs), accumulate, exact: bool| {
        let mut case = Case::new(format!("{label} ({batch},{inputs},{outputs})"));
        let (fine, coarse) =
            if exact { (Fill::Integers(4095), Fill::Integers(4)) } else { (Fill::Reals(1.0), Fill::Reals(1.0)) };
        let dy = case.f32("dy", batch, outputs, coarse);
        let x = case.f32("x", batch, inputs, fine);
        // A gradient that is replaced must not be read: it starts as poison.
        let dw = if accumulate { case.f32("dw", outputs, inputs, fine) } else { case.output("dw", outputs, inputs) };
        case.now.accumulate = u32::from(accumulate);
        case.push(LinearDw { dy, x, dw, form });
        cases.push(if exact { case.exact() } else { case });
    };
    for form in Form::all() {
        for size in SIZES {
            case("integers", form, size, false, true);
        }
        case("integers accumulated", form, (33, 36, 31), true, true);
        case("reals", form, (64, 784, 128), false, false);
        case("reals accumulated", form, (67, 35, 33), true, false);
    }
    for (form, size) in Form::MIXED.into_iter().flat_map(|form| SCALED.map(|size| (form, size))) {
        let mut case = Case::new(format!("error signals up to {size} (50,20,34)"));
        let (dy, x) = (case.f32("dy", 50, 34, Fill::Reals(size)), case.f32("x", 50, 20, Fill::Reals(1.0)));
        let dw = case.output("dw", 34, 20);
        case.now.batch = 50;
        case.push(LinearDw { dy, x, dw, form });
        cases.push(case);
    }
    cases
}
