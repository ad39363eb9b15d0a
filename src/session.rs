//! A run: epochs of training, each scored and reported, until all are done or something ends it.
//!
//! A [`Session`] knows no files and no terminal. An [`Observer`] is told what happens and may ask for snapshots or for the
//! end. A [`Snapshot`] is taken only when all work is settled; a session that is resumed from it continues to the bit.

mod observe;
mod state;

use crate::config::Config;
use crate::data::DataSet;
use crate::error::Error;
use crate::machine::Machine;
use crate::model::Mlp;
use crate::train::Trainer;
pub use observe::{Inspection, Observer, Progress, Reason, Report, Wish};
pub use state::{Snapshot, State};
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

/// What ends a run before its epochs do. Neither changes a learning rate: a run that is cut short is the beginning of the
/// whole one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Updates over the whole run.
    pub max_steps: Option<u64>,
    /// Time from the beginning of [`Session::run`]; it is looked at about ten times a second.
    pub max_time: Option<Duration>,
}

/// A training run.
pub struct Session<'a> {
    config: Config,
    trainer: Trainer<'a>,
    limits: Limits,
    samples: u64,
    state: State,
}

impl<'a> Session<'a> {
    /// Lays out a run on a machine.
    ///
    /// # Errors
    /// Those of [`Trainer::open`].
    pub async fn open(config: &Config, data: &'a DataSet, machine: &Machine, limits: Limits) -> Result<Self, Error> {
        let trainer = Trainer::open(config, data, machine).await?;
        let (config, samples) = (config.clone(), data.train.len() as u64);
        Ok(Session { config, trainer, limits, samples, state: State::default() })
    }

    /// Begins with a model's weights instead of drawn ones.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model's layers are not those of this net.
    pub fn begin_with(&mut self, model: &Mlp) -> Result<(), Error> {
        self.trainer.begin_with(model)
    }

    /// Goes back, or on, to a snapshot of a run with the same settings and data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the tensors are not those of this net.
    pub fn resume(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.trainer.restore(&snapshot.tensors)?;
        self.state = snapshot.state.clone();
        self.trainer.seek(self.state.step, self.state.score);
        Ok(())
    }

    /// The run as it is.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn snapshot(&mut self) -> Result<Snapshot, Error> {
        Ok(Snapshot { state: self.state.clone(), tensors: self.trainer.tensors().await? })
    }

    /// The net in training.
    pub fn trainer(&self) -> &Trainer<'a> {
        &self.trainer
    }

    /// The model with the weights as they are.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        self.trainer.model().await
    }

    /// Trains until all epochs are done, a limit is reached, or the observer wishes to stop.
    ///
    /// # Errors
    /// Those of [`Trainer::advance`], and what the observer reports.
    pub async fn run(&mut self, observer: &mut dyn Observer) -> Result<Reason, Error> {
        let begin = Instant::now();
        let last = self.config.epochs as u64 * self.trainer.updates_per_epoch();
        let most = self.limits.max_steps.unwrap_or(u64::MAX);
        while self.state.step < last {
            if self.state.step >= most {
                return Ok(Reason::MaxSteps);
            }
            let wanted = observer.snapshot_at(self.state.step).unwrap_or(u64::MAX);
            let mut wish = self.part(most.min(wanted), begin, observer).await?;
            let ends = self.between_epochs();
            let limited = self.state.step >= most || wish == Wish::Stop(Reason::MaxTime);
            if ends || limited {
                let report = self.report(ends).await?;
                wish = wish.or(observer.epoch(&report)?);
                if observer.inspects() {
                    let (model, confusion) = (self.trainer.model().await?, self.trainer.confusion().await?);
                    observer.inspect(&Inspection { step: report.step, model, confusion })?;
                }
            }
            if ends {
                (self.state.score, self.state.epoch_seconds) = Default::default();
            }
            if begin.elapsed() >= self.limits.max_time.unwrap_or(Duration::MAX) {
                wish = wish.or(Wish::Stop(Reason::MaxTime));
            }
            if self.state.step == wanted {
                wish = wish.or(Wish::Snapshot);
            }
            match wish {
                Wish::Continue => {}
                Wish::Snapshot => observer.snapshot(&self.snapshot().await?)?,
                Wish::Stop(reason) if self.state.step < last => return Ok(reason),
                Wish::Stop(_) => {}
            }
        }
        Ok(Reason::Finished)
    }

    /// Trains to the next moment at which something is due: an epoch's end, an update that was named, a wish.
    async fn part(&mut self, until: u64, begin: Instant, observer: &mut dyn Observer) -> Result<Wish, Error> {
        let (start, before) = (Instant::now(), self.state.clone());
        let mut wish = Wish::Continue;
        let progress = Progress {
            epoch: self.epoch(before.step + 1),
            epochs: self.config.epochs,
            samples: self.samples,
            score: before.score,
            epoch_seconds: before.epoch_seconds,
            seconds: before.seconds,
        };
        let max_time = self.limits.max_time.unwrap_or(Duration::MAX);
        let watch = &mut |score: &_| {
            let part = start.elapsed().as_secs_f64();
            let (epoch_seconds, seconds) = (before.epoch_seconds + part, before.seconds + part);
            wish = wish.or(observer.progress(&Progress { score: *score, epoch_seconds, seconds, ..progress }));
            if begin.elapsed() >= max_time {
                wish = wish.or(Wish::Stop(Reason::MaxTime));
            }
            if wish == Wish::Continue { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.trainer.advance(until, watch).await?;
        let part = start.elapsed().as_secs_f64();
        self.state = State {
            step: self.trainer.step(),
            score: self.trainer.score(),
            epoch_seconds: before.epoch_seconds + part,
            seconds: before.seconds + part,
        };
        Ok(wish)
    }

    /// Scores the net and sums up the epoch so far.
    async fn report(&mut self, whole: bool) -> Result<Report, Error> {
        let State { step, score, epoch_seconds, .. } = self.state;
        let test = Some(self.trainer.evaluate().await?);
        let (lr, momentum) = self.trainer.rates(step - 1);
        let images_per_second = score.samples as f64 / epoch_seconds;
        let epoch = self.epoch(step);
        let (health, seconds) = (self.trainer.health().await?, epoch_seconds);
        Ok(Report { epoch, step, whole, train: score, test, lr, momentum, health, seconds, images_per_second })
    }

    fn between_epochs(&self) -> bool {
        self.state.step.is_multiple_of(self.trainer.updates_per_epoch())
    }

    /// The epoch, from 1, of the update with this number, from 1.
    fn epoch(&self, update: u64) -> usize {
        update.div_ceil(self.trainer.updates_per_epoch()) as usize
    }
}
