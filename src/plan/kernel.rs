//! A kernel: a shader, its CPU twin, and the largest difference allowed between the two.

use crate::plan::tensor::{DType, TensorId};
use std::any::Any;
use std::fmt;

/// What a dispatch does with a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads it.
    Read,
    /// Writes every word of it, padding included, and never reads it.
    Write,
    /// Reads it and writes all or part of it.
    Update,
}

/// One storage binding of a shader. Entry points of one file share their variables, so a kernel may leave out numbers.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// Its number in group 1; number 0 is the uniform block.
    pub binding: u32,
    /// The variable's name in the shader.
    pub name: &'static str,
    /// What the shader does with it.
    pub access: Access,
}

/// Shorthand for a binding that is only read.
pub const fn read(binding: u32, name: &'static str) -> Arg {
    Arg { binding, name, access: Access::Read }
}
/// Shorthand for a binding that is wholly written.
pub const fn write(binding: u32, name: &'static str) -> Arg {
    Arg { binding, name, access: Access::Write }
}
/// Shorthand for a binding that is read and written.
pub const fn update(binding: u32, name: &'static str) -> Arg {
    Arg { binding, name, access: Access::Update }
}

/// An entry point of a `.wgsl` module as Rust describes it. The `shaders` tests compare this with the WGSL.
#[derive(Debug)]
pub struct Shader {
    /// Name of the entry point.
    pub name: &'static str,
    /// Text of the file. Kernels and forms that have much in common share one.
    pub source: &'static str,
    /// Storage bindings of group 1, in the order of [`Kernel::tensors`].
    pub args: &'static [Arg],
    /// Group 1, binding 0: fields of `Params`, of which the shader has an array, one per model. Names that end in 4 (`inputs4`) count the vec4 of a row, which is
    /// zero-padded to whole vec4, see [`crate::plan::tensor`]; `mask_stride` counts the words of a mask row; `scale` is
    /// 1/keep.
    pub params: &'static [Field],
    /// Pipeline constants with their defaults.
    pub overrides: &'static [(&'static str, f64)],
}

/// What a device must have beyond the core of WebGPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Needs {
    /// Nothing.
    #[default]
    Core,
    /// Values in half precision.
    Half,
    /// Values in half precision, and 16×16 cooperative matrices with f16 factors and f32 sums, in subgroups of 32.
    Coop,
}

impl fmt::Display for Needs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Needs::Core => "nothing",
            Needs::Half => "half precision (f16)",
            Needs::Coop => "cooperative matrices of 16x16 (f16 to f32, in subgroups of 32)",
        })
    }
}

impl Shader {
    /// Device features that the shader needs, by the `enable` lines of its source.
    pub fn needs(&self) -> Needs {
        let enables = |extension: &str| self.source.lines().any(|line| line == format!("enable {extension};"));
        match (enables("f16"), enables("wgpu_cooperative_matrix")) {
            (_, true) => Needs::Coop,
            (true, false) => Needs::Half,
            (false, false) => Needs::Core,
        }
    }
}

/// A field of a uniform block: name, type (spelled alike in Rust and WGSL), offset in bytes.
pub type Field = (&'static str, &'static str, usize);

/// Declares a uniform block: the struct, and the list of its fields for the comparison with WGSL.
macro_rules! uniform {
    ($(#[$meta:meta])* $vis:vis struct $name:ident { $($(#[$doc:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        $vis struct $name { $($(#[$doc])* pub $field: $type,)* }
        impl $name {
            /// Its fields, in order.
            pub const FIELDS: &'static [$crate::plan::kernel::Field] =
                &[$((stringify!($field), stringify!($type), core::mem::offset_of!($name, $field)),)*];
        }
    };
}

pub(crate) use uniform;

uniform! {
    /// What changes from one training step to the next. Group 0, binding 0 of every shader: an array of [`MODELS`], one for
    /// each model of the dispatch.
    pub struct StepValues {
        /// First entry of `order` that belongs to this micro-batch.
        cursor: u32,
        /// Rows in this micro-batch; the rest of its tensors is padding, which is not trained on.
        rows: u32,
        /// Rows of the whole batch.
        batch: u32,
        /// Row of the whole batch at which this micro-batch starts.
        first: u32,
        /// Number of updates before this one: the counter of the dropout generator.
        step: u32,
        /// Number of this micro-batch in the epoch: its row in the record.
        slot: u32,
        /// 1 if gradients are added to those of earlier micro-batches, 0 if they replace them.
        accumulate: u32,
        /// Learning rate.
        lr: f32,
        /// Momentum, or β₁ of Adam.
        momentum: f32,
        /// 1 − β₁ᵗ of Adam.
        bias1: f32,
        /// 1 − β₂ᵗ of Adam.
        bias2: f32,
        /// Total weight of the whole batch, the divisor of the mean: its rows if samples have no weights. Greater than 0.
        total: f32,
        /// Number of the model in its group, below [`MODELS`]; 0 for a model of its own. Selects `Params` and tensors.
        model: u32,
        /// Padding: the elements of an array in a uniform block begin at multiples of 16 bytes.
        pad0: u32,
        /// Padding.
        pad1: u32,
        /// Padding.
        pad2: u32,
    }
}

impl AsRef<[StepValues]> for StepValues {
    fn as_ref(&self) -> &[StepValues] {
        std::slice::from_ref(self)
    }
}

/// Most models whose tensors lie in the same buffers, one after another, and that one dispatch can serve. Every shader
/// declares its uniform blocks as arrays of this many.
pub const MODELS: usize = 64;

/// Most storage bindings of a shader, by WebGPU's default limits.
pub const MAX_ARGS: usize = 8;

/// The tensors of one call, as words, in the order of the shader's bindings. Each is taken out once.
#[derive(Default)]
pub struct Args<'a> {
    slots: [Slot<'a>; MAX_ARGS],
    len: usize,
}

#[derive(Default)]
enum Slot<'a> {
    Read(&'a [u32]),
    Write(&'a mut [u32]),
    #[default]
    Taken,
}

impl<'a> Args<'a> {
    /// Adds a tensor that the call reads; panics if there are too many, which no plan has.
    pub fn push_read(&mut self, words: &'a [u32]) {
        self.slots[self.len] = Slot::Read(words);
        self.len += 1;
    }
    /// Adds a tensor that the call writes; panics if there are too many, which no plan has.
    pub fn push_write(&mut self, words: &'a mut [u32]) {
        self.slots[self.len] = Slot::Write(words);
        self.len += 1;
    }
    /// Takes the words of a tensor that is read.
    ///
    /// # Panics
    /// If the tensor is not read-only or was already taken: a bug in a twin.
    pub fn words(&mut self, index: usize) -> &'a [u32] {
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Read(words) => words,
            _ => panic!("argument {index} is not read-only, or was already taken"),
        }
    }
    /// Takes the words of a tensor that is written.
    ///
    /// # Panics
    /// If the tensor is read-only or was already taken: a bug in a twin.
    pub fn words_mut(&mut self, index: usize) -> &'a mut [u32] {
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Write(words) => words,
            _ => panic!("argument {index} is read-only, or was already taken"),
        }
    }
    /// Takes the values of a tensor that is read; panics as [`Args::words`].
    pub fn f32(&mut self, index: usize) -> &'a [f32] {
        bytemuck::cast_slice(self.words(index))
    }
    /// Takes the values of a tensor that is written; panics as [`Args::words_mut`].
    pub fn f32_mut(&mut self, index: usize) -> &'a mut [f32] {
        bytemuck::cast_slice_mut(self.words_mut(index))
    }
}

/// Arithmetic and memory traffic of one dispatch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Floating-point operations; a multiply-add is two.
    pub flops: u64,
    /// Bytes of all its tensors, each counted once (an `Update` twice).
    pub bytes: u64,
}

/// Largest allowed difference per value of each tensor: twice the rounding error of one machine in single precision. `None`:
/// the bits must be equal.
pub type Bounds = Vec<Option<Vec<f32>>>;

/// The words of all tensors of a call, in binding order, before and after it ran on the CPU.
pub struct Witness<'a> {
    /// Words before the call.
    pub before: &'a [Vec<u32>],
    /// Words after the call.
    pub after: &'a [Vec<u32>],
}

impl Witness<'_> {
    /// Values of a tensor before the call.
    pub fn f32(&self, index: usize) -> &[f32] {
        bytemuck::cast_slice(&self.before[index])
    }
}

/// A kernel: one dispatch on a GPU, one function on the CPU.
pub trait Kernel: Any + fmt::Debug + Send + Sync {
    /// The shader.
    fn shader(&self) -> &'static Shader;

    /// Its tensors in the order of [`Shader::args`].
    fn tensors(&self) -> Vec<TensorId>;

    /// Checks the shapes against each other and returns the bytes of `Params`.
    ///
    /// # Panics
    /// With both shapes, if they do not fit: a bug in the code that builds the plan.
    fn params(&self) -> Vec<u8>;

    /// Pipeline constants that differ from the shader's defaults.
    fn overrides(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Number of workgroups; the engine folds them into two dimensions with [`fold`].
    fn groups(&self) -> u32;

    /// The same function in plain Rust, over the same words. The CPU engine runs it, and the parity tests compare the shader
    /// with it.
    fn twin(&self, now: &StepValues, args: Args<'_>);

    /// The bound for each tensor. By default the bits must be equal.
    fn bounds(&self, now: &StepValues, witness: &Witness<'_>) -> Bounds {
        let _ = now;
        vec![None; witness.before.len()]
    }

    /// Floating-point operations of one dispatch.
    fn flops(&self) -> u64;

    /// Arithmetic and traffic of one dispatch.
    fn cost(&self) -> Cost {
        let sized = self.tensors().into_iter().zip(self.shader().args);
        let bytes = sized.map(|(id, arg)| id.bytes() * if arg.access == Access::Update { 2 } else { 1 }).sum();
        Cost { flops: self.flops(), bytes }
    }
}

/// Checks that a tensor has the shape and type a kernel needs.
///
/// # Panics
/// With both shapes, if they differ.
#[track_caller]
pub fn expect(kernel: &str, name: &str, id: TensorId, dtype: DType, rows: usize, cols: usize, because: &str) {
    assert!(
        (id.dtype, id.rows, id.cols) == (dtype, rows, cols),
        "{kernel}: {name} is {} {:?} but must be ({rows},{cols}) {dtype:?}, as {because}",
        id.shape(),
        id.dtype,
    );
}

/// Most workgroups a dimension may have, on every WebGPU device.
pub const MAX_GROUPS: u32 = 65_535;

/// Workgroups of `size` invocations that cover `items`, at least one.
///
/// # Panics
/// From 2³² workgroups on. Only tensors that no device can bind need so many; `engine::memory` rejects them earlier.
pub fn groups(items: usize, size: usize) -> u32 {
    u32::try_from(items.div_ceil(size)).expect("under 2^32 workgroups").max(1)
}

/// Folds a number of workgroups into two dimensions of at most `limit` each. The shader computes its group number as
/// `group.x + group.y * groups.x`. The last groups may have nothing to do.
pub fn fold(groups: u32, limit: u32) -> [u32; 2] {
    let x = groups.min(limit);
    [x, groups.div_ceil(x)]
}
