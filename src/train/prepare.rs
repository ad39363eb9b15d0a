//! The start of a run: input map, initial weights on the engine, the order of an epoch.

use crate::base::error::Error;
use crate::base::rng::{Stream, host};
use crate::base::text::nearest;
use crate::config::{Amount, ClassWeight, Config, Normalize};
use crate::data::divide::HeldOut;
use crate::data::folder::few;
use crate::data::{DataSet, Features, Samples, Scaling, Task};
use crate::engine::Engine;
use crate::kernels::InputMap;
use crate::net::mlp::Mlp;
use crate::net::{LayerIds, Net, standardises};
use crate::train::feed::Feed;
use rand::seq::SliceRandom;

/// The samples that become the validation split.
fn held_out(config: &Config, samples: usize) -> HeldOut {
    match config.validation {
        Amount::Fold { number, of } => HeldOut::Fold { number: number as usize, of: of as usize },
        amount => HeldOut::Samples(amount.samples(samples)),
    }
}

/// Prepares the data of a run: takes the validation split out of the training split, limits the training split, encodes
/// raw numbers by what the training split shows, and gives training samples the weights of their classes.
///
/// # Errors
/// Those of [`DataSet::divided`] and [`DataSet::encoded`]; [`Error::Setting`] if the settings do not suit the data.
pub fn divide(config: &Config, data: DataSet) -> Result<DataSet, Error> {
    let samples = data.train.len();
    let limit = config.limit_train.map(|limit| limit.samples(samples));
    let data = data.divided(held_out(config, samples), limit, config.split_seed)?;
    // A map of bytes is no rule for numbers, and bytes need none.
    let scaling = if data.is_ready() { Scaling::None } else { config.normalize.scaling()? };
    weigh(config, data.encoded(scaling, standardises(config))?)
}

/// As [`divide`], but encodes raw numbers by what a model learned before, for a run that starts with its weights: samples as
/// its `features`, targets as its `task`. Without a task the targets are new, and are standardised by the training split.
///
/// # Errors
/// Those of [`DataSet::divided`] and [`DataSet::encoded_as`].
pub fn divide_as(
    config: &Config,
    data: DataSet,
    features: Option<&Features>,
    task: Option<&Task>,
) -> Result<DataSet, Error> {
    let samples = data.train.len();
    let limit = config.limit_train.map(|limit| limit.samples(samples));
    let data = data.divided(held_out(config, samples), limit, config.split_seed)?;
    let own = data.task.clone();
    let data = data.encoded_as(features, task.unwrap_or(&own))?;
    weigh(config, if task.is_none() { data.encoded(Scaling::None, standardises(config))? } else { data })
}

/// Multiplies the weights of the training samples by those of their classes.
fn weigh(config: &Config, mut data: DataSet) -> Result<DataSet, Error> {
    let Some(setting) = &config.class_weight else { return Ok(data) };
    let refuse = |problem: String| Err(Error::Setting(format!("class-weight is {setting}, but {problem}")));
    let Task::Classes { names } = &data.task else {
        return refuse(format!("the data set has {} as target: leave it out", data.task.counted()));
    };
    let classes = data.train.classes();
    let of_class: Vec<f32> = match setting {
        ClassWeight::Given(pairs) => {
            if let Some((class, _)) = pairs.iter().find(|(class, _)| !names.contains(class)) {
                let near = nearest(class, &names.iter().map(String::as_str).collect::<Vec<_>>());
                let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
                return refuse(format!("there is no class {class}: the classes are {}{near}", few(names)));
            }
            let given =
                |name: &String| pairs.iter().find(|(class, _)| class == name).map_or(1.0, |(_, weight)| *weight);
            names.iter().map(given).collect()
        }
        ClassWeight::Balanced => {
            let mut sums = vec![0.0; names.len()];
            for (sample, &class) in classes.iter().enumerate() {
                sums[class as usize] += data.train.weights.as_ref().map_or(1.0, |weights| f64::from(weights[sample]));
            }
            let all: f64 = sums.iter().sum();
            // A class without training samples has no weight to give.
            let share = |&sum: &f64| if sum > 0.0 { (all / (names.len() as f64 * sum)) as f32 } else { 1.0 };
            sums.iter().map(share).collect()
        }
    };
    let before = data.train.weights.take().unwrap_or_else(|| vec![1.0; data.train.len()]);
    let weights: Vec<f32> = data.train.classes().iter().zip(before).map(|(&c, w)| w * of_class[c as usize]).collect();
    if !weights.iter().any(|weight| *weight > 0.0) {
        return refuse("it leaves no training sample a weight above 0".into());
    }
    data.train.weights = Some(weights);
    Ok(data)
}

/// Returns the input map that the settings ask for, given all samples of the training split. Encoded numbers are used as they
/// are.
pub fn input_map(normalize: &Normalize, samples: &Samples) -> InputMap {
    let Samples::Bytes(pixels) = samples else { return InputMap::RAW };
    match normalize {
        Normalize::Unit => InputMap::UNIT,
        Normalize::None => InputMap::RAW,
        Normalize::Given(map) => map.clone(),
        Normalize::Minmax => {
            let (low, high) = pixels.iter().fold((u8::MAX, 0), |(low, high), &p| (low.min(p), high.max(p)));
            let scale = 1.0 / f32::from(high.saturating_sub(low).max(1));
            InputMap { scale, shift: -f32::from(low.min(high)) * scale }
        }
        // Most pixels of a drawing are background, so quartiles say nothing about them.
        Normalize::Standard | Normalize::Robust => {
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
    for &id in net.layers.iter().flat_map(|layer| &layer.state).chain(&net.levels) {
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
