//! The health of a net, off the engine.

use super::Trainer;
use crate::config::ActivationName;
use crate::error::Error;
use crate::health::LayerHealth;
use crate::net::LayerIds;

impl Trainer<'_> {
    /// The health of the net in the update that was measured last, layer by layer, if one of the epoch was.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn health(&mut self) -> Result<Option<Vec<LayerHealth>>, Error> {
        let epoch = |step: u64| step / self.updates_per_epoch();
        let measured = self.measured.is_some_and(|step| epoch(step) == epoch(self.step.saturating_sub(1)));
        let health = self.net.training.as_ref().and_then(|training| training.health.clone());
        let Some(health) = health.filter(|_| measured) else { return Ok(self.recalled.clone()) };
        let values = health.values.unpack(&self.engine.read(health.values, 0..health.values.words()).await?);
        let layers = values.as_chunks::<4>().0.iter().zip(&self.net.layers).enumerate();
        let counts = |at: usize| self.config.activation == ActivationName::Relu && at + 1 < self.net.layers.len();
        let of = |(at, (values, ids)): (usize, (&[f32; 4], &LayerIds))| {
            LayerHealth::new(at + 1, *values, counts(at).then_some(ids.w.rows))
        };
        Ok(Some(layers.map(of).collect()))
    }
}
