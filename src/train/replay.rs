//! Replay: finds the tensor where a NaN or an infinity began.
//!
//! Training is deterministic, so it can be replayed from the last good state up to the first update that leaves a bad
//! value. That update is then run one dispatch at a time.

use super::executor::Executor;
use super::tensors::Values;
use crate::base::clock::Instant;
use crate::base::error::{Error, Origin};
use crate::plan::kernel::{Access, StepValues};
use crate::plan::tensor::{DType, TensorId};
use std::ops::Range;
use std::time::Duration;

/// Time between two saved good states, and so about the most training that is replayed.
const INTERVAL: Duration = Duration::from_secs(10);

/// A good state, from which training can be replayed.
pub(super) struct ReplayStart {
    /// Updates made.
    pub step: u64,
    /// The lasting tensors at that time.
    pub tensors: Vec<Values>,
    /// When the state was saved; `None` if position or rates have since been changed, so that a replay would differ.
    taken: Option<Instant>,
}

impl ReplayStart {
    pub fn new(step: u64, tensors: Vec<Values>) -> ReplayStart {
        ReplayStart { step, tensors, taken: Some(Instant::now()) }
    }

    /// Marks the state as one from which a replay would differ.
    pub fn outdate(&mut self) {
        self.taken = None;
    }

    /// Whether a replay from this state would differ.
    pub fn is_outdated(&self) -> bool {
        self.taken.is_none()
    }

    /// Whether a new state should be saved.
    pub fn is_old(&self) -> bool {
        self.taken.is_none_or(|taken| taken.elapsed() >= INTERVAL)
    }
}

/// A replay from a good state.
pub(super) struct Replay<'r, 'a> {
    on: &'r mut Executor<'a>,
    start: &'r ReplayStart,
}

impl<'r, 'a> Replay<'r, 'a> {
    pub fn new(on: &'r mut Executor<'a>, start: &'r ReplayStart) -> Self {
        Replay { on, start }
    }

    /// Finds where the bad value began that was noticed after `until` updates. Leaves the engine in an unspecified
    /// state.
    pub async fn origin(mut self, until: u64) -> Result<Origin, Error> {
        let from = self.start.step;
        self.rewind()?;
        if let Some(origin) = self.on.first_not_finite(from + 1).await? {
            return Ok(origin);
        }
        tracing::debug!(from, until, "training is replayed");
        let mut bad = self.first_bad(until, false).await?;
        if bad.is_none() && self.on.first_not_finite(until + 1).await?.is_some() {
            // The optimizer state is bad, while the parameters are still finite.
            self.rewind()?;
            bad = self.first_bad(until, true).await?;
        }
        let bad = bad.unwrap_or(until.saturating_sub(1));
        self.rewind()?;
        for step in from..bad {
            self.on.repeat(step).await?;
        }
        let origin = self.dispatch_by_dispatch(bad).await?;
        Ok(origin.unwrap_or(Origin::Nowhere { from: from + 1 }))
    }

    /// Restores the good state.
    fn rewind(&mut self) -> Result<(), Error> {
        self.on.forget_order();
        self.on.restore(&self.start.tensors)
    }

    /// Trains from the good state; returns the first update (from 0) that leaves a bad value. `closely`: also checks
    /// the optimizer state after each update, which requires reading all of it.
    async fn first_bad(&mut self, until: u64, closely: bool) -> Result<Option<u64>, Error> {
        for step in self.start.step..until {
            self.on.repeat(step).await?;
            let suspect = closely || !self.on.finite().await?;
            if suspect && self.on.first_not_finite(step + 2).await?.is_some() {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Runs update `bad` (from 0) one dispatch at a time, and checks what each has written.
    async fn dispatch_by_dispatch(&mut self, bad: u64) -> Result<Option<Origin>, Error> {
        let work = self.on.work(bad);
        // Measurements are left out: they change nothing, and may overflow where training does not.
        let measures = |range: &Range<usize>| {
            let health = self.on.job.training().health.as_ref();
            health.is_some_and(|health| [&health.before, &health.after].contains(&range))
        };
        let work: Vec<_> = work.into_iter().filter(|(range, _)| !measures(range)).collect();
        for (range, now) in work {
            for at in range {
                let origin = self.dispatch(at, now, bad + 1).await?;
                if origin.is_some() {
                    return Ok(origin);
                }
            }
        }
        Ok(None)
    }

    /// Runs step `at` of the plan; returns the first bad value that it wrote.
    async fn dispatch(&mut self, at: usize, now: StepValues, step: u64) -> Result<Option<Origin>, Error> {
        let kernel = &self.on.job.net.plan.steps[at];
        let shader = kernel.shader();
        let mut written: Vec<(TensorId, Vec<u32>)> = Vec::new();
        for (id, arg) in kernel.tensors().into_iter().zip(shader.args).filter(|(id, _)| id.dtype == DType::F32) {
            match arg.access {
                Access::Read => {}
                Access::Write => written.push((id, Vec::new())),
                // An earlier run may have left bad values in the part that is not written now.
                Access::Update => written.push((id, self.on.engine.read(id, 0..id.words()).await?)),
            }
        }
        // Tensors that are written as a whole come first: they say more than a record that gains a row.
        written.sort_by_key(|(_, before)| !before.is_empty());
        self.on.engine.run(&[(at..at + 1, now)]).await?;
        for (id, before) in written {
            let origin = self.on.not_finite_in(id, &before, step, Some(shader.name)).await?;
            if origin.is_some() {
                return Ok(origin);
            }
        }
        Ok(None)
    }
}
