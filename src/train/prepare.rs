//! The start of a run: input map, initial weights on the engine, the order of an epoch.

use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::config::{Config, Normalize};
use crate::data::DataSet;
use crate::engine::Engine;
use crate::kernels::InputMap;
use crate::net::mlp::Mlp;
use crate::net::{LayerIds, Net};
use crate::train::feed::Feed;
use rand::seq::SliceRandom;

/// Prepares the data of a run: takes the validation split out of the training split, and limits the training split.
///
/// # Errors
/// Those of [`DataSet::divided`].
pub fn divide(config: &Config, data: DataSet) -> Result<DataSet, Error> {
    let samples = data.train.len();
    let limit = config.limit_train.map(|limit| limit.samples(samples));
    data.divided(config.validation.samples(samples), limit, config.split_seed)
}

/// Returns the input map that the settings ask for, given all bytes of the training split.
pub fn input_map(normalize: &Normalize, pixels: &[u8]) -> InputMap {
    match normalize {
        Normalize::Unit => InputMap::UNIT,
        Normalize::Given(map) => map.clone(),
        Normalize::Standard => {
            // Exact integer sums are the same on every machine. The sums of a part fit in 32 bits, which halves the
            // work.
            let mut sum = 0;
            let mut squares = 0;
            for part in pixels.chunks(1 << 15) {
                sum += u64::from(part.iter().map(|&p| u32::from(p)).sum::<u32>());
                squares += u64::from(part.iter().map(|&p| u32::from(p) * u32::from(p)).sum::<u32>());
            }
            let mean = sum as f64 / pixels.len().max(1) as f64;
            let variance = squares as f64 / pixels.len().max(1) as f64 - mean * mean;
            let scale = if variance > 0.0 { 1.0 / variance.sqrt() } else { 1.0 / 255.0 };
            InputMap { scale: scale as f32, shift: (-mean * scale) as f32 }
        }
    }
}

/// Writes a model's parameters to the tensors of a net.
pub fn load_parameters(engine: &mut dyn Engine, layers: &[LayerIds], model: &Mlp) {
    for (ids, layer) in layers.iter().zip(&model.layers) {
        engine.write(ids.w, 0, &ids.w.pack(&layer.weight));
        engine.write(ids.b, 0, &ids.b.pack(&layer.bias));
        if let Some([w, b]) = ids.average {
            engine.write(w, 0, &w.pack(&layer.weight));
            engine.write(b, 0, &b.pack(&layer.bias));
        }
    }
}

/// Writes data, initial weights and optimizer state to an engine that was made for `net.plan`; returns the feeds of
/// training and test split.
///
/// # Panics
/// If the net was not made for training.
pub fn prepare(engine: &mut dyn Engine, net: &Net, model: &Mlp, data: &DataSet) -> (Feed, Feed) {
    let training = net.training.as_ref().expect("a net made for training");
    let feed = Feed::new(training.source, &data.train, engine);
    let test_feed = Feed::new(net.evaluation.source, &data.test, engine);
    load_parameters(engine, &net.layers, model);
    for &id in net.layers.iter().flat_map(|layer| &layer.state) {
        engine.write(id, 0, &vec![0; id.words()]);
    }
    (feed, test_feed)
}

/// Returns the random order of the samples in an epoch (from 0); each sample occurs once.
pub fn shuffled(samples: usize, seed: u64, epoch: u64) -> Vec<u32> {
    let mut order: Vec<u32> = (0..samples as u32).collect();
    order.shuffle(&mut host(seed, Stream::Shuffle, epoch));
    order
}
