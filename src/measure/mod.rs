//! Benchmarks: whole training runs, single dispatches, and the device's roof (its best measured rates) for comparison.
//!
//! Every measurement checks its results: a run must learn, a kernel must agree with its twin, and the products and copies of
//! the roof must be correct. A wrong result is recorded in a field `fault`, and `gpu-mlp bench` then fails. The exception is
//! [`growth`], which only requires finite losses.
//!
//! [`training`] times epochs of [`crate::train::Trainer`]; [`roof`] measures the best product and copy rates; [`dispatch`]
//! times the dispatches of a plan one by one; [`growth`] varies one size at a time. All return a [`spread::Spread`] of
//! samples, never a single time. [`clock`] takes the samples of dispatches and products. [`parity`] compares a machine with
//! the CPU; [`share`] is the record of one adapter that users exchange.

pub mod clock;
pub mod device;
pub mod dispatch;
pub mod growth;
pub mod parity;
pub mod roof;
pub mod share;
pub mod spread;
pub mod training;
pub mod tune;
pub mod workload;

use crate::base::clock::{SystemTime, UNIX_EPOCH};
use crate::config::Config;
use crate::data::DataSet;
use serde::Serialize;
use std::borrow::Cow;

/// The record of a `gpu-mlp bench`: machine, time, settings, and every sample.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this layout.
    pub schema: u32,
    /// Version of this crate.
    pub version: &'static str,
    /// `release`, or `debug` for an unoptimized build, whose times are not meaningful.
    pub profile: &'static str,
    /// Seconds since 1970.
    pub unix_time: u64,
    /// The machine.
    pub device: device::Device,
    /// Name of the data set.
    pub data: String,
    /// Hash of the data set.
    pub data_sha256: String,
    /// Number of training samples.
    pub train_samples: usize,
    /// The benchmark configuration, if the net is one of them.
    #[serde(rename = "preset")]
    pub workload: Option<workload::Workload>,
    /// All settings, if one net is measured. `epochs` is the number of epochs to time.
    pub config: Option<Config>,
    /// What the times of a run and of a dispatch include.
    pub clock: [&'static str; 2],
    /// The device's best rates.
    pub roof: Option<roof::Roof>,
    /// The measurement of a training run.
    pub run: Option<training::Run>,
    /// Median rate of the run's products as a share of the roof.
    pub share_of_roof: Option<f64>,
    /// The measurements of the dispatches of one training step.
    pub step: Option<dispatch::StepTimes>,
    /// The measurements of single kernels.
    pub kernels: Vec<dispatch::Dispatch>,
    /// The measurements of runs of different sizes.
    pub growth: Vec<growth::Measurement>,
}

impl Report {
    /// A report without measurements.
    pub fn new(device: device::Device, data: &DataSet, config: Option<&Config>) -> Report {
        Report {
            schema: 1,
            version: env!("CARGO_PKG_VERSION"),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" },
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            device,
            data: data.name.clone(),
            data_sha256: data.sha256.clone(),
            train_samples: data.train.len(),
            workload: None,
            config: config.map(|config| config.with_learning_rate(data.train.len())),
            clock: [training::TIME_INCLUDES, clock::TIME_INCLUDES],
            roof: None,
            run: None,
            share_of_roof: None,
            step: None,
            kernels: Vec::new(),
            growth: Vec::new(),
        }
    }

    /// All faults.
    pub fn faults(&self) -> Vec<&str> {
        let roof = self.roof.iter().flat_map(|roof| [&roof.product.fault, &roof.copy.fault]);
        let runs = self.run.iter().map(|run| &run.fault);
        let kernels = self.kernels.iter().map(|kernel| &kernel.fault);
        roof.chain(runs).chain(kernels).filter_map(Option::as_deref).collect()
    }
}

/// The data set with at most the first `samples` samples of its training split.
pub fn cut(data: &DataSet, samples: usize) -> Cow<'_, DataSet> {
    if samples >= data.train.len() {
        return Cow::Borrowed(data);
    }
    let mut part = DataSet { train: Default::default(), ..data.clone() };
    part.train = data.train.head(samples);
    Cow::Owned(part)
}
