//! Recognises files that are not what their name says, for error messages.

/// A kind of file that is often found under a wrong name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// No bytes, or only spaces.
    Empty,
    /// Text of two bytes a character.
    Utf16,
    /// What Git stores in place of a large file.
    LfsPointer,
    /// HTML or XML.
    Page,
    /// Text that begins like JSON. TOML may begin like this too.
    Json,
    /// PNG.
    Png,
    /// JPEG.
    Jpeg,
    /// GIF.
    Gif,
    /// WebP.
    Webp,
    /// BMP.
    Bmp,
    /// PDF.
    Pdf,
    /// HDF5, as Keras writes it.
    Hdf5,
    /// MATLAB's MAT.
    Matlab,
    /// NumPy's NPY.
    Array,
    /// Parquet.
    Parquet,
    /// Python's pickle.
    Pickle,
    /// Zip; also a file of torch.save, or NPZ.
    Zip,
    /// Tar, without compression.
    Tar,
    /// 7z or RAR.
    Archive,
    /// Gzip.
    Gzip,
    /// Bzip2.
    Bzip2,
    /// Xz.
    Xz,
    /// Zstandard.
    Zstd,
}

impl FileKind {
    /// The kind of a file, by its first bytes; `None` if it is not recognised.
    pub fn of(bytes: &[u8]) -> Option<FileKind> {
        let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        // A length at the start of a binary file may look like the first letter of a text.
        let is_text = !bytes.iter().take(64).any(|&byte| byte < 32 && !byte.is_ascii_whitespace());
        let starts = |magic: &[u8]| bytes.starts_with(magic);
        let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
        Some(match bytes {
            _ if text.is_empty() => FileKind::Empty,
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, _, 0, ..] if is_utf16(bytes) => FileKind::Utf16,
            _ if begins(b"version https://git-lfs") => FileKind::LfsPointer,
            _ if is_text && begins(b"<") => FileKind::Page,
            _ if is_text && (begins(b"{") || begins(b"[")) => FileKind::Json,
            _ if starts(b"\x89PNG") => FileKind::Png,
            _ if starts(b"\xff\xd8\xff") => FileKind::Jpeg,
            _ if starts(b"GIF8") => FileKind::Gif,
            _ if starts(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => FileKind::Webp,
            _ if starts(b"BM") && bytes.get(6..10) == Some(&[0; 4]) => FileKind::Bmp,
            _ if starts(b"%PDF") => FileKind::Pdf,
            _ if starts(b"\x89HDF") => FileKind::Hdf5,
            _ if starts(b"MATLAB 5.0") => FileKind::Matlab,
            _ if starts(b"\x93NUMPY") => FileKind::Array,
            _ if starts(b"PAR1") => FileKind::Parquet,
            // The length at the start of a safetensors file ends with zeros.
            [0x80, 2..=5, ..] if bytes.get(4..8) != Some(&[0; 4]) => FileKind::Pickle,
            _ if starts(b"PK\x03\x04") || starts(b"PK\x05\x06") => FileKind::Zip,
            _ if bytes.get(257..262) == Some(b"ustar") => FileKind::Tar,
            _ if starts(b"7z\xbc\xaf\x27\x1c") || starts(b"Rar!") => FileKind::Archive,
            _ if starts(b"\x1f\x8b") => FileKind::Gzip,
            _ if starts(b"BZh") => FileKind::Bzip2,
            _ if starts(b"\xfd7zXZ\0") => FileKind::Xz,
            _ if starts(b"\x28\xb5\x2f\xfd") => FileKind::Zstd,
            _ => return None,
        })
    }
}

/// What a file really is, as the predicate of a sentence, and what to do; `None` if it is not recognised.
pub fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const PATH: &str = "check the path";
    const CONVERT: &str = "check the path, or convert it to PNG";
    const WEIGHTS: &str = "write its weights as safetensors";
    const UNPACK: &str = "unpack it first";
    const DECOMPRESS: &str = "decompress it first";
    Some(match FileKind::of(bytes)? {
        FileKind::Empty => ("is empty", "copy or fetch it again"),
        FileKind::Utf16 => (
            "is UTF-16 text, as `>` in Windows PowerShell writes it",
            "save it as UTF-8 (`| Out-File -Encoding utf8 FILE`)",
        ),
        FileKind::LfsPointer => {
            ("is a Git LFS pointer and not the file itself", "run `git lfs pull` in its repository")
        }
        FileKind::Page => ("is a web page", "read it: a server may have sent a message in place of the file"),
        FileKind::Json => return None,
        FileKind::Png => ("is a PNG picture", PATH),
        FileKind::Jpeg => ("is a JPEG picture", PATH),
        FileKind::Gif => ("is a GIF picture", CONVERT),
        FileKind::Webp => ("is a WebP picture", CONVERT),
        FileKind::Bmp => ("is a BMP picture", CONVERT),
        FileKind::Pdf => ("is a PDF file", CONVERT),
        FileKind::Hdf5 => ("is an HDF5 file, as Keras writes it", WEIGHTS),
        FileKind::Matlab => ("is a MATLAB file", PATH),
        FileKind::Array => ("is a NumPy file", PATH),
        FileKind::Parquet => ("is a Parquet file", PATH),
        FileKind::Pickle => ("is a Python pickle", WEIGHTS),
        FileKind::Zip => ("is a zip archive", UNPACK),
        FileKind::Tar => ("is a tar archive", UNPACK),
        FileKind::Archive => ("is a 7z or RAR archive", UNPACK),
        FileKind::Gzip => ("is compressed with gzip", DECOMPRESS),
        FileKind::Bzip2 => ("is compressed with bzip2", DECOMPRESS),
        FileKind::Xz => ("is compressed with xz", DECOMPRESS),
        FileKind::Zstd => ("is compressed with zstd", DECOMPRESS),
    })
}

/// Whether bytes begin with text in UTF-16 of either byte order, with or without a byte-order mark.
fn is_utf16(bytes: &[u8]) -> bool {
    const ENOUGH: usize = 256;
    let (pairs, rest) = bytes[..bytes.len().min(ENOUGH)].as_chunks::<2>();
    let big = bytes.starts_with(&[0xfe, 0xff]);
    let unit = |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    // A pair of units at the end may be cut.
    let units = pairs.iter().map(unit).take(if bytes.len() > ENOUGH { ENOUGH / 2 - 1 } else { ENOUGH / 2 });
    rest.is_empty() && char::decode_utf16(units).all(|letter| letter.is_ok_and(|letter| letter != '\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        let little: Vec<u8> = "epochs = 3".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}epochs".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: [(&[u8], &str); 14] = [
            (b"", "empty"),
            (&little, "UTF-16"),
            (&[&[0xff, 0xfe], &little[..]].concat(), "UTF-16"),
            (&big, "UTF-16"),
            (b"version https://git-lfs.github.com/spec/v1\noid sha256:0", "Git LFS"),
            (b"\xef\xbb\xbf\n<!DOCTYPE HTML><title>", "web page"),
            (b"<html>", "web page"),
            (b"\x89PNG\r\n\x1a\n", "PNG"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"PK\x03\x04", "zip"),
            (b"\x80\x04\x95", "pickle"),
            (b"\x80\x02}q\0\0\0X\x05", "pickle"),
            (b"BZh9", "bzip2"),
            (b" \n", "empty"),
        ];
        for (bytes, word) in cases {
            let (what, _) = recognise(bytes).unwrap_or_else(|| panic!("{word}"));
            assert!(what.contains(word), "{what}");
        }
        // Lengths at the start of safetensors files: 8, 60 (`<`), 123 (`{`), and 640, whose bytes begin like a pickle.
        let lengths = [8, 60, 123, 640, 66_176].map(|length: u64| [&length.to_le_bytes()[..], b"{}"].concat());
        for unknown in [&b"epochs = 3"[..], b"[run]\n", &[255; 100], b"\xff\xfe\xff"]
            .into_iter()
            .chain(lengths.iter().map(|length| &length[..]))
        {
            assert_eq!(recognise(unknown), None, "{unknown:?}");
        }
    }
}
