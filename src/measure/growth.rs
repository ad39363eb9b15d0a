//! How the time of an epoch grows with batch size, width, depth and the size of the data set.

use super::training::{Demand, train};
use super::workload::Workload;
use super::{cut, spread::Spread};
use crate::base::error::Error;
use crate::config::{BatchSize, Config};
use crate::data::DataSet;
use crate::engine::machine::Machine;
use serde::Serialize;
use std::time::Duration;

/// A net like configuration S with one of its sizes changed.
#[derive(Clone, Debug)]
pub struct Variant {
    /// Which size.
    pub axis: &'static str,
    /// What it is.
    pub value: usize,
    /// All settings.
    pub config: Config,
    /// Samples of the training split.
    pub samples: usize,
}

/// What a variant took.
#[derive(Clone, Debug, Serialize)]
pub struct Point {
    /// Which size.
    pub axis: &'static str,
    /// What it is.
    pub value: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Seconds of an epoch; where only parts of epochs were timed, of as many of those as make one.
    pub epoch_seconds: Spread,
    /// 10⁻⁶ seconds a step, in the median.
    pub step_microseconds: f64,
    /// Images a second, in the median.
    pub images_per_second: f64,
    /// 10⁹ operations of products a second, in the median.
    pub gflop_per_second: f64,
    /// Bytes of all tensors on the device.
    pub device_bytes: u64,
    /// Whether whole epochs were timed.
    pub whole_epochs: bool,
}

/// Everything that is varied, for a training split of this size: batches from 1 to the whole split, widths from 16 to 8192,
/// depths from 1 to 16 layers, data sets from a sixteenth to the whole.
pub fn variants(samples: usize) -> Vec<Variant> {
    // A rate at which neither single samples nor deep nets explode: here only time is of interest.
    let base = Config { lr: 0.01, epochs: 3, ..Workload::S.config() };
    let mut all = Vec::new();
    let mut add = |axis, value, config, samples| all.push(Variant { axis, value, config, samples });
    let batches = [1, 4, 16, 64, 256, 1024, 4096, 16_384].into_iter().filter(|&batch| batch < samples);
    for batch in batches.chain([samples]) {
        add("batch", batch, Config { batch_size: BatchSize::Samples(batch), ..base.clone() }, samples);
    }
    let base = Config { batch_size: BatchSize::Samples(samples.min(256)), ..base };
    for width in [16, 64, 256, 1024, 2048, 4096, 8192] {
        add("width", width, Config { hidden: vec![width], ..base.clone() }, samples);
    }
    for depth in [1, 2, 4, 8, 16] {
        add("depth", depth, Config { hidden: vec![128; depth], ..base.clone() }, samples);
    }
    for part in [16, 8, 4, 2, 1] {
        let part = samples / part;
        if part > 0 {
            add("samples", part, Config { batch_size: BatchSize::Samples(part.min(256)), ..base.clone() }, part);
        }
    }
    all
}

/// Times one variant. Its accuracy is not judged, only that the loss stays finite.
///
/// # Errors
/// Those of [`train`].
pub async fn measure(machine: &Machine, variant: &Variant, data: &DataSet, max_time: Duration) -> Result<Point, Error> {
    let data = cut(data, variant.samples);
    let demand = Demand { max_time, floor: Some(0.0), whole_floor: None };
    let run = train(machine, &variant.config, &data, &demand).await?;
    let epoch_seconds = run.seconds.times(run.epoch_steps as f64 / run.steps as f64);
    Ok(Point {
        axis: variant.axis,
        value: variant.value,
        steps: run.epoch_steps,
        step_microseconds: 1e6 * epoch_seconds.median / run.epoch_steps as f64,
        epoch_seconds,
        images_per_second: run.images_per_second.median,
        gflop_per_second: run.gflop_per_second.median,
        device_bytes: run.device_bytes,
        whole_epochs: run.whole_epochs,
    })
}
