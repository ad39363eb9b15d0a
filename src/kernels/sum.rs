//! The sum of part of a vector, in a fixed order.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Cost, Kernel, Shader, StepValues, Witness, expect, read, update};
use crate::plan::tensor::{DType, TensorId};

/// Adds up the partial results of [`super::squares`] and [`super::dead`].
#[derive(Clone, Debug)]
pub struct Sum {
    /// Values (P).
    pub parts: TensorId,
    /// Index of the first value to add.
    pub first: usize,
    /// Number of values to add.
    pub count: usize,
    /// Sums (R, 1).
    pub total: TensorId,
    /// Row of `total` that is written.
    pub row: usize,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { first: u32, count: u32, row: u32, rows: u32, parts: u32, pad0: u32, pad1: u32, pad2: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "sum",
    source: include_str!("../../shaders/sum.wgsl"),
    args: &[read(1, "parts"), update(2, "total")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for Sum {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.parts, self.total]
    }

    fn params(&self) -> Vec<u8> {
        let Sum { parts, first, count, total, row } = *self;
        expect("sum", "parts", parts, DType::F32, 1, parts.cols, "it is a vector");
        expect("sum", "total", total, DType::F32, total.rows, 1, "every sum has a row");
        let end = first + count;
        assert!(end <= parts.cols, "sum: parts is {} but values {first} to {end} of it are read", parts.shape());
        assert!(row < total.rows, "sum: total is {} but row {row} of it is written", total.shape());
        let params = Params {
            first: first as u32,
            count: count as u32,
            row: row as u32,
            rows: total.rows as u32,
            parts: parts.words() as u32,
            ..Params::default()
        };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        1
    }

    fn twin(&self, _: &StepValues, mut args: Args<'_>) {
        let (parts, total) = (args.f32(0), args.f32_mut(1));
        total[4 * self.row..][..4].fill(0.0);
        total[4 * self.row] = parts[self.first..][..self.count].iter().sum();
    }

    fn bounds(&self, _: &StepValues, witness: &Witness<'_>) -> Bounds {
        let values = &witness.f32(0)[self.first..][..self.count];
        let mut bound = vec![0.0; self.total.words()];
        bound[4 * self.row] = (self.count + 1) as f32 * EPSILON * values.iter().map(|value| value.abs()).sum::<f32>();
        vec![None, Some(bound)]
    }

    fn cost(&self) -> Cost {
        Cost { flops: self.flops(), bytes: 4 * self.count as u64 + 16 }
    }

    fn flops(&self) -> u64 {
        self.count as u64
    }
}

/// Counts around the workgroup's size, any part and row, exact and real.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (first, count, rows, row) in
        [(0, 1, 1, 0), (2, 7, 3, 2), (0, 63, 2, 0), (1, 64, 2, 1), (5, 65, 4, 3), (3, 1424, 1, 0), (0, 0, 2, 1)]
    {
        // A few whole numbers may all be so round that a rounding error would not show.
        for exact in [true, false].into_iter().filter(|exact| !exact || count >= 63) {
            let (label, fill) = if exact { ("integers", Fill::Integers(4095)) } else { ("reals", Fill::Reals(1.0)) };
            let mut case = Case::new(format!("{label} {count} from {first} to row {row}"));
            let parts = case.f32("parts", 1, first + count + 2, fill);
            let total = case.f32("total", rows, 1, Fill::Reals(1.0));
            case.push(Sum { parts, first, count, total, row });
            cases.push(if exact { case.exact() } else { case });
        }
    }
    cases
}
