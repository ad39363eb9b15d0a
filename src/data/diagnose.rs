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

/// Recognises other formats that are often saved under the name of a data file, by the first bytes. Returns the problem and
/// the advice.
pub(super) fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const ANSWERED: &str =
        "read it: a server may have sent a message in place of the file; then delete it and fetch it again";
    const ARRAYS: &str = "load it in Python and save it with numpy.savez as x_train, y_train, x_test, y_test";
    const PICTURES: &str =
        "put pictures into train/CLASS/ and test/CLASS/, one folder per class, and name the folder above";
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_text = head.iter().all(|&b| b.is_ascii_graphic() || b.is_ascii_whitespace());
    let begins = |magic: &[u8]| head.starts_with(magic);
    Some(match text.first()? {
        b'<' => ("looks like a web page (HTML or XML), not data", ANSWERED),
        b'{' | b'[' => ("looks like JSON, not data", ANSWERED),
        _ if begins(b"version https://git-lfs") => {
            ("is a Git LFS pointer, not the data", "run `git lfs pull` where it came from")
        }
        _ if begins(b"PK\x03\x04") || begins(b"PK\x05\x06") => {
            ("is a zip archive", "unzip it, and name the folder of the files")
        }
        _ if begins(&[0x1f, 0x8b]) => ("is gzipped twice", "gunzip it once"),
        _ if begins(b"BZh") => ("is compressed with bzip2", "decompress it with bunzip2"),
        _ if begins(b"\xfd7zXZ\0") => ("is compressed with xz", "decompress it with unxz"),
        _ if begins(b"\x28\xb5\x2f\xfd") => ("is compressed with zstd", "decompress it with unzstd"),
        _ if begins(b"7z\xbc\xaf\x27\x1c") || begins(b"Rar!") => {
            ("is a 7z or RAR archive", "unpack it, and name the folder of the files")
        }
        _ if head.get(257..262) == Some(b"ustar") => {
            ("is a tar archive", "unpack it with tar, and name the folder of the files")
        }
        _ if begins(b"\x93NUMPY") => ("is a single NumPy array (NPY)", ARRAYS),
        _ if begins(b"\x89HDF\r\n") => ("is an HDF5 file", ARRAYS),
        _ if begins(b"MATLAB 5.0") => ("is a MATLAB file", ARRAYS),
        _ if begins(b"PAR1") => ("is a Parquet file", ARRAYS),
        0x80 if head.get(1).is_some_and(|version| (2..=5).contains(version)) => ("is a Python pickle", ARRAYS),
        _ if begins(b"\x89PNG") || begins(b"\xff\xd8\xff") => ("is a picture", PICTURES),
        _ if begins(b"\xff\xfe") || begins(b"\xfe\xff") => ("is UTF-16 text", "save it as UTF-8 text"),
        _ if is_text => ("looks like text, not IDX data", ANSWERED),
        _ => return None,
    })
}
