//! One number per pixel, and the operations on it that the reader of pictures needs.

use std::collections::VecDeque;

/// One number per pixel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Plane {
    /// Columns.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Values.
    pub values: Vec<f32>,
}

impl Plane {
    /// The longer side.
    pub fn side(&self) -> usize {
        self.width.max(self.height)
    }

    /// A plane of the same size with other values.
    pub fn with(&self, values: Vec<f32>) -> Plane {
        Plane { width: self.width, height: self.height, values }
    }

    /// Another value for each pixel.
    pub fn map(&self, change: impl Fn(f32) -> f32) -> Plane {
        self.with(self.values.iter().map(|&value| change(value)).collect())
    }

    /// Combines two planes pixel by pixel.
    pub fn zip(&self, other: &Plane, combine: impl Fn(f32, f32) -> f32) -> Plane {
        self.with(self.values.iter().zip(&other.values).map(|(&a, &b)| combine(a, b)).collect())
    }

    /// Mean of a window of 2·radius + 1 pixels, which is cut off at the border.
    pub fn blurred(&self, radius: usize) -> Plane {
        self.lines(|line| {
            let mut sums = vec![0.0; line.len() + 1];
            for (at, &value) in line.iter().enumerate() {
                sums[at + 1] = sums[at] + f64::from(value);
            }
            let mean = |at: usize| {
                let (first, end) = (at.saturating_sub(radius), (at + radius + 1).min(line.len()));
                ((sums[end] - sums[first]) / (end - first) as f64) as f32
            };
            (0..line.len()).map(mean).collect()
        })
    }

    /// Morphological closing with a square window of 2·radius + 1: valleys narrower than the window are filled up to the
    /// values around them, ramps and steps do not change (J. Serra, "Image Analysis and Mathematical Morphology", 1982).
    /// Beyond the border the picture is continued by its point reflection, so that a ramp goes on as a ramp; or by the paper, if
    /// ink touches the border: the border is darker than the window next to it by 0.4 of the whole range.
    pub fn closed(&self, radius: usize) -> Plane {
        let step = 0.4 * (self.most() - self.values.iter().copied().fold(f32::MAX, f32::min));
        self.lines(|line| {
            let length = line.len();
            let beyond = radius.min(length - 1);
            let from = |at: usize, way: usize| {
                line[if way == 0 { at.min(length - 1) } else { length - 1 - at.min(length - 1) }]
            };
            let continued = |way: usize| {
                let border = from(0, way);
                let paper = (0..=beyond).map(|at| from(at, way)).fold(border, f32::max);
                let value = move |at| if paper - border > step { paper } else { 2.0 * border - from(at, way) };
                (1..=2 * beyond).map(value).collect::<Vec<f32>>()
            };
            let (low, high) = (continued(0).into_iter().rev(), continued(1));
            low.chain(line.iter().copied()).chain(high).collect()
        })
        .lines(|line| greatest(line, radius))
        .lines(|line| {
            let negative: Vec<f32> = line.iter().map(|value| -value).collect();
            greatest(&negative, radius).into_iter().map(|value| -value).collect()
        })
        .inner(self.width, self.height)
    }

    /// Changes every row, then every column.
    fn lines(&self, change: impl Fn(&[f32]) -> Vec<f32>) -> Plane {
        let all = |plane: &Plane| {
            let mut values = Vec::with_capacity(plane.values.len());
            plane.values.chunks(plane.width).for_each(|line| values.extend(change(line)));
            values
        };
        let rows = all(self);
        let across = Plane { width: rows.len() / self.height, height: self.height, values: rows }.transposed();
        let columns = all(&across);
        Plane { width: columns.len() / across.height, height: across.height, values: columns }.transposed()
    }

    /// Rows as columns.
    pub fn transposed(&self) -> Plane {
        let mut values = Vec::with_capacity(self.values.len());
        for x in 0..self.width {
            values.extend(self.values[x..].iter().step_by(self.width));
        }
        Plane { width: self.height, height: self.width, values }
    }

    /// The part of this size in the middle.
    fn inner(&self, width: usize, height: usize) -> Plane {
        let (left, top) = ((self.width - width) / 2, (self.height - height) / 2);
        self.cut([left, left + width - 1, top, top + height - 1])
    }

    /// The part between first and last column, first and last row.
    pub fn cut(&self, [left, right, top, bottom]: [usize; 4]) -> Plane {
        let row = |y: usize| &self.values[y * self.width + left..=y * self.width + right];
        let values = (top..=bottom).flat_map(row).copied().collect();
        Plane { width: right - left + 1, height: bottom - top + 1, values }
    }

    /// The largest value.
    pub fn most(&self) -> f32 {
        self.values.iter().copied().fold(f32::MIN, f32::max)
    }

    /// The threshold that divides the values into two classes of least variance (N. Otsu, "A Threshold Selection Method from
    /// Gray-Level Histograms", 1979), among the values of at least `least`.
    pub fn otsu(&self, least: f32) -> f32 {
        const STEPS: usize = 256;
        let most = self.most();
        let scale = (most - least).max(f32::MIN_POSITIVE) / STEPS as f32;
        let mut counts = [0u64; STEPS];
        for &value in self.values.iter().filter(|&&value| value >= least) {
            counts[(((value - least) / scale) as usize).min(STEPS - 1)] += 1;
        }
        let moment = |(step, &count): (usize, &u64)| step as f64 * count as f64;
        let (all, total) = (counts.iter().sum::<u64>() as f64, counts.iter().enumerate().map(moment).sum::<f64>());
        let (mut below, mut sum, mut best, mut at) = (0.0, 0.0, -1.0, 0.0);
        for (step, &count) in counts.iter().enumerate() {
            below += count as f64;
            sum += step as f64 * count as f64;
            if below == 0.0 || below == all {
                continue;
            }
            let apart = sum / below - (total - sum) / (all - below);
            let between = below * (all - below) * apart * apart;
            if between > best {
                (best, at) = (between, step as f64 + 1.0);
            }
        }
        least + at as f32 * scale
    }
}

/// Greatest value in each window of 2·radius + 1, cut off at the ends, in linear time.
fn greatest(line: &[f32], radius: usize) -> Vec<f32> {
    let mut falling: VecDeque<usize> = VecDeque::new();
    let mut next = 0;
    let at = |at: usize| {
        while next < line.len().min(at + radius + 1) {
            while falling.back().is_some_and(|&last| line[last] <= line[next]) {
                falling.pop_back();
            }
            falling.push_back(next);
            next += 1;
        }
        while falling.front().is_some_and(|&first| first + radius < at) {
            falling.pop_front();
        }
        line[falling[0]]
    };
    (0..line.len()).map(at).collect()
}

/// The quantile: a share of `share` of all values is below it. 0 without values.
pub fn quantile(mut values: Vec<f32>, share: f64) -> f32 {
    if values.is_empty() {
        return 0.0;
    }
    let at = ((values.len() - 1) as f64 * share) as usize;
    *values.select_nth_unstable_by(at, f32::total_cmp).1
}
