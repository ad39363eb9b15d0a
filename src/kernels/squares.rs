//! Partial sums of squares of a tensor, or of the difference of two. Every norm is computed from them.

use super::EPSILON;
use crate::base::audited::parts::for_each_part;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Cost, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// Σ a² or Σ (a − b)² over every [`PART`] values, for [`super::sum`] to add up. The parts do not depend on each other, so a
/// large tensor keeps a whole device busy.
#[derive(Clone, Debug)]
pub struct Squares {
    /// Values (R, C).
    pub a: TensorId,
    /// Values to subtract from `a` (R, C), if any.
    pub minus: Option<TensorId>,
    /// Sums (P), of which [`Squares::parts`] are written.
    pub parts: TensorId,
    /// Index of the first one that is written.
    pub first: usize,
}

/// Values per part.
pub const PART: usize = 4096;

uniform! {
    /// Uniform block of the shader.
    struct Params { count4: u32, first: u32, parts: u32, pad: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "squares",
    source: include_str!("../../shaders/squares.wgsl"),
    args: &[read(1, "a"), read(2, "b"), update(3, "parts")],
    params: Params::FIELDS,
    overrides: &[("DIFFERENCE", 0.0)],
}];

impl Squares {
    /// Number of sums for a tensor.
    pub fn parts(of: TensorId) -> usize {
        of.words().div_ceil(PART)
    }
}

impl Kernel for Squares {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.a, self.minus.unwrap_or(self.a), self.parts]
    }

    fn params(&self) -> Vec<u8> {
        let Squares { a, parts, first, .. } = *self;
        let minus = self.minus.unwrap_or(a);
        expect("squares", "b", minus, DType::F32, a.rows, a.cols, &format!("a is {}", a.shape()));
        expect("squares", "parts", parts, DType::F32, 1, parts.cols, "it is a vector");
        let end = first + Squares::parts(a);
        assert!(end <= parts.cols, "squares: parts is {} but parts {first} to {end} of it are written", parts.shape());
        let (count4, parts) = ((a.words() / 4) as u32, parts.words() as u32);
        let params = Params { count4, first: first as u32, parts, pad: 0 };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn overrides(&self) -> Vec<(&'static str, f64)> {
        if self.minus.is_some() { vec![("DIFFERENCE", 1.0)] } else { vec![] }
    }

    fn groups(&self) -> u32 {
        groups(self.a.words(), PART)
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        let [a, b] = [0, 1].map(|i| args.f32(i));
        let parts = &mut args.f32_mut(2)[self.first..];
        let difference = self.minus.is_some();
        let count = Squares::parts(self.a);
        // A quarter of a megabyte: for less, a second thread costs more than it saves.
        for_each_part([(&mut parts[..count], 16)], |piece, [parts]| {
            let first = piece * 16 * PART;
            let values = a[first..].chunks(PART).zip(b[first..].chunks(PART));
            parts.iter_mut().zip(values).for_each(|(part, (a, b))| *part = part_of(a, b, difference));
        });
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let [a, b] = [0, 1].map(|i| witness.f32(i));
        let mut bound = vec![0.0; self.parts.words()];
        for ((a, b), bound) in a.chunks(PART).zip(b.chunks(PART)).zip(&mut bound[self.first..]) {
            let square = |(a, b): (&f32, &f32)| if self.minus.is_some() { (a - b) * (a - b) } else { a * a };
            let sum: f32 = a.iter().zip(b).map(square).sum();
            // No term is rounded more often than the shader's or the twin's summation has levels.
            *bound = (PART / 16 + 16) as f32 * EPSILON * sum;
        }
        vec![None, None, Some(bound)]
    }

    fn cost(&self) -> Cost {
        let tensors = 1 + u64::from(self.minus.is_some());
        Cost { flops: self.flops(), bytes: tensors * self.a.bytes() + 4 * Squares::parts(self.a) as u64 }
    }

    fn flops(&self) -> u64 {
        2 * (self.a.rows * self.a.cols) as u64
    }
}

/// Sixteen sums side by side, for the widest registers there are.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn part_of(a: &[f32], b: &[f32], difference: bool) -> f32 {
    let mut sums = [0.0; 16];
    for (a, b) in a.chunks(16).zip(b.chunks(16)) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            let value = if difference { a - b } else { *a };
            *sum += value * value;
        }
    }
    sums.iter().sum()
}

/// Sizes around a part, of one tensor and of two, exact and real.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (rows, cols) in [(1, 1), (1, 10), (7, 13), (4, 1024), (1, 4097), (65, 257), (128, 784)] {
        for difference in [false, true] {
            for exact in [true, false] {
                // Squares of a part of numbers this large add up to less than 2²⁴.
                let fill = if exact { Fill::Integers(31) } else { Fill::Reals(1.0) };
                let (label, of) =
                    (if exact { "integers" } else { "reals" }, if difference { "difference" } else { "one" });
                let mut case = Case::new(format!("{label} {of} ({rows},{cols})"));
                let (a, b) = (case.f32("a", rows, cols, fill), case.f32("b", rows, cols, fill));
                let parts = case.f32("parts", 1, Squares::parts(a) + 3, Fill::Reals(1.0));
                case.push(Squares { a, minus: difference.then_some(b), parts, first: 2 });
                cases.push(if exact { case.exact() } else { case });
            }
        }
    }
    cases
}
