//! How samples reach the device: the whole split once, or shuffled windows of it, one filled while the other is used.
//! Both ways give a step the same rows, so both train to the same bits.

use crate::data::Split;
use crate::engine::Engine;
use crate::net::Source;
use crate::plan::tensor::pack_bytes;

/// Feeds one split to one engine.
pub struct Feed {
    source: Source,
    /// Number of the window that was loaded last, where the split is streamed.
    loaded: Option<usize>,
}

impl Feed {
    /// Prepares the tensors of `source`: all samples where they are resident, else the order within the windows.
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

    /// A feed that only tells cursors, for a split that is resident.
    pub fn resident(source: Source) -> Self {
        Feed { source, loaded: None }
    }

    fn streams(&self) -> bool {
        self.source.window < self.source.samples
    }

    /// Announces an epoch in the given order of samples.
    pub fn begin(&mut self, order: &[u32], engine: &mut dyn Engine) {
        self.loaded = None;
        if !self.streams() {
            engine.write(self.source.order, 0, order);
        }
    }

    /// Whether the window that holds this position of the order has yet to be loaded.
    pub fn needs_load(&self, position: usize) -> bool {
        self.streams() && self.loaded != Some(position / self.source.window)
    }

    /// Uploads the window that holds this position. The engine takes writes and work in order, so the half of the tensor
    /// that it overwrites is no longer in use by then.
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

    /// Where a position of the order lies in the `order` tensor.
    pub fn cursor(&self, position: usize) -> u32 {
        let Source { window, .. } = self.source;
        let cursor = if self.streams() { position / window % 2 * window + position % window } else { position };
        cursor as u32
    }
}
