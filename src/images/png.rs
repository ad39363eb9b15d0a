//! Pixels to PNG files.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

/// A PNG of 8-bit grey pixels, row by row.
///
/// # Panics
/// If there are not width × height pixels, or none at all.
pub fn grey(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ExtendedColorType::L8)
}

/// A PNG of 8-bit red, green, blue and alpha, row by row.
///
/// # Panics
/// If there are not 4 × width × height bytes, or none at all.
pub fn rgba(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ExtendedColorType::Rgba8)
}

fn encode(pixels: &[u8], width: usize, height: usize, colour: ExtendedColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter)
        .write_image(pixels, width as u32, height as u32, colour)
        .expect("a vector takes all bytes of a picture of this size");
    bytes
}
