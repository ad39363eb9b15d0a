//! A drawing becomes a sample, in the four steps in which MNIST's digits were prepared.

use gpu_mlp::data::images::decode::Picture;
use gpu_mlp::data::images::{fit, ink};
use gpu_mlp::data::layout::Layout;
use wasm_bindgen::prelude::*;

/// The four steps from a drawing to a sample. All pictures are bytes, 0 for the background and 255 for the most ink.
#[wasm_bindgen]
pub struct Drawing {
    ink: ink::Ink,
    sample: Vec<u8>,
}

/// Pixels of a sample's side.
const SIDE: usize = 28;

#[wasm_bindgen]
impl Drawing {
    /// Reads a drawing: pixels of four bytes (red, green, blue, alpha), row by row. The page has no file to decode, so it
    /// needs no decoders.
    ///
    /// # Errors
    /// If it is blank, or if the bytes are not rows of this width.
    #[wasm_bindgen(constructor)]
    pub fn new(pixels: Vec<u8>, width: usize) -> Result<Drawing, JsError> {
        let (len, rows) = (pixels.len(), pixels.len() / (4 * width.max(1)));
        let picture = Picture::from_raw(width as u32, rows as u32, pixels)
            .filter(|_| width > 0 && rows > 0 && len == 4 * width * rows);
        let picture = picture.ok_or_else(|| JsError::new(&format!("the bytes are not rows of {width} pixels")))?;
        let found = ink::find(&picture, false);
        let ink = found.map_err(|problem| JsError::new(&format!("the drawing {problem}")))?;
        let sample = fit::place(&ink, &Layout::MNIST, SIDE, SIDE);
        Ok(Drawing { ink, sample })
    }

    /// Step 1: the ink, with the background removed.
    pub fn ink(&self) -> Vec<u8> {
        self.ink.pixels.clone()
    }

    /// Columns of [`Drawing::ink`].
    #[wasm_bindgen(js_name = inkWidth)]
    pub fn ink_width(&self) -> usize {
        self.ink.width
    }

    /// Step 2: the box that is cropped: first and last column, first and last row of the ink.
    #[wasm_bindgen(js_name = cropBox)]
    pub fn crop_box(&self) -> Vec<u32> {
        self.ink.bounds.map(|side| side as u32).to_vec()
    }

    /// Step 3: the box in the sample, scaled to 20 pixels with antialiased edges: first and last column, first and last row.
    #[wasm_bindgen(js_name = scaledBox)]
    pub fn scaled_box(&self) -> Vec<u32> {
        let inked = |at: &usize| self.sample[*at] > 0;
        let places: Vec<[usize; 2]> = (0..SIDE * SIDE).filter(inked).map(|at| [at % SIDE, at / SIDE]).collect();
        let ends = |axis: usize| {
            let along = || places.iter().map(|place| place[axis] as u32);
            [along().min().unwrap_or(0), along().max().unwrap_or(0)]
        };
        [ends(0), ends(1)].concat()
    }

    /// Step 4: the sample, 28×28, with the centre of mass in the middle.
    pub fn sample(&self) -> Vec<u8> {
        self.sample.clone()
    }
}
