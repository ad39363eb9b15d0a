//! Values that are not finite: noticed while training goes on, and then found.
//!
//! Every loss comes home, and a parameter that is no number makes the next loss none. What saturates or is cut off can hide
//! an infinite one, so now and then a device also adds up the squares of all parameters. Neither says where it began. But
//! training is the same each time, to the bit: it is repeated, from weights that were good, up to the first update that
//! leaves something bad, and that one dispatch by dispatch.

use super::{Trainer, Values};
use crate::base::error::{Error, Origin};
use crate::config::OnNan;
use crate::plan::Work;
use crate::plan::kernel::{Access, Now};
use crate::plan::tensor::{Id, Kind};
use std::ops::Range;
use std::time::{Duration, Instant};

/// At most so long after a parameter has ceased to be finite it is noticed, if no loss was.
pub(super) const INTERVAL: Duration = Duration::from_secs(1);
/// About how much training is repeated in search of a fault.
const REPEATED: Duration = Duration::from_secs(10);

/// A state that training is repeated from.
pub(super) struct Base {
    /// Updates made.
    pub step: u64,
    /// What training had changed by then.
    pub tensors: Vec<Values>,
}

impl Trainer<'_> {
    /// Whether the state that training is repeated from should be another by now.
    pub(super) fn based_long_ago(&self) -> bool {
        self.config.on_nan == OnNan::Stop && self.based.is_none_or(|based| based.elapsed() >= REPEATED)
    }

    /// Takes the state as it is for one that training can be repeated from; all work must be settled.
    pub(super) async fn rebase(&mut self) -> Result<(), Error> {
        let tensors = self.tensors().await?;
        (self.base, self.based) = (Base { step: self.step, tensors }, Some(Instant::now()));
        Ok(())
    }

    /// The error about parameters that are not finite, unless nobody wants to know.
    pub(super) async fn unless_ignored(&mut self) -> Result<(), Error> {
        match self.config.on_nan {
            OnNan::Ignore => Ok(()),
            OnNan::Stop => Err(self.diverged("a parameter ceased to be finite".into(), self.step).await),
        }
    }

    /// The error about something noticed after `step` updates. The trainer is left at the last state known to be good.
    pub(super) async fn diverged(&mut self, what: String, step: u64) -> Error {
        let epoch = step.max(1).div_ceil(self.updates_per_epoch()) as usize;
        let origin = self.origin(step).await;
        let back = self.back();
        match back.and(origin) {
            Ok(origin) => Error::Diverged { what, epoch, step, origin },
            Err(error) => error,
        }
    }

    /// Where it began.
    async fn origin(&mut self, until: u64) -> Result<Origin, Error> {
        let from = self.base.step;
        self.back()?;
        if let Some(origin) = self.look(from + 1).await? {
            return Ok(origin);
        }
        tracing::debug!(from, until, "training is repeated");
        let mut bad = self.first_bad(from, until, false).await?;
        if bad.is_none() && self.look(until + 1).await?.is_some() {
            // What the optimizer remembers, with parameters still finite.
            self.back()?;
            bad = self.first_bad(from, until, true).await?;
        }
        let bad = bad.unwrap_or(until.saturating_sub(1));
        self.back()?;
        for step in from..bad {
            let work = self.work(step);
            self.engine.run(&work).await?;
        }
        let health = self.net.training.as_ref().and_then(|training| training.health.clone());
        let measures =
            |range: &Range<usize>| health.iter().any(|health| [&health.before, &health.after].contains(&range));
        // A measurement changes nothing, and may overflow where nothing else does.
        for (range, now) in self.work(bad).into_iter().filter(|(range, _)| !measures(range)) {
            for at in range {
                let kernel = &self.net.plan.steps[at];
                let (shader, ids) = (kernel.shader(), kernel.tensors());
                let mut written: Vec<(Id, Vec<u32>)> = Vec::new();
                for (id, arg) in ids.into_iter().zip(shader.args).filter(|(id, _)| id.kind == Kind::F32) {
                    // A tensor that is written in part may hold what an earlier run left elsewhere.
                    match arg.access {
                        Access::Read => {}
                        Access::Write => written.push((id, Vec::new())),
                        Access::Update => written.push((id, self.engine.read(id, 0..id.words()).await?)),
                    }
                }
                // What is made anew tells more than a record that a line is added to.
                written.sort_by_key(|(_, before)| !before.is_empty());
                self.engine.run(&[(at..at + 1, now)]).await?;
                for (id, before) in written {
                    if let Some(origin) = self.look_at(id, &before, bad + 1, Some(shader.name)).await? {
                        return Ok(origin);
                    }
                }
            }
        }
        Ok(Origin::Nowhere { from: from + 1 })
    }

    /// Trains from one update to another; returns the first, from 0, that leaves something that is not finite. What the
    /// optimizer remembers is looked at only if that is worth reading it after each update.
    async fn first_bad(&mut self, from: u64, until: u64, closely: bool) -> Result<Option<u64>, Error> {
        for step in from..until {
            let work = self.work(step);
            self.engine.run(&work).await?;
            if (closely || !self.finite().await?) && self.look(step + 2).await?.is_some() {
                return Ok(Some(step));
            }
        }
        Ok(None)
    }

    /// Goes back to the last state known to be good.
    fn back(&mut self) -> Result<(), Error> {
        let Base { step, tensors } = std::mem::replace(&mut self.base, Base { step: 0, tensors: Vec::new() });
        self.seek(step, Default::default());
        self.restore(&tensors)
    }

    /// The work of an update, from 0, its samples fed.
    fn work(&mut self, step: u64) -> Vec<Work> {
        let training = self.net.training.clone().expect("a net made for training");
        let config = self.config.clone();
        let per_epoch = self.updates_per_epoch();
        let order = self.order_of(step / per_epoch);
        let steps = self.steps(&config, &training);
        let first = (step % per_epoch) as usize * steps.batch();
        if self.feed.needs_load(first) {
            self.feed.load(first, &self.data.train, &order, self.engine.as_mut());
        }
        let mut work = Vec::new();
        self.steps(&config, &training).push(&self.feed, step, first, &mut 0, &mut work);
        work
    }

    /// Whether the device finds all parameters finite, and small enough to be squared.
    async fn finite(&mut self) -> Result<bool, Error> {
        let watch = self.net.training.as_ref().expect("a net made for training").watch.clone();
        self.engine.run(&[(watch.steps, Now::default())]).await?;
        let totals = self.engine.read(watch.totals, 0..watch.totals.words()).await?;
        Ok(all_finite(&totals))
    }

    /// The first value that is not finite of those that outlast a step, before update `step` (from 1), if there is one.
    pub(super) async fn look(&mut self, step: u64) -> Result<Option<Origin>, Error> {
        for id in self.net.lasting() {
            let origin = self.look_at(id, &[], step, None).await?;
            if origin.is_some() {
                return Ok(origin);
            }
        }
        Ok(None)
    }

    /// The first value of a tensor that is not finite but was so before, where that is known.
    async fn look_at(
        &mut self,
        id: Id,
        before: &[u32],
        step: u64,
        kernel: Option<&'static str>,
    ) -> Result<Option<Origin>, Error> {
        let bad = |word: &u32| !f32::from_bits(*word).is_finite();
        let words = self.engine.read(id, 0..id.words()).await?;
        let found = words.iter().enumerate().position(|(at, word)| bad(word) && !before.get(at).is_some_and(bad));
        let name = self.net.plan.name(id);
        Ok(found.map(|at| Origin::Tensor {
            tensor: format!("{name}{}", id.shape()),
            // What belongs to no layer comes after the last.
            layer: self.net.plan.role(id).layer().unwrap_or(self.net.layers.len()),
            place: (at / id.stride(), at % id.stride()),
            value: f32::from_bits(words[at]),
            step,
            kernel,
        }))
    }
}

/// Whether all of these values are finite.
pub(super) fn all_finite(words: &[u32]) -> bool {
    words.iter().all(|&word| f32::from_bits(word).is_finite())
}
