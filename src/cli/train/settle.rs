//! The settings of a run, from all sources.

use super::{Learned, Train};
use crate::cli::from::{self, First};
use crate::cli::resume::Resumed;
use gpu_mlp::Error;
use gpu_mlp::config::{Config, Settings};
use gpu_mlp::run::folder::model_in;
use gpu_mlp::run::settings::{self, Ancestor};
use gpu_mlp::train::session::Limits;
use std::path::PathBuf;

/// The settings of a run, from all sources.
pub struct Settled {
    pub config: Config,
    /// The model to start with.
    pub first: Option<First>,
    /// The record of the model that the run starts or started with.
    pub ancestor: Option<Ancestor>,
    pub limits: Limits,
    /// The record in the file of --config.
    pub record: Option<settings::Provenance>,
    /// Whether the run uses the data set that the file names.
    pub data_is_of_file: bool,
}

impl Settled {
    /// The model that determines how a table is encoded, for a run that begins.
    pub(super) fn learned(&self) -> Learned<'_> {
        let first = self.first.as_ref().filter(|first| first.described)?;
        Some((&first.description, !first.new_head))
    }
}

impl Train {
    /// Merges the settings of all sources and checks them, before anything is read, downloaded or written.
    pub fn settle(&mut self, resumed: Option<&Resumed>) -> Result<Settled, Error> {
        let file = self.base.file()?;
        let from_is_of_file = self.from.is_none();
        self.from = self.from.take().or(file.data.from.as_ref().map(PathBuf::from)).map(|path| model_in(&path));
        self.new_head |= file.data.new_head;
        if self.new_head && self.from.is_none() {
            return Err(Error::Setting("--new-head keeps the hidden layers of a model: name it with --from".into()));
        }
        let base = self.base.config();
        let saved = match resumed.filter(|_| !self.base.is_preset()) {
            Some(resumed) => resumed.identity.config.settings()?,
            None => Settings::new(),
        };
        let layers = [&saved, &file.settings, self.net.settings()];
        let plain = |base: Config| layers.iter().try_fold(base, |config, layer| config.with(layer));
        let (mut config, first, mut ancestor) = match (resumed, &self.from) {
            // The run started with that model or with none.
            (Some(resumed), path) if resumed.checkpoint.is_some() => {
                (plain(base)?, None, from::again(path.as_deref(), resumed)?)
            }
            (_, Some(path)) => {
                let (config, first) = from::begin(path, base, &layers, self.new_head)?;
                let ancestor = first.ancestor.clone();
                (config, Some(first), Some(ancestor))
            }
            (_, None) => (plain(base)?, None, None),
        };
        if let Some(resumed) = resumed {
            // They determine rounding.
            config.forms = resumed.identity.config.forms.clone();
            ancestor.iter().try_for_each(|ancestor| from::refuse_another(resumed, ancestor))?;
            ancestor = resumed.from.clone();
        }
        if let (true, Some(record), Some(ancestor)) = (from_is_of_file, &file.record, &ancestor) {
            self.base.compare_ancestor(record, ancestor)?;
        }
        config = config.with(self.choices.settings())?;
        let limits = self.limits.limits()?;
        self.limits.overfit(&mut config)?;
        if resumed.is_some() && !self.said.has("data") {
            self.data.refuse_another(&file.data)?;
        }
        let data_is_of_file = self.data.take(&file.data)?;
        if let Some(amount) = self.default_validation.filter(|_| !config.validates()) {
            config.validation = amount;
        }
        config.check(usize::MAX)?;
        config.check_choices(config.validates())?;
        Ok(Settled { config, first, ancestor, limits, record: file.record, data_is_of_file })
    }
}
