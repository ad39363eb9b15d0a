//! Pixels to PNG files.

use png::{ColorType, Compression, Encoder, Filter};

/// A PNG of 8-bit grey pixels, row by row.
///
/// # Panics
/// If there are not width × height pixels, or none at all.
pub fn grey(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Grayscale)
}

/// A PNG of 8-bit red, green and blue, row by row.
///
/// # Panics
/// If there are not 3 × width × height bytes, or none at all.
pub fn rgb(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgb)
}

/// A PNG of 8-bit red, green, blue and alpha, row by row.
///
/// # Panics
/// If there are not 4 × width × height bytes, or none at all.
pub fn rgba(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgba)
}

fn encode(pixels: &[u8], width: usize, height: usize, colour: ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(colour);
    // Flat areas and few colours, which filters only make longer.
    encoder.set_filter(Filter::NoFilter);
    encoder.set_compression(Compression::High);
    let written = encoder.write_header().and_then(|mut out| out.write_image_data(pixels));
    written.expect("a vector takes all bytes of a picture of this size");
    bytes
}
