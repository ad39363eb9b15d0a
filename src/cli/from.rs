//! `train --from`: the settings of a run that starts with the weights of a model.

use super::model::understood;
use super::resume::Resumed;
use gpu_mlp::Error;
use gpu_mlp::config::{Config, Normalize, Settings};
use gpu_mlp::data::{DataSet, Header};
use gpu_mlp::kernels::InputMap;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::recorded::check_recorded;
use gpu_mlp::run::settings::{Ancestor, from_root};
use std::path::Path;

/// The model that a run starts with.
pub struct First {
    pub model: Mlp,
    pub description: Description,
    /// Whether the file describes how samples become inputs. Files of this program do.
    pub described: bool,
    /// Whether the last layer is replaced.
    pub new_head: bool,
    pub ancestor: Ancestor,
}

impl First {
    /// The columns of the table that the model was trained on; without its targets if the run has a new head.
    pub fn header(&self) -> Option<Header> {
        let header = self.description.header.clone()?;
        Some(if self.new_head { Header { target: None, ..header } } else { header })
    }

    /// The model that training starts with, for a data set that was encoded for it.
    ///
    /// # Errors
    /// [`Error::Setting`] if the last layer is kept, but the data set has other targets.
    pub fn model(&self, config: &Config, data: &DataSet) -> Result<Mlp, Error> {
        let (then, now) = (self.description.task(), &data.task);
        if self.new_head {
            say!("new last layer for {}; the model had {}", now.counted(), then.counted());
            return Ok(self.model.with_new_head(data.outputs(), config.init, config.seed));
        }
        let differ = |what: String| {
            Err(Error::Setting(format!(
                "{} predicts {}, but {} has {what}: use --new-head to replace the last layer",
                self.ancestor.path,
                then.counted(),
                data.name
            )))
        };
        let same_kind = std::mem::discriminant(&then) == std::mem::discriminant(now) || !self.described;
        match then.outputs() == now.outputs() && same_kind {
            true => Ok(self.model.clone()),
            false => differ(now.counted()),
        }
    }
}

/// Returns the settings (`layers` over the architecture and normalisation of the model, over `base`) and the model.
///
/// # Errors
/// Those of reading the model; [`Error::Setting`] if the settings ask for another architecture, or for a `new_head` on a model
/// without hidden layers.
pub fn begin(path: &Path, base: Config, layers: &[&Settings], new_head: bool) -> Result<(Config, First), Error> {
    let file = model_file::open(path)?;
    check_recorded(path, &file.sha256)?;
    let widths = file.state.widths();
    let hidden = widths[1..widths.len() - 1].to_vec();
    let mut base = Config { hidden, normalize: Normalize::OF_STATE_DICTS, ..base };
    if let Some(description) = &file.description {
        let Config { activation, alpha, .. } = description.config();
        let normalize = Normalize::Given(description.inputs.clone());
        base = Config { activation, alpha, normalize, ..base };
    }
    let config = layers.iter().try_fold(base.clone(), |config, layer| config.with(layer))?;
    let refuse = |what: &str, asked: String, has: String| {
        Err(Error::Setting(format!(
            "--{what} is {asked}, but {} has {has}: leave it out, or train without --from",
            path.display()
        )))
    };
    if new_head && base.hidden.is_empty() {
        return Err(Error::Setting(format!(
            "--new-head keeps the hidden layers, but {} has none: train without --from",
            path.display()
        )));
    }
    if config.hidden != base.hidden {
        return refuse("hidden", format!("{:?}", config.hidden), format!("{:?}", base.hidden));
    }
    // Without hidden layers, the activation has no effect.
    let same = config.activation() == base.activation() || config.hidden.is_empty();
    match &file.description {
        Some(_) if !same => {
            return refuse("activation", config.activation().to_string(), base.activation().to_string());
        }
        Some(_) => say!("from: {}, {widths:?}, activation {}", path.display(), config.activation()),
        None => understood(path, &file.state, &config),
    }
    let ancestor = Ancestor { path: path.display().to_string(), sha256: file.sha256.clone() };
    let own = file.description.clone();
    let described = own.is_some();
    let (model, stranger) = file.with(config.activation(), InputMap::UNIT);
    Ok((config, First { model, description: own.unwrap_or(stranger), described, new_head, ancestor }))
}

/// For a run that is resumed from a checkpoint: the model that it started with. The weights come from the checkpoint, so `path`
/// must name that model or be absent.
///
/// # Errors
/// [`Error::Setting`] if `path` names another model; the errors of reading the model if the path has changed.
pub fn again(path: Option<&Path>, resumed: &Resumed) -> Result<Option<Ancestor>, Error> {
    // The recorded path is accepted even if the file no longer exists.
    let moved = path.filter(|path| resumed.setup.data.from.as_ref() != Some(&from_root(path)));
    if let Some(path) = moved {
        let sha256 = model_file::open(path)?.sha256;
        refuse_another(resumed, &Ancestor { path: path.display().to_string(), sha256 })?;
    }
    Ok(resumed.from.clone())
}

/// Refuses another model than the one that the resumed run started with.
///
/// # Errors
/// [`Error::Setting`].
pub fn refuse_another(resumed: &Resumed, now: &Ancestor) -> Result<(), Error> {
    if resumed.from.as_ref().is_some_and(|from| from.sha256 == now.sha256) {
        return Ok(());
    }
    let then = resumed.from.as_ref().map_or("random weights".to_string(), ToString::to_string);
    Err(Error::Setting(format!("the run started with {then}, and --from names {now}: leave out --from")))
}
