//! `train --from`: the settings of a run that begins with a model's weights.

use super::model::understood;
use gpu_mlp::Error;
use gpu_mlp::config::{Config, Normalize, Settings};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::checkpoint::Saved;
use gpu_mlp::run::model_file::{self, ModelFile};
use gpu_mlp::run::settings::{Ancestor, from_root};
use std::path::Path;

/// The settings that were given in layers, put over the architecture and the normalisation of a model, and these over `base`;
/// the model; and what is to be recorded of it.
///
/// # Errors
/// Those of reading the model; [`Error::Setting`] if another architecture was asked for.
pub fn begin(path: &Path, base: Config, layers: &[&Settings]) -> Result<(Config, Mlp, Ancestor), Error> {
    let ModelFile { state, description, sha256 } = model_file::open(path)?;
    let widths = state.widths();
    let hidden = widths[1..widths.len() - 1].to_vec();
    let mut base = Config { hidden, normalize: Normalize::OF_STRANGERS, ..base };
    if let Some(description) = &description {
        let Config { activation, alpha, .. } = description.config();
        let normalize = Normalize::Given(description.inputs.clone());
        base = Config { activation, alpha, normalize, ..base };
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
    let ancestor = Ancestor { path: path.display().to_string(), sha256 };
    Ok((config.clone(), Mlp { activation: config.activation(), layers: state.layers }, ancestor))
}

/// The model that a run which goes on began with. Its weights are the checkpoint's, so `path`, where one is named, can only
/// be that model.
///
/// # Errors
/// [`Error::Setting`] if it is not; those of reading it if it is at another place than it was.
pub fn again(path: Option<&Path>, saved: &Saved) -> Result<Option<Ancestor>, Error> {
    // Where it was given before, whatever has become of the file.
    let moved = path.filter(|path| saved.setup.data.from.as_ref() != Some(&from_root(path)));
    if let Some(path) = moved {
        let sha256 = model_file::open(path)?.sha256;
        if saved.from.as_ref().is_none_or(|from| from.sha256 != sha256) {
            let then = saved.from.as_ref().map_or("weights that it drew".to_string(), ToString::to_string);
            let now = Ancestor { path: path.display().to_string(), sha256 };
            return Err(Error::Setting(format!("the run began with {then}, and --from names {now}: leave out --from")));
        }
    }
    Ok(saved.from.clone())
}
