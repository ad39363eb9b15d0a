//! Whole pictures are read, torn ones are refused. The files show one drawing, written by libjpeg-turbo and ImageMagick.
#![cfg(feature = "images")]

use gpu_mlp::Error;
use gpu_mlp::data::images::decode::{Picture, decode};
use std::path::Path;

const FILES: [(&str, &[u8]); 8] = [
    ("restart.jpg", include_bytes!("torn/restart.jpg")),
    ("progressive.jpg", include_bytes!("torn/progressive.jpg")),
    ("progressive-restart.jpg", include_bytes!("torn/progressive-restart.jpg")),
    ("optimized-grey.jpg", include_bytes!("torn/optimized-grey.jpg")),
    ("separate.jpg", include_bytes!("torn/separate.jpg")),
    ("cmyk.jpg", include_bytes!("torn/cmyk.jpg")),
    ("interlaced-16-bit.png", include_bytes!("torn/interlaced-16-bit.png")),
    ("palette.png", include_bytes!("torn/palette.png")),
];

fn read(bytes: &[u8]) -> Result<Picture, Error> {
    decode(bytes, Path::new("picture"))
}

fn refused(bytes: &[u8], what: &str) {
    let error = read(bytes).err();
    assert!(matches!(error, Some(Error::Data { .. })), "{what}: {error:?}");
}

#[test]
fn whole_pictures_are_read_whatever_follows_them() {
    for (name, whole) in FILES {
        let picture = read(whole).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(picture.dimensions(), (45, 37), "{name}");
        for behind in [&[0; 100][..], whole, b"ftypmp42"] {
            assert!(read(&[whole, behind].concat()).unwrap() == picture, "{name}");
        }
    }
}

#[test]
fn a_picture_that_is_cut_or_ends_in_zeros_is_refused() {
    for (name, whole) in FILES {
        for length in 1..whole.len() {
            refused(&whole[..length], &format!("{name}, {length} bytes"));
            let zeros = [&whole[..length], &vec![0; whole.len() - length]].concat();
            // The last byte of a PNG's checksum, and of other fields, may be zero.
            if zeros != whole {
                refused(&zeros, &format!("{name}, zeros from {length}"));
            }
        }
    }
}

/// The decoder fills in what is missing before the end marker.
#[test]
fn a_jpeg_with_a_hole_before_its_end_marker_is_refused() {
    for (name, whole) in FILES.into_iter().filter(|(name, _)| name.ends_with(".jpg")) {
        // The data of the first scan begin after its header.
        let first = whole.windows(2).position(|marker| marker == [0xff, 0xda]).unwrap() + 14;
        for part in 0..5 {
            let [from, to] = [part, part + 1].map(|part| first + (whole.len() - 2 - first) * part / 5);
            let hole = vec![0; to - from];
            refused(&[&whole[..from], &hole, &whole[to..]].concat(), &format!("{name}, zeros from {from} to {to}"));
            refused(&[&whole[..from], &whole[to..]].concat(), &format!("{name}, without {from} to {to}"));
            refused(&[&whole[..from], &[0xff, 0xd9]].concat(), &format!("{name}, an end at {from}"));
        }
    }
}

#[test]
fn an_arithmetic_jpeg_is_refused_by_its_kind() {
    let error = read(include_bytes!("torn/arithmetic.jpg")).err().map(|error| error.to_string());
    assert!(error.as_ref().is_some_and(|error| error.contains("arithmetic coding")), "{error:?}");
}
