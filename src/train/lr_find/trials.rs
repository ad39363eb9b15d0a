//! Short training runs at several learning rates. Each starts with the same weights, takes the same samples, and lowers
//! its rate to the end of its schedule, as a whole run does.

use crate::base::error::Error;
use crate::config::{BatchSize, Config};
use crate::data::DataSet;
use crate::engine::machine::Machine;
use crate::train::{Trainer, divide};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::ControlFlow;

/// Factor between neighbouring rates.
const FACTOR: f64 = 2.0;
/// Largest distance from the first rate, in factors.
const FARTHEST: i32 = 16;
/// Samples and fewest updates of each run of a round.
const ROUNDS: [(usize, usize); 2] = [(6_000, 16), (24_000, 64)];
/// The rates of the first round, in factors.
const FIRST: [i32; 5] = [-4, -2, 0, 2, 4];
/// Losses within this factor count as equal. Of equal rates the lowest wins, since a whole run is longer and prefers
/// lower rates.
const EQUAL: f64 = 1.05;
/// Most samples that are kept aside to score the runs.
const SCORED: usize = 5_000;

/// A learning rate, and the score of a short training run with it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Trial {
    /// Highest learning rate of the run.
    pub lr: f64,
    /// Updates of the run.
    pub updates: usize,
    /// Mean cross-entropy in nats after the run, on samples that it did not train on; infinite if the run diverged.
    pub loss: f64,
}

/// Compares rates around `center`. Returns all runs, the best rate of the last round last.
pub(super) async fn compare(
    config: &Config,
    data: &DataSet,
    machine: &Machine,
    center: f64,
) -> Result<Vec<Trial>, Error> {
    let mut trials = Vec::new();
    let mut wanted = FIRST.to_vec();
    for (samples, fewest) in ROUNDS {
        let (config, part, updates) = short(config, data, samples, fewest)?;
        let step = if trials.is_empty() { FIRST[1] - FIRST[0] } else { 1 };
        let mut round = BTreeMap::new();
        let mut best = 0;
        // Until both neighbours of the best rate are known.
        while !wanted.is_empty() {
            for at in wanted {
                let lr = center * FACTOR.powi(at);
                let loss = loss(&Config { lr: Some(lr as f32), ..config.clone() }, &part, machine, updates).await?;
                round.insert(at, Trial { lr, updates, loss });
            }
            best = round.iter().min_by(|a, b| a.1.loss.total_cmp(&b.1.loss)).map_or(0, |(&at, _)| at);
            let near = [best - step, best + step].into_iter();
            wanted = near.filter(|at| at.abs() <= FARTHEST && !round.contains_key(at)).collect();
        }
        wanted = vec![best];
        let most = EQUAL * round[&best].loss;
        let winner = round.extract_if(.., |_, trial| trial.loss <= most).next().map(|(_, trial)| trial);
        trials.extend(round.into_values().chain(winner));
    }
    Ok(trials)
}

/// The settings, data and updates of a run of about this many samples, and never longer than the whole run.
fn short(config: &Config, data: &DataSet, samples: usize, fewest: usize) -> Result<(Config, DataSet, usize), Error> {
    let whole = data.train.len();
    let validation = if data.validation.is_some() { 0 } else { whole.div_ceil(6).min(SCORED) };
    let rest = whole - validation;
    let batch = config.batch(whole).min(super::LARGEST_BATCH).min(rest.max(1));
    let most = (config.epochs as u64).saturating_mul(config.updates_per_epoch(whole));
    let updates = (samples / batch).max(fewest).min(usize::try_from(most).unwrap_or(usize::MAX));
    let epochs = (updates * batch).div_ceil(rest.max(1));
    let limit_train = Some((updates * batch / epochs).max(batch).into());
    let scaled = |span: f32| span * epochs as f32 / config.epochs as f32;
    let (warmup, momentum_warmup) = (scaled(config.warmup), scaled(config.momentum_warmup));
    let config = Config {
        batch_size: BatchSize::Samples(batch),
        accumulate: 1,
        epochs,
        validation: validation.into(),
        limit_train,
        warmup,
        momentum_warmup,
        ..config.clone()
    };
    let part = divide(&config, data.clone())?;
    Ok((config, part, updates))
}

/// The loss after a run.
async fn loss(config: &Config, data: &DataSet, machine: &Machine, updates: usize) -> Result<f64, Error> {
    let mut trainer = Trainer::open(config, data, machine).await?;
    while trainer.step() < updates as u64 {
        trainer.advance(updates as u64, &mut |_| ControlFlow::Continue(())).await?;
    }
    let loss = trainer.validate().await?.map_or(f64::NAN, |score| score.loss());
    Ok(if loss.is_finite() { loss } else { f64::INFINITY })
}
