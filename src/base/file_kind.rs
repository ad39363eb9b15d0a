//! Recognises files that are not what their name says, for error messages.

/// What a file really is, as the predicate of a sentence, and what to do; `None` if it is not recognised.
pub fn recognise(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    const AGAIN: &str = "copy or fetch it again";
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    let begins = |word: &[u8]| text.get(..word.len()).is_some_and(|head| head.eq_ignore_ascii_case(word));
    let page = [&b"<!doctype"[..], b"<html", b"<head", b"<?xml", b"<svg"].into_iter().any(begins);
    Some(match bytes {
        [] => ("is empty", AGAIN),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [_, 0, _, 0, _, 0, ..] if utf16(bytes).is_some() => (
            "is UTF-16 text, as `>` in Windows PowerShell writes it",
            "save it as UTF-8 (`| Out-File -Encoding utf8 FILE`)",
        ),
        _ if begins(b"version https://git-lfs") => {
            ("is a Git LFS pointer and not the file itself", "run `git lfs pull` in its repository")
        }
        _ if page => ("is a web page", "read it: a server may have sent a message in place of the file"),
        _ if bytes.starts_with(b"\x89PNG") => ("is a PNG picture", "check the path"),
        [0xff, 0xd8, 0xff, ..] => ("is a JPEG picture", "check the path"),
        _ if bytes.starts_with(b"GIF8") => ("is a GIF picture", "check the path, or convert it to PNG"),
        _ if bytes.starts_with(b"RIFF") && bytes.get(8..12) == Some(b"WEBP") => {
            ("is a WebP picture", "check the path, or convert it to PNG")
        }
        _ if bytes.starts_with(b"BM") && bytes.get(6..10) == Some(&[0; 4]) => {
            ("is a BMP picture", "check the path, or convert it to PNG")
        }
        _ if bytes.starts_with(b"%PDF") => ("is a PDF file", "check the path, or convert it to PNG"),
        _ if bytes.starts_with(b"\x89HDF") => {
            ("is an HDF5 file, as Keras writes it", "write its weights as safetensors")
        }
        _ if bytes.starts_with(b"\x93NUMPY") => ("is a NumPy file", "check the path"),
        [0x1f, 0x8b, ..] => ("is compressed with gzip", "decompress it first"),
        _ if bytes.starts_with(b"PK\x03\x04") => ("is a zip archive", "unpack it first"),
        _ => return None,
    })
}

/// Decodes text in UTF-16 of either byte order, with or without a byte-order mark.
fn utf16(bytes: &[u8]) -> Option<String> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    let big = bytes.starts_with(&[0xfe, 0xff]);
    let unit = |pair: &[u8; 2]| if big { u16::from_be_bytes(*pair) } else { u16::from_le_bytes(*pair) };
    let units: Vec<u16> = pairs.iter().map(unit).collect();
    String::from_utf16(&units).ok().filter(|text| rest.is_empty() && !text.contains('\0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_recognised_by_their_first_bytes() {
        let little: Vec<u8> = "epochs = 3".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "\u{feff}epochs".encode_utf16().flat_map(u16::to_be_bytes).collect();
        let cases: [(&[u8], &str); 10] = [
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
        ];
        for (bytes, word) in cases {
            let (what, _) = recognise(bytes).unwrap_or_else(|| panic!("{word}"));
            assert!(what.contains(word), "{what}");
        }
        for unknown in [&b"epochs = 3"[..], b"\x08\0\0\0\0\0\0\0{}", &[255; 100], b"\xff\xfe\xff"] {
            assert_eq!(recognise(unknown), None);
        }
    }
}
