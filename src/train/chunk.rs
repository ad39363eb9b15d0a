//! Chunks: steps that are handed to the engine together, and the records that come back.

use crate::engine::Pending;
use crate::plan::Work;
use std::time::{Duration, Instant};

/// Aim for the time that a chunk takes, and so for the time between two reports of progress.
const AIM: Duration = Duration::from_millis(100);

/// Part of the record on its way from the engine.
pub(super) struct ChunkRecord {
    pub rows: Pending<'static, Vec<u32>>,
    pub samples: usize,
    /// Updates made before its first row.
    pub first_step: u64,
    /// Sums of squares of all parameters at that time, if they were asked for.
    pub totals: Option<Pending<'static, Vec<u32>>>,
}

/// Steps that are handed to the engine together.
pub(super) struct Chunk {
    pub work: Vec<Work>,
    pub samples: usize,
    /// Rows of the tally that micro-batches of this epoch have taken, in units of a micro-batch.
    pub slots: usize,
    /// The first of them whose record has not been asked for.
    pub sent: usize,
    /// Updates made before its first step.
    pub first_step: u64,
}

impl Chunk {
    /// An empty one, after update `first_step`, whose epoch has taken `slots` by then.
    pub fn new(first_step: u64, slots: usize) -> Chunk {
        Chunk { work: Vec::new(), samples: 0, slots, sent: slots, first_step }
    }

    /// Empties it once it has been sent, after update `step`.
    pub fn clear(&mut self, step: u64) {
        self.work.clear();
        self.samples = 0;
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
    /// Starts with one step: for a large net on a slow adapter it may take minutes.
    pub fn new() -> Self {
        Pace { steps: 1, since: Instant::now() }
    }

    /// Starts the clock of a chunk.
    pub fn start(&mut self) {
        self.since = Instant::now();
    }

    /// Sets the size of the next chunk by the time of the last one.
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
