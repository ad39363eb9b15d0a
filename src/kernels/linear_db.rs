//! db = column sums of dy: a layer's bias gradient.

use super::EPSILON;
use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Bounds, Kernel, Shader, StepValues, Witness, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};
use multiversion::multiversion;

/// The gradient of [`super::linear::Linear`] with respect to its biases, summed over the batch in order.
#[derive(Clone, Debug)]
pub struct LinearDb {
    /// Error signal (B, O).
    pub dy: TensorId,
    /// Bias gradient (O): replaced, or added to if `StepValues::accumulate` is 1.
    pub db: TensorId,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { batch: u32, outputs4: u32, pad0: u32, pad1: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "linear_db",
    source: include_str!("../../shaders/linear_db.wgsl"),
    args: &[read(1, "dy"), update(2, "db")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for LinearDb {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.dy, self.db]
    }

    fn params(&self) -> Vec<u8> {
        let LinearDb { dy, db } = *self;
        expect("linear_db", "db", db, DType::F32, 1, dy.cols, &format!("dy is {}", dy.shape()));
        let params = Params { batch: dy.rows as u32, outputs4: dy.stride() as u32 / 4, ..Params::default() };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.db.stride() / 4, 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (dy, db) = (args.f32(0), args.f32_mut(1));
        if now.accumulate == 0 {
            db.fill(0.0);
        }
        add_rows(db, dy);
    }

    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let (dy, old) = (witness.f32(0), witness.f32(1));
        let mut magnitude = vec![0.0; self.db.words()];
        if now.accumulate == 1 {
            magnitude.iter_mut().zip(old).for_each(|(sum, old): (&mut f32, _)| *sum = old.abs());
        }
        for row in dy.chunks_exact(self.dy.stride()) {
            magnitude.iter_mut().zip(row).for_each(|(sum, value)| *sum += value.abs());
        }
        let bound = magnitude.iter().map(|m| (self.dy.rows + 1) as f32 * EPSILON * m).collect();
        vec![None, Some(bound)]
    }

    fn flops(&self) -> u64 {
        (self.dy.rows * self.dy.cols) as u64
    }
}

/// Adds every row of dy to db, in order.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn add_rows(db: &mut [f32], dy: &[f32]) {
    for row in dy.chunks_exact(db.len()) {
        for (sum, value) in db.iter_mut().zip(row) {
            *sum += value;
        }
    }
}

/// Exact integers at awkward sizes, fresh and accumulating, and real values.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, outputs) in [(1, 1), (7, 10), (63, 255), (64, 256), (65, 257), (131, 515), (1000, 10)] {
        for accumulate in [false, true] {
            for exact in [true, false] {
                let label = if exact { "integers" } else { "reals" };
                let more = if accumulate { " accumulated" } else { "" };
                let fill = if exact { Fill::Integers(4095) } else { Fill::Reals(1.0) };
                let mut case = Case::new(format!("{label}{more} ({batch},{outputs})"));
                let dy = case.f32("dy", batch, outputs, fill);
                let db = if accumulate { case.f32("db", 1, outputs, fill) } else { case.output("db", 1, outputs) };
                case.now.accumulate = u32::from(accumulate);
                case.push(LinearDb { dy, db });
                cases.push(if exact { case.exact() } else { case });
            }
        }
    }
    cases
}
