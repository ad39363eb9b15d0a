//! A test case of a kernel: one dispatch and its data. The seed of the data is the name of the case.

use crate::base::rng::{Stream, host};
use crate::plan::Plan;
use crate::plan::kernel::{Kernel, MAX_GROUPS, StepValues};
use crate::plan::tensor::{DType, Role, TensorId, pack_bytes, pack_fixed};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, RngExt};

/// How a tensor is filled.
#[derive(Clone, Copy, Debug)]
pub enum Fill {
    /// Whole numbers from −n to n.
    Integers(i32),
    /// Multiples of 128 from −128·n to 128·n. The exponential of the difference of two is 0 or infinite, so softmax of them
    /// is exact.
    Far(i32),
    /// Uniform in (−s, s).
    Reals(f32),
    /// Uniform in [0, s).
    Positive(f32),
    /// Whole numbers below n, for `U32` tensors.
    Below(u32),
}

/// A dispatch and the words its tensors start with.
#[derive(Clone, Debug)]
pub struct Case {
    /// Kind of data and sizes.
    pub name: String,
    /// One step.
    pub plan: Plan,
    /// Values of the step.
    pub now: StepValues,
    /// Whether the bits must be equal, regardless of the kernel's bounds.
    pub exact: bool,
    /// Most workgroups in one dimension of the grid.
    pub max_groups: u32,
    /// Words by tensor index; `None` for an output.
    data: Vec<Option<Vec<u32>>>,
}

impl Case {
    /// A case without tensors; `now` describes a first, full batch.
    pub fn new(name: String) -> Self {
        let now = StepValues { rows: u32::MAX, batch: 1, total: 1.0, lr: 0.1, ..StepValues::default() };
        Case { name, plan: Plan::default(), now, exact: false, max_groups: MAX_GROUPS, data: Vec::new() }
    }

    fn rng(&self) -> ChaCha8Rng {
        let seed = self.name.bytes().fold(0u64, |hash, byte| hash.wrapping_mul(0x100_0000_01b3) ^ u64::from(byte));
        host(seed, Stream::Init, self.data.len() as u64)
    }

    fn add(&mut self, name: &str, dtype: DType, rows: usize, cols: usize, words: Option<Vec<u32>>) -> TensorId {
        self.data.push(words);
        self.plan.tensor(name, Role::Scratch, dtype, rows, cols)
    }

    /// A tensor of values, its padding zero.
    pub fn f32(&mut self, name: &str, rows: usize, cols: usize, fill: Fill) -> TensorId {
        let mut rng = self.rng();
        let mut draw = || match fill {
            Fill::Integers(n) => rng.random_range(-n..=n) as f32,
            Fill::Far(n) => 128.0 * rng.random_range(-n..=n) as f32,
            Fill::Reals(s) => s * (2.0 * rng.random::<f32>() - 1.0),
            Fill::Positive(s) => s * rng.random::<f32>(),
            Fill::Below(n) => rng.random_range(0..n) as f32,
        };
        let values: Vec<f32> = (0..rows * cols).map(|_| draw()).collect();
        let id = self.add(name, DType::F32, rows, cols, None);
        self.data[id.index] = Some(id.pack(&values));
        id
    }

    /// A vector of whole numbers.
    pub fn u32(&mut self, name: &str, cols: usize, fill: Fill) -> TensorId {
        let mut rng = self.rng();
        let below = if let Fill::Below(n) = fill { n } else { u32::MAX };
        let words = (0..cols).map(|_| rng.random_range(0..below)).collect();
        self.add(name, DType::U32, 1, cols, Some(words))
    }

    /// A tensor of random i8 from −127 to 127, with `bits` fractional bits.
    pub fn i8(&mut self, name: &str, rows: usize, cols: usize, bits: u8) -> TensorId {
        let mut rng = self.rng();
        let values: Vec<f32> = (0..rows * cols).map(|_| rng.random_range(-127..=127) as f32).collect();
        self.add(name, DType::I8(bits), rows, cols, Some(pack_fixed(&values, cols, 0)))
    }

    /// A tensor of random i32, with `bits` fractional bits. `fill` must be one of integers.
    pub fn i32(&mut self, name: &str, rows: usize, cols: usize, bits: u8, fill: Fill) -> TensorId {
        let mut rng = self.rng();
        let mut draw = || match fill {
            Fill::Integers(n) => rng.random_range(-n..=n).cast_unsigned(),
            Fill::Below(n) => rng.random_range(0..n),
            other => panic!("{other:?} does not fill integers"),
        };
        let words: Vec<u32> = (0..rows * cols).map(|_| draw()).collect();
        let id = self.add(name, DType::I32(bits), rows, cols, None);
        self.data[id.index] = Some(id.pad(&words));
        id
    }

    /// A tensor of any type that the kernel writes.
    pub fn output_of(&mut self, name: &str, dtype: DType, rows: usize, cols: usize) -> TensorId {
        self.add(name, dtype, rows, cols, None)
    }

    /// A tensor of random bytes.
    pub fn bytes(&mut self, name: &str, rows: usize, cols: usize) -> TensorId {
        let mut bytes = vec![0; rows * cols];
        self.rng().fill_bytes(&mut bytes);
        self.add(name, DType::U8, rows, cols, Some(pack_bytes(&bytes, cols)))
    }

    /// A dropout mask. A single word if nothing is dropped, as in a plan.
    pub fn mask(&mut self, name: &str, rows: usize, cols: usize, keep: f32) -> TensorId {
        if keep == 1.0 {
            return self.add(name, DType::Bits, 1, 1, Some(vec![0]));
        }
        let mut rng = self.rng();
        let words = (0..rows * cols.div_ceil(32)).map(|_| rng.next_u32()).collect();
        self.add(name, DType::Bits, rows, cols, Some(words))
    }

    /// Weights of samples. A single word if samples have none, as in a plan.
    pub fn weights(&mut self, samples: usize, weighted: bool) -> TensorId {
        if !weighted {
            return self.mask("weights", 1, 1, 1.0);
        }
        self.f32("weights", 1, samples, Fill::Positive(2.0))
    }

    /// A tensor of values that the kernel writes.
    pub fn output(&mut self, name: &str, rows: usize, cols: usize) -> TensorId {
        self.add(name, DType::F32, rows, cols, None)
    }

    /// A vector of whole numbers that the kernel writes.
    pub fn u32_output(&mut self, name: &str, cols: usize) -> TensorId {
        self.add(name, DType::U32, 1, cols, None)
    }

    /// A mask that the kernel writes.
    pub fn bits_output(&mut self, name: &str, rows: usize, cols: usize) -> TensorId {
        self.add(name, DType::Bits, rows, cols, None)
    }

    /// Replaces every second column of a tensor with 1 or 0, a hit or a miss.
    pub fn hits(mut self, score: TensorId) -> Self {
        for word in self.data[score.index].iter_mut().flatten().skip(1).step_by(4) {
            *word = f32::from(f32::from_bits(*word) > 0.0).to_bits();
        }
        self
    }

    /// Requires equal bits.
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// Sets the dispatch.
    pub fn push(&mut self, kernel: impl Kernel) {
        self.plan.push(kernel);
    }

    /// The same case with its workgroups folded into several rows, the last of which is not full. `None` if there are too few
    /// workgroups. Devices fold large grids in this way, and groups past the end must do nothing.
    pub fn folded(&self) -> Option<Case> {
        let groups = self.plan.steps[0].groups();
        let limit = (2..groups).find(|limit| !groups.is_multiple_of(*limit))?;
        Some(Case { name: format!("{} in rows of {limit} groups", self.name), max_groups: limit, ..self.clone() })
    }

    /// Words of the dispatch's tensors before it runs, in binding order; outputs hold `fresh`.
    pub fn before(&self, fresh: u32) -> Vec<Vec<u32>> {
        let words = |id: TensorId| self.data[id.index].clone().unwrap_or_else(|| vec![fresh; id.words()]);
        self.plan.steps[0].tensors().into_iter().map(words).collect()
    }
}
