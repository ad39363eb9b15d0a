//! The model that a command reads, from this program or another.

use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{ActivationName, Config, Normalize};
use gpu_mlp::data::Samples;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::folder::model_in;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::recorded::check_recorded;
use gpu_mlp::run::state_dict::StateDict;
use gpu_mlp::train::input_map;
use std::path::{Path, PathBuf};

/// A model file, and what a state dict does not contain.
#[derive(Args)]
pub struct ModelOptions {
    /// Safetensors file of this program, PyTorch state dict of linear layers, or run folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    /// For a PyTorch state dict: activation of the hidden layers [default: relu]
    #[arg(long, value_enum, help_heading = "Model of another program")]
    activation: Option<ActivationName>,
    /// For a PyTorch state dict: slope of leaky ReLU below zero [default: 0.01], or minus the lower limit of ELU [default: 1]
    #[arg(long, value_name = "SLOPE", help_heading = "Model of another program")]
    alpha: Option<f32>,
    /// For a PyTorch state dict: scaling of an input byte p: p/255 or (p/255 − MEAN)/DEVIATION [default: unit]
    #[arg(long, value_name = "unit|MEAN,DEVIATION", help_heading = "Model of another program")]
    normalize: Option<Normalize>,
}

impl ModelOptions {
    /// The file.
    pub fn path(&self) -> PathBuf {
        model_in(&self.model)
    }

    /// Reads the model, and compares it with the record of its run. Prints assumptions about a state dict on stderr.
    pub fn read(&self) -> Result<(Mlp, Description), Error> {
        let path = self.path();
        let file = model_file::open(&path)?;
        check_recorded(&path, &file.sha256)?;
        let given = self.activation.is_some() || self.alpha.is_some() || self.normalize.is_some();
        if let Some(description) = file.description {
            if given {
                return Err(Error::Setting(format!(
                    "{} contains its activation and normalisation: leave out --activation, --alpha and \
                     --normalize",
                    path.display()
                )));
            }
            return Ok((Mlp { activation: description.activation, layers: file.state.layers }, description));
        }
        let activation = self.activation.unwrap_or(Config::default().activation);
        let config = Config {
            activation,
            alpha: self.alpha.unwrap_or(activation.default_alpha()),
            normalize: self.normalize.clone().unwrap_or(Normalize::OF_STATE_DICTS),
            ..Config::default()
        };
        config.check(usize::MAX)?;
        if config.normalize == Normalize::Standard {
            return Err(Error::Setting(
                "--normalize standard depends on what the model was trained on: give mean and deviation, for MNIST \
                 0.1307,0.3081"
                    .into(),
            ));
        }
        understood(&path, &file.state, &config);
        Ok(file.with(config.activation(), input_map(&config.normalize, &Samples::default())))
    }
}

/// Prints on stderr how a state dict was understood, and what was assumed.
pub fn understood(path: &Path, state: &StateDict, config: &Config) {
    say!(
        "model: {} is a state dict of another program; layers, in order: {}; assumed: activation {}, inputs {} \
         (--activation, --normalize)",
        path.display(),
        state.sentence,
        config.activation(),
        config.normalize,
    );
}
