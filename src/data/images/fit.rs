//! Brings a drawing to the layout of a model's training pictures.

use super::decode::Picture;
use super::ink::Ink;
use crate::data::layout::Layout;
use image::imageops::{self, FilterType};
use image::{GrayImage, ImageBuffer, Luma};

/// Prepares a drawing as MNIST was prepared from NIST's drawings (Y. LeCun, C. Cortes, C. Burges, "The MNIST database of
/// handwritten digits"), with the sizes of `layout`: cropped, scaled so that its longer side is that of the training pictures,
/// with its aspect ratio kept and antialiased edges, then moved by whole pixels so that its centre (of mass, or of its box) is
/// where theirs is. The strongest pixel becomes 255, as in MNIST. Returns ink: 0 is the background.
pub fn place(ink: &Ink, layout: &Layout, rows: usize, columns: usize) -> Vec<u8> {
    let [left, right, top, bottom] = ink.bounds;
    let (width, height) = (right - left + 1, bottom - top + 1);
    let row = |y: usize| &ink.pixels[y * ink.width + left..=y * ink.width + right];
    // 16 bits: scaling then rounds less than the last step.
    let cropped: Vec<u16> = (top..=bottom).flat_map(row).map(|&p| u16::from(p) << 8).collect();
    let cropped: ImageBuffer<Luma<u16>, _> =
        ImageBuffer::from_raw(width as u32, height as u32, cropped).expect("rows of a box make a picture");
    let scale = f64::from(layout.longer.mean) / width.max(height) as f64;
    let scaled = |side: usize, most: usize| ((side as f64 * scale).round() as usize).clamp(1, most);
    let (small_width, small_height) = (scaled(width, columns), scaled(height, rows));
    let small = imageops::resize(&cropped, small_width as u32, small_height as u32, FilterType::Triangle);

    let strongest = f64::from(small.pixels().map(|p| p.0[0]).max().unwrap_or(0).max(1));
    let mut sum = 0.0;
    let mut sums = [0.0; 2];
    for (x, y, pixel) in small.enumerate_pixels() {
        let mass = f64::from(pixel.0[0]);
        sum += mass;
        sums[0] += mass * f64::from(x);
        sums[1] += mass * f64::from(y);
    }
    let centre = match layout.by_mass() {
        true => sums.map(|moment| moment / f64::max(sum, 1.0)),
        false => [small_width, small_height].map(|side| (side as f64 - 1.0) / 2.0),
    };
    // Limited to the image: a drawing with nearly all its mass at one end would otherwise leave it.
    let offset = |axis: usize, side: usize, most: usize| {
        let target = f64::from(layout.centres()[axis].mean);
        ((target - centre[axis]).round().max(0.0) as usize).min(most - side)
    };
    let (x0, y0) = (offset(0, small_width, columns), offset(1, small_height, rows));
    let mut pixels = vec![0; rows * columns];
    for (x, y, pixel) in small.enumerate_pixels() {
        let value = (f64::from(pixel.0[0]) * 255.0 / strongest).round();
        pixels[(y0 + y as usize) * columns + x0 + x as usize] = value as u8;
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
    if [picture.width() as usize, picture.height() as usize] == [columns, rows] {
        return grey.into_raw();
    }
    imageops::resize(&grey, columns as u32, rows as u32, FilterType::Triangle).into_raw()
}
