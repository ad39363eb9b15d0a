//! NPY, NumPy's file of one array: a magic number, a version, a header in Python's syntax, the values.
//!
//! ```text
//! 93 "NUMPY" 01 00 76 00    magic number, version 1.0, length of the header
//! {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }
//! ...
//! ```
//!
//! Source: NumPy's documentation, `numpy.lib.format`.

use std::io::Read;
use std::path::Path;

use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::{AGAIN, broken};
use crate::data::idx::Idx;
use crate::data::number::{Kind, Order, Stored, not_a_byte};

/// Longest header; NumPy's own limit is 10,000.
const LONGEST: u32 = 10_000;
/// Memory is reserved in advance up to this compression ratio.
const LIKELY_EXPANSION: u64 = 16;
/// What to do about a type that is not a number.
const AS_NUMBERS: &str =
    "save the array as numbers, as in x.astype('float32'), or class names as texts, as in y.astype(str)";
/// What to do about an order that is not read.
const AS_BYTES: &str = "save the array as unsigned bytes, as in numpy.ascontiguousarray(x).astype('uint8')";

/// What the header of an array declares.
#[derive(Clone, Debug)]
pub(in crate::data) struct Head {
    pub(in crate::data) kind: Kind,
    pub(in crate::data) order: Order,
    /// At least one size, none of them zero.
    pub(in crate::data) shape: Vec<usize>,
    /// The product of the shape.
    pub(in crate::data) values: u64,
    /// Whether the first index changes fastest, Fortran's order.
    pub(in crate::data) by_columns: bool,
}

/// What the header of an array of texts declares.
#[derive(Clone, Debug)]
pub(in crate::data) struct TextHead {
    /// The type in NumPy's words.
    pub(in crate::data) descr: String,
    /// Whether a character has four bytes, as Unicode's number; otherwise it is a byte.
    pub(in crate::data) wide: bool,
    /// The order of the four bytes.
    pub(in crate::data) order: Order,
    /// Characters of each text; a shorter one ends with zeros.
    pub(in crate::data) length: usize,
    /// The number of texts.
    pub(in crate::data) count: usize,
}

/// What the header of an array declares.
pub(in crate::data) enum Declared {
    Numbers(Head),
    /// One text per row.
    Texts(TextHead),
}

/// Reads the header of an array of numbers. The values follow it in the stream.
pub(in crate::data) fn head(path: &Path, file: &mut impl Read) -> Result<Head, Error> {
    match declared(path, file)? {
        Declared::Numbers(head) => Ok(head),
        Declared::Texts(TextHead { descr, .. }) => {
            Err(bad(path, format!("holds values of the type {descr}, not numbers"), AS_NUMBERS))
        }
    }
}

/// Reads a header. The values follow it in the stream.
pub(in crate::data) fn declared(path: &Path, file: &mut impl Read) -> Result<Declared, Error> {
    let header = header(path, file)?;
    let damaged = || bad(path, "has a damaged header", AGAIN);
    let descr = field(&header, "descr").ok_or_else(damaged)?;
    if descr.starts_with('[') {
        return Err(bad(
            path,
            "holds records with named fields, not numbers",
            "save each field as an array of its own",
        ));
    }
    let descr = quoted(descr).ok_or_else(damaged)?;
    let shape = field(&header, "shape").and_then(shape).ok_or_else(damaged)?;
    if let Some((wide, order, length)) = text(descr) {
        let one_each = |&count: &u64| count > 0 && shape[1..].iter().all(|&size| size == 1);
        return match shape.first().copied().filter(one_each).and_then(|count| usize::try_from(count).ok()) {
            Some(count) => Ok(Declared::Texts(TextHead { descr: descr.to_owned(), wide, order, length, count })),
            None => Err(bad(path, format!("holds texts in the shape {shape:?}"), "give each sample one text")),
        };
    }
    let Some((kind, order)) = kind(descr) else {
        return Err(bad(path, format!("holds values of the type {descr}, not numbers"), AS_NUMBERS));
    };
    let by_columns = field(&header, "fortran_order").ok_or_else(damaged)?.starts_with("True");
    let by_columns = by_columns && shape.iter().filter(|&&size| size > 1).count() > 1;
    let count = shape.iter().try_fold(1_u64, |n, &size| n.checked_mul(size));
    let sizes: Result<Vec<usize>, _> = shape.iter().map(|&size| usize::try_from(size)).collect();
    match (count, sizes) {
        (Some(1..), Ok(shape)) if shape.is_empty() => {
            Err(bad(path, "is a single number, not an array", "give it one row per sample"))
        }
        (Some(values @ 1..), Ok(shape)) => Ok(Declared::Numbers(Head { kind, order, shape, values, by_columns })),
        _ => {
            let problem = format!("declares the shape {shape:?}, which holds no values or more than any file can");
            Err(bad(path, problem, "put at least one sample into each split"))
        }
    }
}

/// Reads an array of bytes; `packed` is the length of its entry in the archive.
pub(super) fn parse(path: &Path, mut file: impl Read, packed: u64) -> Result<Idx, Error> {
    let Head { kind, order, shape, values, by_columns } = head(path, &mut file)?;
    if by_columns {
        return Err(bad(path, "is stored in Fortran's order, column by column", AS_BYTES));
    }
    let likely = values.min(packed.saturating_mul(LIKELY_EXPANSION)) as usize;
    let stored = Stored { kind, order: Some(order), checked: 1 };
    let broken = |error| broken(path, &error, &format!("within its {shape:?} values"));
    let numbers = stored.read(values, likely, &mut file).map_err(broken)?;
    if numbers.bytes.len() as u64 != values || file.take(1).read_to_end(&mut Vec::new()).map_err(broken)? > 0 {
        return Err(bad(path, format!("does not hold the {shape:?} values that its header declares"), AGAIN));
    }
    if let Some((at, value)) = numbers.misfit {
        let sample = at / (numbers.bytes.len() / shape[0]);
        return Err(not_a_byte(path, kind.name(), &format!("a value of sample {sample}"), value));
    }
    Ok(Idx { shape, bytes: numbers.bytes })
}

/// The header in Python's syntax.
fn header(path: &Path, file: &mut impl Read) -> Result<String, Error> {
    let mut fill =
        |buffer: &mut [u8]| file.read_exact(buffer).map_err(|error| broken(path, &error, "inside its header"));
    let mut start = [0; 8];
    fill(&mut start)?;
    let [magic @ .., version, _] = start;
    if magic != *b"\x93NUMPY" {
        return Err(bad(path, "is not an NPY file", "save the arrays with numpy.savez"));
    }
    let mut length = [0; 4];
    fill(&mut length[..if version == 1 { 2 } else { 4 }])?;
    let length = u32::from_le_bytes(length);
    if length > LONGEST {
        return Err(bad(path, format!("declares a header of {length} bytes, more than {LONGEST}"), AGAIN));
    }
    let mut header = vec![0; length as usize];
    fill(&mut header)?;
    Ok(String::from_utf8_lossy(&header).into_owned())
}

/// The text that follows a key.
fn field<'a>(header: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = header.split_once(&format!("'{key}':"))?;
    Some(rest.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split('\'').next().or(Some("")).filter(|descr| !descr.is_empty())
}

fn shape(text: &str) -> Option<Vec<u64>> {
    let inner = text.strip_prefix('(')?.split_once(')')?.0;
    let sizes = inner.split(',').map(str::trim).filter(|size| !size.is_empty());
    sizes.map(|size| size.parse().ok()).collect()
}

/// Whether characters have four bytes, their order, and the number of characters, of a type of texts.
fn text(descr: &str) -> Option<(bool, Order, usize)> {
    let (order, name) = descr.split_at_checked(1)?;
    let order = if order == ">" { Order::Big } else { Order::Little };
    let (kind, length) = name.split_at_checked(1)?;
    let wide = ["S", "U"].iter().position(|known| *known == kind)? == 1;
    Some((wide, order, length.parse().ok()?))
}

/// The type that NumPy names so. A truth value is a byte, 0 or 1.
fn kind(descr: &str) -> Option<(Kind, Order)> {
    let (order, name) = match descr.split_at_checked(1)? {
        (">", name) => (Order::Big, name),
        ("<" | "|" | "=", name) => (Order::Little, name),
        _ => (Order::Little, descr),
    };
    let kind = match name {
        "u1" | "b1" => Kind::U8,
        "i1" => Kind::I8,
        "u2" => Kind::U16,
        "i2" => Kind::I16,
        "u4" => Kind::U32,
        "i4" => Kind::I32,
        "u8" => Kind::U64,
        "i8" => Kind::I64,
        "f2" => Kind::F16,
        "f4" => Kind::F32,
        "f8" => Kind::F64,
        _ => return None,
    };
    Some((kind, order))
}
