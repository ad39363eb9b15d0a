//! IDX, the file format of MNIST: a magic number, the dimensions, then the values, row-major.
//!
//! ```text
//! 00 00 08 03    zero, zero, type of a value (08: unsigned byte), number of dimensions
//! 00 00 ea 60    each dimension as a big-endian u32: 60000 images
//! 00 00 00 1c      of 28 rows
//! 00 00 00 1c      of 28 columns
//! ...            exactly 60000 × 28 × 28 bytes
//! ```
//!
//! The file may be gzipped; this is recognised by its first bytes, not by its name. The header is not trusted: memory is
//! allocated only after the length of the file shows that the declared size is possible, and never more bytes are
//! decompressed than declared.
//!
//! Source: "The IDX file format" on Y. LeCun's MNIST page; RFC 1952 for gzip.

use std::cmp::Ordering;
use std::fmt;
use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::bad;
use super::diagnose::{AGAIN, broken, foreign, type_name};
use crate::base::error::Error;
use crate::base::hash::hex;
use crate::base::text::counted;

/// Type code of an unsigned byte, the only type that is supported.
const UNSIGNED_BYTE: u8 = 0x08;
/// Largest possible compression ratio of DEFLATE (zlib, "Technical Details": 1032 to 1).
const MOST_EXPANSION: u64 = 1032;
/// Memory is reserved in advance up to this compression ratio, which real data do not exceed. Beyond it, memory grows as the
/// bytes are read.
const LIKELY_EXPANSION: u64 = 16;
/// Bytes that are read to recognise the type of a file.
const PEEK: u64 = 64;

/// The contents of one IDX file of unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, outermost first; none is zero.
    pub shape: Vec<usize>,
    /// The values, row-major; as many as the product of `shape`.
    pub bytes: Vec<u8>,
}

/// The origin and limits of a stream.
#[derive(Clone, Copy)]
struct Source<'a> {
    path: &'a Path,
    /// The length of the file in bytes. `None` for a pipe, whose length is not known in advance.
    length: Option<u64>,
    gzipped: bool,
    /// Most values that the header may declare.
    most: u64,
}

/// The size that the first bytes of a file declare.
struct Header {
    shape: Vec<u32>,
    /// The product of `shape`.
    values: u64,
}

impl Idx {
    /// Reads a file, gzipped or raw.
    ///
    /// # Errors
    /// [`Error::Data`] if the file cannot be read, is not IDX of unsigned bytes, or does not hold
    /// exactly the bytes that its header declares.
    pub fn read(path: &Path) -> Result<Idx, Error> {
        let unreadable = |error: io::Error| {
            let next = "check that the file exists and that you may read it";
            bad(path, format!("cannot be read: {error}"), next)
        };
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if about.is_dir() {
            return Err(bad(path, "is a folder", "name a file inside it"));
        }
        let length = about.is_file().then_some(about.len());
        unpack(path, length, u64::MAX, file)
    }

    /// Reads from any stream, gzipped or raw. `path` is used in messages only.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn parse(path: &Path, reader: impl Read) -> Result<Idx, Error> {
        unpack(path, None, u64::MAX, reader)
    }

    /// As [`Idx::parse`], but with an error if the header declares more than `most` values. This protects against a server
    /// that sends a small file which decompresses to fill the memory.
    pub(super) fn parse_at_most(most: u64, path: &Path, reader: impl Read) -> Result<Idx, Error> {
        unpack(path, None, most, reader)
    }

    /// Writes the raw (not gzipped) form.
    ///
    /// # Errors
    /// `InvalidInput` if the format cannot store `shape` or its product is not the length of `bytes`; otherwise the errors of
    /// `writer`.
    pub fn write(&self, writer: &mut impl Write) -> io::Result<()> {
        let Idx { shape, bytes } = self;
        let values = shape.iter().try_fold(1_usize, |n, &d| n.checked_mul(d));
        let fits = (1..=255).contains(&shape.len())
            && shape.iter().all(|&d| u32::try_from(d).is_ok())
            && values == Some(bytes.len());
        if !fits {
            let message = format!("{} bytes do not have the shape {shape:?}", bytes.len());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        writer.write_all(&self.header())?;
        writer.write_all(&self.bytes)
    }

    /// SHA-256 of the raw form in lower-case hex. The same for a file and for every gzipped copy of it.
    #[must_use]
    pub fn raw_sha256(&self) -> String {
        let mut hash = Sha256::new();
        hash.update(self.header());
        hash.update(&self.bytes);
        hex(&hash.finalize())
    }

    fn header(&self) -> Vec<u8> {
        let mut header = vec![0, 0, UNSIGNED_BYTE, self.shape.len() as u8];
        for &dimension in &self.shape {
            header.extend((dimension as u32).to_be_bytes());
        }
        header
    }
}

/// Removes the gzip layer, if there is one.
fn unpack(path: &Path, length: Option<u64>, most: u64, mut reader: impl Read) -> Result<Idx, Error> {
    let head = peek(path, &mut reader)?;
    let gzipped = head.starts_with(&[0x1f, 0x8b]);
    let source = Source { path, length, gzipped, most };
    let whole = Cursor::new(head.clone()).chain(reader);
    if !gzipped {
        return parse(source, &head, whole);
    }
    let mut inflated = MultiGzDecoder::new(whole);
    let head = peek(path, &mut inflated)?;
    let whole = Cursor::new(head.clone()).chain(inflated);
    parse(source, &head, whole)
}

/// Up to [`PEEK`] bytes from the front.
fn peek(path: &Path, reader: &mut impl Read) -> Result<Vec<u8>, Error> {
    let mut head = Vec::new();
    let read = reader.take(PEEK).read_to_end(&mut head);
    read.map_err(|error| broken(path, &error, "within its first bytes"))?;
    Ok(head)
}

/// Reads the raw form; `head` is a copy of its first bytes.
fn parse(source: Source<'_>, head: &[u8], mut raw: impl Read) -> Result<Idx, Error> {
    if head.is_empty() {
        return Err(bad(source.path, "is empty", AGAIN));
    }
    if let Some((problem, next)) = foreign(head) {
        return Err(bad(source.path, problem, next));
    }
    let header = Header::read(source.path, &mut raw)?;
    header.check_length(source)?;
    let bytes = header.read_values(source, raw)?;
    let shape = header.shape.iter().map(|&d| d as usize).collect();
    Ok(Idx { shape, bytes })
}

impl Header {
    fn read(path: &Path, raw: &mut impl Read) -> Result<Header, Error> {
        let mut fill = |buffer: &mut [u8]| {
            let read = raw.read_exact(buffer);
            read.map_err(|error| broken(path, &error, "inside its header"))
        };
        let mut magic = [0; 4];
        fill(&mut magic)?;
        let [0, 0, kind, rank] = magic else {
            let problem = format!("is not IDX: it begins with {magic:02x?}, not with [00, 00, 08");
            return Err(bad(path, problem + ", ..]", "check that this is the file you mean"));
        };
        if kind != UNSIGNED_BYTE {
            let name = type_name(kind);
            let problem = format!("holds {name} (type {kind:#04x}), not unsigned bytes (0x08)");
            return Err(bad(path, problem, "convert the values to bytes from 0 to 255"));
        }
        if rank == 0 {
            return Err(bad(path, "declares no dimensions", AGAIN));
        }
        let mut dimensions = vec![0; 4 * usize::from(rank)];
        fill(&mut dimensions)?;
        let dimensions = dimensions.as_chunks().0.iter();
        let shape: Vec<u32> = dimensions.map(|&d| u32::from_be_bytes(d)).collect();
        match shape.iter().try_fold(1_u64, |n, &d| n.checked_mul(d.into())) {
            Some(values @ 1..) => Ok(Header { shape, values }),
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

    /// Checks whether the file can hold the declared values, before memory is allocated for them.
    fn check_length(&self, source: Source<'_>) -> Result<(), Error> {
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
            if self.values > length.saturating_mul(MOST_EXPANSION) {
                let problem = format!("declares {self}, more than {length} bytes of gzip can hold");
                return Err(bad(source.path, problem, AGAIN));
            }
        } else if follow < self.values {
            return Err(self.truncated(source.path, follow));
        }
        Ok(())
    }

    /// Reads the declared number of bytes, and checks that no more follow.
    fn read_values(&self, source: Source<'_>, raw: impl Read) -> Result<Vec<u8>, Error> {
        let too_large = || {
            let problem = format!("holds {self}, more than fit in memory");
            bad(source.path, problem, "use a machine with more memory, or a smaller data set")
        };
        let length = source.length.unwrap_or(1 << 16);
        let likely = self.values.min(length.saturating_mul(LIKELY_EXPANSION));
        let likely = usize::try_from(likely).map_err(|_| too_large())?;
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(likely).map_err(|_| too_large())?;
        // Reads one byte more than declared, to find trailing bytes. At the end of the stream gzip also verifies its checksum.
        match raw.take(self.values.saturating_add(1)).read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::OutOfMemory => return Err(too_large()),
            Err(error) => {
                let position = format!("after {} of {self}", bytes.len());
                return Err(broken(source.path, &error, &position));
            }
        }
        let count = bytes.len() as u64;
        match count.cmp(&self.values) {
            Ordering::Less => Err(self.truncated(source.path, count)),
            Ordering::Greater => Err(self.trailing(source.path)),
            Ordering::Equal => Ok(bytes),
        }
    }

    fn truncated(&self, path: &Path, follow: u64) -> Error {
        let problem = format!("is truncated: its header declares {self}, but {follow} follow");
        bad(path, problem, AGAIN)
    }

    fn trailing(&self, path: &Path) -> Error {
        let problem = format!("has trailing bytes after the {self} that its header declares");
        bad(path, problem, AGAIN)
    }
}

impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} = {}", self.shape, counted(self.values, "value"))
    }
}
