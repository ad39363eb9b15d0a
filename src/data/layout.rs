//! How the pictures of a data set are laid out: background, polarity, size and place of the drawing.
//!
//! A model learns this layout along with the classes: a net trained on digits that fill a box of 20×20 pixels does not recognise
//! digits that fill 26. So the layout is measured from the training split, stored in the model file, and a picture from a user is
//! brought to it (`data::images`).

use super::Split;
use super::shape::picture_size;
use serde::{Deserialize, Serialize};

/// Pictures that are measured, evenly spread over the split. More would not change the quantiles.
const MEASURED: usize = 10_000;
/// Smallest difference from the background that counts as ink, of 255.
pub const LEAST_CONTRAST: u8 = 25;
/// Share of the pictures that lie below and above a range.
const TAIL: f64 = 0.005;

/// A measure over all pictures: the quantiles 0.5 % and 99.5 %, and the mean between them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Range {
    /// Quantile 0.5 %.
    pub low: f32,
    /// Mean.
    pub mean: f32,
    /// Quantile 99.5 %.
    pub high: f32,
}

/// The layout of grey pictures of R × C pixels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layout {
    /// Most frequent value of the outermost pixels.
    pub background: u8,
    /// Whether the ink is brighter than the background.
    pub light_ink: bool,
    /// Smallest share of the outermost pixels, over all pictures, that have about the background's value.
    pub border: f32,
    /// Longer side of the ink's box in pixels.
    pub longer: Range,
    /// Column and row of the centre of mass, from 0.
    pub mass: [Range; 2],
    /// Column and row of the centre of the ink's box, from 0.
    pub middle: [Range; 2],
    /// Share of ink pixels with half the strongest ink (a quarter to three quarters). Small for strokes, large for textures.
    pub greys: f32,
    /// Amount of ink: the mean of a picture, 0 to 1; here `low` and `high` are the smallest and the largest.
    pub amount: Range,
}

/// What is measured of one picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measures {
    /// Longer side of the ink's box in pixels.
    pub longer: f32,
    /// Column and row of the centre of mass, from 0.
    pub mass: [f32; 2],
    /// Column and row of the centre of the ink's box, from 0.
    pub middle: [f32; 2],
    /// Share of ink pixels with half the strongest ink.
    pub greys: f32,
    /// Amount of ink: the mean of the picture, 0 to 1.
    pub amount: f32,
}

impl Layout {
    /// MNIST's layout: light on black, 20×20 pixels, with the centre of mass in the middle (pixel 14 of 28, from 0).
    pub const MNIST: Layout = Layout {
        background: 0,
        light_ink: true,
        border: 0.95,
        longer: Range { low: 20.0, mean: 20.0, high: 20.0 },
        mass: [Range { low: 13.5, mean: 14.0, high: 14.5 }; 2],
        middle: [Range { low: 11.5, mean: 14.0, high: 17.5 }; 2],
        greys: 0.29,
        amount: Range { low: 0.025, mean: 0.13, high: 0.4 },
    };

    /// For a model whose layout is not known: light on black, of any size and place.
    pub fn unknown(rows: usize, columns: usize) -> Layout {
        let any = |size: usize| Range { low: 0.0, mean: (size as f32 - 1.0) / 2.0, high: size as f32 };
        let centre = [any(columns), any(rows)];
        let longer = Range { low: 0.0, mean: rows.min(columns) as f32 * 20.0 / 28.0, high: rows.max(columns) as f32 };
        Layout {
            border: 0.6,
            longer,
            mass: centre,
            middle: centre,
            amount: Range { low: 0.0, mean: 0.13, high: 0.5 },
            ..Layout::MNIST
        }
    }

    /// Measures the layout of a split of samples of shape `item`. `None` if they are not grey pictures, or are all blank.
    pub fn of(item: &[usize], split: &Split) -> Option<Layout> {
        let (rows, columns) = picture_size(item).filter(|(rows, columns)| rows * columns > 0)?;
        let step = split.len().div_ceil(MEASURED).max(1);
        let pictures = || split.pixels().chunks_exact(rows * columns).step_by(step);
        let mut counts = [0u64; 256];
        for picture in pictures() {
            border(rows, columns).for_each(|at| counts[usize::from(picture[at])] += 1);
        }
        let background = (0..=255u8).max_by_key(|&value| counts[usize::from(value)])?;
        let difference = |&value: &u8| i64::from(value) - i64::from(background);
        let light_ink = pictures().flatten().map(difference).sum::<i64>() >= 0;
        let measures = |picture: &[u8]| measure(&ink(picture, background, light_ink), columns);
        let all: Vec<Measures> = pictures().filter_map(measures).collect();
        if all.is_empty() {
            return None;
        }
        let range = |value: &dyn Fn(&Measures) -> f32| Range::of(all.iter().map(value).collect());
        let amounts = || all.iter().map(|m| m.amount);
        let amount = range(&|m| m.amount);
        Some(Layout {
            background,
            light_ink,
            border: pictures().map(|picture| border_share(picture, rows, columns, background)).fold(1.0, f32::min),
            longer: range(&|m| m.longer),
            mass: [0, 1].map(|axis: usize| range(&|m| m.mass[axis])),
            middle: [0, 1].map(|axis: usize| range(&|m| m.middle[axis])),
            greys: range(&|m| m.greys).mean,
            amount: Range { low: amounts().fold(1.0, f32::min), high: amounts().fold(0.0, f32::max), ..amount },
        })
    }

    /// Whether the drawings were scaled to one size: their longer sides differ by about a pixel.
    pub fn one_size(&self) -> bool {
        self.longer.high - self.longer.low <= 1.0 + 0.05 * self.longer.mean
    }

    /// Whether the drawings were centred by their mass rather than by their box.
    pub fn by_mass(&self) -> bool {
        let spread = |ranges: &[Range; 2]| ranges.iter().map(|range| range.high - range.low).sum::<f32>();
        spread(&self.mass) <= spread(&self.middle)
    }

    /// Column and row at which the drawings are centred, and how far they may lie from it.
    pub fn centres(&self) -> &[Range; 2] {
        if self.by_mass() { &self.mass } else { &self.middle }
    }

    /// Whether the pictures have grey textures, as clothes do, rather than strokes.
    pub fn is_textured(&self) -> bool {
        self.greys > 0.6
    }

    /// Whether the outermost pixels of a picture have the background's value, as in the training pictures.
    pub fn has_background(&self, picture: &[u8], rows: usize, columns: usize) -> bool {
        border_share(picture, rows, columns, self.background) >= self.border - 0.1
    }

    /// Whether there is about as much ink as in the training pictures.
    pub fn has_amount(&self, m: &Measures) -> bool {
        (0.8 * self.amount.low..=1.05 * self.amount.high).contains(&m.amount)
    }

    /// Whether size and place of the ink are as in the training pictures; the centre may lie `slack` pixels
    /// outside their range, and the size twice as many.
    pub fn has_place(&self, m: &Measures, slack: f32) -> bool {
        let centre = if self.by_mass() { m.mass } else { m.middle };
        let near = |value: f32, range: &Range, slack: f32| (range.low - slack..=range.high + slack).contains(&value);
        near(m.longer, &self.longer, 2.0 * slack)
            && centre.iter().zip(self.centres()).all(|(&value, range)| near(value, range, slack))
    }

    /// Ink of a picture in this layout: 0 for the background.
    pub fn ink(&self, picture: &[u8]) -> Vec<u8> {
        ink(picture, self.background, self.light_ink)
    }

    /// A picture in this layout from ink (0 for none, 255 for the strongest).
    pub fn colour(&self, ink: &[u8]) -> Vec<u8> {
        let room = if self.light_ink { 255 - u16::from(self.background) } else { u16::from(self.background) };
        let amount = |&ink: &u8| ((u16::from(ink) * room + 127) / 255) as u8;
        let colour = |amount: u8| match self.light_ink {
            true => self.background + amount,
            false => self.background - amount,
        };
        ink.iter().map(amount).map(colour).collect()
    }
}

impl Range {
    fn of(mut values: Vec<f32>) -> Range {
        values.sort_by(f32::total_cmp);
        let mean = values.iter().map(|&value| f64::from(value)).sum::<f64>() / values.len() as f64;
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        Range { low: at(TAIL), mean: mean as f32, high: at(1.0 - TAIL) }
    }
}

/// Ink, stretched so that the strongest possible is 255.
fn ink(picture: &[u8], background: u8, light_ink: bool) -> Vec<u8> {
    let room = if light_ink { 255 - background } else { background }.max(1);
    let amount = |value: u8| match light_ink {
        true => value.saturating_sub(background),
        false => background.saturating_sub(value),
    };
    picture.iter().map(|&value| (u16::from(amount(value)) * 255 / u16::from(room)) as u8).collect()
}

/// Measures the ink of a picture; `None` if it is blank.
pub fn measure(ink: &[u8], columns: usize) -> Option<Measures> {
    let mut bounds = [usize::MAX, 0, usize::MAX, 0];
    let [mut sum, mut sum_x, mut sum_y, mut inked, mut greys] = [0f64; 5];
    for (at, &value) in ink.iter().enumerate() {
        let (x, y) = (at % columns, at / columns);
        let mass = f64::from(value);
        sum += mass;
        sum_x += mass * x as f64;
        sum_y += mass * y as f64;
        if value >= LEAST_CONTRAST {
            inked += 1.0;
            greys += f64::from(u8::from((64..192).contains(&value)));
            bounds = [bounds[0].min(x), bounds[1].max(x), bounds[2].min(y), bounds[3].max(y)];
        }
    }
    if inked == 0.0 {
        return None;
    }
    let [left, right, top, bottom] = bounds;
    let (width, height) = (right - left + 1, bottom - top + 1);
    Some(Measures {
        longer: width.max(height) as f32,
        mass: [sum_x / sum, sum_y / sum].map(|value| value as f32),
        middle: [(left + right) as f32 / 2.0, (top + bottom) as f32 / 2.0],
        greys: (greys / inked) as f32,
        amount: (sum / 255.0 / ink.len() as f64) as f32,
    })
}

/// The outermost pixels.
fn border(rows: usize, columns: usize) -> impl Iterator<Item = usize> {
    (0..rows * columns).filter(move |at| {
        let (x, y) = (at % columns, at / columns);
        x == 0 || y == 0 || x + 1 == columns || y + 1 == rows
    })
}

/// Share of the outermost pixels that have about the background's value.
fn border_share(picture: &[u8], rows: usize, columns: usize, background: u8) -> f32 {
    let alike = border(rows, columns).filter(|&at| picture[at].abs_diff(background) < LEAST_CONTRAST).count();
    alike as f32 / border(rows, columns).count().max(1) as f32
}
