//! Settings put over others: what a preset, a file, the environment and the command line each say.

use super::{ActivationName, Config, Optimizer};
use crate::base::error::Error;

/// Some settings, by the names of [`Config`]'s fields, as `config.toml` has them.
pub type Settings = toml::Table;

impl Config {
    /// All settings.
    ///
    /// # Errors
    /// [`Error::Setting`] if TOML cannot hold one, which is so of whole numbers above 2⁶³ − 1.
    pub fn settings(&self) -> Result<Settings, Error> {
        Settings::try_from(self).map_err(|error| Error::Setting(error.to_string()))
    }

    /// These settings with others put over them. Another optimizer brings its customary learning rate and momentum, where
    /// the settings that name it do not give them.
    ///
    /// # Errors
    /// [`Error::Setting`] if a name is not known or a value is not of its kind. Nothing is checked against other settings:
    /// see [`Config::check`].
    pub fn with(&self, settings: &Settings) -> Result<Config, Error> {
        let refuse = |error: toml::de::Error| Error::Setting(error.to_string().trim_end().to_string());
        let mut base = self.clone();
        if let Some(name) = settings.get("optimizer") {
            let optimizer: Optimizer = name.clone().try_into().map_err(refuse)?;
            if optimizer != self.optimizer {
                (base.lr, base.momentum) = (optimizer.default_lr(), optimizer.default_momentum());
            }
        }
        if let Some(name) = settings.get("activation") {
            let activation: ActivationName = name.clone().try_into().map_err(refuse)?;
            if activation != self.activation {
                base.alpha = activation.default_alpha();
            }
        }
        let mut all = base.settings()?;
        all.extend(settings.clone());
        all.try_into().map_err(refuse)
    }
}
