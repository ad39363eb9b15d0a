//! Encodes pixels as PNG files.

use png::{ColorType, Compression, Encoder, Filter};

/// A PNG of 8-bit grey pixels, row by row.
///
/// # Panics
/// If the number of pixels is not width × height, or is zero.
pub fn grey(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Grayscale)
}

/// A PNG of 8-bit red, green and blue, row by row.
///
/// # Panics
/// If the number of bytes is not 3 × width × height, or is zero.
pub fn rgb(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgb)
}

/// A PNG of 8-bit red, green, blue and alpha, row by row.
///
/// # Panics
/// If the number of bytes is not 4 × width × height, or is zero.
pub fn rgba(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgba)
}

fn encode(pixels: &[u8], width: usize, height: usize, colour: ColorType) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(colour);
    // The pictures have flat areas and few colours. PNG's filters make such files larger.
    encoder.set_filter(Filter::NoFilter);
    encoder.set_compression(Compression::High);
    let written = encoder.write_header().and_then(|mut out| out.write_image_data(pixels));
    written.expect("the pixels fit the size, and writing to a vector does not fail");
    bytes
}
