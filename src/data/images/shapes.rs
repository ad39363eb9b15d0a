//! Separate shapes in a picture: sets of pixels that touch each other.

/// A set of marked pixels that touch, also at corners.
#[derive(Clone, Debug)]
pub struct Shape {
    /// Pixels, row · width + column.
    pub pixels: Vec<usize>,
    /// First and last column, first and last row.
    pub bounds: [usize; 4],
}

impl Shape {
    /// Width and height of the box.
    pub fn size(&self) -> [usize; 2] {
        let [left, right, top, bottom] = self.bounds;
        [right - left + 1, bottom - top + 1]
    }
}

/// The shapes that marked pixels form.
pub fn find(mut marked: Vec<bool>, width: usize) -> Vec<Shape> {
    let height = marked.len() / width;
    let mut shapes = Vec::new();
    for start in 0..marked.len() {
        if !std::mem::take(&mut marked[start]) {
            continue;
        }
        let mut pixels = vec![start];
        let mut bounds = [width, 0, height, 0];
        let mut next = 0;
        while let Some(&at) = pixels.get(next) {
            next += 1;
            let (x, y) = (at % width, at / width);
            bounds = [bounds[0].min(x), bounds[1].max(x), bounds[2].min(y), bounds[3].max(y)];
            pixels.extend(around(at, width, height).filter(|&at| std::mem::take(&mut marked[at])));
        }
        shapes.push(Shape { pixels, bounds });
    }
    shapes
}

/// A pixel and its neighbours, up to nine.
pub fn around(at: usize, width: usize, height: usize) -> impl Iterator<Item = usize> {
    let (x, y) = (at % width, at / width);
    let rows = y.saturating_sub(1)..=(y + 1).min(height - 1);
    let columns = x.saturating_sub(1)..=(x + 1).min(width - 1);
    rows.flat_map(move |row| columns.clone().map(move |column| row * width + column))
}
