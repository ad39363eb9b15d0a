//! Describes a picture by its edges: how strong they are in four directions, coarsely by place.

use std::f64::consts::PI;

/// Cosine waves along each axis, counted from a constant.
const WAVES: usize = 4;
/// Waves across and down whose numbers add up to less than [`WAVES`].
const PAIRS: usize = WAVES * (WAVES + 1) / 2;
/// Horizontal, vertical, and the two diagonals.
const DIRECTIONS: usize = 4;
/// Number of values of a description.
pub const VALUES: usize = DIRECTIONS * PAIRS;

/// The waves for pictures of one size.
pub struct Edges {
    across: Vec<[f32; WAVES]>,
    down: Vec<[f32; WAVES]>,
}

impl Edges {
    /// For pictures of this size.
    pub fn of(rows: usize, columns: usize) -> Edges {
        // `libm` gives equal bits on every platform.
        let wave = |size: usize, at: usize, number: usize| {
            libm::cos(PI * number as f64 * (at as f64 + 0.5) / size as f64) as f32
        };
        let waves = |size| (0..size).map(|at| std::array::from_fn(|number| wave(size, at, number))).collect();
        Edges { across: waves(columns), down: waves(rows) }
    }

    /// The edges of a picture: the low-frequency part of the cosine transform (DCT-II) of the edge strength in each direction,
    /// scaled to length 1; zeros for a picture without edges.
    pub fn describe(&self, picture: &[u8]) -> [f32; VALUES] {
        let (rows, columns) = (self.down.len(), self.across.len());
        let mut description = [0f32; VALUES];
        for y in 0..rows {
            let row = |y: usize| &picture[y * columns..][..columns];
            let (above, here, below) = (row(y.saturating_sub(1)), row(y), row((y + 1).min(rows - 1)));
            let mut sums = [[0f32; WAVES]; DIRECTIONS];
            for x in 0..columns {
                let difference = |a: u8, b: u8| f32::from(i16::from(a) - i16::from(b));
                let right = difference(here[(x + 1).min(columns - 1)], here[x.saturating_sub(1)]);
                let down = difference(below[x], above[x]);
                let square = right * right + down * down;
                if square == 0.0 {
                    continue;
                }
                // Cosine and sine of twice the angle: opposite slopes have one direction.
                let cosine = (right * right - down * down) / square;
                let sine = 2.0 * right * down / square;
                for (sum, along) in sums.iter_mut().zip([cosine, sine, -cosine, -sine]) {
                    let strength = square.sqrt() * along.max(0.0) * along.max(0.0);
                    sum.iter_mut().zip(&self.across[x]).for_each(|(sum, wave)| *sum += strength * wave);
                }
            }
            for (values, sum) in description.chunks_exact_mut(PAIRS).zip(&sums) {
                let pairs = (0..WAVES).flat_map(|v| (0..WAVES - v).map(move |u| (v, u)));
                values.iter_mut().zip(pairs).for_each(|(value, (v, u))| *value += self.down[y][v] * sum[u]);
            }
        }
        let length = description.iter().map(|value| value * value).sum::<f32>().sqrt();
        if length > 0.0 {
            description.iter_mut().for_each(|value| *value /= length);
        }
        description
    }
}
