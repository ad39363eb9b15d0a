//! Loss and accuracy.

use serde::{Deserialize, Serialize};

/// Loss and accuracy of a split, or of the part of it that was seen so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Sum of the cross-entropies, in nats.
    pub loss_sum: f64,
    /// Samples classified correctly.
    pub hits: u64,
    /// Samples counted.
    pub samples: u64,
}

impl Score {
    /// Mean cross-entropy, in nats.
    pub fn loss(&self) -> f64 {
        self.loss_sum / self.samples as f64
    }

    /// Share of samples classified correctly.
    pub fn accuracy(&self) -> f64 {
        self.hits as f64 / self.samples as f64
    }

    /// Adds rows of a tally (sum of losses, hits, two words of padding) over this many samples.
    pub fn add(&mut self, rows: &[u32], samples: usize) {
        let values: &[f32] = bytemuck::cast_slice(rows);
        for row in values.chunks_exact(4) {
            self.loss_sum += f64::from(row[0]);
            self.hits += row[1] as u64;
        }
        self.samples += samples as u64;
    }
}
