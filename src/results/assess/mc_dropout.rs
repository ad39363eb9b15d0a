//! Dropout in predictions: each pass drops other units, so the passes are an ensemble of thinned nets.

use crate::base::error::Error;
use crate::config::Config;

/// The dropout of a trained net, for predictions (Gal and Ghahramani, "Dropout as a Bayesian approximation", ICML 2016).
///
/// A pass keeps each unit with the probability of the training and divides it by that probability, as a training step does.
/// Every sample has masks of its own. They are a function of the seed, the pass and the sample's number, so both engines draw
/// the same ones, for any batch size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct McDropout {
    /// Probability that an input is kept.
    pub input_keep_prob: f32,
    /// Probability that a hidden unit is kept.
    pub keep_prob: f32,
    /// Seed of the masks.
    pub seed: u64,
}

impl McDropout {
    /// The dropout of a run with these settings.
    ///
    /// # Errors
    /// [`Error::Setting`] if the run trained without dropout.
    pub fn of(config: &Config, seed: u64) -> Result<McDropout, Error> {
        let Config { input_keep_prob, keep_prob, .. } = *config;
        // Without hidden layers there are no hidden units to drop.
        if input_keep_prob == 1.0 && (keep_prob == 1.0 || config.hidden.is_empty()) {
            return Err(Error::Setting(
                "the model was trained without dropout, so all passes would be equal: train with a keep-prob or \
                 input-keep-prob below 1, or evaluate an ensemble of several runs"
                    .into(),
            ));
        }
        config.check(usize::MAX)?;
        Ok(McDropout { input_keep_prob, keep_prob, seed })
    }
}
