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
//! Values of other types are read if all are whole numbers from 0 to 255. Files that a program wrote in little-endian order
//! are recognised, because their dimensions would be absurd in the order of the format.
//!
//! The file may be gzipped; this is recognised by its first bytes, not by its name. The header is not trusted: memory is
//! allocated only after the length of the file shows that the declared size is possible, and never more bytes are
//! decompressed than declared.
//!
//! Source: "The IDX file format" on Y. LeCun's MNIST page; RFC 1952 for gzip.

mod header;

use std::fs::File;
use std::io::{self, Cursor, Read, Write};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use sha2::{Digest, Sha256};

use super::bad;
use super::diagnose::{AGAIN, broken, foreign};
use super::labels;
use crate::base::error::Error;
use crate::base::hash::hex;
use header::{Header, Source, UNSIGNED_BYTE};

/// Bytes that are read to recognise the type of a file, and the byte order of a small one.
const PEEK: u64 = 1 << 12;

/// The contents of one IDX file, as unsigned bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idx {
    /// The dimensions, outermost first; none is zero.
    pub shape: Vec<usize>,
    /// The values, row-major; as many as the product of `shape`.
    pub bytes: Vec<u8>,
}

impl Idx {
    /// Reads a file, gzipped or raw.
    ///
    /// # Errors
    /// [`Error::Data`] if the file cannot be read, is not IDX, holds values that are not whole numbers from 0 to 255, or does
    /// not hold exactly the bytes that its header declares.
    pub fn read(path: &Path) -> Result<Idx, Error> {
        Idx::open(path, false)
    }

    /// As [`Idx::read`]; of QMNIST's labels, eight integers per sample, it keeps the class.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn read_labels(path: &Path) -> Result<Idx, Error> {
        Idx::open(path, true)
    }

    fn open(path: &Path, labels: bool) -> Result<Idx, Error> {
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
        unpack(Source { length, labels, ..Source::stream(path) }, file)
    }

    /// Reads from any stream, gzipped or raw. `path` is used in messages only.
    ///
    /// # Errors
    /// As [`Idx::read`].
    pub fn parse(path: &Path, reader: impl Read) -> Result<Idx, Error> {
        unpack(Source::stream(path), reader)
    }

    /// As [`Idx::parse`], but with an error if the header declares more than `most` values. This protects against a server
    /// that sends a small file which decompresses to fill the memory.
    pub(super) fn parse_at_most(most: u64, path: &Path, reader: impl Read) -> Result<Idx, Error> {
        unpack(Source { most, ..Source::stream(path) }, reader)
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
fn unpack(source: Source<'_>, mut reader: impl Read) -> Result<Idx, Error> {
    let head = peek(source.path, &mut reader)?;
    let gzipped = head.starts_with(&[0x1f, 0x8b]);
    let whole = Cursor::new(head.clone()).chain(reader);
    if !gzipped {
        return parse(source, &head, whole);
    }
    let mut inflated = MultiGzDecoder::new(whole);
    let head = peek(source.path, &mut inflated)?;
    let whole = Cursor::new(head.clone()).chain(inflated);
    parse(Source { gzipped, ..source }, &head, whole)
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
    let whole = (head.len() as u64) < PEEK;
    let header = Header::read(source.path, whole, &mut raw)?;
    header.check_length(source)?;
    let bytes = header.read_values(source, raw)?;
    let idx = Idx { shape: header.sizes(), bytes };
    Ok(if header.may_be_qmnist(source) { labels::of_qmnist(idx) } else { idx })
}
