//! Separates the drawing in a picture from its background: dark on light or light on dark, in any colours.

use super::decode::Picture;

/// The ink found in a picture: the amount in each pixel, and its bounds.
#[derive(Clone, Debug)]
pub struct Ink {
    /// Ink (rows, columns), 0 to 255, row by row, without specks.
    pub pixels: Vec<u8>,
    /// Columns of `pixels`.
    pub width: usize,
    /// First and last column, first and last row with ink.
    pub bounds: [usize; 4],
    /// Share of the ink in each separate shape, the largest first.
    pub shapes: Vec<f64>,
}

/// Smallest difference from the background that counts as ink, of 255.
const LEAST_CONTRAST: f32 = 25.0;
/// Share of the strongest ink from which a pixel belongs to the drawing. Fainter pixels may be artefacts of JPEG.
const EDGE: f32 = 0.1;
/// A shape with less than this share of the largest shape's ink is a speck.
const SPECK: f64 = 0.02;
/// Share of all ink from which a second shape may be a second digit.
const SECOND_DIGIT: f64 = 0.25;

/// Finds the ink.
///
/// The background is the median colour of the outermost pixels. Ink is measured on the line from the background to the mean
/// colour of the pixels that differ from it. A difference in the other direction (such as a highlight on paper with dark ink)
/// is not ink. The variation among the outermost pixels is noise and is subtracted.
///
/// # Errors
/// A sentence, if no pixel differs enough from the background.
pub fn find(picture: &Picture) -> Result<Ink, String> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let colours = flatten(picture);
    let border: Vec<usize> = (0..width * height)
        .filter(|at| [0, width - 1].contains(&(at % width)) || [0, height - 1].contains(&(at / width)))
        .collect();
    let background = [0, 1, 2].map(|c| quantile(border.iter().map(|&at| colours[at][c]).collect(), 0.5));
    let ink = project(&colours, background);
    let noise = quantile(border.iter().map(|&at| ink[at]).collect(), 0.9);
    let strongest = ink.iter().copied().fold(0.0, f32::max);
    // If ink touches much of the border, as in a tight crop, the border's ninth decile is ink, not noise.
    let noise = if noise < strongest / 3.0 { noise } else { 0.0 };
    let contrast = strongest - noise;
    if contrast < LEAST_CONTRAST {
        return Err(format!("is blank: nothing in it differs from its background by more than {contrast:.0} of 255"));
    }
    let edge = EDGE * contrast;
    let level = |value: &f32| ((value - noise) * 255.0 / contrast).clamp(0.0, 255.0).round() as u8;
    let mut pixels: Vec<u8> = ink.iter().map(level).collect();
    let is_ink: Vec<bool> = ink.iter().map(|value| value - noise >= edge).collect();
    let shapes = keep_shapes(&mut pixels, is_ink, width);
    let mut bounds = [width, 0, height, 0];
    for at in (0..pixels.len()).filter(|&at| pixels[at] > 0) {
        let x = at % width;
        let y = at / width;
        bounds = [bounds[0].min(x), bounds[1].max(x), bounds[2].min(y), bounds[3].max(y)];
    }
    Ok(Ink { pixels, width, bounds, shapes })
}

impl Ink {
    /// Notes for the user.
    pub fn notes(&self) -> Vec<String> {
        let large = self.shapes.iter().filter(|&&share| share >= SECOND_DIGIT).count();
        match large {
            0 | 1 => Vec::new(),
            _ => vec![format!("there are {large} large separate shapes; all were read as one digit")],
        }
    }
}

/// Colours without transparency. If most of a picture is transparent, the opaque pixels are ink: the background becomes white
/// if they are dark, else black. Otherwise the background becomes the median colour of the opaque pixels.
fn flatten(picture: &Picture) -> Vec<[f32; 3]> {
    let opaque = picture.pixels().filter(|pixel| pixel.0[3] >= 128).count();
    let median = |c: usize| {
        let values = picture.pixels().filter(|pixel| pixel.0[3] >= 128).map(|pixel| f32::from(pixel.0[c]));
        quantile(values.collect(), 0.5)
    };
    let pixels = picture.pixels().len();
    let paper = if opaque == 0 || opaque == pixels { [0.0; 3] } else { [0, 1, 2].map(median) };
    let ink_only = 2 * opaque < pixels;
    let dark = paper.iter().sum::<f32>() < 3.0 * 128.0;
    let paper = match (ink_only, dark) {
        (true, true) => [255.0; 3],
        (true, false) => [0.0; 3],
        (false, _) => paper,
    };
    let over = |pixel: &image::Rgba<u8>| {
        let alpha = f32::from(pixel.0[3]) / 255.0;
        [0, 1, 2].map(|c| f32::from(pixel.0[c]) * alpha + paper[c] * (1.0 - alpha))
    };
    picture.pixels().map(over).collect()
}

/// Distance of each colour from the background in the direction of the ink, in grey levels.
fn project(colours: &[[f32; 3]], background: [f32; 3]) -> Vec<f32> {
    let apart = |colour: &[f32; 3]| [0, 1, 2].map(|c| colour[c] - background[c]);
    let length = |d: [f32; 3]| d.iter().map(|v| v * v).sum::<f32>();
    // Weighted by the fourth power of the difference, so that shadows and noise have little influence on the mean.
    let mut mean = [0f64; 3];
    let mut weights = 0f64;
    for difference in colours.iter().map(apart) {
        let weight = f64::from(length(difference)).powi(2);
        weights += weight;
        for c in 0..3 {
            mean[c] += weight * f64::from(difference[c]);
        }
    }
    let mean = mean.map(|sum| if weights > 0.0 { (sum / weights) as f32 } else { 0.0 });
    let size = length(mean).sqrt().max(f32::MIN_POSITIVE);
    let dot = |d: [f32; 3]| (0..3).map(|c| d[c] * mean[c]).sum::<f32>() / size;
    // Divided by √3, so that one grey level counts as one.
    colours.iter().map(|colour| (dot(apart(colour)) / 3f32.sqrt()).max(0.0)).collect()
}

/// Clears specks and all pixels that are not ink. Returns each remaining shape's share of the ink, the largest first.
fn keep_shapes(pixels: &mut [u8], mut is_ink: Vec<bool>, width: usize) -> Vec<f64> {
    let height = pixels.len() / width;
    let mut shapes: Vec<(u64, Vec<usize>)> = Vec::new();
    for start in 0..pixels.len() {
        if !std::mem::take(&mut is_ink[start]) {
            continue;
        }
        let mut mass = 0;
        let mut members = vec![start];
        let mut next = 0;
        while let Some(&at) = members.get(next) {
            next += 1;
            mass += u64::from(pixels[at]);
            members.extend(around(at, width, height).filter(|&at| std::mem::take(&mut is_ink[at])));
        }
        shapes.push((mass, members));
    }
    shapes.sort_by_key(|shape| std::cmp::Reverse(shape.0));
    let largest = shapes.first().map_or(0, |shape| shape.0) as f64;
    shapes.retain(|shape| shape.0 as f64 >= SPECK * largest);
    let all: u64 = shapes.iter().map(|shape| shape.0).sum();
    // A shape keeps its neighbouring pixels, which are its faint edges.
    let mut kept = vec![0; pixels.len()];
    for &at in shapes.iter().flat_map(|shape| &shape.1) {
        around(at, width, height).for_each(|at| kept[at] = pixels[at]);
    }
    pixels.copy_from_slice(&kept);
    shapes.iter().map(|shape| shape.0 as f64 / all as f64).collect()
}

/// A pixel and its neighbours, up to nine.
fn around(at: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % width, at / width);
    let rows = y.saturating_sub(1)..=(y + 1).min(height - 1);
    let columns = x.saturating_sub(1)..=(x + 1).min(width - 1);
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}

/// The quantile: a share of `share` of all values is below it.
fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    let at = ((values.len() - 1) as f64 * share) as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
