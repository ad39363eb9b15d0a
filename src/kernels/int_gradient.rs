//! g = dyᵀ·x, and the sums of dy, in integers: the gradients of a layer. The sums are not rounded.

use super::int_update::{Params, shader};
use super::{Form, fixed};
use crate::base::audited::gemm8::{Bytes, Gemm8, Target};
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::{Arg, Args, Kernel, Shader, StepValues, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// The gradient of the weights, or of the biases if there is no `x`, summed over the batch. It is added to `g` if
/// `StepValues::accumulate` is 1, else it replaces `g`.
#[derive(Clone, Debug)]
pub struct IntGradient {
    /// Error signal (B, O), i8.
    pub dy: TensorId,
    /// Inputs of the layer (B, I), i8; `None` for the biases.
    pub x: Option<TensorId>,
    /// Gradient (O, I) or (O), i32.
    pub g: TensorId,
    /// Which shader for weights: `Plain`, `Tiled` for GPUs, or `Registers` for software adapters.
    pub form: Form,
}

const WEIGHTS: &[Arg] = &[read(1, "dy"), read(2, "x"), update(3, "sums")];
const BIASES: &[Arg] = &[read(1, "dy"), update(3, "sums")];

/// One for weights in each of [`fixed::FORMS`], one for biases.
pub static SHADERS: &[Shader] = &[
    shader("int_gradient", WEIGHTS, &[]),
    shader("int_gradient_tiled", WEIGHTS, &[]),
    shader("int_gradient_registers", WEIGHTS, &[]),
    shader("int_gradient_b", BIASES, &[]),
];

impl Kernel for IntGradient {
    fn shader(&self) -> &'static Shader {
        &SHADERS[if self.x.is_none() { 3 } else { fixed::form(self.form) }]
    }

    fn tensors(&self) -> Vec<TensorId> {
        [Some(self.dy), self.x, Some(self.g)].into_iter().flatten().collect()
    }

    fn params(&self) -> Vec<u8> {
        let IntGradient { dy, x, g, .. } = *self;
        let because = format!("dy is {}", dy.shape());
        match x {
            Some(x) => {
                expect("int_gradient", "x", x, x.dtype, dy.rows, x.cols, &because);
                expect("int_gradient", "g", g, DType::I32(0), dy.cols, x.cols, &because);
            }
            None => expect("int_gradient_b", "g", g, DType::I32(0), 1, dy.cols, &because),
        }
        let params = Params { inputs4: g.stride() as u32 / 4, ..Params::of(dy, x.unwrap_or(dy)) };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        match self.x {
            Some(_) if self.form != Form::Plain => self.form.groups(self.dy.cols, self.g.stride(), 1),
            Some(_) => groups(self.dy.cols.div_ceil(4) * self.g.stride() / 4, 64),
            None => groups(self.dy.cols.div_ceil(4), 64),
        }
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let dy = args.words(0);
        let add = now.accumulate == 1;
        let Some(id) = self.x else {
            let g: &mut [i32] = bytemuck::cast_slice_mut(args.words_mut(1));
            if !add {
                g.fill(0);
            }
            add_rows(g, dy, self.dy.stride());
            return;
        };
        let (x, g) = (args.words(1), args.words_mut(2));
        let product = Gemm8 {
            m: self.dy.cols,
            k: self.dy.rows,
            n: id.cols,
            a: Bytes { words: dy, stride: self.dy.stride(), along: false },
            b: Bytes { words: x, stride: id.stride(), along: false },
        };
        product.run(Target { words: [g], stride: self.g.stride(), per_word: 1 }, |_, rows| {
            let columns = rows.columns;
            for (_, sums, [words]) in rows {
                let sums: &[u32] = bytemuck::cast_slice(&sums[..columns]);
                if add {
                    words.iter_mut().zip(sums).for_each(|(word, sum)| *word = word.wrapping_add(*sum));
                } else {
                    words[..sums.len()].copy_from_slice(sums);
                    words[sums.len()..].fill(0);
                }
            }
        });
    }

    fn flops(&self) -> u64 {
        2 * (self.dy.rows * self.dy.cols) as u64 * self.x.map_or(1, |x| x.cols) as u64
    }
}

/// Adds the rows of dy, `stride` words each, to `sums`. Padding of dy is zero.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn add_rows(sums: &mut [i32], dy: &[u32], stride: usize) {
    for row in dy.chunks_exact(stride) {
        let errors: &[i8] = bytemuck::cast_slice(row);
        sums.iter_mut().zip(errors).for_each(|(sum, d)| *sum = sum.wrapping_add(i32::from(*d)));
    }
}

/// Sizes around a word and a panel, replaced and accumulated.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, inputs, outputs) in
        [(1, 1, 1), (3, 5, 7), (8, 16, 33), (33, 65, 31), (64, 784, 128), (70, 36, 10), (2100, 20, 17), (5, 3, 700)]
    {
        for accumulate in [0, 1] {
            for (weights, form) in
                [(true, Form::Plain), (true, Form::Tiled), (true, Form::Registers), (false, Form::Plain)]
            {
                let what = if weights { "weights" } else { "biases" };
                let mut case = Case::new(format!("{what} accumulate {accumulate} ({batch},{inputs},{outputs})"));
                let dy = case.i8("dy", batch, outputs, 7);
                let x = weights.then(|| case.i8("x", batch, inputs, 4));
                let (rows, cols) = if weights { (outputs, inputs) } else { (1, outputs) };
                let g = case.i32("g", rows, cols, 0, Fill::Integers(1 << 20));
                case.now.accumulate = accumulate;
                case.push(IntGradient { dy, x, g, form });
                cases.push(case);
            }
        }
    }
    cases
}
