//! Decodes PNG and JPEG files of any bit depth, palette, transparency and orientation to 8-bit colours.

mod jpeg;
mod png;
mod scan;

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
/// [`Error::Data`] if the file is of another format, cut off or damaged, or if its header declares more than [`MOST_PIXELS`]
/// pixels, a side of more than 65535, or more pixels than a file of its length can hold. Such files are not decoded.
pub fn decode(bytes: &[u8], name: &Path) -> Result<Picture, Error> {
    let bad = |problem: String, next: &str| Error::Data { path: name.into(), problem, next: next.into() };
    let mut reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(Error::file(name))?;
    let (format, densest) = match reader.format() {
        Some(format @ ImageFormat::Png) => (format, PIXELS_OF_PNG),
        Some(format @ ImageFormat::Jpeg) => (format, PIXELS_OF_JPEG),
        _ => {
            let (what, next) = recognise(bytes).unwrap_or(("is neither PNG nor JPEG", "convert it to PNG"));
            return Err(bad(what.into(), next));
        }
    };
    let broken = |error: image::ImageError| bad(format!("cannot be decoded: {error}"), "save it again as PNG");
    let mut limits = Limits::default();
    limits.max_alloc = Some(16 * MOST_PIXELS);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| match jpeg::rare_kind(bytes) {
        Some(kind) if format == ImageFormat::Jpeg => bad(kind.into(), "save it again as PNG"),
        _ => broken(error),
    })?;
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
    let whole = match format {
        ImageFormat::Jpeg => jpeg::check(bytes, (width, height)).map_err(str::to_string),
        _ => png::check(bytes),
    };
    whole.map_err(|problem| {
        bad(problem, "copy it again from its source; if that does not help, save it again as PNG")
    })?;
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
