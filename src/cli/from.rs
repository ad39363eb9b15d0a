//! `train --from`: the settings of a run that begins with a model's weights.

use super::model::understood;
use gpu_mlp::Error;
use gpu_mlp::config::{Config, Normalize, Settings};
use gpu_mlp::model::Mlp;
use gpu_mlp::model_file::{self, ModelFile};
use std::path::Path;

/// The settings that were given in layers, put over the architecture and the normalisation of a model, and these over `base`;
/// and the model's weights.
///
/// # Errors
/// Those of reading the model; [`Error::Setting`] if another architecture was asked for.
pub fn begin(path: &Path, base: Config, layers: &[&Settings]) -> Result<(Config, Mlp), Error> {
    let ModelFile { state, description } = model_file::open(path)?;
    let widths = state.widths();
    let hidden = widths[1..widths.len() - 1].to_vec();
    let mut base = Config { hidden, normalize: Normalize::OF_STRANGERS, ..base };
    if let Some(description) = &description {
        let Config { activation, alpha, .. } = description.config();
        let (scale, shift) = (description.scale, description.shift);
        base = Config { activation, alpha, normalize: Normalize::Given { scale, shift }, ..base };
    }
    let config = layers.iter().try_fold(base.clone(), |config, layer| config.with(layer))?;
    let refuse = |what: &str, asked: String, has: String| {
        Err(Error::Setting(format!(
            "--{what} asks for {asked}, but {} has {has}: leave it out, or train without --from",
            path.display()
        )))
    };
    if config.hidden != base.hidden {
        return refuse("hidden", format!("{:?}", config.hidden), format!("{:?}", base.hidden));
    }
    // Without hidden layers there is nothing to activate.
    let same = config.activation() == base.activation() || config.hidden.is_empty();
    match description {
        Some(_) if !same => {
            return refuse("activation", config.activation().to_string(), base.activation().to_string());
        }
        Some(_) => say!("from: {}, {widths:?}, activation {}", path.display(), config.activation()),
        None => understood(path, &state, &config),
    }
    Ok((config.clone(), Mlp { activation: config.activation(), layers: state.layers }))
}
