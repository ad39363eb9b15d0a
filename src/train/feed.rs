//! Uploads samples: the whole split once, or shuffled windows, one filled while the other is used. Both ways give a
//! step the same rows, so training is bit-identical.

use crate::data::{Samples, Split, Targets};
use crate::engine::Engine;
use crate::net::Source;
use crate::plan::tensor::{DType, TensorId, pack_bytes, pack_fixed, pack_floats};
use std::ops::Range;

/// Samples that are packed at a time, so that the host never holds a second copy of the whole set.
const PART: usize = 4096;

/// Feeds one split to one engine.
pub struct Feed {
    source: Source,
    /// The window that was loaded last, if the split is streamed.
    loaded: Option<usize>,
}

impl Feed {
    /// Writes the tensors of `source` that do not change: all samples if they are resident, else the order within the
    /// windows.
    pub fn new(source: Source, split: &Split, engine: &mut dyn Engine) -> Self {
        let feed = Feed { source, loaded: None };
        if feed.streams() {
            let rows: Vec<u32> = (0..source.order.cols as u32).collect();
            engine.write(source.order, 0, &rows);
        } else {
            for first in (0..split.len()).step_by(PART) {
                write(&source, first, split, first..(first + PART).min(split.len()), engine);
            }
        }
        feed
    }

    /// Returns a feed of a resident split that only computes cursors.
    pub fn resident(source: Source) -> Self {
        Feed { source, loaded: None }
    }

    fn streams(&self) -> bool {
        self.source.window < self.source.count
    }

    /// Begins an epoch with the given order of samples.
    pub fn begin(&mut self, order: &[u32], engine: &mut dyn Engine) {
        self.loaded = None;
        if !self.streams() {
            engine.write(self.source.order, 0, order);
        }
    }

    /// Whether the window that contains this position of the order must be loaded first.
    pub fn needs_load(&self, position: usize) -> bool {
        self.streams() && self.loaded != Some(position / self.source.window)
    }

    /// Uploads the window that contains this position. The engine executes writes and work in order, so the half of the
    /// tensor that is overwritten is no longer in use.
    pub fn load(&mut self, position: usize, split: &Split, order: &[u32], engine: &mut dyn Engine) {
        let window = self.window(position);
        self.load_parts(position, &[window], split, order, engine);
    }

    /// The positions of the window that contains this one.
    pub fn window(&self, position: usize) -> Range<usize> {
        let Source { window, count, .. } = self.source;
        let first = position - position % window;
        first..(first + window).min(count)
    }

    /// As [`Feed::load`], but uploads only some positions of the window.
    pub fn load_parts(
        &mut self,
        position: usize,
        parts: &[Range<usize>],
        split: &Split,
        order: &[u32],
        engine: &mut dyn Engine,
    ) {
        let Source { window, .. } = self.source;
        let number = position / window;
        for part in parts {
            let rows: Vec<usize> = order[part.clone()].iter().map(|&row| row as usize).collect();
            let at = number % 2 * window + part.start - number * window;
            write(&self.source, at, &split.rows(&rows), 0..rows.len(), engine);
        }
        self.loaded = Some(number);
    }

    /// Converts a position of the order to an index into the `order` tensor.
    pub fn cursor(&self, position: usize) -> u32 {
        let Source { window, .. } = self.source;
        let cursor = if self.streams() { position / window % 2 * window + position % window } else { position };
        cursor as u32
    }
}

/// Writes some samples of a split, with targets and weights, to the rows of `source` from `at` on.
fn write(source: &Source, at: usize, split: &Split, rows: Range<usize>, engine: &mut dyn Engine) {
    let (first, last) = (rows.start, rows.end);
    write_samples(source.samples, at, &split.samples, rows, engine);
    match &split.targets {
        Targets::Classes(classes) => engine.write(source.targets, at, &classes[first..last]),
        Targets::Values { width, values } | Targets::Labels { width, values } => {
            let words = pack_floats(&values[first * width..last * width], *width);
            engine.write(source.targets, at * source.targets.stride(), &words);
        }
    }
    if let (Some(id), Some(weights)) = (source.weights, &split.weights) {
        engine.write(id, at, bytemuck::cast_slice(&weights[first..last]));
    } else if let Some(id) = source.weights {
        engine.write(id, at, &vec![1f32.to_bits(); last - first]);
    }
}

/// Writes some samples (rows of `id.cols` values) to the rows of a tensor from `at` on.
pub(crate) fn write_samples(id: TensorId, at: usize, samples: &Samples, rows: Range<usize>, engine: &mut dyn Engine) {
    let values = rows.start * id.cols..rows.end * id.cols;
    let words = match (samples, id.dtype) {
        (Samples::Bytes(bytes), _) => pack_bytes(&bytes[values], id.cols),
        (Samples::Floats(floats), DType::I8(bits)) => pack_fixed(&floats[values], id.cols, bits),
        (Samples::Floats(floats), _) => pack_floats(&floats[values], id.cols),
    };
    engine.write(id, at * id.stride(), &words);
}
