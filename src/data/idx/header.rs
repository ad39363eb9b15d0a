//! The header of an IDX file, and the values that follow it.

use std::cmp::Ordering;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::{AGAIN, broken};
use crate::data::labels;
use crate::data::number::{Kind, Order, Stored, not_a_byte};

/// Type code of an unsigned byte.
pub(super) const UNSIGNED_BYTE: u8 = 0x08;
/// Largest possible compression ratio of DEFLATE (zlib, "Technical Details": 1032 to 1).
const MOST_EXPANSION: u64 = 1032;
/// Memory is reserved in advance up to this compression ratio, which real data do not exceed. Beyond it, memory grows as the
/// bytes are read.
const LIKELY_EXPANSION: u64 = 16;
/// A size from this on, 16 million, is taken for a smaller one in the other byte order.
const ABSURD: u32 = 1 << 24;

/// The origin and limits of a stream.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) path: &'a Path,
    /// The length of the file in bytes. `None` for a pipe, whose length is not known in advance.
    pub(super) length: Option<u64>,
    pub(super) gzipped: bool,
    /// Most values that the header may declare.
    pub(super) most: u64,
    /// Whether the values are labels.
    pub(super) labels: bool,
}

impl Source<'_> {
    pub(super) fn stream(path: &Path) -> Source<'_> {
        Source { path, length: None, gzipped: false, most: u64::MAX, labels: false }
    }
}

/// The type and size that the first bytes of a file declare.
pub(super) struct Header {
    kind: Kind,
    order: Option<Order>,
    shape: Vec<u32>,
    /// The product of `shape`.
    values: u64,
}

fn kind(code: u8) -> Option<Kind> {
    Some(match code {
        UNSIGNED_BYTE => Kind::U8,
        0x09 => Kind::I8,
        0x0b => Kind::I16,
        0x0c => Kind::I32,
        0x0d => Kind::F32,
        0x0e => Kind::F64,
        _ => return None,
    })
}

/// Whether the dimensions are little-endian: then they are small, and in the order of the format one is absurd. `whole`
/// is whether the file is too short for 16 million values.
fn is_little(dimensions: &[[u8; 4]], whole: bool) -> bool {
    let absurd = |&dimension: &[u8; 4]| u32::from_be_bytes(dimension) >= ABSURD;
    let small = |&dimension: &[u8; 4]| u32::from_le_bytes(dimension) < ABSURD;
    // A single dimension may be a multiple of 2²⁴ in one order and below 256 in the other.
    let doubtful = matches!(dimensions, [[_, 0, 0, 0]]) && !whole;
    dimensions.iter().any(absurd) && dimensions.iter().all(small) && !doubtful
}

impl Header {
    /// Reads the header. `whole` is whether no more than a few thousand bytes follow.
    pub(super) fn read(path: &Path, whole: bool, raw: &mut impl Read) -> Result<Header, Error> {
        let mut fill = |buffer: &mut [u8]| {
            let read = raw.read_exact(buffer);
            read.map_err(|error| broken(path, &error, "inside its header"))
        };
        let mut magic = [0; 4];
        fill(&mut magic)?;
        let (code, rank, reversed) = match magic {
            [0, 0, code, rank] => (code, rank, false),
            [rank @ 1..=255, code, 0, 0] if kind(code).is_some() => (code, rank, true),
            _ => {
                let problem = format!("is not IDX: it begins with {magic:02x?}, not with [00, 00, 08");
                return Err(bad(path, problem + ", ..]", "check that this is the file you mean"));
            }
        };
        let Some(kind) = kind(code) else {
            let problem = format!("holds values of an unknown type ({code:#04x}); unsigned bytes have the type 0x08");
            return Err(bad(path, problem, "convert the values to bytes from 0 to 255"));
        };
        if rank == 0 {
            return Err(bad(path, "declares no dimensions", AGAIN));
        }
        let mut dimensions = vec![0; 4 * usize::from(rank)];
        fill(&mut dimensions)?;
        let dimensions = dimensions.as_chunks().0;
        let little = reversed || is_little(dimensions, whole);
        let from = if little { u32::from_le_bytes } else { u32::from_be_bytes };
        let shape: Vec<u32> = dimensions.iter().map(|&dimension| from(dimension)).collect();
        let order = little.then_some(Order::Little);
        match shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d.into())) {
            Some(values @ 1..) => Ok(Header { kind, order, shape, values }),
            Some(0) if shape[0] == 0 => {
                let problem = format!("holds no samples: it declares the shape {shape:?}, which holds no values");
                Err(bad(path, problem, "put samples into it; both splits need some, in images and in labels"))
            }
            Some(0) => {
                let problem = format!("declares the shape {shape:?}, which holds no values");
                Err(bad(path, problem, AGAIN))
            }
            None => {
                let problem = format!("declares the shape {shape:?}, more values than any file can hold");
                Err(bad(path, problem, AGAIN))
            }
        }
    }

    pub(super) fn sizes(&self) -> Vec<usize> {
        self.shape.iter().map(|&size| size as usize).collect()
    }

    pub(super) fn may_be_qmnist(&self, source: Source<'_>) -> bool {
        source.labels && self.kind == Kind::I32 && labels::may_be_qmnist(&self.sizes())
    }

    /// Bytes of all values.
    fn bytes(&self) -> u64 {
        self.values.saturating_mul(self.kind.size() as u64)
    }

    /// Checks whether the file can hold the declared values, before memory is allocated for them.
    pub(super) fn check_length(&self, source: Source<'_>) -> Result<(), Error> {
        if self.values > source.most {
            let problem = format!("declares {self}, more than the {} expected", source.most);
            return Err(bad(source.path, problem, AGAIN));
        }
        let Some(length) = source.length else {
            return Ok(());
        };
        let header = 4 + 4 * self.shape.len() as u64;
        let follow = length.saturating_sub(header);
        if source.gzipped {
            if self.bytes() > length.saturating_mul(MOST_EXPANSION) {
                let problem = format!("declares {self}, more than {length} bytes of gzip can hold");
                return Err(bad(source.path, problem, AGAIN));
            }
        } else if follow < self.bytes() {
            return Err(self.truncated(source.path, follow / self.kind.size() as u64));
        }
        Ok(())
    }

    /// Reads the declared number of values, and checks that no more bytes follow.
    pub(super) fn read_values(&self, source: Source<'_>, mut raw: impl Read) -> Result<Vec<u8>, Error> {
        let path = source.path;
        let too_large = || {
            let problem = format!("holds {self}, more than fit in memory");
            bad(path, problem, "use a machine with more memory, or a smaller data set")
        };
        let length = source.length.unwrap_or(1 << 16);
        let likely = self.values.min(length.saturating_mul(LIKELY_EXPANSION));
        let likely = usize::try_from(likely).map_err(|_| too_large())?;
        let checked = if self.may_be_qmnist(source) { 8 } else { 1 };
        let stored = Stored { kind: self.kind, order: self.order, checked };
        let failed = |error: io::Error, position: String| match error.kind() {
            io::ErrorKind::OutOfMemory => too_large(),
            _ => broken(path, &error, &position),
        };
        let numbers = stored.read(self.values, likely, &mut raw);
        let numbers = numbers.map_err(|error| failed(error, format!("within its {self}")))?;
        let count = numbers.bytes.len() as u64;
        if count.cmp(&self.values) == Ordering::Less {
            return Err(self.truncated(path, count));
        }
        // At the end of the stream gzip also verifies its checksum.
        let more = raw.take(1).read_to_end(&mut Vec::new());
        if more.map_err(|error| failed(error, format!("after {self}")))? > 0 {
            let problem = format!("has trailing bytes after the {self} that its header declares");
            return Err(bad(path, problem, AGAIN));
        }
        match numbers.misfit {
            None => Ok(numbers.bytes),
            Some((at, value)) => {
                let sample = at / (numbers.bytes.len() / self.shape[0] as usize);
                Err(not_a_byte(path, self.kind.name(), &format!("a value of sample {sample}"), value))
            }
        }
    }

    fn truncated(&self, path: &Path, follow: u64) -> Error {
        let problem = format!("is truncated: its header declares {self}, but {follow} follow");
        bad(path, problem, AGAIN)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} = {} values", self.shape, self.values)
    }
}
