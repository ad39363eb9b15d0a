//! How work is cut for the engine: steps that are handed over together, and records on their way back.

use crate::engine::Pending;
use crate::plan::Work;
use std::time::{Duration, Instant};

/// About how long a chunk takes, and so how often anybody hears of an epoch's progress.
const CHUNK: Duration = Duration::from_millis(100);

/// Part of the record on its way from the engine.
pub(super) struct Record {
    pub rows: Pending<'static, Vec<u32>>,
    pub samples: usize,
    /// Updates made before its first row.
    pub first_step: u64,
    /// Updates made when it was asked for.
    pub made: u64,
    /// Sums of squares of all parameters at that time, now and then.
    pub totals: Option<Pending<'static, Vec<u32>>>,
}

/// Steps that are handed to the engine together.
#[derive(Default)]
pub(super) struct Chunk {
    pub work: Vec<Work>,
    pub samples: usize,
    /// Micro-batches of this epoch that have been given a place in the tally.
    pub slots: usize,
    /// Those of them whose record has been asked for.
    pub sent: usize,
    /// Updates made before its first step.
    pub first_step: u64,
}

/// How many steps go into a chunk.
pub(super) struct Pace {
    pub steps: usize,
    since: Instant,
}

impl Pace {
    pub fn new() -> Self {
        Pace { steps: 8, since: Instant::now() }
    }

    /// Starts the clock of a chunk.
    pub fn start(&mut self) {
        self.since = Instant::now();
    }

    /// Adapts the next chunk to how long the last one took.
    pub fn adapt(&mut self) {
        let took = self.since.elapsed();
        self.start();
        if took < CHUNK / 2 {
            self.steps *= 2;
        } else if took > 2 * CHUNK {
            self.steps = (self.steps / 2).max(1);
        }
    }
}
