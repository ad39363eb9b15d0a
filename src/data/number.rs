//! Numbers as files store them, of any type and byte order.
//!
//! Pictures and their labels are bytes, so a value of any type must be a whole number from 0 to 255 ([`Stored`]). Values of
//! tables are single-precision numbers ([`Kind::floats`]).

use std::io::{self, Read};
use std::path::Path;

use super::bad;
use crate::base::error::Error;

/// Bytes that are read at a time.
const CHUNK: usize = 1 << 15;

/// The type of a number.
#[cfg_attr(
    not(feature = "tables"),
    expect(
        dead_code,
        reason = "IDX has no unsigned integers but bytes, none of 64 bits, and no half-precision numbers"
    )
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    U64,
    I64,
    F16,
    BF16,
    F32,
    F64,
}

/// The order of the bytes of a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Kind {
    /// Bytes per number.
    pub(super) fn size(self) -> usize {
        match self {
            Kind::U8 | Kind::I8 => 1,
            Kind::U16 | Kind::I16 | Kind::F16 | Kind::BF16 => 2,
            Kind::U32 | Kind::I32 | Kind::F32 => 4,
            Kind::U64 | Kind::I64 | Kind::F64 => 8,
        }
    }

    /// The name in words.
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::U8 => "unsigned bytes",
            Kind::I8 => "signed bytes",
            Kind::U16 | Kind::I16 => "16-bit integers",
            Kind::U32 | Kind::I32 => "32-bit integers",
            Kind::U64 | Kind::I64 => "64-bit integers",
            Kind::F16 | Kind::BF16 => "16-bit floats",
            Kind::F32 => "32-bit floats",
            Kind::F64 => "64-bit floats",
        }
    }

    /// The number that `raw`, of [`Kind::size`] bytes, stores. A double holds every whole number up to 255 exactly.
    pub(super) fn value(self, raw: &[u8], order: Order) -> f64 {
        let bits = bits(raw, order);
        match self {
            Kind::U8 | Kind::U16 | Kind::U32 | Kind::U64 => bits as f64,
            Kind::I8 => f64::from(bits as i8),
            Kind::I16 => f64::from(bits as i16),
            Kind::I32 => f64::from(bits as i32),
            Kind::I64 => bits as i64 as f64,
            Kind::F16 => half::f16::from_bits(bits as u16).to_f64(),
            Kind::BF16 => half::bf16::from_bits(bits as u16).to_f64(),
            Kind::F32 => f64::from(f32::from_bits(bits as u32)),
            Kind::F64 => f64::from_bits(bits),
        }
    }
}

/// The bytes of a number, at most 8, as the low bits.
fn bits(raw: &[u8], order: Order) -> u64 {
    let mut little = [0; 8];
    little[..raw.len()].copy_from_slice(raw);
    if order == Order::Big {
        little[..raw.len()].reverse();
    }
    u64::from_le_bytes(little)
}

#[cfg(feature = "tables")]
impl Kind {
    /// A number of 64-bit integers, which a double may not hold exactly; `None` for other types.
    pub(super) fn long(self, raw: &[u8], order: Order) -> Option<i128> {
        match self {
            Kind::U64 => Some(bits(raw, order).into()),
            Kind::I64 => Some((bits(raw, order) as i64).into()),
            _ => None,
        }
    }

    /// Appends all numbers in `raw`, rounded to the nearest of single precision.
    pub(super) fn floats(self, raw: &[u8], order: Order, floats: &mut Vec<f32>) {
        match (self, order) {
            // The usual cases without a branch per number.
            (Kind::F32, Order::Little) => floats.extend(raw.as_chunks().0.iter().map(|&raw| f32::from_le_bytes(raw))),
            (Kind::F64, Order::Little) => {
                floats.extend(raw.as_chunks().0.iter().map(|&raw| f64::from_le_bytes(raw) as f32));
            }
            (Kind::U8, _) => floats.extend(raw.iter().copied().map(f32::from)),
            _ => floats.extend(raw.chunks_exact(self.size()).map(|raw| self.value(raw, order) as f32)),
        }
    }
}

/// The byte of this value, if it is a whole number from 0 to 255.
pub(super) fn byte(value: f64) -> Option<u8> {
    // The cast saturates, and makes NaN zero.
    let byte = value as u8;
    (f64::from(byte) == value).then_some(byte)
}

/// Numbers read from a stream.
#[derive(Debug, Default)]
pub(super) struct Numbers {
    /// Each value as a byte; 0 where it is not one.
    pub(super) bytes: Vec<u8>,
    /// The first value that is not a byte, and its index.
    pub(super) misfit: Option<(usize, f64)>,
}

/// How numbers are stored.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stored {
    pub(super) kind: Kind,
    /// If unknown, the first value other than zero shows it. Many programs write IDX files with their machine's own order.
    pub(super) order: Option<Order>,
    /// Only each value whose index is a multiple of this must be a byte.
    pub(super) checked: usize,
}

impl Stored {
    /// Reads up to `count` numbers, fewer if the stream ends. Memory for `likely` of them is reserved in advance; the rest
    /// grows as the numbers are read.
    ///
    /// # Errors
    /// Those of `raw`, and `OutOfMemory`.
    pub(super) fn read(self, count: u64, likely: usize, mut raw: impl Read) -> io::Result<Numbers> {
        let mut numbers = Numbers::default();
        reserve(&mut numbers.bytes, likely)?;
        if self.kind == Kind::U8 {
            raw.take(count).read_to_end(&mut numbers.bytes)?;
            return Ok(numbers);
        }
        let Stored { kind, mut order, checked } = self;
        let mut left = count.saturating_mul(kind.size() as u64);
        let mut chunk = Vec::with_capacity(CHUNK);
        while left > 0 {
            chunk.clear();
            let got = raw.by_ref().take(left.min(CHUNK as u64)).read_to_end(&mut chunk)?;
            if got == 0 {
                break;
            }
            left -= got as u64;
            reserve(&mut numbers.bytes, got / kind.size())?;
            for raw in chunk.chunks_exact(kind.size()) {
                let fits = |order| byte(kind.value(raw, order));
                if order.is_none() && raw.iter().any(|&byte| byte != 0) {
                    order = [Order::Big, Order::Little].into_iter().find(|&order| fits(order).is_some());
                }
                let order = order.unwrap_or(Order::Big);
                let byte = fits(order);
                if byte.is_none() && numbers.bytes.len().is_multiple_of(checked) {
                    let at = numbers.bytes.len();
                    numbers.misfit.get_or_insert_with(|| (at, kind.value(raw, order)));
                }
                numbers.bytes.push(byte.unwrap_or(0));
            }
        }
        Ok(numbers)
    }
}

fn reserve(bytes: &mut Vec<u8>, more: usize) -> io::Result<()> {
    bytes.try_reserve(more).map_err(|_| io::ErrorKind::OutOfMemory.into())
}

/// The error about a value that is not a byte; `place` says where it is.
pub(super) fn not_a_byte(path: &Path, holds: &str, place: &str, value: f64) -> Error {
    let next = if value > 0.0 && value < 1.0 {
        "if the values are from 0 to 1, multiply them by 255 and round; then save them as unsigned bytes"
    } else {
        "scale the values to whole numbers from 0 to 255, and save them as unsigned bytes"
    };
    bad(path, format!("holds {holds}, and {place} is {value}, which is not a whole number from 0 to 255"), next)
}
