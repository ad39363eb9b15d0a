//! What a kernel is: a shader, its twin, and the bound within which the two must agree.

use crate::plan::tensor::{Id, Kind};
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

/// One storage binding of a shader, in the order of the bindings.
#[derive(Clone, Copy, Debug)]
pub struct Arg {
    /// The variable's name in the shader.
    pub name: &'static str,
    /// What the shader does with it.
    pub access: Access,
}

/// Shorthand for a binding that is only read.
pub const fn read(name: &'static str) -> Arg {
    Arg { name, access: Access::Read }
}
/// Shorthand for a binding that is wholly written.
pub const fn write(name: &'static str) -> Arg {
    Arg { name, access: Access::Write }
}
/// Shorthand for a binding that is read and written.
pub const fn update(name: &'static str) -> Arg {
    Arg { name, access: Access::Update }
}

/// A `.wgsl` file and everything Rust says about it; `tests/pure/shaders.rs` compares the two.
#[derive(Debug)]
pub struct Shader {
    /// Stem of the file, and name of its entry point.
    pub name: &'static str,
    /// Its text.
    pub source: &'static str,
    /// Group 1, bindings 1, 2, …
    pub args: &'static [Arg],
    /// Group 1, binding 0: fields of `Params`. Names that end in 4 (`inputs4`) count vec4 in a row, which is padded with zeros
    /// to whole ones, see [`crate::plan::tensor`]; `mask_stride` counts words of a row of bits; `scale` is 1/keep.
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
    /// Those, and cooperative matrices of 16×16 that sum products of halves in single precision, in subgroups of 32.
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
    /// What it needs, read off its own `enable` lines.
    pub fn needs(&self) -> Needs {
        let enables = |extension: &str| self.source.lines().any(|line| line == format!("enable {extension};"));
        match (enables("f16"), enables("wgpu_cooperative_matrix")) {
            (_, true) => Needs::Coop,
            (true, false) => Needs::Half,
            (false, false) => Needs::Core,
        }
    }
}

/// A field of a uniform block: its name, its type in the spelling that Rust and WGSL share, its byte offset.
pub type Field = (&'static str, &'static str, usize);

/// Declares a uniform block once for Rust: the struct, and its fields for the comparison with WGSL.
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
    /// What changes from one training step to the next: group 0, binding 0 of every shader that asks for it.
    pub struct Now {
        /// First entry of `order` that belongs to this micro-batch.
        cursor: u32,
        /// Real rows in this micro-batch; the rest of its tensors is padding and trains nothing.
        rows: u32,
        /// Rows of the whole batch, the divisor of the mean.
        batch: u32,
        /// Row of the whole batch at which this micro-batch starts.
        first: u32,
        /// Updates made before this one: the counter of the dropout generator.
        step: u32,
        /// Which micro-batch of the epoch this is: where it writes in the record.
        slot: u32,
        /// 1 if gradients are added to those of the micro-batches before, 0 if they replace them.
        accumulate: u32,
        /// Learning rate.
        lr: f32,
        /// Momentum, or β₁ of Adam.
        momentum: f32,
        /// 1 − β₁ᵗ of Adam.
        bias1: f32,
        /// 1 − β₂ᵗ of Adam.
        bias2: f32,
        /// Unused; keeps the block a multiple of 16 bytes.
        pad: u32,
    }
}

/// Most storage bindings of a shader: what every WebGPU device has.
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
    /// Adds a tensor that the call reads; panics if there are too many, which a plan refuses.
    pub fn push_read(&mut self, words: &'a [u32]) {
        self.slots[self.len] = Slot::Read(words);
        self.len += 1;
    }
    /// Adds a tensor that the call writes; panics if there are too many, which a plan refuses.
    pub fn push_write(&mut self, words: &'a mut [u32]) {
        self.slots[self.len] = Slot::Write(words);
        self.len += 1;
    }
    /// Takes the words of a tensor that is read.
    ///
    /// # Panics
    /// If the tensor is written or was taken before: a mistake in a twin.
    pub fn words(&mut self, index: usize) -> &'a [u32] {
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Read(words) => words,
            _ => panic!("argument {index} is not there to be read"),
        }
    }
    /// Takes the words of a tensor that is written.
    ///
    /// # Panics
    /// If the tensor is only read or was taken before: a mistake in a twin.
    pub fn words_mut(&mut self, index: usize) -> &'a mut [u32] {
        match std::mem::replace(&mut self.slots[index], Slot::Taken) {
            Slot::Write(words) => words,
            _ => panic!("argument {index} is not there to be written"),
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

/// Arithmetic and traffic of one dispatch, as a textbook counts them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Floating-point operations; a multiply-add is two.
    pub flops: u64,
    /// Bytes of all its tensors, each counted once (an `Update` twice).
    pub bytes: u64,
}

/// How far two machines that compute each value of each tensor in single precision may be apart, which is twice as far as
/// either may be from the truth: `None` where the bits must be equal.
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
    /// The shader that does it.
    fn shader(&self) -> &'static Shader;

    /// Its tensors in the order of the shader's bindings.
    fn tensors(&self) -> Vec<Id>;

    /// Checks the shapes against each other and returns the bytes of `Params`.
    ///
    /// # Panics
    /// With both shapes, if they do not fit: a mistake of the programmer, found when the plan is built.
    fn params(&self) -> Vec<u8>;

    /// Pipeline constants that differ from the shader's defaults.
    fn overrides(&self) -> Vec<(&'static str, f64)> {
        Vec::new()
    }

    /// Number of workgroups; the engine folds them into two dimensions with [`fold`].
    fn groups(&self) -> u32;

    /// The same function in plain Rust, over the same words as the shader: what the CPU engine runs and the court holds the
    /// shader to.
    fn twin(&self, now: &Now, args: Args<'_>);

    /// The bound for each tensor. All bits equal unless a kernel says otherwise.
    fn bounds(&self, now: &Now, witness: &Witness<'_>) -> Bounds {
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

/// Checks that a tensor has the shape and kind a kernel needs.
///
/// # Panics
/// With both shapes, if it has not.
#[track_caller]
pub fn expect(kernel: &str, name: &str, id: Id, kind: Kind, rows: usize, cols: usize, because: &str) {
    assert!(
        (id.kind, id.rows, id.cols) == (kind, rows, cols),
        "{kernel}: {name} is {} {:?} but must be ({rows},{cols}) {kind:?}, as {because}",
        id.shape(),
        id.kind,
    );
}

/// Most workgroups a dimension may have, on every WebGPU device.
pub const MAX_GROUPS: u32 = 65_535;

/// Workgroups of `size` invocations that cover `items`, at least one.
///
/// # Panics
/// From 2³² workgroups on, which only tensors need that no device can bind, see `engine::memory`.
pub fn groups(items: usize, size: usize) -> u32 {
    u32::try_from(items.div_ceil(size)).expect("under 2^32 workgroups").max(1)
}

/// Folds a number of workgroups into two dimensions of at most `limit` each.
/// The shader finds its group as `group.x + group.y * groups.x`; a few groups at the end may have nothing to do.
pub fn fold(groups: u32, limit: u32) -> [u32; 2] {
    let x = groups.min(limit);
    [x, groups.div_ceil(x)]
}
