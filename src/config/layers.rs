//! Layers of settings: a preset, a file, the environment and the command line. Each overrides the one before.

use super::{ActivationName, Config, Optimizer};
use crate::base::error::Error;

/// A subset of the settings, by the names of [`Config`]'s fields, as in `config.toml`.
pub type Settings = toml::Table;

impl Config {
    /// Returns all settings.
    ///
    /// # Errors
    /// [`Error::Setting`] if TOML cannot hold a value: an integer above 2⁶³ − 1.
    pub fn settings(&self) -> Result<Settings, Error> {
        Settings::try_from(self).map_err(|error| Error::Setting(error.to_string()))
    }

    /// Returns the settings that are not the defaults; the defaults of some depend on others. `samples`: size of the training
    /// split, on which the default of the learning rate depends.
    ///
    /// # Errors
    /// As [`Config::settings`].
    pub fn differing(&self, samples: usize) -> Result<Settings, Error> {
        let mut config = Config { lr: None, ..self.clone() };
        config.lr = self.lr.filter(|&lr| lr != config.learning_rate(samples));
        let mut settings = config.settings()?;
        for name in settings.keys().cloned().collect::<Vec<_>>() {
            let Some(value) = settings.remove(&name) else { continue };
            if Config::default().with(&settings)? != config {
                settings.insert(name, value);
            }
        }
        Ok(settings)
    }

    /// Returns these settings with `settings` applied on top. A different optimizer also sets its default learning rate
    /// and momentum, and a different activation its default α, unless `settings` gives them.
    ///
    /// # Errors
    /// [`Error::Setting`] for an unknown name or a value of the wrong type. Values are not checked further: see
    /// [`Config::check`].
    pub fn with(&self, settings: &Settings) -> Result<Config, Error> {
        let refuse = |error: toml::de::Error| Error::Setting(error.to_string().trim_end().to_string());
        let mut base = self.clone();
        if let Some(name) = settings.get("optimizer") {
            let optimizer: Optimizer = name.clone().try_into().map_err(refuse)?;
            if optimizer != self.optimizer {
                (base.lr, base.momentum) = (None, optimizer.default_momentum());
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_settings_that_are_not_the_defaults_differ() {
        let names = |config: &Config| config.differing(1000).unwrap().keys().cloned().collect::<Vec<_>>();
        assert!(names(&Config::default()).is_empty());
        let adam = Config::default().with(&Settings::from_iter([("optimizer".into(), "adam".into())])).unwrap();
        assert_eq!(names(&adam), ["optimizer"], "the rate is Adam's default");
        let fast = Config { lr: Some(0.2), ..adam };
        assert_eq!(names(&fast), ["lr", "optimizer"]);
        assert_eq!(Config::default().with(&fast.differing(1000).unwrap()).unwrap(), fast);
    }
}
