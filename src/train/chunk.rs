//! How work is cut for the engine: steps that are handed over together, and records on their way back.

use super::fault::{INTERVAL, all_finite};
use super::{Trainer, Watch};
use crate::base::error::Error;
use crate::config::OnNan;
use crate::engine::Pending;
use crate::plan::Work;
use crate::plan::kernel::Now;
use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// About how long a chunk takes, and so how often anybody hears of an epoch's progress.
const CHUNK: Duration = Duration::from_millis(100);

/// Part of the record on its way from the engine.
pub(super) struct Record {
    pub rows: Pending<'static, Vec<u32>>,
    pub samples: usize,
    /// Updates made before its first row.
    pub first_step: u64,
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
    /// Of a large net on a slow adapter a single step may take minutes.
    pub fn new() -> Self {
        Pace { steps: 1, since: Instant::now() }
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

impl Trainer<'_> {
    /// Hands a chunk to the engine and asks for its part of the record.
    pub(super) async fn send(&mut self, chunk: &mut Chunk, waiting: &mut VecDeque<Record>) -> Result<(), Error> {
        if chunk.work.is_empty() {
            return Ok(());
        }
        let training = self.net.training.as_ref().expect("a net made for training");
        let due = self.watched.is_none_or(|watched| watched.elapsed() >= INTERVAL);
        let watch = (due && self.config.on_nan == OnNan::Stop).then(|| training.watch.clone());
        if let Some(watch) = &watch {
            chunk.work.push((watch.steps.clone(), Now::default()));
            self.watched = Some(Instant::now());
        }
        self.engine.run(&chunk.work).await?;
        let totals = watch.map(|watch| self.engine.read(watch.totals, 0..watch.totals.words()));
        let rows = self.engine.read(training.tally, training.tally_words(chunk.sent..chunk.slots));
        waiting.push_back(Record { rows, samples: chunk.samples, first_step: chunk.first_step, totals });
        (chunk.sent, chunk.samples, chunk.first_step) = (chunk.slots, 0, self.step);
        chunk.work.clear();
        Ok(())
    }

    /// Takes in the oldest record.
    pub(super) async fn settle(
        &mut self,
        waiting: &mut VecDeque<Record>,
        rows_an_update: usize,
        watch: Watch<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let Some(record) = waiting.pop_front() else { return Ok(ControlFlow::Continue(())) };
        let rows = record.rows.await?;
        self.score.add(&rows, record.samples);
        if record.first_step == 0 {
            tracing::debug!(samples = self.score.samples, "first steps trained");
        }
        if self.config.on_nan == OnNan::Stop {
            let losses = rows.chunks_exact(4).map(|row| f32::from_bits(row[0]));
            if let Some((row, loss)) = losses.enumerate().find(|(_, loss)| !loss.is_finite()) {
                let step = record.first_step + (row / rows_an_update) as u64 + 1;
                return Err(self.diverged(format!("the loss became {loss}"), step).await);
            }
        }
        if let Some(totals) = record.totals
            && !all_finite(&totals.await?)
            // Values that are merely too large to be squared are left to the loss. What is looked at is what all updates
            // made that are under way by now.
            && self.look(self.step + 1).await?.is_some()
        {
            return Err(self.diverged("a parameter ceased to be finite".into(), self.step).await);
        }
        Ok(watch(&self.score))
    }

    /// Takes in all records.
    pub(super) async fn settle_all(
        &mut self,
        waiting: &mut VecDeque<Record>,
        rows_an_update: usize,
        watch: Watch<'_>,
    ) -> Result<ControlFlow<()>, Error> {
        let mut flow = ControlFlow::Continue(());
        while !waiting.is_empty() {
            let next = self.settle(waiting, rows_an_update, watch).await?;
            flow = if flow.is_break() { flow } else { next };
        }
        Ok(flow)
    }
}
