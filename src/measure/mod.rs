//! Measuring: whole training runs, single dispatches, and the device's own roof to hold them against.
//!
//! A measurement counts only with its answer: a run must learn, a kernel must agree with its twin, the products and copies
//! of the roof are checked too. What went wrong stands in a field `fault`, and `gpu-mlp bench` then fails. Only of
//! how time grows nothing is asked but that all losses are finite.
//!
//! [`training`] times epochs as [`crate::train::Trainer`] trains them; [`roof`] finds the best product and copy rate;
//! [`dispatch`] times the dispatches of a plan one by one; [`growth`] varies one size at a time. All read [`clock`] and
//! say a [`spread::Spread`], never a single time.

pub mod clock;
pub mod device;
pub mod dispatch;
pub mod growth;
pub mod roof;
pub mod spread;
pub mod training;
pub mod tune;
pub mod workload;

use crate::config::Config;
use crate::data::DataSet;
use serde::Serialize;
use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

/// The record of a `gpu-mlp bench`: where, when, what, and every sample.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Version of this layout.
    pub schema: u32,
    /// Version of this crate.
    pub version: &'static str,
    /// `release`, or `debug` for a build whose times mean little.
    pub profile: &'static str,
    /// Seconds since 1970.
    pub unix_time: u64,
    /// The machine.
    pub device: device::Device,
    /// Name of the data set.
    pub data: String,
    /// Its hash.
    pub data_sha256: String,
    /// Samples of the training split.
    pub train_samples: usize,
    /// The peers' configuration, if it is one of them.
    #[serde(rename = "preset")]
    pub workload: Option<workload::Workload>,
    /// All settings, where one net is measured; `epochs` are those to be timed.
    pub config: Option<Config>,
    /// What is inside the clock of a run and of a dispatch.
    pub clock: [&'static str; 2],
    /// The device's best rates.
    pub roof: Option<roof::Roof>,
    /// A training run.
    pub run: Option<training::Run>,
    /// Median rate of the run's products as a share of the roof.
    pub share_of_roof: Option<f64>,
    /// The dispatches of one training step.
    pub step: Option<dispatch::Step>,
    /// Single kernels.
    pub kernels: Vec<dispatch::Dispatch>,
    /// Runs of growing sizes.
    pub growth: Vec<growth::Point>,
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
            config: config.cloned(),
            clock: [training::IN_THE_CLOCK, clock::IN_THE_CLOCK],
            roof: None,
            run: None,
            share_of_roof: None,
            step: None,
            kernels: Vec::new(),
            growth: Vec::new(),
        }
    }

    /// Everything that was found wrong.
    pub fn faults(&self) -> Vec<&str> {
        let roof = self.roof.iter().flat_map(|roof| [&roof.product.fault, &roof.copy.fault]);
        let runs = self.run.iter().map(|run| &run.fault);
        let kernels = self.kernels.iter().map(|kernel| &kernel.fault);
        roof.chain(runs).chain(kernels).filter_map(Option::as_deref).collect()
    }
}

/// The data set with no more than the first `samples` of its training split.
pub fn cut(data: &DataSet, samples: usize) -> Cow<'_, DataSet> {
    if samples >= data.train.len() {
        return Cow::Borrowed(data);
    }
    let mut part = DataSet { train: Default::default(), ..data.clone() };
    part.train.pixels = data.train.pixels[..samples * data.inputs()].to_vec();
    part.train.labels = data.train.labels[..samples].to_vec();
    Cow::Owned(part)
}
