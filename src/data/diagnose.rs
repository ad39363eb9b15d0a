//! Identifies the real format of a file that is not valid IDX, for the error message.

use std::io;
use std::path::Path;

use super::bad;
use crate::base::error::Error;

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

/// Recognises other formats that are often saved under the name of a data file. Returns the problem and the advice.
pub(super) fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const ANSWERED: &str =
        "read it: a server may have sent a message in place of the file; then delete it and fetch it again";
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_text = head.iter().all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    Some(match text.first()? {
        b'<' => ("looks like a web page (HTML or XML), not IDX data", ANSWERED),
        b'{' | b'[' => ("looks like JSON, not IDX data", ANSWERED),
        _ if head.starts_with(b"version https://git-lfs") => {
            ("is a Git LFS pointer, not the data", "run `git lfs pull` where it came from")
        }
        _ if head.starts_with(b"PK\x03\x04") => ("is a zip archive, not IDX data", "unzip it first"),
        _ if head.starts_with(&[0x1f, 0x8b]) => ("is gzipped twice", "gunzip it once"),
        _ if is_text => ("looks like text, not IDX data", ANSWERED),
        _ => return None,
    })
}

/// The name of a type code of IDX.
pub(super) fn type_name(kind: u8) -> &'static str {
    match kind {
        0x09 => "signed bytes",
        0x0b => "16-bit integers",
        0x0c => "32-bit integers",
        0x0d => "32-bit floats",
        0x0e => "64-bit floats",
        _ => "values of an unknown type",
    }
}
