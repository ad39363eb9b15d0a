//! Tensors: a name, a shape, and a place in the plan.
//!
//! Every tensor is one buffer of 32-bit words. Rows are padded with zeros: an `F32` or `I32` row to a multiple of four values
//! (one `vec4`), an `I8` row to a multiple of sixteen values (also one `vec4`), a `U8` or `Bits` row to a whole word. So
//! shaders can load whole vectors at any width, and no kernel needs a second form for odd widths. **Padding is always zero**:
//! every kernel that writes a tensor writes its padding too, and the parity tests check it.

/// What the words of a tensor hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DType {
    /// IEEE 754 single precision, one per word.
    F32,
    /// Unsigned integers, one per word.
    U32,
    /// Bytes, four per word, the first in the lowest bits.
    U8,
    /// Truth values, thirty-two per word, the first in the lowest bit.
    Bits,
    /// Fixed-point numbers, one per word: an i32 with this many fractional bits.
    I32(u8),
    /// Fixed-point numbers, four per word, the first in the lowest bits: i8 with this many fractional bits.
    I8(u8),
}

/// A handle: which tensor, and its shape. A vector `(O)` is one row of `O` columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TensorId {
    /// Position in [`crate::plan::Plan::tensors`].
    pub index: usize,
    /// Number of rows.
    pub rows: usize,
    /// Values in a row, without padding.
    pub cols: usize,
    /// What the words hold.
    pub dtype: DType,
}

impl TensorId {
    /// Words from the start of one row to the start of the next.
    pub fn stride(self) -> usize {
        match self.dtype {
            DType::F32 | DType::I32(_) => self.cols.next_multiple_of(4),
            DType::U32 => self.cols,
            DType::U8 => self.cols.div_ceil(4),
            DType::I8(_) => self.cols.div_ceil(16) * 4,
            DType::Bits => self.cols.div_ceil(32),
        }
    }

    /// Words in the whole tensor, with padding.
    pub fn words(self) -> usize {
        self.rows * self.stride()
    }

    /// Bytes in the whole tensor, with padding.
    pub fn bytes(self) -> u64 {
        4 * self.words() as u64
    }

    /// The shape as text: `(64,784)`, or `(128)` for a vector.
    pub fn shape(self) -> String {
        match self.rows {
            1 => format!("({})", self.cols),
            rows => format!("({rows},{})", self.cols),
        }
    }

    /// `values` (rows × cols, without padding) as the words of this tensor. Fixed-point numbers are rounded half up, and
    /// limited to ±(2³¹ − 1).
    ///
    /// # Panics
    /// If the number of values is not rows × cols, or if a word of this tensor holds several values: bugs in the calling
    /// code.
    pub fn pack(self, values: &[f32]) -> Vec<u32> {
        let word = |&value: &f32| match self.dtype {
            DType::I32(bits) => to_fixed(value, bits, i32::MAX).cast_unsigned(),
            _ => value.to_bits(),
        };
        self.pad(&values.iter().map(word).collect::<Vec<_>>())
    }

    /// The inverse of [`TensorId::pack`]: the values without padding.
    pub fn unpack(self, words: &[u32]) -> Vec<f32> {
        let value = |word: u32| match self.dtype {
            DType::I32(bits) => from_fixed(word.cast_signed(), bits),
            _ => f32::from_bits(word),
        };
        self.unpad(words).into_iter().map(value).collect()
    }

    /// Adds the padding to `words` (rows × cols), one value each.
    ///
    /// # Panics
    /// As [`TensorId::pack`].
    pub fn pad(self, words: &[u32]) -> Vec<u32> {
        assert_eq!(words.len(), self.rows * self.cols, "tensor is {}", self.shape());
        assert!(
            !matches!(self.dtype, DType::U8 | DType::Bits | DType::I8(_)),
            "{:?} has several values a word",
            self.dtype
        );
        let mut padded = vec![0; self.words()];
        let (from, to) = (self.cols.max(1), self.stride().max(1));
        for (line, row) in padded.chunks_exact_mut(to).zip(words.chunks_exact(from)) {
            line[..self.cols].copy_from_slice(row);
        }
        padded
    }

    /// The inverse of [`TensorId::pad`].
    pub fn unpad(self, words: &[u32]) -> Vec<u32> {
        words.chunks_exact(self.stride().max(1)).flat_map(|row| &row[..self.cols]).copied().collect()
    }
}

/// A value as an integer with this many fractional bits, rounded half up and limited to ±`most`.
pub fn to_fixed(value: f32, bits: u8, most: i32) -> i32 {
    let scaled = (f64::from(value) * f64::from(1u32 << bits) + 0.5).floor();
    scaled.clamp(f64::from(-most), f64::from(most)) as i32
}

/// The value of an integer with this many fractional bits, rounded to single precision.
pub fn from_fixed(value: i32, bits: u8) -> f32 {
    (f64::from(value) / f64::from(1u32 << bits)) as f32
}

/// What a tensor is for. Checks and messages ask for the role; they never parse the name. Layers count from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Weights or biases of a layer.
    Parameter {
        /// The layer.
        layer: usize,
    },
    /// Gradient of the loss with respect to a parameter.
    Gradient {
        /// The layer.
        layer: usize,
    },
    /// Optimizer state of a parameter, kept from one update to the next.
    Optimizer {
        /// The layer.
        layer: usize,
    },
    /// Running average of a parameter.
    Average {
        /// The layer.
        layer: usize,
    },
    /// A row per sample of a training micro-batch: inputs, masks, outputs of a layer.
    Activation {
        /// The layer that computes it; 1 for the inputs.
        layer: usize,
    },
    /// Error signal δ of a layer: gradient of the loss with respect to its sums, a row per sample.
    ErrorSignal {
        /// The layer.
        layer: usize,
    },
    /// A row per sample of an evaluation's micro-batch.
    Evaluation,
    /// Samples of a split, their targets and weights. All models of a group share them.
    Data,
    /// Order of the samples of a split.
    Order,
    /// Targets and weights of a training micro-batch.
    Batch,
    /// Losses and hits, or other measurements, that are read back.
    Record,
    /// Anything else.
    Scratch,
}

impl Role {
    /// The layer, from 1, if the tensor belongs to one.
    pub fn layer(self) -> Option<usize> {
        match self {
            Role::Parameter { layer }
            | Role::Gradient { layer }
            | Role::Optimizer { layer }
            | Role::Average { layer }
            | Role::Activation { layer }
            | Role::ErrorSignal { layer } => Some(layer),
            Role::Evaluation | Role::Data | Role::Order | Role::Batch | Role::Record | Role::Scratch => None,
        }
    }
}

/// A tensor of a plan: its handle, its role, and the name that every message uses.
#[derive(Clone, Debug)]
pub struct Tensor {
    /// Name, for instance `h1`, `w1`, `dlogits`.
    pub name: String,
    /// What it is for.
    pub role: Role,
    /// Handle with the shape.
    pub id: TensorId,
}

/// Packs rows of numbers a word each, each row padded with zeros to whole vec4.
pub fn pack_floats(rows: &[f32], cols: usize) -> Vec<u32> {
    let stride = cols.next_multiple_of(4);
    let mut words = vec![0; rows.len() / cols.max(1) * stride];
    for (line, row) in words.chunks_exact_mut(stride.max(1)).zip(rows.chunks_exact(cols.max(1))) {
        line[..cols].copy_from_slice(bytemuck::cast_slice(row));
    }
    words
}

/// Packs rows of bytes four to a word, each row starting on a word.
pub fn pack_bytes(rows: &[u8], cols: usize) -> Vec<u32> {
    if cols.is_multiple_of(4) {
        return rows.chunks_exact(4).map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]])).collect();
    }
    let mut words = Vec::with_capacity(rows.len() / cols.max(1) * cols.div_ceil(4));
    for row in rows.chunks_exact(cols.max(1)) {
        for four in row.chunks(4) {
            let mut bytes = [0; 4];
            bytes[..four.len()].copy_from_slice(four);
            words.push(u32::from_le_bytes(bytes));
        }
    }
    words
}

/// Packs rows of numbers as i8 with `bits` fractional bits, four to a word, each row padded with zeros to a multiple of
/// sixteen values. Numbers are rounded half up and limited to ±127.
pub fn pack_fixed(rows: &[f32], cols: usize, bits: u8) -> Vec<u32> {
    let stride = TensorId { index: 0, rows: 1, cols, dtype: DType::I8(bits) }.stride();
    let mut words = vec![0; rows.len() / cols.max(1) * stride];
    for (line, row) in words.chunks_exact_mut(stride.max(1)).zip(rows.chunks_exact(cols.max(1))) {
        for (byte, &value) in bytemuck::cast_slice_mut::<u32, i8>(line).iter_mut().zip(row) {
            *byte = to_fixed(value, bits, 127) as i8;
        }
    }
    words
}
