//! The pen: draws strokes as pixels, scaled and centred as in MNIST.

use rand::rngs::ChaCha8Rng;

use super::hand::{Point, factor, normal, uniform};

/// Side of the image in pixels.
pub(super) const SIDE: usize = 28;

/// Side in pixels of the box the digit fills before it is centred.
const BOX: usize = 20;

/// Relative width of the nib by digit. People write a 0 small and a 4, 8 or 9 tall. After scaling to the same box, the
/// strokes of small digits are wider.
const NIB: [f32; 10] = [1.08, 1.04, 1.0, 1.0, 0.93, 1.0, 0.96, 1.02, 0.94, 0.9];

/// The random properties of a pen. Lengths are in pixels.
struct Pen {
    /// Half the width of the line.
    radius: f32,
    /// Relative growth of the radius from the beginning of a stroke to its end.
    taper: f32,
    /// Steepness of the edge: increase of ink per pixel.
    sharpness: f32,
    /// Ink inside a stroke; above 1 it saturates.
    ink: f32,
    /// Standard deviation of the position of the edge.
    roughness: f32,
}

impl Pen {
    fn random(digit: u8, rng: &mut ChaCha8Rng) -> Self {
        Self {
            radius: 1.1 * NIB[usize::from(digit)] * factor(0.2 * normal(rng)),
            taper: 0.1 * normal(rng),
            sharpness: factor(0.15 * normal(rng)),
            ink: 0.95 + 0.15 * uniform(rng),
            roughness: 0.15 * uniform(rng),
        }
    }
}

/// Draws the strokes of a digit into `image`, 28×28 zeros.
pub(super) fn draw(digit: u8, strokes: &[Vec<Point>], rng: &mut ChaCha8Rng, image: &mut [u8]) {
    let pen = Pen::random(digit, rng);
    let depth = depth(&fit(strokes, pen.radius), &pen, rng);
    let ink = depth.map(|depth| {
        // Pixels out of reach of the edge need no random number.
        if depth < -2.0 {
            return 0;
        }
        let depth = depth + pen.roughness * normal(rng);
        let ink = pen.ink * (depth * pen.sharpness + 0.5).clamp(0.0, 1.0);
        (255.0 * ink.min(1.0) + 0.5) as u8
    });
    place(&ink, image);
}

/// Scales and moves the strokes so that with the pen's width they fill the box, with the aspect ratio kept.
fn fit(strokes: &[Vec<Point>], radius: f32) -> Vec<Vec<Point>> {
    let mut low = [f32::MAX; 2];
    let mut high = [f32::MIN; 2];
    for point in strokes.iter().flatten() {
        for axis in 0..2 {
            low[axis] = low[axis].min(point[axis]);
            high[axis] = high[axis].max(point[axis]);
        }
    }
    let side = BOX as f32;
    let scale = (side - 2.0 * radius) / (high[0] - low[0]).max(high[1] - low[1]);
    let to_box = |point: &Point| [0, 1].map(|axis| (point[axis] - 0.5 * (low[axis] + high[axis])) * scale + 0.5 * side);
    strokes.iter().map(|stroke| stroke.iter().map(to_box).collect()).collect()
}

/// Depth of the middle of each pixel of the box inside the ink, in pixels; negative outside.
fn depth(strokes: &[Vec<Point>], pen: &Pen, rng: &mut ChaCha8Rng) -> [f32; BOX * BOX] {
    let mut depth = [f32::MIN; BOX * BOX];
    for stroke in strokes {
        let pieces = stroke.len() - 1;
        for (i, piece) in stroke.windows(2).enumerate() {
            let along = i as f32 / pieces as f32 - 0.5;
            // The pressure varies from segment to segment.
            let pressure = 1.0 + pen.taper * along + 0.2 * normal(rng);
            stamp([piece[0], piece[1]], pen.radius * pressure.max(0.3), &mut depth);
        }
    }
    depth
}

/// Adds a straight segment with round ends.
fn stamp([from, to]: [Point; 2], radius: f32, depth: &mut [f32; BOX * BOX]) {
    // More than two pixels from the ink even a rough, soft edge has no effect.
    let reach = radius + 2.0;
    let range = |axis: usize| {
        let clip = |at: f32| at.clamp(0.0, BOX as f32) as usize;
        let low = from[axis].min(to[axis]);
        let high = from[axis].max(to[axis]);
        clip(low - reach)..clip(high + reach + 1.0)
    };
    let (dx, dy) = (to[0] - from[0], to[1] - from[1]);
    // The minimum avoids a division by zero for a segment of length zero, a dot.
    let inverse = 1.0 / (dx * dx + dy * dy).max(1e-12);
    for row in range(1) {
        let y = row as f32 + 0.5 - from[1];
        for column in range(0) {
            let x = column as f32 + 0.5 - from[0];
            let t = ((x * dx + y * dy) * inverse).clamp(0.0, 1.0);
            let (x, y) = (x - t * dx, y - t * dy);
            let here = &mut depth[row * BOX + column];
            *here = here.max(radius - (x * x + y * y).sqrt());
        }
    }
}

/// Copies the box into the image so that its centre of mass is in the middle, to the nearest pixel, as in MNIST. Uses
/// integers only.
fn place(ink: &[u8; BOX * BOX], image: &mut [u8]) {
    let mut mass = 0;
    let mut moment = [0, 0];
    for (i, &ink) in ink.iter().enumerate() {
        let ink = usize::from(ink);
        mass += ink;
        // Twice the coordinate of the pixel's middle.
        moment[0] += ink * (2 * (i / BOX) + 1);
        moment[1] += ink * (2 * (i % BOX) + 1);
    }
    // SIDE / 2 - moment / (2 mass), rounded and limited so that the box stays inside the image.
    let corner = moment.map(|moment| {
        let mass = mass.max(1);
        (((SIDE + 1) * mass).saturating_sub(moment) / (2 * mass)).min(SIDE - BOX)
    });
    for (row, ink) in ink.chunks_exact(BOX).enumerate() {
        let start = (corner[0] + row) * SIDE + corner[1];
        image[start..start + BOX].copy_from_slice(ink);
    }
}
