//! Identifies the real format of a file that is not valid IDX, for the error message.

use std::io;
use std::path::Path;

use super::bad;
use crate::base::error::Error;
use crate::base::file_kind::{FileKind, recognise};

/// The advice for a file that cannot be repaired.
pub(super) const AGAIN: &str = "delete this file and fetch or copy it again";

/// The error of a stream that failed at `position`.
pub(super) fn broken(path: &Path, error: &io::Error, position: &str) -> Error {
    let problem = match error.kind() {
        io::ErrorKind::UnexpectedEof => format!("is truncated: it ends {position}"),
        // flate2 reports these for a bad block, a bad header or a wrong checksum.
        io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            format!("is a damaged gzip file: {error}, {position}")
        }
        _ => format!("cannot be read: {error}, {position}"),
    };
    bad(path, problem, AGAIN)
}

/// The advice for a message in place of data.
const ANSWERED: &str =
    "read it: a server may have sent a message in place of the file; then delete it and fetch it again";

/// Recognises other formats that are often saved under the name of a data file, by the first bytes. Returns the problem and
/// the advice, which suits data.
pub(super) fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_text = head.iter().all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    foreign_to_text(head).or_else(|| is_text.then_some(("looks like text, not IDX data", ANSWERED)))
}

/// As [`foreign`], for data that may be text.
pub(super) fn foreign_to_text(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const ARRAYS: &str = "load it in Python and save it with numpy.savez as x_train, y_train, x_test, y_test";
    const PICTURES: &str =
        "put pictures into train/CLASS/ and test/CLASS/, one folder per class, and name the folder above";
    const UNPACK: &str = "unpack it, and name the folder of the files";
    Some(match FileKind::of(head)? {
        FileKind::Empty => ("is empty", AGAIN),
        FileKind::Page => ("looks like a web page (HTML or XML), not data", ANSWERED),
        FileKind::Json => ("looks like JSON, not data", ANSWERED),
        FileKind::Gzip => ("is gzipped twice", "gunzip it once"),
        FileKind::Zip | FileKind::Tar | FileKind::Archive => (recognise(head)?.0, UNPACK),
        FileKind::Array => ("is a single NumPy array (NPY)", ARRAYS),
        FileKind::Hdf5 => ("is an HDF5 file", ARRAYS),
        FileKind::Matlab | FileKind::Parquet | FileKind::Pickle => (recognise(head)?.0, ARRAYS),
        FileKind::Png | FileKind::Jpeg | FileKind::Gif | FileKind::Webp | FileKind::Bmp => ("is a picture", PICTURES),
        FileKind::Pdf | FileKind::LfsPointer | FileKind::Utf16 => return recognise(head),
        FileKind::Bzip2 | FileKind::Xz | FileKind::Zstd => return recognise(head),
    })
}
