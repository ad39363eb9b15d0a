//! Finds the page in a picture: the part inside frames, boxes and the edges of a table.

use super::plane::{Plane, quantile};
use super::shapes::{self, Shape};

/// Side of the reduced picture in which rectangles are looked for.
const SIDE: usize = 320;
/// Smallest share of the picture that a page covers.
const LEAST_PAGE: f32 = 0.1;
/// Share of its box that a rectangle covers, holes included. A circle covers 0.79.
const RECTANGLE: f32 = 0.81;
/// Rectangles inside each other.
const DEPTH: usize = 4;

/// First and last column, first and last row of the page. `contrast` is the least difference that counts.
///
/// Two classes of brightness (Otsu) form shapes. A shape that fills its box, has sharp edges and contains something of the
/// other class is a box or a frame, and the page is inside it. No digit looks like that: even a square 0 is empty inside.
pub fn find(picture: &Plane, contrast: f32) -> [usize; 4] {
    let mut page = [0, picture.width - 1, 0, picture.height - 1];
    for _ in 0..DEPTH {
        page = trimmed(picture, page, contrast);
        let part = picture.cut(page);
        let Some([left, right, top, bottom]) = inner(&part, contrast) else { break };
        page = [page[0] + left, page[0] + right, page[2] + top, page[2] + bottom];
    }
    page
}

/// Cuts off rows and columns that differ from the page along their whole length: frames at the border of the picture.
fn trimmed(picture: &Plane, page: [usize; 4], contrast: f32) -> [usize; 4] {
    let part = picture.cut(page);
    let threshold = part.otsu(part.values.iter().copied().fold(f32::MAX, f32::min));
    let apart = |plane: &Plane| {
        let sums = plane.values.iter().fold([0.0f64; 4], |[a, b, c, d], &value| match value < threshold {
            true => [a + f64::from(value), b + 1.0, c, d],
            false => [a, b, c + f64::from(value), d + 1.0],
        });
        (sums[2] / f64::max(sums[3], 1.0) - sums[0] / f64::max(sums[1], 1.0)) as f32
    };
    if apart(&part) < contrast {
        return page;
    }
    // A frame is of the class that is rare inside.
    let dark = part.values.iter().filter(|&&value| value < threshold).count();
    let rare = 2 * dark < part.values.len();
    let mut cut = [0; 4];
    for (side, cut) in cut.iter_mut().enumerate() {
        let lines = if side < 2 { part.transposed() } else { part.clone() };
        let most = lines.height / 4;
        // The class that the line consists of, if there is one.
        let class = |at: usize| {
            let row = if side % 2 == 0 { at } else { lines.height - 1 - at };
            let line = &lines.values[row * lines.width..][..lines.width];
            let dark = line.iter().filter(|&&value| value < threshold).count();
            match (dark * 100, (line.len() - dark) * 100) {
                (dark, _) if dark >= 98 * line.len() => Some(true),
                (_, light) if light >= 98 * line.len() => Some(false),
                _ => None,
            }
        };
        // A frame is a class of its own on the outside; what follows it is of the other class, at least in large part.
        let Some(outer) = class(0).filter(|&outer| outer == rare) else { continue };
        let end = (0..=most).find(|&at| class(at) != Some(outer)).unwrap_or(0);
        let share = |at: usize| {
            let row = if side % 2 == 0 { at } else { lines.height - 1 - at };
            let line = &lines.values[row * lines.width..][..lines.width];
            line.iter().filter(|&&value| (value < threshold) == outer).count() as f32 / line.len() as f32
        };
        // One soft line between frame and page.
        let after = (end..(end + 3).min(lines.height)).map(share).fold(1.0, f32::min);
        if end > 0 && after < 0.4 {
            *cut = end + usize::from(share(end) > 0.1 && lines.height > 4 * end + 8);
        }
    }
    // On one side only, it may be a stroke, as in a tight crop of a 7.
    if cut.iter().filter(|&&cut| cut > 0).count() < 2 {
        return page;
    }
    [page[0] + cut[0], page[1] - cut[1], page[2] + cut[2], page[3] - cut[3]]
}

/// The inside of the largest box or frame, if there is one.
fn inner(part: &Plane, contrast: f32) -> Option<[usize; 4]> {
    let step = part.side().div_ceil(SIDE);
    let small = reduced(part, step);
    if small.width < 8 || small.height < 8 {
        return None;
    }
    let threshold = small.otsu(small.values.iter().copied().fold(f32::MAX, f32::min));
    let mut best: Option<[usize; 4]> = None;
    // A thin frame may be fainter than the classes' threshold.
    let median = quantile(small.values.clone(), 0.5);
    let faint = 0.25 * range(&small);
    let fainter = if median < threshold { (median + faint, false) } else { (median - faint, true) };
    for (threshold, dark) in [(threshold, true), (threshold, false), fainter] {
        let marked: Vec<bool> = small.values.iter().map(|&value| (value < threshold) == dark).collect();
        for shape in shapes::find(marked.clone(), small.width) {
            let Some(inside) = inside(&small, &shape, &marked, contrast) else { continue };
            let area = |[left, right, top, bottom]: [usize; 4]| (right - left) * (bottom - top);
            if best.is_none_or(|best| area(inside) > area(best)) {
                best = Some(inside);
            }
        }
    }
    let [left, right, top, bottom] = best?;
    let last = |at: usize, most: usize| ((at + 1) * step).min(most) - 1;
    Some([left * step, last(right, part.width), top * step, last(bottom, part.height)])
}

/// The page inside a shape, if the shape is a box or a frame.
fn inside(plane: &Plane, shape: &Shape, marked: &[bool], contrast: f32) -> Option<[usize; 4]> {
    let [width, height] = shape.size();
    let area = (width * height) as f32;
    if area < LEAST_PAGE * plane.values.len() as f32 || width < 8 || height < 8 {
        return None;
    }
    let [left, right, top, bottom] = shape.bounds;
    // The shape in its box; what cannot be reached from outside is a hole.
    let mut solid = vec![false; width * height];
    shape.pixels.iter().for_each(|at| solid[(at / plane.width - top) * width + at % plane.width - left] = true);
    let empty: Vec<bool> = solid.iter().map(|solid| !solid).collect();
    let touches = |hole: &Shape| {
        let [l, r, t, b] = hole.bounds;
        l == 0 || t == 0 || r + 1 == width || b + 1 == height
    };
    let (open, holes): (Vec<Shape>, Vec<Shape>) = shapes::find(empty, width).into_iter().partition(touches);
    let outside: usize = open.iter().map(|shape| shape.pixels.len()).sum();
    if 1.0 - (outside as f32 / area) < RECTANGLE || holes.is_empty() {
        return None;
    }
    let own = shape.pixels.len() as f32 / area;
    let whole = |size: usize, of: usize| size * 50 >= of * 49;
    if own > 0.5 {
        // A box. The page itself is no box.
        if whole(width, plane.width) && whole(height, plane.height) || !sharp(plane, shape, marked, contrast) {
            return None;
        }
        let [dx, dy] = [width, height].map(|size| 1 + size / 50);
        return Some([left + dx, right - dx, top + dy, bottom - dy]);
    }
    // A frame: its largest hole is the page, and there is something of the frame's class in it.
    let hole = holes.into_iter().max_by_key(|hole| hole.pixels.len())?;
    let [hole_width, hole_height] = hole.size();
    let size = hole_width * hole_height;
    let at = |at: &usize| (top + at / width) * plane.width + left + at % width;
    let other = hole.pixels.iter().filter(|&pixel| marked[at(pixel)]).count();
    if (size as f32) < 0.5 * area || hole_width < 10 || hole_height < 10 || other * 200 < size {
        return None;
    }
    let [l, r, t, b] = hole.bounds;
    let trim = 1 + hole_width.min(hole_height) / 60;
    Some([left + l + trim, left + r - trim, top + t + trim, top + b - trim])
}

/// Whether the edge of a shape is a step to another area: not a shadow's gradual change, and not a line with the same page
/// behind it.
fn sharp(plane: &Plane, shape: &Shape, marked: &[bool], contrast: f32) -> bool {
    /// Pixels from the edge, which may be blurred by a pixel or two.
    const INSIDE: usize = 1;
    const OUTSIDE: usize = 4;
    let [left, right, top, bottom] = shape.bounds;
    let (mut steps, mut edges) = (0.0, 0usize);
    // A row or column from one side of the box to the other: `at` gives the pixel, from 0 at the border of the picture.
    let mut edge = |first: usize, last: usize, length: usize, at: &dyn Fn(usize) -> usize| {
        let Some(start) = (first..=last).find(|&along| marked[at(along)]) else { return };
        if start >= OUTSIDE {
            let outer = at(start - OUTSIDE);
            let change = (plane.values[at((start + INSIDE).min(length - 1))] - plane.values[outer]).abs();
            steps += if marked[outer] { 0.0 } else { change };
            edges += 1;
        }
    };
    let (width, height) = (plane.width, plane.height);
    for x in left..=right {
        edge(top, bottom, height, &|y| y * width + x);
        edge(height - 1 - bottom, height - 1 - top, height, &|y| (height - 1 - y) * width + x);
    }
    for y in top..=bottom {
        edge(left, right, width, &|x| y * width + x);
        edge(width - 1 - right, width - 1 - left, width, &|x| y * width + width - 1 - x);
    }
    edges > 0 && steps / edges as f32 >= contrast.max(range(plane) / 4.0)
}

/// Difference between bright and dark.
fn range(plane: &Plane) -> f32 {
    let at = |share| quantile(plane.values.clone(), share);
    at(0.98) - at(0.02)
}

/// Means of squares of `step` pixels.
fn reduced(plane: &Plane, step: usize) -> Plane {
    let (width, height) = (plane.width.div_ceil(step), plane.height.div_ceil(step));
    let mean = |at: usize| {
        let (x, y) = (at % width * step, at / width * step);
        let square = plane.cut([x, (x + step).min(plane.width) - 1, y, (y + step).min(plane.height) - 1]);
        square.values.iter().sum::<f32>() / square.values.len() as f32
    };
    Plane { width, height, values: (0..width * height).map(mean).collect() }
}
