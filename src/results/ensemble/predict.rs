//! Predicts with several nets, or with passes of one net with dropout.

use super::{Doubt, Member, Pool, check};
use crate::base::error::Error;
use crate::data::{Samples, Task};
use crate::engine::machine::Machine;
use crate::results::assess::{McDropout, Predictor};

/// Nets on an engine, ready to predict together, any number of times. One net is an ensemble too.
pub struct Ensemble {
    members: Vec<(String, Predictor)>,
    /// The net with dropout, and the number of passes.
    passes: Option<(Predictor, u32)>,
    task: Task,
    /// Number of samples predicted so far: the number of the next one, for its dropout masks.
    position: u32,
}

/// The answers of an ensemble for N samples.
#[derive(Clone, Debug, PartialEq)]
pub struct Pooled {
    /// Mean answers (N, C): probabilities, or values in their own units. Of one net its own, bit for bit.
    pub answers: Vec<f32>,
    /// How much the members or passes disagree about each sample (N); empty for one net without dropout.
    pub doubts: Vec<Doubt>,
    /// With dropout: the answers (N, C) of the net with all of its units, which dropout has scaled in training.
    pub scaled: Option<Vec<f32>>,
}

impl Ensemble {
    /// Loads nets. The engines compute `batch` samples at a time: see [`Predictor::new`].
    ///
    /// # Errors
    /// Those of [`check`] and [`Predictor::new`].
    pub async fn new(machine: &Machine, members: &[Member], batch: usize) -> Result<Ensemble, Error> {
        check(members)?;
        let task = members[0].description.task();
        let mut loaded = Vec::new();
        for Member { name, model, description } in members {
            loaded.push((name.clone(), Predictor::new(machine, model, description, batch).await?));
        }
        Ok(Ensemble { members: loaded, passes: None, task, position: 0 })
    }

    /// Loads one net for `passes` passes with dropout. The masks depend on the seed, the pass, and the number of the sample,
    /// counted from the first that the ensemble predicts.
    ///
    /// # Errors
    /// Those of [`Predictor::new`]; [`Error::Setting`] if there are no passes.
    pub async fn with_dropout(
        machine: &Machine,
        member: &Member,
        dropout: &McDropout,
        passes: u32,
        batch: usize,
    ) -> Result<Ensemble, Error> {
        if passes == 0 {
            return Err(Error::Setting("mc-dropout is 0 but must be at least 1".into()));
        }
        let Member { model, description, .. } = member;
        let sampled = Predictor::with_dropout(machine, model, description, batch, dropout).await?;
        let mut ensemble = Ensemble::new(machine, std::slice::from_ref(member), batch).await?;
        ensemble.passes = Some((sampled, passes));
        Ok(ensemble)
    }

    /// What the ensemble predicts.
    pub fn task(&self) -> &Task {
        &self.task
    }

    /// Number of nets, or of passes with dropout.
    pub fn members(&self) -> usize {
        self.passes.as_ref().map_or(self.members.len(), |(_, passes)| *passes as usize)
    }

    /// Predicts samples (N, F) as they are stored.
    ///
    /// # Errors
    /// Those of [`Predictor::outputs`]. If there are several nets, an output that is not finite is named with its net.
    pub async fn predict(&mut self, samples: impl Into<Samples>) -> Result<Pooled, Error> {
        let samples = samples.into();
        let mut pool = Pool::new(&self.task);
        let several = self.members.len() > 1;
        for (name, predictor) in &mut self.members {
            let answers = predictor.answers(samples.clone()).await;
            pool.add(&answers.map_err(|error| if several { of_member(error, name) } else { error })?);
        }
        let mut scaled = None;
        if let Some((predictor, passes)) = &mut self.passes {
            scaled = Some(pool.answers());
            pool = Pool::new(&self.task);
            for pass in 0..*passes {
                pool.add(&predictor.answers_of_pass(samples.clone(), pass, self.position).await?);
            }
        }
        let answers = pool.answers();
        self.position = self.position.wrapping_add((answers.len() / self.task.outputs().max(1)) as u32);
        let doubts = if several || scaled.is_some() { pool.doubts() } else { Vec::new() };
        Ok(Pooled { answers, doubts, scaled })
    }
}

/// Names the net of an error.
fn of_member(error: Error, name: &str) -> Error {
    match error {
        Error::NotFinite { sample, index, class, value } => {
            Error::NotFinite { sample: format!("{sample} in {name}"), index, class, value }
        }
        error => error,
    }
}
