//! Pictures of a net and of its results, as PNG, for TensorBoard and the report.

use crate::data::shape::picture_size;
use crate::net::mlp::Layer;
use crate::results::png;

/// Red, green, blue.
pub type Rgb = [u8; 3];

const WHITE: Rgb = [255; 3];
const INK: Rgb = [40, 40, 40];
const BLUE: Rgb = [33, 84, 160];
const RED: Rgb = [190, 44, 42];

/// A picture in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Pixels (height · width), row by row.
    pub pixels: Vec<Rgb>,
}

impl Picture {
    /// A white picture.
    pub fn new(width: usize, height: usize) -> Self {
        Picture { width, height, pixels: vec![WHITE; width * height] }
    }

    /// The picture as a PNG file.
    ///
    /// # Panics
    /// If the number of pixels is not width × height, or is zero.
    pub fn png(&self) -> Vec<u8> {
        png::rgb(self.pixels.as_flattened(), self.width, self.height)
    }

    fn fill(&mut self, x: usize, y: usize, width: usize, height: usize, colour: Rgb) {
        for row in self.pixels.chunks_exact_mut(self.width).skip(y).take(height) {
            row[x..][..width].fill(colour);
        }
    }

    /// Draws a number centred at (x, y). Each digit has 3×5 dots, each dot `dot` × `dot` pixels.
    fn number(&mut self, x: usize, y: usize, number: u64, dot: usize, colour: Rgb) {
        let digits = number.to_string();
        let left = x.saturating_sub(digits.len() * 2 * dot);
        for (place, digit) in digits.bytes().enumerate() {
            let dots = DIGITS[usize::from(digit - b'0')];
            for at in (0..15).filter(|at| dots >> (14 - at) & 1 == 1) {
                let col = place * 4 + at % 3;
                let row = at / 3;
                self.fill(left + col * dot, (y + row * dot).saturating_sub(2 * dot), dot, dot, colour);
            }
        }
    }
}

/// The ten digits: five rows of three dots, from the highest bit (upper left) to the lowest.
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_001_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];

/// A colour between white (0) and `full` (1).
fn shade(full: Rgb, share: f64) -> Rgb {
    std::array::from_fn(|i| (255.0 - share.clamp(0.0, 1.0) * f64::from(255 - full[i])).round() as u8)
}

/// A confusion matrix (C, C): rows are true classes, columns predictions; hits are blue, mistakes red. The darkness of a cell
/// is the square root of its share of the row, so that one mistake in a hundred is visible. With up to 32 classes, the class
/// numbers are at the edge and the counts in the cells.
///
/// # Panics
/// If the number of counts is not `classes`².
pub fn confusion(counts: &[u64], classes: usize) -> Picture {
    assert_eq!(counts.len(), classes * classes, "confusion: {classes} classes");
    let (width, height, edge) = if classes <= 32 { (46, 24, 1) } else { (4, 4, 0) };
    let mut picture = Picture::new((classes + edge) * width, (classes + edge) * height);
    for (truth, row) in counts.chunks_exact(classes).enumerate() {
        let all = row.iter().sum::<u64>().max(1);
        for (class, &count) in row.iter().enumerate() {
            let share = (count as f64 / all as f64).sqrt();
            let x = (class + edge) * width;
            let y = (truth + edge) * height;
            let colour = shade(if class == truth { BLUE } else { RED }, share);
            picture.fill(x, y, width - edge, height - edge, colour);
            if edge == 1 && count > 0 {
                let ink = if share > 0.5 { WHITE } else { INK };
                picture.number(x + width / 2, y + height / 2, count, 2, ink);
            }
        }
        if edge == 1 {
            picture.number(width / 2, (truth + 1) * height + height / 2, truth as u64, 2, INK);
            picture.number((truth + 1) * width + width / 2, height / 2, truth as u64, 2, INK);
        }
    }
    picture
}

/// Maximum number of units in a picture of weights.
pub const MOST_UNITS: usize = 64;

/// The weights of the first layer's first 64 units, each as an image of its inputs: blue below zero, white at zero, red
/// above. All units have the same scale, up to the largest weight shown. `None` if a sample of shape `item` is not an image.
pub fn first_layer(layer: &Layer, item: &[usize]) -> Option<Picture> {
    const DOT: usize = 2;
    // A table with categories has more inputs than columns.
    let (rows, cols) = picture_size(item).filter(|(rows, cols)| rows * cols == layer.inputs)?;
    if rows * cols != layer.inputs || layer.inputs == 0 || rows.max(cols) > 1024 {
        return None;
    }
    let units = layer.outputs.min(MOST_UNITS);
    let shown = &layer.weight[..units * layer.inputs];
    let largest = f64::from(shown.iter().fold(f32::MIN_POSITIVE, |largest, w| largest.max(w.abs())));
    let across = (units as f64).sqrt().ceil() as usize;
    let (width, height) = (cols * DOT + 2, rows * DOT + 2);
    let mut picture = Picture::new(across * width, units.div_ceil(across) * height);
    for (unit, weights) in shown.chunks_exact(layer.inputs).enumerate() {
        let left = unit % across * width + 1;
        let top = unit / across * height + 1;
        for (at, &weight) in weights.iter().enumerate() {
            let colour = shade(if weight < 0.0 { BLUE } else { RED }, f64::from(weight.abs()) / largest);
            picture.fill(left + at % cols * DOT, top + at / cols * DOT, DOT, DOT, colour);
        }
    }
    Some(picture)
}
