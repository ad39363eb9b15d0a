//! Dead units: zero for every sample of a micro-batch, so that their weights get no gradient.

use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Kernel, Shader, StepValues, expect, groups, read, update};
use crate::plan::tensor::{DType, TensorId};

/// Counts the units of a hidden layer that are zero in every real row, in parts for [`super::sum`] to add up.
#[derive(Clone, Debug)]
pub struct Dead {
    /// Outputs of the layer (B, O).
    pub h: TensorId,
    /// Counts (P), of which [`Dead::parts`] are written.
    pub parts: TensorId,
    /// Index of the first one that is written.
    pub first: usize,
}

/// Units per part.
const PART: usize = 256;

uniform! {
    /// Uniform block of the shader.
    struct Params {
        batch: u32, units: u32, units4: u32, first: u32,
        parts: u32, pad0: u32, pad1: u32, pad2: u32,
    }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "dead",
    source: include_str!("../../shaders/dead.wgsl"),
    args: &[read(1, "h"), update(2, "parts")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Dead {
    /// Number of counts for a layer.
    pub fn parts(of: TensorId) -> usize {
        of.stride().div_ceil(PART)
    }
}

impl Kernel for Dead {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.h, self.parts]
    }

    fn params(&self) -> Vec<u8> {
        let Dead { h, parts, first } = *self;
        expect("dead", "parts", parts, DType::F32, 1, parts.cols, "it is a vector");
        let end = first + Dead::parts(h);
        assert!(end <= parts.cols, "dead: parts is {} but parts {first} to {end} of it are written", parts.shape());
        let (batch, units, units4) = (h.rows as u32, h.cols as u32, h.stride() as u32 / 4);
        let (first, parts) = (first as u32, parts.words() as u32);
        bytemuck::bytes_of(&Params { batch, units, units4, first, parts, ..Params::default() }).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.h.stride(), PART)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (h, parts) = (args.f32(0), args.f32_mut(1));
        let rows = (now.rows as usize).min(self.h.rows);
        let dead = |unit: &usize| h.chunks_exact(self.h.stride()).take(rows).all(|row| row[*unit] == 0.0);
        for (number, part) in parts[self.first..][..Dead::parts(self.h)].iter_mut().enumerate() {
            let units = number * PART..((number + 1) * PART).min(self.h.cols);
            *part = units.filter(dead).count() as f32;
        }
    }

    fn flops(&self) -> u64 {
        (self.h.rows * self.h.cols) as u64
    }
}

/// Widths around a part, whole and partial batches; few samples, so that some units are dead.
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (batch, rows, units) in
        [(1, 1, 1), (3, 2, 10), (2, 2, 255), (1, 1, 256), (3, 3, 257), (2, 1, 515), (64, 5, 130)]
    {
        let mut case = Case::new(format!("({rows} of {batch},{units})"));
        let h = case.f32("h", batch, units, Fill::Integers(1));
        let parts = case.f32("parts", 1, Dead::parts(h) + 3, Fill::Reals(1.0));
        case.now.rows = rows as u32;
        case.push(Dead { h, parts, first: 1 });
        cases.push(case.exact());
    }
    cases
}
