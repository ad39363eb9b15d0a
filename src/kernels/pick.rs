//! picked\[b\] = values\[order\[cursor + b\]\]: a value per sample, such as its weight, for the micro-batch.

use crate::plan::case::{Case, Fill};
use crate::plan::kernel::uniform;
use crate::plan::kernel::{Args, Cost, Kernel, Shader, StepValues, expect, groups, read, write};
use crate::plan::tensor::{DType, TensorId};

/// Picks one value per sample of a micro-batch by `order`. Only a plan whose samples have weights needs it; what every
/// sample has, [`super::gather`] picks.
#[derive(Clone, Debug)]
pub struct Pick {
    /// A value per sample (N).
    pub values: TensorId,
    /// Sample numbers, in the order of use (M).
    pub order: TensorId,
    /// The values of the micro-batch (B).
    pub picked: TensorId,
}

uniform! {
    /// Uniform block of the shader.
    struct Params { batch: u32, words: u32, order_words: u32, pad: u32, }
}

/// The shader.
pub static SHADERS: &[Shader] = &[Shader {
    name: "pick",
    source: include_str!("../../shaders/pick.wgsl"),
    args: &[read(1, "values"), read(2, "order"), write(3, "picked")],
    params: Params::FIELDS,
    overrides: &[],
}];

impl Kernel for Pick {
    fn shader(&self) -> &'static Shader {
        &SHADERS[0]
    }

    fn tensors(&self) -> Vec<TensorId> {
        vec![self.values, self.order, self.picked]
    }

    fn params(&self) -> Vec<u8> {
        let Pick { values, order, picked } = *self;
        expect("pick", "values", values, DType::F32, 1, values.cols, "a sample has one value");
        expect("pick", "order", order, DType::U32, 1, order.cols, "the order is a list");
        expect("pick", "picked", picked, DType::F32, 1, picked.cols, "a sample has one value");
        let (batch, words) = (picked.cols as u32, picked.words() as u32);
        let params = Params { batch, words, order_words: order.words() as u32, pad: 0 };
        bytemuck::bytes_of(&params).to_vec()
    }

    fn groups(&self) -> u32 {
        groups(self.picked.words(), 64)
    }

    fn twin(&self, now: &StepValues, mut args: Args<'_>) {
        let (values, order, picked) = (args.f32(0), args.words(1), args.f32_mut(2));
        let (given, padding) = picked.split_at_mut(self.picked.cols.min(now.rows as usize));
        for (picked, &sample) in given.iter_mut().zip(&order[now.cursor as usize..]) {
            *picked = values[sample as usize];
        }
        padding.fill(0.0);
    }

    fn cost(&self) -> Cost {
        // Only the batch's values are read.
        Cost { flops: 0, bytes: 3 * self.picked.bytes() }
    }

    fn flops(&self) -> u64 {
        0
    }
}

/// Batches around a vec4 and a workgroup, whole and partial; an order that begins anywhere.
pub fn cases() -> Vec<Case> {
    let sizes = [(1, 1, 1), (5, 4, 4), (9, 8, 5), (40, 33, 33), (100, 64, 63), (70, 65, 65), (300, 200, 150)];
    let case = |(samples, batch, rows): (usize, usize, usize)| {
        let mut case = Case::new(format!("{samples} batch {rows} of {batch}"));
        let values = case.f32("values", 1, samples, Fill::Positive(3.0));
        let order = case.u32("order", rows + 2, Fill::Below(samples as u32));
        let picked = case.output("picked", 1, batch);
        (case.now.cursor, case.now.rows) = (2, rows as u32);
        case.push(Pick { values, order, picked });
        case
    };
    sizes.into_iter().map(case).collect()
}
