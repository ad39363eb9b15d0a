//! Removes the lines of ruled and squared paper.

use super::plane::{Plane, quantile};

/// Steepest line: rise per column. A sheet that is photographed by hand lies within it.
const STEEPEST: f32 = 0.15;
/// Share of a line that is marked.
const COVERED: f32 = 0.7;
/// Thickest line, as a share of the picture's longer side.
const THICKEST: f32 = 0.025;
/// Most lines in one direction.
const MOST: usize = 100;
/// Parts of a line that are placed separately, because paper is not flat.
const PARTS: usize = 12;

/// A nearly horizontal line: y = start + slope · x.
#[derive(Clone, Copy, Debug)]
struct Line {
    start: f32,
    slope: f32,
    covered: f32,
}

impl Line {
    fn at(&self, x: usize) -> f32 {
        self.start + self.slope * x as f32
    }
}

/// Removes lines that cross the whole picture, in both directions; `least` is the least ink that counts. Returns their number.
///
/// Lines are found by counting marked pixels on every straight line (Hough transform with the slope as parameter; R. Duda,
/// P. Hart, "Use of the Hough Transformation to Detect Lines and Curves in Pictures", 1972). Strokes of a digit do not reach
/// from border to border and are thicker. The line's median profile is subtracted; where strokes cross it, they are restored
/// from the ink above and below.
pub fn remove(ink: &mut Plane, least: f32) -> usize {
    let across = remove_horizontal(ink, least);
    let mut turned = ink.transposed();
    let down = remove_horizontal(&mut turned, least);
    *ink = turned.transposed();
    across + down
}

fn remove_horizontal(ink: &mut Plane, least: f32) -> usize {
    if ink.width < 40 || ink.height < 40 {
        return 0;
    }
    let lines = find(ink, least);
    // All profiles are measured before the first is subtracted.
    let tracks: Vec<(Vec<f32>, Vec<f32>)> = lines.iter().map(|line| profile(ink, line)).collect();
    let before = ink.clone();
    for (track, profile) in &tracks {
        subtract(ink, &before, track, profile, least);
    }
    lines.len()
}

fn find(ink: &Plane, least: f32) -> Vec<Line> {
    let (width, height) = (ink.width, ink.height);
    let thickest = ((ink.side() as f32 * THICKEST) as usize).max(2);
    // Marked: ink that ends within a line's thickness above and below. A thick stroke is not marked.
    let marked = |x: usize, y: usize| {
        let value = ink.values[y * width + x];
        let at = |y: usize| ink.values[y.min(height - 1) * width + x];
        value > least && at(y.saturating_sub(thickest)).min(at(y + thickest)) < 0.6 * value
    };
    let mut marks: Vec<bool> = (0..width * height).map(|at| marked(at % width, at / width)).collect();
    // One pixel of tolerance.
    let thin = marks.clone();
    for at in (0..marks.len()).filter(|&at| thin[at]) {
        for y in [(at / width).saturating_sub(1), (at / width + 1).min(height - 1)] {
            marks[y * width + at % width] = true;
        }
    }
    let columns: Vec<Vec<usize>> = (0..width).map(|x| (0..height).filter(|y| marks[y * width + x]).collect()).collect();
    let steepest = (STEEPEST * width as f32 / 2.0) as i32;
    let offset = (STEEPEST * width as f32) as usize + 2;
    let edge = (width / 20).max(2);
    let mut found = Vec::new();
    for step in -steepest..=steepest {
        let slope = 2.0 * step as f32 / width as f32;
        let mut counts = vec![[0u32; 3]; height + 2 * offset];
        for (x, rows) in columns.iter().enumerate() {
            let shift = offset as f32 - slope * x as f32;
            let part = if x < edge {
                1
            } else if x + edge >= width {
                2
            } else {
                0
            };
            for &y in rows {
                let count = &mut counts[(y as f32 + shift).round() as usize];
                count[0] += 1;
                count[part] += u32::from(part > 0);
            }
        }
        for (at, &[all, first, last]) in counts.iter().enumerate() {
            let line = Line { start: at as f32 - offset as f32, slope, covered: 0.0 };
            // A line that leaves the picture at its upper or lower border is shorter.
            let inside = (0..width).step_by(4).filter(|&x| (0.0..height as f32).contains(&line.at(x))).count() * 4;
            let covered = all as f32 / inside.max(1) as f32;
            let in_picture = |x: usize| (0.0..height as f32).contains(&line.at(x));
            let reaches = |count: u32, x: usize| !in_picture(x) || count as usize * 2 > edge;
            if inside * 2 > width && covered >= COVERED && reaches(first, 0) && reaches(last, width - 1) {
                found.push(Line { covered, ..line });
            }
        }
    }
    found.sort_by(|one, two| two.covered.total_cmp(&one.covered));
    let mut lines: Vec<Line> = Vec::new();
    for line in found {
        let near = |other: &Line| {
            let apart = |x: usize| line.at(x) - other.at(x);
            apart(0).abs().min(apart(width).abs()) < thickest as f32 || apart(0) * apart(width) < 0.0
        };
        if lines.len() < MOST && !lines.iter().any(near) {
            lines.push(line);
        }
    }
    lines
}

/// The row of the line in each column, and its ink above, on and below that row.
fn profile(ink: &Plane, line: &Line) -> (Vec<f32>, Vec<f32>) {
    let reach = ((ink.side() as f32 * THICKEST) as i32).max(2);
    let at = |x: usize, y: f32| match y.round() {
        y if y >= 0.0 && y < ink.height as f32 => Some(ink.values[y as usize * ink.width + x]),
        _ => None,
    };
    let part = ink.width.div_ceil(PARTS);
    let shift_of = |first: usize| {
        let columns = first..(first + part).min(ink.width);
        let sum = |shift: f32| -> f32 {
            let values = columns.clone().filter_map(|x| at(x, line.at(x) + shift));
            // The median is not moved by a stroke.
            quantile(values.collect(), 0.5)
        };
        [0.0, 1.0, -1.0, 2.0, -2.0]
            .into_iter()
            .max_by(|&a, &b| (sum(a) - a.abs()).total_cmp(&(sum(b) - b.abs())))
            .unwrap_or(0.0)
    };
    let shifts: Vec<f32> = (0..ink.width).step_by(part).map(shift_of).collect();
    let track: Vec<f32> = (0..ink.width).map(|x| line.at(x) + shifts[x / part]).collect();
    let profile = (-reach..=reach)
        .map(|row| quantile((0..ink.width).filter_map(|x| at(x, track[x] + row as f32)).collect(), 0.5))
        .collect();
    (track, profile)
}

fn subtract(ink: &mut Plane, before: &Plane, track: &[f32], profile: &[f32], least: f32) {
    let reach = profile.len() as i32 / 2;
    let band: Vec<i32> = (-reach..=reach).filter(|&row| profile[(row + reach) as usize] > least * 0.3).collect();
    let (Some(&first), Some(&last)) = (band.first(), band.last()) else { return };
    // Faint edges of the line.
    let (first, last) = (first - 1, last + 1);
    let rows = |x: usize| {
        let centre = track[x].round() as i32;
        (centre + first..=centre + last).filter(|&y| y >= 0 && y < before.height as i32).map(|y| y as usize)
    };
    let value = |x: usize, y: usize| before.values[y * before.width + x];
    let peak = |x: usize| rows(x).map(|y| value(x, y)).fold(0.0, f32::max);
    // Three quarters of the columns have no more ink than this.
    let own = quantile((0..track.len()).map(peak).collect(), 0.75);
    for (x, centre) in track.iter().enumerate() {
        let outside = |offset: i32| match centre.round() as i32 + offset {
            y if y >= 0 && y < before.height as i32 => value(x, y as usize),
            _ => 0.0,
        };
        let above = outside(first - 1).min(outside(first - 2));
        let below = outside(last + 1).min(outside(last + 2));
        let stroke = above.min(below);
        for y in rows(x) {
            let rest = (value(x, y) - 1.5 * own).max(0.0);
            ink.values[y * before.width + x] = if stroke > least { stroke.max(rest) } else { rest };
        }
    }
}
