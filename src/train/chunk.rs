//! Chunks: steps that are handed to the engine together, and the records that come back.

use crate::base::clock::Instant;
use crate::engine::Pending;
use crate::plan::Work;
use std::time::Duration;

/// Target time of a chunk, and so of the time between two reports of progress.
const AIM: Duration = Duration::from_millis(100);

/// Part of the record that is being read back.
pub(super) struct ChunkRecord {
    pub rows: Pending<'static, Vec<u32>>,
    pub samples: usize,
    /// Sum of the weights of the samples, if they have any.
    pub weight: Option<f64>,
    /// Updates made before the first row.
    pub first_step: u64,
    /// Sums of squares of all parameters after the chunk, if requested.
    pub totals: Option<Pending<'static, Vec<u32>>>,
}

/// Steps that are handed to the engine together.
pub(super) struct Chunk {
    pub work: Vec<Work>,
    pub samples: usize,
    /// Sum of the weights of the samples, if they have any.
    pub weight: Option<f64>,
    /// Number of slots of the tally used in this epoch: one per micro-batch.
    pub slots: usize,
    /// The first slot whose record has not been requested.
    pub sent: usize,
    /// Updates made before the first step.
    pub first_step: u64,
}

impl Chunk {
    /// Returns an empty chunk after `first_step` updates, when the epoch has used `slots` slots.
    pub fn new(first_step: u64, slots: usize) -> Chunk {
        Chunk { work: Vec::new(), samples: 0, weight: None, slots, sent: slots, first_step }
    }

    /// Empties the chunk after it was sent; `step` updates have been made.
    pub fn clear(&mut self, step: u64) {
        self.work.clear();
        self.samples = 0;
        self.weight = None;
        self.sent = self.slots;
        self.first_step = step;
    }
}

/// Number of steps per chunk.
pub(super) struct Pace {
    pub steps: usize,
    since: Instant,
}

impl Pace {
    /// Starts with one step per chunk: a step of a large net on a slow adapter may take minutes.
    pub fn new() -> Self {
        Pace { steps: 1, since: Instant::now() }
    }

    /// Starts the clock of a chunk.
    pub fn start(&mut self) {
        self.since = Instant::now();
    }

    /// Sets the size of the next chunk from the time of the last one.
    pub fn adapt(&mut self) {
        let took = self.since.elapsed();
        self.start();
        if took < AIM / 2 {
            self.steps *= 2;
        } else if took > 2 * AIM {
            self.steps = (self.steps / 2).max(1);
        }
    }
}
