//! Uploads samples: the whole split once, or shuffled windows, one filled while the other is used. Both ways give a
//! step the same rows, so training is bit-identical.

use crate::data::Split;
use crate::engine::Engine;
use crate::net::Source;
use crate::plan::tensor::pack_bytes;

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
            // In parts, so that the host never holds a second copy of the whole set.
            const PART: usize = 4096;
            for first in (0..source.samples).step_by(PART) {
                let last = (first + PART).min(source.samples);
                let bytes = &split.pixels[first * source.pixels.cols..last * source.pixels.cols];
                engine.write(source.pixels, first * source.pixels.stride(), &pack_bytes(bytes, source.pixels.cols));
            }
            let labels: Vec<u32> = split.labels.iter().map(|&label| u32::from(label)).collect();
            engine.write(source.labels, 0, &labels);
        }
        feed
    }

    /// Returns a feed of a resident split that only computes cursors.
    pub fn resident(source: Source) -> Self {
        Feed { source, loaded: None }
    }

    fn streams(&self) -> bool {
        self.source.window < self.source.samples
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
        let Source { pixels, labels, window, samples, .. } = self.source;
        let number = position / window;
        let rows = &order[number * window..((number + 1) * window).min(samples)];
        let half = number % 2 * window;
        let inputs = pixels.cols;
        let mut bytes = Vec::with_capacity(rows.len() * inputs);
        for &row in rows {
            bytes.extend_from_slice(&split.pixels[row as usize * inputs..][..inputs]);
        }
        engine.write(pixels, half * pixels.stride(), &pack_bytes(&bytes, inputs));
        let classes: Vec<u32> = rows.iter().map(|&row| u32::from(split.labels[row as usize])).collect();
        engine.write(labels, half, &classes);
        self.loaded = Some(number);
    }

    /// Converts a position of the order to an index into the `order` tensor.
    pub fn cursor(&self, position: usize) -> u32 {
        let Source { window, .. } = self.source;
        let cursor = if self.streams() { position / window % 2 * window + position % window } else { position };
        cursor as u32
    }
}
