//! Scales a drawing to 28×28 pixels and places it as in MNIST.

use super::decode::Picture;
use super::ink::Ink;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma};

/// Rows and columns of an MNIST sample.
pub const SIDE: usize = 28;
/// Rows and columns of the box that the digit is scaled to.
const BOX: usize = 20;

/// Prepares a drawing as MNIST was prepared from NIST's drawings (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
/// handwritten digits"): cropped, scaled to fit a box of 20×20 with its aspect ratio kept and antialiased edges, then moved
/// by whole pixels so that its centre of mass is in the middle of 28×28. The strongest pixel becomes 255, as in MNIST.
pub fn mnist(ink: &Ink) -> Vec<u8> {
    let [left, right, top, bottom] = ink.bounds;
    let (width, height) = (right - left + 1, bottom - top + 1);
    let row = |y: usize| &ink.pixels[y * ink.width + left..=y * ink.width + right];
    // 16 bits: scaling then rounds less than the last step.
    let cropped: Vec<u16> = (top..=bottom).flat_map(row).map(|&p| u16::from(p) << 8).collect();
    let cropped: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(width as u32, height as u32, cropped).expect("rows of a box make a picture");
    let longer = width.max(height) as f64;
    let scaled = |side: usize| ((side as f64 * BOX as f64 / longer).round() as usize).clamp(1, BOX);
    let (columns, rows) = (scaled(width), scaled(height));
    let small = imageops::resize(&cropped, columns as u32, rows as u32, FilterType::Triangle);

    let strongest = f64::from(small.pixels().map(|p| p.0[0]).max().unwrap_or(0).max(1));
    let mut sum = 0.0;
    let mut sum_x = 0.0;
    let mut sum_y = 0.0;
    for (x, y, pixel) in small.enumerate_pixels() {
        let mass = f64::from(pixel.0[0]);
        sum += mass;
        sum_x += mass * f64::from(x);
        sum_y += mass * f64::from(y);
    }
    // Limited to the image: a drawing with nearly all its mass at one end would otherwise leave it.
    let offset = |moment: f64, side: usize| {
        let middle = SIDE as f64 / 2.0;
        ((middle - moment / f64::max(sum, 1.0)).round().max(0.0) as usize).min(SIDE - side)
    };
    let (x0, y0) = (offset(sum_x, columns), offset(sum_y, rows));
    let mut pixels = vec![0; SIDE * SIDE];
    for (x, y, pixel) in small.enumerate_pixels() {
        let value = (f64::from(pixel.0[0]) * 255.0 / strongest).round();
        pixels[(y0 + y as usize) * SIDE + x0 + x as usize] = value as u8;
    }
    pixels
}

/// Converts to grey (Rec. 709 luma, transparent pixels black) and resizes to rows × columns.
pub fn plain(picture: &Picture, rows: usize, columns: usize) -> Vec<u8> {
    let luma = |pixel: &image::Rgba<u8>| {
        let [r, g, b, alpha] = pixel.0.map(f32::from);
        ((0.2126 * r + 0.7152 * g + 0.0722 * b) * alpha / 255.0).round() as u8
    };
    let grey = GrayImage::from_raw(picture.width(), picture.height(), picture.pixels().map(luma).collect());
    let grey = grey.expect("a pixel for a pixel");
    imageops::resize(&grey, columns as u32, rows as u32, FilterType::Triangle).into_raw()
}
