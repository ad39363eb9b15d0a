//! Measures how the time of an epoch grows with batch size, width, depth and the size of the data set.

use super::training::{Demand, train};
use super::workload::Workload;
use super::{cut, spread::Spread};
use crate::base::error::Error;
use crate::config::{BatchSize, Config};
use crate::data::DataSet;
use crate::engine::machine::Machine;
use serde::Serialize;
use std::time::Duration;

/// Configuration S with one size changed.
#[derive(Clone, Debug)]
pub struct Variant {
    /// The name of the size.
    pub axis: &'static str,
    /// The value of the size.
    pub value: usize,
    /// All settings.
    pub config: Config,
    /// Number of training samples.
    pub samples: usize,
}

/// The measurement of a variant.
#[derive(Clone, Debug, Serialize)]
pub struct Measurement {
    /// The name of the size.
    pub axis: &'static str,
    /// The value of the size.
    pub value: usize,
    /// Steps per epoch.
    pub steps: usize,
    /// Seconds per epoch; extrapolated if only parts of epochs were timed.
    pub epoch_seconds: Spread,
    /// Microseconds per step, median.
    pub step_microseconds: f64,
    /// Images per second, median.
    pub images_per_second: f64,
    /// 10⁹ floating-point operations of matrix products per second, median.
    pub gflop_per_second: f64,
    /// Bytes of all tensors on the device.
    pub device_bytes: u64,
    /// Whether whole epochs were timed.
    pub whole_epochs: bool,
}

/// All variants for a training split of this size: batches from 1 to the whole split, widths from 16 to 8192, depths from 1 to
/// 16 layers, data sets from a sixteenth to the whole.
pub fn variants(samples: usize) -> Vec<Variant> {
    // At this rate training does not diverge with batches of one sample or with deep nets. Only the time matters here.
    let base = Config { lr: Some(0.01), epochs: 3, ..Workload::S.config() };
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

/// Times one variant. Requires no accuracy, only a finite loss.
///
/// # Errors
/// Those of [`train`].
pub async fn measure(
    machine: &Machine,
    variant: &Variant,
    data: &DataSet,
    max_time: Duration,
) -> Result<Measurement, Error> {
    let data = cut(data, variant.samples);
    let demand = Demand { max_time, floor: Some(0.0), whole_floor: None };
    let run = train(machine, &variant.config, &data, &demand).await?;
    let epoch_seconds = run.seconds.times(run.epoch_steps as f64 / run.steps as f64);
    Ok(Measurement {
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
