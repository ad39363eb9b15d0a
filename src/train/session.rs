//! A run: epochs of training, each scored and reported, until all are done or the run is ended early.
//!
//! A [`Session`] uses no files and no terminal. It calls an [`Observer`], which may ask for a snapshot or for the end.
//! A [`Snapshot`] is taken only when all work is settled; a session resumed from it is bit-identical.

mod observe;
mod state;
mod validation;

use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::config::Config;
use crate::data::DataSet;
use crate::engine::gpu::Group;
use crate::engine::machine::Machine;
use crate::net::mlp::Mlp;
use crate::train::exchange::Exchange;
use crate::train::health::LayerHealth;
use crate::train::rates::{Rate, Rates};
use crate::train::{Metric, Score, Trainer};
pub use observe::{EpochReport, Inspection, Observer, Progress, Reason, Wish};
pub use state::{Snapshot, State};
use std::ops::ControlFlow;
use std::time::Duration;
pub use validation::ValidationTracker;

/// Copies of the lasting tensors that fit on the host. Saving a checkpoint needs the most: the state that a replay starts
/// from, the saved state, and its file twice.
pub(super) const COPIES: u64 = 4;

/// Limits that end a run early. They change no learning rate: a shortened run equals the beginning of the full run.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Limits {
    /// Largest number of updates over the whole run.
    pub max_steps: Option<u64>,
    /// Time from the start of [`Session::run`], checked about ten times a second.
    pub max_time: Option<Duration>,
}

/// A training run.
pub struct Session<'a> {
    trainer: Trainer<'a>,
    limits: Limits,
    samples: u64,
    state: State,
    best: Option<Mlp>,
    /// The number of updates at the last score of the test split, and that score.
    tested: Option<(u64, Score)>,
}

/// The result of a run.
#[derive(Clone, Debug)]
pub struct Finish {
    /// The model after the last update, or that of the best epoch if `restore_best` is set.
    pub model: Mlp,
    /// The epoch whose model was restored, if any.
    pub restored: Option<usize>,
    /// Score of the model on the validation split, if there is one.
    pub validation: Option<Score>,
    /// Score of the model on the test split, if there is one.
    pub test: Option<Score>,
    /// The metric of the scores.
    pub metric: Metric,
}

impl<'a> Session<'a> {
    /// Sets up a run on a machine. The data comes from [`divide`](super::divide), or has a validation split of its own.
    ///
    /// # Errors
    /// Those of [`Trainer::open`]; [`Error::Setting`] if the settings need a validation split and there is none.
    pub async fn open(config: &Config, data: &'a DataSet, machine: &Machine, limits: Limits) -> Result<Self, Error> {
        Self::open_in(config, data, machine, None, limits).await
    }

    /// As [`Session::open`], as a model of a group on the machine's GPU if there is one: see [`super::fleet`].
    ///
    /// # Errors
    /// Also those of [`Group::join`].
    pub async fn open_in(
        config: &Config,
        data: &'a DataSet,
        machine: &Machine,
        group: Option<&Group>,
        limits: Limits,
    ) -> Result<Self, Error> {
        config.check_choices(data.validation.is_some())?;
        let trainer = Trainer::open_in(config, data, machine, group, COPIES).await?;
        let samples = data.train.len() as u64;
        Ok(Session { trainer, limits, samples, state: State::default(), best: None, tested: None })
    }

    /// Starts with a model's weights instead of random ones.
    ///
    /// # Errors
    /// [`Error::Setting`] if the model's layers are not those of this net.
    pub fn begin_with(&mut self, model: &Mlp) -> Result<(), Error> {
        self.trainer.begin_with(model)
    }

    /// Runs together with other processes, which must have the same settings, data and limits. Each needs its own session, and
    /// all get the same results. What one observer asks for, all do.
    ///
    /// # Errors
    /// Those of [`Trainer::share`].
    pub fn share(&mut self, exchange: Box<dyn Exchange>) -> Result<(), Error> {
        self.trainer.share(exchange)
    }

    /// Resumes from a snapshot of a run with the same settings and data.
    ///
    /// # Errors
    /// [`Error::Setting`] if the tensors are not those of this net, or if the state is impossible.
    pub fn resume(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        let State { score, plateau, .. } = &snapshot.state;
        // No run sees more samples than a double can count; more would overflow.
        let most = match (self.metric(), score.weight) {
            (Metric::Accuracy, None) => score.samples as f64,
            // Sums of weights are rounded.
            (Metric::Accuracy, Some(weight)) => 1.001 * weight,
            (Metric::Rmse, _) => f64::INFINITY,
        };
        let possible = (0.0..=most).contains(&score.metric_sum) && score.samples < 1 << f64::MANTISSA_DIGITS;
        if !(possible && (0.0..=1.0).contains(plateau)) {
            return Err(Error::Setting(format!("the state is impossible: {:?}", snapshot.state)));
        }
        if let Some(best) = snapshot.best.as_ref().filter(|best| !best.has(&self.trainer.widths())) {
            let (widths, wanted) = (best.widths(), self.trainer.widths());
            return Err(Error::Setting(format!("the best model has widths {widths:?}, but the net has {wanted:?}")));
        }
        if let Some(bad) = snapshot.tensors.iter().find(|tensor| !tensor.is_finite()) {
            return Err(Error::Setting(format!("the state cannot be resumed: a value of {} is not finite", bad.name)));
        }
        self.trainer.restore(&snapshot.tensors)?;
        self.state = snapshot.state.clone();
        self.best = snapshot.best.clone();
        self.trainer.seek(self.state.step, self.state.score);
        self.trainer.recall(self.state.health.take());
        let plateau = self.state.plateau;
        self.trainer.change_rates(|rates| rates.set_plateau(plateau));
        Ok(())
    }

    /// Takes a snapshot of the run.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let tensors = self.trainer.tensors().await?;
        // Between epochs, health has already been reported.
        let health = if self.between_epochs() { None } else { self.trainer.health().await? };
        let health = health.filter(|layers| layers.iter().all(LayerHealth::is_finite));
        let mut state = State { health, plateau: self.trainer.rates().plateau(), ..self.state.clone() };
        // JSON has no NaN.
        state.updates.retain(|update| update.loss.is_finite());
        Ok(Snapshot { state, tensors, best: self.best.clone() })
    }

    /// The trainer.
    pub fn trainer(&self) -> &Trainer<'a> {
        &self.trainer
    }

    /// Returns the model with the current weights, or with their averages if there are any.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn model(&mut self) -> Result<Mlp, Error> {
        self.trainer.model().await
    }

    /// Ends the session; returns the final model and its scores.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn finish(mut self) -> Result<Finish, Error> {
        if let Some(best) = &self.best {
            self.trainer.load(best);
        }
        let tested = self.tested.filter(|(step, _)| self.best.is_none() && *step == self.state.step);
        let test = match tested {
            Some((_, test)) => Some(test),
            None => self.trainer.evaluate().await?,
        };
        let validation = self.trainer.validate().await?;
        let model = self.trainer.model().await?;
        let metric = self.metric();
        let restored = self.best.and(self.state.validation.best).map(|(epoch, _)| epoch);
        Ok(Finish { model, restored, validation, test, metric })
    }

    /// Trains until all epochs are done, a limit is reached, or the observer asks to stop.
    ///
    /// # Errors
    /// Those of [`Trainer::advance`] and of the observer.
    pub async fn run(&mut self, observer: &mut dyn Observer) -> Result<Reason, Error> {
        let begin = Instant::now();
        let last = self.last();
        let most = self.limits.max_steps.unwrap_or(u64::MAX);
        loop {
            if let Some(reason) = self.ended() {
                return Ok(reason);
            }
            let wanted = self.first_of(observer.snapshot_at(self.state.step).unwrap_or(u64::MAX));
            let wish = self.part(most.min(wanted), begin, observer).await?;
            let mut wish = self.strongest(wish);
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
                (self.state.score, self.state.epoch_seconds, self.state.updates) = Default::default();
            }
            if begin.elapsed() >= self.limits.max_time.unwrap_or(Duration::MAX) {
                wish = wish.or(Wish::Stop(Reason::MaxTime));
            }
            if self.state.step == wanted {
                wish = wish.or(Wish::Snapshot);
            }
            match self.strongest(wish) {
                Wish::Continue => {}
                Wish::Snapshot => observer.snapshot(&self.snapshot().await?)?,
                Wish::Stop(reason) if self.state.step < last => return Ok(reason),
                Wish::Stop(_) => {}
            }
        }
    }

    /// Why [`Session::run`] trains no further, if so.
    pub fn ended(&self) -> Option<Reason> {
        if self.state.step >= self.last() {
            Some(Reason::Finished)
        } else if self.state.validation.stops(self.trainer.config()) {
            Some(Reason::EarlyStopping)
        } else if self.limits.max_steps.is_some_and(|most| self.state.step >= most) {
            Some(Reason::MaxSteps)
        } else {
            None
        }
    }

    /// Trains up to the end of the epoch, update `until`, or a request of the observer, whichever comes first.
    async fn part(&mut self, until: u64, begin: Instant, observer: &mut dyn Observer) -> Result<Wish, Error> {
        let start = Instant::now();
        let before = &self.state;
        let mut wish = Wish::Continue;
        let progress = Progress {
            epoch: self.epoch(before.step + 1),
            epochs: self.trainer.config().epochs,
            samples: self.samples,
            score: before.score,
            metric: self.metric(),
            epoch_seconds: before.epoch_seconds,
            seconds: before.seconds,
        };
        let max_time = self.limits.max_time.unwrap_or(Duration::MAX);
        let on_progress = &mut |score: &_| {
            let part = start.elapsed().as_secs_f64();
            let now = Progress {
                score: *score,
                epoch_seconds: progress.epoch_seconds + part,
                seconds: progress.seconds + part,
                ..progress
            };
            wish = wish.or(observer.progress(&now));
            if begin.elapsed() >= max_time {
                wish = wish.or(Wish::Stop(Reason::MaxTime));
            }
            if wish == Wish::Continue { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        };
        self.trainer.advance(until, on_progress).await?;
        let part = start.elapsed().as_secs_f64();
        let updates = self.trainer.take_updates(self.state.seconds);
        self.state.updates.extend(updates);
        self.state.step = self.trainer.step();
        self.state.score = self.trainer.score();
        self.state.epoch_seconds += part;
        self.state.seconds += part;
        self.state.health = None;
        Ok(wish)
    }

    /// Scores the net and reports the epoch so far. Only whole epochs count for decisions, so that a run that a limit
    /// ended is bit-identical when resumed.
    async fn report(&mut self, whole: bool) -> Result<EpochReport, Error> {
        let State { step, score: train, epoch_seconds: seconds, .. } = self.state;
        let validation = self.trainer.validate().await?;
        let test = if validation.is_none() { self.trainer.evaluate().await? } else { None };
        self.tested = test.map(|test| (step, test));
        self.trainer.compare_processes().await?;
        let Rate { lr, momentum } = self.trainer.rate(step - 1);
        let health = self.trainer.health().await?;
        let limited = self.trainer.limited().await?;
        let epoch = self.epoch(step);
        let mut best = false;
        if let Some(score) = validation.filter(|_| whole) {
            let verdict = self.state.validation.take(self.trainer.config(), epoch, &score);
            if verdict.plateau {
                self.trainer.change_rates(Rates::lower);
            }
            best = verdict.best;
            if best && self.trainer.config().restore_best {
                self.best = Some(self.trainer.model().await?);
            }
        }
        Ok(EpochReport {
            epoch,
            step,
            whole,
            train,
            validation,
            test,
            metric: self.metric(),
            best,
            lr,
            momentum,
            health,
            limited,
            updates: self.state.updates.clone(),
            seconds,
            images_per_second: train.samples as f64 / seconds,
        })
    }

    /// The metric of the scores.
    fn metric(&self) -> Metric {
        Metric::of(&self.trainer.data().task)
    }

    /// The smallest number of all processes.
    fn first_of(&mut self, number: u64) -> u64 {
        let numbers =
            |all: Vec<Vec<u32>>| all.into_iter().map(|words| (u64::from(words[0]) << 32) | u64::from(words[1]));
        self.trainer.agree(&[(number >> 32) as u32, number as u32], |all| numbers(all).min()).unwrap_or(number)
    }

    /// The strongest request of all processes.
    fn strongest(&mut self, wish: Wish) -> Wish {
        let all = |all: Vec<Vec<u32>>| all.into_iter().fold(Wish::Continue, |wish, words| wish.or(Wish::of(words[0])));
        self.trainer.agree(&[wish.word()], all)
    }

    /// Updates of the whole run.
    fn last(&self) -> u64 {
        (self.trainer.config().epochs as u64).saturating_mul(self.trainer.updates_per_epoch())
    }

    fn between_epochs(&self) -> bool {
        self.state.step.is_multiple_of(self.trainer.updates_per_epoch())
    }

    /// The epoch, from 1, of the update with this number, from 1.
    fn epoch(&self, update: u64) -> usize {
        update.div_ceil(self.trainer.updates_per_epoch()) as usize
    }
}
