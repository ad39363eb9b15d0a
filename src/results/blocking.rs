//! A model in five lines, for programs without async: train, predict, save, load.
//!
//! The rest of the library never blocks. These functions do: each returns when its work is done. So they exist only with the
//! feature `blocking`, and not in a browser.
//!
//! ```
//! use gpu_mlp::{blocking::Model, config::Config, data::{DataSet, Split}};
//!
//! # fn main() -> Result<(), gpu_mlp::Error> {
//! # let (points, labels) = (vec![0.0f32, 1.0, 1.0, 0.0, 0.2, 0.9, 0.7, 0.1].repeat(32), vec![0u32, 1, 0, 1].repeat(32));
//! # let path = std::env::temp_dir().join("gpu-mlp-blocking.safetensors");
//! let data = DataSet::from_splits("points", vec![2], Split::new(points, labels), Split::default())?;
//! Model::fit(&Config { epochs: 50, ..Config::default() }, data)?.save(&path)?;
//! let answers = Model::load(&path)?.classify(vec![0.9f32, 0.1])?;
//! println!("class {}", answers.class(0));
//! # Ok(())
//! # }
//! ```

use crate::base::error::Error;
use crate::config::Config;
use crate::data::{DataSet, Samples};
use crate::engine::machine::{EngineName, Machine};
use crate::net::EVAL_BATCH;
use crate::net::mlp::Mlp;
use crate::results::assess::{Predictions, Predictor};
use crate::run::model_file::{self, Description};
use crate::train::divide;
use crate::train::session::{EpochReport, Limits, Session, Wish};
use pollster::block_on;
use std::path::Path;

/// A trained model on the machine's GPU, or on its CPU if there is none.
pub struct Model {
    model: Mlp,
    description: Description,
    predictor: Predictor,
}

impl Model {
    /// Trains a model for all epochs. [`divide`] encodes numbers and splits off the validation samples.
    ///
    /// # Errors
    /// Those of [`divide`], [`Session::open`] and [`Session::run`].
    pub fn fit(config: &Config, data: DataSet) -> Result<Model, Error> {
        Model::fit_with(config, data, |_| Wish::Continue)
    }

    /// As [`Model::fit`], and calls `each_epoch` after each epoch, which may end the training.
    ///
    /// # Errors
    /// As [`Model::fit`].
    pub fn fit_with(
        config: &Config,
        data: DataSet,
        mut each_epoch: impl FnMut(&EpochReport) -> Wish,
    ) -> Result<Model, Error> {
        block_on(async {
            let data = divide(config, data)?;
            let machine = machine().await?;
            let mut session = Session::open(config, &data, &machine, Limits::default()).await?;
            session.run(&mut each_epoch).await?;
            let description = Description::of(config, &data, session.trainer().net()).with_novelty(&data);
            Model::on(&machine, session.finish().await?.model, description).await
        })
    }

    /// Reads a model that [`Model::save`] or the program `gpu-mlp` has written.
    ///
    /// # Errors
    /// Those of [`model_file::read`] and [`Predictor::new`].
    pub fn load(path: &Path) -> Result<Model, Error> {
        let (model, description) = model_file::read(path)?;
        block_on(async { Model::on(&machine().await?, model, description).await })
    }

    /// Writes the model, with the encoding of samples and targets.
    ///
    /// # Errors
    /// Those of [`model_file::save`].
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        model_file::save(path, &self.model, &self.description)
    }

    /// The probabilities (N, C) of the classes for samples (N, F).
    ///
    /// # Errors
    /// Those of [`Predictor::classify`].
    pub fn classify(&mut self, samples: impl Into<Samples>) -> Result<Predictions, Error> {
        block_on(self.predictor.classify(samples))
    }

    /// The values (N, T) of samples (N, F): in their own units, or the probability of each label.
    ///
    /// # Errors
    /// Those of [`Predictor::predict`].
    pub fn predict(&mut self, samples: impl Into<Samples>) -> Result<Vec<f32>, Error> {
        block_on(self.predictor.predict(samples))
    }

    /// The layers with their weights and biases.
    pub fn weights(&self) -> &Mlp {
        &self.model
    }

    /// What the model predicts, and from what.
    pub fn description(&self) -> &Description {
        &self.description
    }

    async fn on(machine: &Machine, model: Mlp, description: Description) -> Result<Model, Error> {
        let predictor = Predictor::new(machine, &model, &description, EVAL_BATCH).await?;
        Ok(Model { model, description, predictor })
    }
}

async fn machine() -> Result<Machine, Error> {
    Ok(Machine::choose(EngineName::Auto, &Default::default()).await?.0)
}
