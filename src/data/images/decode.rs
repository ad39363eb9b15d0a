//! Decodes PNG and JPEG files of any bit depth, palette, transparency and orientation to 8-bit colours.

use crate::base::error::Error;
use crate::base::file_kind::recognise;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbaImage};
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

/// Largest file that is read, in bytes.
pub const LONGEST_FILE: u64 = 256 << 20;
/// Most pixels of a picture: more than a phone's camera takes, and little enough for the memory of any computer.
pub const MOST_PIXELS: u64 = 64 << 20;
/// Longest side in pixels; it is also JPEG's limit.
const LONGEST_SIDE: u32 = 65_535;
/// Most pixels per byte of a PNG file: 1 bit per pixel, compressed 1032 to 1 (zlib, "Technical Details").
const PIXELS_OF_PNG: u64 = 8 * 1032;
/// Most pixels per byte of a JPEG file: 8×8 per bit, in the first scan of a progressive file (ITU-T T.81, G.1.2.1).
const PIXELS_OF_JPEG: u64 = 8 * 64;
/// Larger pictures are first scaled to this side. It makes no difference to a sample of 28×28 pixels.
const WORKING_SIDE: u32 = 1024;

/// A picture: 8-bit RGB and alpha, upright, at most 1024 pixels wide and high.
pub type Picture = RgbaImage;

/// Decodes a PNG or JPEG file; `name` is used in messages.
///
/// # Errors
/// [`Error::Data`] if the file is of another format or damaged, or if its header declares more than [`MOST_PIXELS`] pixels, a
/// side of more than 65535, or more pixels than a file of its length can hold. Such files are not decoded.
pub fn decode(bytes: &[u8], name: &Path) -> Result<Picture, Error> {
    let bad = |problem: String, next: &str| Error::Data { path: name.into(), problem, next: next.into() };
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(Error::file(name))?;
    let densest = match reader.format() {
        Some(ImageFormat::Png) => PIXELS_OF_PNG,
        Some(ImageFormat::Jpeg) => PIXELS_OF_JPEG,
        _ => {
            let (what, next) = recognise(bytes).unwrap_or(("is neither PNG nor JPEG", "convert it to PNG"));
            return Err(bad(what.into(), next));
        }
    };
    let broken = |error: image::ImageError| bad(format!("cannot be decoded: {error}"), "save it again as PNG");
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * MOST_PIXELS);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(broken)?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > MOST_PIXELS || width.max(height) > LONGEST_SIDE {
        let most = format!("more than {MOST_PIXELS} pixels or a side of more than {LONGEST_SIDE}");
        return Err(bad(format!("is {width}×{height}, {most}"), "scale it down"));
    }
    if pixels > densest * bytes.len() as u64 {
        let problem = format!("declares {width}×{height} pixels, more than its {} bytes can hold", bytes.len());
        return Err(bad(problem, "copy it again from its source"));
    }
    // Without a readable EXIF orientation the picture is not rotated.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    if finer_than_first(bytes) {
        return Err(bad("is a JPEG whose chroma has a higher resolution than its luma".into(), "save it again as PNG"));
    }
    // A panic of the decoder is reported as a damaged file.
    let decoded = catch_unwind(AssertUnwindSafe(|| DynamicImage::from_decoder(decoder)));
    let gave_up = |_| bad("cannot be decoded: the decoder failed".into(), "save it again as PNG");
    let mut picture = decoded.map_err(gave_up)?.map_err(broken)?;
    if width.max(height) > WORKING_SIDE {
        picture = picture.resize(WORKING_SIDE, WORKING_SIDE, FilterType::Triangle);
    }
    picture.apply_orientation(orientation);
    Ok(picture.into_rgba8())
}

/// Whether a component of a JPEG has larger sampling factors than the first. No software writes such files, and zune-jpeg
/// 0.5.15 panics on them. The frame header (ITU-T T.81, B.2.2) has three bytes per component; the second holds the two factors.
fn finer_than_first(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, segment @ ..] = rest {
        if let (0xc0..=0xc2, [_, _, _, _, _, count, components @ ..]) = (*marker, segment) {
            let mut factors = components.chunks_exact(3).take(usize::from(*count)).map(|component| component[1]);
            let first = factors.next().unwrap_or_default();
            return factors.any(|other| other >> 4 > first >> 4 || other & 15 > first & 15);
        }
        let length = usize::from(u16::from_be_bytes([*high, *low])).max(2);
        rest = segment.get(length - 2..).unwrap_or_default();
    }
    false
}
