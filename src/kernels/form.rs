//! Which shader computes a matrix product.

use serde::{Deserialize, Serialize};

/// Which of a product's shaders to run. All compute the same product; they suit different adapters and shapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Form {
    /// Directly from memory, a few outputs per invocation: short, for any shape.
    #[default]
    Plain,
    /// Tiles of 32×32 in workgroup memory, for GPUs.
    Tiled,
    /// Tiles in registers only, for software adapters.
    #[serde(alias = "regs")]
    Registers,
    /// Tiles of 64×64 in workgroup memory, for large products on GPUs.
    Wide,
    /// Tiles of 16×16, each sum split among sixteen invocations: for small outputs and long sums on GPUs.
    Split,
    /// Mixed precision: as tiled, with factors in half precision.
    Half,
    /// Mixed precision on cooperative matrices, where a device has them.
    Coop,
}

impl Form {
    /// The forms in single precision.
    pub const SINGLE: [Form; 5] = [Form::Plain, Form::Tiled, Form::Registers, Form::Wide, Form::Split];
    /// The forms in mixed precision.
    pub const MIXED: [Form; 2] = [Form::Half, Form::Coop];

    /// Every form.
    pub const ALL: [Form; 7] =
        [Form::Plain, Form::Tiled, Form::Registers, Form::Wide, Form::Split, Form::Half, Form::Coop];

    /// Iterates over every form.
    pub fn all() -> impl Iterator<Item = Form> {
        Form::ALL.into_iter()
    }

    /// Whether the form rounds its factors to half precision.
    pub fn is_half(self) -> bool {
        Form::MIXED.contains(&self)
    }

    /// Name in files and in messages.
    pub fn name(self) -> &'static str {
        match self {
            Form::Plain => "plain",
            Form::Tiled => "tiled",
            Form::Registers => "registers",
            Form::Wide => "wide",
            Form::Split => "split",
            Form::Half => "half",
            Form::Coop => "coop",
        }
    }

    /// Workgroups for an output of `rows` × `cols` values when the plain form makes `plain_rows` × 4 per invocation.
    pub(crate) fn groups(self, rows: usize, cols: usize, plain_rows: usize) -> u32 {
        let tiles = |height: usize, width: usize| rows.div_ceil(height) * cols.div_ceil(width);
        match self {
            Form::Plain => crate::plan::kernel::groups(tiles(plain_rows, 4), 64),
            Form::Tiled | Form::Half | Form::Coop => crate::plan::kernel::groups(tiles(32, 32), 1),
            Form::Registers => crate::plan::kernel::groups(tiles(16, 16), 16),
            Form::Wide => crate::plan::kernel::groups(tiles(64, 64), 1),
            Form::Split => crate::plan::kernel::groups(tiles(16, 16), 1),
        }
    }
}

/// Number format of training. [`super::fixed`] explains the integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Precision {
    /// Single precision.
    #[default]
    F32,
    /// Factors of the matrix products rounded to half precision; everything else in single precision. Uses the plain plan,
    /// because fused updates do not support it.
    F16Mixed,
    /// Integers alone: products of 8 bits, weights of 32 bits. Every device computes the same bits.
    Int8,
}
