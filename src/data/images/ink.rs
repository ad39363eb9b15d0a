//! Separates the drawing in a picture from its background: dark on light or light on dark, in any colours, in uneven light.

use super::decode::Picture;
use super::plane::{Plane, quantile};
use super::shapes::{self, Shape, around};
use super::{lines, page};

/// The ink found in a picture: the amount in each pixel, and its bounds.
#[derive(Clone, Debug)]
pub struct Ink {
    /// Ink (rows, columns), 0 to 255, row by row, without specks.
    pub pixels: Vec<u8>,
    /// Columns of `pixels`.
    pub width: usize,
    /// First and last column, first and last row with ink.
    pub bounds: [usize; 4],
    /// What was done, for the user.
    pub notes: Vec<String>,
    /// Why the reader may be wrong.
    pub doubts: Vec<String>,
}

/// Smallest difference from the background that counts as ink, of 255.
const LEAST_CONTRAST: f32 = 25.0;
/// Longer side of the picture in which ink is looked for.
const SIDE: usize = 320;
/// A shape with less than this share of the largest shape's ink is a speck.
const SPECK: f32 = 0.02;
/// The same for a shape that is not near the largest.
const FAR_SPECK: f32 = 0.06;
/// Share of all ink from which a second shape may be a second digit.
const SECOND_DIGIT: f32 = 0.25;
/// How far the edge of the page reaches into the picture, as a share of its longer side.
const STRIP: f32 = 0.14;

/// Finds the ink of a drawing.
///
/// 1. The colours become one channel: their main direction of local change.
/// 2. The page is the part inside frames and boxes ([`page`]).
/// 3. Ink is the minority: the differences from the local mean are skewed towards it.
/// 4. The paper is the closing of the page with a window a few strokes wide. Ink is the difference from the paper, relative to
///    the paper's brightness, because shadows dim both.
/// 5. Ruled lines are removed ([`lines`]), then shapes along the border and specks.
///
/// # Errors
/// A sentence, if no pixel differs enough from the background.
pub fn find(picture: &Picture, textured: bool) -> Result<Ink, String> {
    let colours = channels(picture);
    if textured {
        return solid(&colours);
    }
    let whole = main_channel(&colours);
    let region = page::find(&whole, LEAST_CONTRAST);
    let colours = colours.map(|channel| channel.cut(region));
    let mut channel = main_channel(&colours);
    let side = channel.side();
    let (light, skew) = is_light(&channel);
    let mut luma = luma(&colours);
    if light {
        channel = channel.map(|value| -value);
        luma = luma.map(|value| -value);
    }
    let Amount { mut ink, paper, stroke, noise } = amount(&channel, &luma);
    let strong = |ink: &Plane, threshold: f32| {
        let values: Vec<f32> = ink.values.iter().copied().filter(|&value| value > threshold).collect();
        quantile(values, 0.5)
    };
    let least = f32::max(3.0 * noise, 0.2 * strong(&ink, ink.otsu(3.0 * noise)));
    let ruled = lines::remove(&mut ink, least);
    let threshold = ink.otsu(least);
    let contrast = strong(&ink, threshold);
    if contrast < LEAST_CONTRAST {
        return Err(format!("is blank: nothing in it differs from its background by more than {contrast:.0} of 255"));
    }
    let core = ink.map(|value| f32::from(u8::from(value > threshold)));
    let window = side / 8;
    let near = core.blurred(window);
    let strength = ink.zip(&core, |ink, core| ink * core).blurred(window);
    let strength = strength.zip(&near, |sum, share| if share > 1e-4 { sum / share } else { contrast });
    let strength = strength.map(|value| value.clamp(0.4 * contrast, 1.6 * contrast));
    let relative = ink.zip(&strength, |ink, strength| ink / strength);
    let mut kept =
        keep(&relative, least / contrast, Some([&steepness(&channel), &paper.map(|value| value / contrast)]));
    kept.doubts.extend((skew.abs() < 0.3).then(|| "it is not clear whether the drawing is dark or light".to_string()));
    let weak = contrast < 1.6 * LEAST_CONTRAST || contrast < 6.0 * noise;
    kept.doubts.extend(weak.then(|| "the drawing differs little from its background".to_string()));
    let notes = (ruled > 0).then(|| format!("{ruled} ruled lines were removed")).into_iter().collect();
    // Wide strokes get sharp edges; thin ones keep their greys, which are all that they have.
    let sharp = stroke >= 4.0;
    let level = |(&value, &kept): (&f32, &bool)| match (kept, sharp) {
        (false, _) => 0,
        (true, true) => ((value - 0.2) / 0.6 * 255.0).clamp(0.0, 255.0).round() as u8,
        (true, false) => (value * 255.0).clamp(0.0, 255.0).round() as u8,
    };
    let pixels: Vec<u8> = relative.values.iter().zip(&kept.pixels).map(level).collect();
    let bounds = bounds(&pixels, channel.width).ok_or("is blank: no drawing is left without specks and edges")?;
    Ok(Ink { pixels, width: channel.width, bounds, notes, doubts: kept.doubts })
}

/// Ink, and what it was measured against.
struct Amount {
    ink: Plane,
    paper: Plane,
    /// Width of the strokes in pixels.
    stroke: f32,
    /// Standard deviation of the paper.
    noise: f32,
}

/// Measures the ink of a page whose ink is darker than its paper.
fn amount(channel: &Plane, luma: &Plane) -> Amount {
    let side = channel.side();
    let smooth = channel.blurred(side / 200);
    // A first measurement with a large window gives the width of the strokes, hence the window of the second.
    let mut coarse = smooth.closed((side / 6).max(2)).zip(channel, |paper, value| paper - value);
    let first = coarse.otsu(0.0);
    lines::remove(&mut coarse, 0.5 * first);
    let threshold = coarse.otsu(0.5 * first);
    let stroke = stroke_width(&coarse, threshold);
    let radius = ((1.6 * stroke).ceil() as usize).clamp(2, (side / 4).max(2));
    let paper = smooth.closed(radius);
    // 16 grey levels keep black from being divided by.
    let light = luma.blurred(side / 200).closed(radius).map(|value| value.abs() + 16.0);
    let brightest = quantile(light.values.clone(), 0.98);
    let ink = paper.zip(channel, |paper, value| paper - value);
    let ink = ink.zip(&light, |ink, light| ink * (brightest / light).clamp(1.0, 4.0));
    // A closing lies above the noise of the paper.
    let faint: Vec<f32> = ink.values.iter().copied().filter(|&value| value < threshold).collect();
    let plain = quantile(faint.clone(), 0.5);
    let noise = 1.48 * quantile(faint.iter().map(|value| (value - plain).abs()).collect(), 0.5);
    Amount { ink: ink.map(|value| (value - plain).max(0.0)), paper, stroke, noise }
}

/// Finds a thing with grey textures, such as clothes: the difference in brightness from the border's median.
fn solid(colours: &[Plane; 3]) -> Result<Ink, String> {
    let luma = luma(colours);
    let region = page::find(&luma, LEAST_CONTRAST);
    let page = luma.cut(region);
    let width = page.width;
    let background = quantile(border(&page).map(|at| page.values[at]).collect(), 0.5);
    let sign = if background < 128.0 { 1.0 } else { -1.0 };
    let ink = page.map(|value| (sign * (value - background)).max(0.0));
    let strongest = quantile(ink.values.clone(), 0.99);
    if strongest < LEAST_CONTRAST {
        return Err(format!("is blank: nothing in it differs from its background by more than {strongest:.0} of 255"));
    }
    let relative = ink.map(|value| value / strongest);
    let kept = keep(&relative, 0.1, None);
    // The room from the background to black or white keeps the greys as they are.
    let room = if sign > 0.0 { 255.0 - background } else { background };
    let level = |(&value, &kept): (&f32, &bool)| if kept { (value * 255.0 / room).min(255.0) as u8 } else { 0 };
    let pixels: Vec<u8> = ink.values.iter().zip(&kept.pixels).map(level).collect();
    let bounds = bounds(&pixels, width).ok_or("is blank: no drawing is left without specks and edges")?;
    Ok(Ink { pixels, width, bounds, notes: Vec::new(), doubts: kept.doubts })
}

/// First and last column, first and last row with ink.
fn bounds(pixels: &[u8], width: usize) -> Option<[usize; 4]> {
    let inked = || (0..pixels.len()).filter(|&at| pixels[at] >= LEAST_CONTRAST as u8);
    let columns = || inked().map(|at| at % width);
    Some([columns().min()?, columns().max()?, inked().min()? / width, inked().max()? / width])
}

/// Pixels that belong to the drawing.
struct Kept {
    pixels: Vec<bool>,
    doubts: Vec<String>,
}

/// Chooses the shapes of the drawing. `relative` is the ink relative to strong ink; for strokes, `surroundings` has the
/// steepness of the picture and the paper relative to strong ink.
fn keep(relative: &Plane, least: f32, surroundings: Option<[&Plane; 2]>) -> Kept {
    let (width, height, side) = (relative.width, relative.height, relative.side() as f32);
    let low = f32::max(0.3, least.min(0.5));
    let mut shapes = shapes::find(relative.values.iter().map(|&value| value > low).collect(), width);
    // Hysteresis (J. Canny, "A Computational Approach to Edge Detection", 1986): a shape needs some strong ink.
    shapes.retain(|shape| shape.pixels.iter().any(|&at| relative.values[at] > 0.6));
    let mass = |shape: &Shape| shape.pixels.iter().map(|&at| relative.values[at]).sum::<f32>();
    // Part of the edge: a shape that touches the border over a length and hardly leaves it.
    let distance = |at: usize| {
        let (x, y) = (at % width, at / width);
        x.min(y).min(width - 1 - x).min(height - 1 - y) as f32
    };
    let strip = |shape: &Shape| {
        let touching = shape.pixels.iter().filter(|&&at| distance(at) < 2.0).count() as f32 / 2.0;
        let near = shape.pixels.iter().filter(|&&at| distance(at) < STRIP * side).count();
        touching > 0.15 * side && 10 * near >= 9 * shape.pixels.len()
    };
    let inner: Vec<Shape> = shapes.iter().filter(|shape| !strip(shape)).cloned().collect();
    let all: f32 = shapes.iter().map(&mass).sum();
    if inner.iter().map(&mass).sum::<f32>() > 0.1 * all {
        shapes = inner;
    }
    // A finger or another thing that reaches into the picture, beside a whole drawing.
    let whole: Vec<Shape> = shapes.iter().filter(|shape| !at_edge(shape, relative).contains(&true)).cloned().collect();
    let all: f32 = shapes.iter().map(&mass).sum();
    if whole.iter().map(&mass).sum::<f32>() > 0.3 * all {
        shapes = whole;
    }
    // The edge of a shadow is softer than those of the strokes, or the paper on its two sides differs.
    if let Some([steepness, paper]) = surroundings {
        let outer = |&at: &usize| around(at, width, height).any(|at| relative.values[at] <= low);
        let edge = |shape: &Shape| {
            let outline = shape.pixels.iter().copied().filter(outer);
            quantile(outline.map(|at| steepness.values[at]).collect(), 0.5)
        };
        let largest = shapes.iter().map(&mass).fold(0.0, f32::max);
        let strokes = shapes.iter().filter(|shape| mass(shape) >= 0.1 * largest);
        let steepest = strokes.map(&edge).fold(0.0, f32::max);
        let even = |shape: &Shape| {
            let values = shape.pixels.iter().flat_map(|&at| around(at, width, height)).map(|at| paper.values[at]);
            let (low, high) = values.fold((f32::MAX, f32::MIN), |(low, high), value| (low.min(value), high.max(value)));
            high - low < 0.4
        };
        shapes.retain(|shape| edge(shape) >= 0.4 * steepest && (mass(shape) >= largest || even(shape)));
    }
    shapes.sort_by(|one, two| mass(two).total_cmp(&mass(one)));
    let mut doubts = Vec::new();
    let Some(main) = shapes.first().cloned() else {
        return Kept { pixels: vec![false; relative.values.len()], doubts };
    };
    let largest = mass(&main);
    let reach = (main.size()[0].max(main.size()[1]) as f32 * 0.15) as usize;
    let is_near = |shape: &Shape| {
        let [left, right, top, bottom] = shape.bounds;
        let [l, r, t, b] = main.bounds;
        left <= r + reach && right + reach >= l && top <= b + reach && bottom + reach >= t
    };
    let before = shapes.len();
    shapes.retain(|shape| mass(shape) >= if is_near(shape) { SPECK } else { FAR_SPECK } * largest);
    let specks = before - shapes.len();
    let all: f32 = shapes.iter().map(&mass).sum();
    // Digits stand side by side. A stroke above another belongs to one digit, such as the bar of a 5.
    let beside = |shape: &&Shape| {
        let [left, right, ..] = shape.bounds;
        let [l, r, ..] = main.bounds;
        let common = (right.min(r) + 1).saturating_sub(left.max(l));
        2 * common < shape.size()[0].min(main.size()[0])
    };
    let large = 1 + shapes[1..].iter().filter(|shape| mass(shape) >= SECOND_DIGIT * all).filter(beside).count();
    if large > 1 {
        doubts.push(format!("there are {large} large separate shapes; all were read as one digit"));
    } else if shapes.len() > 4 || specks > 60 {
        doubts.push(format!("there are {} separate shapes", shapes.len() + specks));
    }
    if shapes.iter().any(|shape| at_edge(shape, relative).contains(&true)) {
        doubts.push("the drawing touches the border of the picture".into());
    }
    // A shape keeps its neighbouring pixels, which are its faint edges.
    let mut pixels = vec![false; relative.values.len()];
    for &at in shapes.iter().flat_map(|shape| &shape.pixels) {
        around(at, width, height).for_each(|at| pixels[at] = true);
    }
    Kept { pixels, doubts }
}

/// Width of the strokes: the quantile 60 %, over all marked pixels, of the shorter of the runs through a pixel along its row and
/// its column. Shapes at the border, such as a finger's shadow, count only if there are no others.
fn stroke_width(ink: &Plane, threshold: f32) -> f32 {
    let marked: Vec<bool> = ink.values.iter().map(|&value| value > threshold).collect();
    let shapes = shapes::find(marked, ink.width);
    let area = |shapes: &[&Shape]| shapes.iter().map(|shape| shape.pixels.len()).sum::<usize>();
    let all: Vec<&Shape> = shapes.iter().collect();
    let inner: Vec<&Shape> = shapes.iter().filter(|shape| !at_edge(shape, ink).contains(&true)).collect();
    let chosen = if 5 * area(&inner) > area(&all) { inner } else { all };
    let mut members = vec![false; ink.values.len()];
    chosen.iter().flat_map(|shape| &shape.pixels).for_each(|&at| members[at] = true);
    let rows = runs(&members, ink.width);
    let turned: Vec<bool> =
        (0..members.len()).map(|at| members[at % ink.height * ink.width + at / ink.height]).collect();
    let columns = runs(&turned, ink.height);
    let shorter = |at: usize| rows[at].min(columns[at % ink.width * ink.height + at / ink.width]) as f32;
    quantile((0..members.len()).filter(|&at| members[at]).map(shorter).collect(), 0.6)
}

/// Length of the run of marked pixels through each pixel along its row.
fn runs(marked: &[bool], width: usize) -> Vec<usize> {
    let line = |line: &[bool]| {
        let parts = line.chunk_by(|one, two| one == two);
        parts.flat_map(|part| vec![part.len(); part.len()]).collect::<Vec<_>>()
    };
    marked.chunks(width).flat_map(line).collect()
}

/// The greatest change from a pixel to the next but one.
fn steepness(plane: &Plane) -> Plane {
    let (width, height) = (plane.width, plane.height);
    let at = |at: usize| {
        let (x, y) = (at % width, at / width);
        let value = |x: usize, y: usize| plane.values[y.min(height - 1) * width + x.min(width - 1)];
        let across = value(x + 1, y) - value(x.saturating_sub(1), y);
        let down = value(x, y + 1) - value(x, y.saturating_sub(1));
        across.abs().max(down.abs())
    };
    plane.with((0..plane.values.len()).map(at).collect())
}

/// Whether a shape touches the left, right, upper and lower border.
fn at_edge(shape: &Shape, plane: &Plane) -> [bool; 4] {
    let [left, right, top, bottom] = shape.bounds;
    let near = if plane.side() < 100 { 1 } else { 2 };
    [left < near, right + near >= plane.width, top < near, bottom + near >= plane.height]
}

/// Whether the ink is lighter than the paper, and the skewness: strokes cover less than half of a page, so differences from the
/// local mean are skewed towards the ink. If they are hardly skewed, as in a tight crop, most of the border is paper.
fn is_light(channel: &Plane) -> (bool, f32) {
    let apart = channel.zip(&channel.blurred(channel.side() / 4), |value, mean| value - mean);
    let moment =
        |power: i32| apart.values.iter().map(|&v| f64::from(v).powi(power)).sum::<f64>() / apart.values.len() as f64;
    let skew = (moment(3) / moment(2).powf(1.5).max(1e-9)) as f32;
    if skew.abs() > 0.7 {
        return (skew > 0.0, skew);
    }
    let threshold = channel.otsu(channel.values.iter().copied().fold(f32::MAX, f32::min));
    let dark = border(channel).filter(|&at| channel.values[at] < threshold).count();
    (2 * dark > border(channel).count(), skew)
}

/// The outermost pixels.
fn border(plane: &Plane) -> impl Iterator<Item = usize> {
    let (width, height) = (plane.width, plane.height);
    (0..width * height).filter(move |at| {
        let (x, y) = (at % width, at / width);
        x == 0 || y == 0 || x + 1 == width || y + 1 == height
    })
}

fn luma([red, green, blue]: &[Plane; 3]) -> Plane {
    red.zip(green, |red, green| 0.2126 * red + 0.7152 * green).zip(blue, |sum, blue| sum + 0.0722 * blue)
}

/// The colours along their main direction of local change, in grey levels. Ink and paper differ in that direction.
fn main_channel(colours: &[Plane; 3]) -> Plane {
    let window = colours[0].side() / 4;
    let apart = colours.each_ref().map(|channel| channel.zip(&channel.blurred(window), |value, mean| value - mean));
    let mut products = [[0f64; 3]; 3];
    for at in 0..apart[0].values.len() {
        let d = [0, 1, 2].map(|c: usize| f64::from(apart[c].values[at]));
        // Weighted, so that shadows and noise have little influence.
        let weight = d.iter().map(|v| v * v).sum::<f64>();
        for i in 0..3 {
            for j in 0..3 {
                products[i][j] += weight * d[i] * d[j];
            }
        }
    }
    // The first eigenvector, by power iteration.
    let mut direction = [0.2126, 0.7152, 0.0722];
    for _ in 0..30 {
        let next = [0, 1, 2].map(|i: usize| (0..3).map(|j| products[i][j] * direction[j]).sum::<f64>());
        let size = next.iter().map(|v| v * v).sum::<f64>().sqrt();
        if size < 1e-12 {
            break;
        }
        direction = next.map(|v| v / size);
    }
    // Brighter is more.
    let sign = if direction.iter().sum::<f64>() < 0.0 { -1.0 } else { 1.0 };
    let size = direction.iter().map(|v| v * v).sum::<f64>().sqrt() * 3f64.sqrt();
    let [r, g, b] = direction.map(|v| (sign * v / size) as f32);
    let [red, green, blue] = colours;
    red.zip(green, |red, green| r * red + g * green).zip(blue, |sum, blue| sum + b * blue)
}

/// Red, green and blue without transparency, at most [`SIDE`] pixels wide and high.
fn channels(picture: &Picture) -> [Plane; 3] {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let colours = flatten(picture);
    let step = width.max(height).div_ceil(SIDE);
    let (columns, rows) = (width.div_ceil(step), height.div_ceil(step));
    let mean = |c: usize, at: usize| {
        let (x, y) = (at % columns * step, at / columns * step);
        let (mut sum, mut count) = (0.0, 0.0);
        for y in y..(y + step).min(height) {
            for x in x..(x + step).min(width) {
                sum += colours[y * width + x][c];
                count += 1.0;
            }
        }
        sum / count
    };
    let channel =
        |c| Plane { width: columns, height: rows, values: (0..columns * rows).map(|at| mean(c, at)).collect() };
    [0, 1, 2].map(channel)
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
