//! The record of one adapter that users exchange: parity with the CPU, and training speed in each precision, with failures.
//! It names the device and the driver, but no user, host or path. `bench/results/` holds such files.

use super::device::{Device, DeviceKind};
use super::parity::Row;
use super::spread::Spread;
use super::training::Run;
use super::workload::Workload;
use crate::base::clock::{SystemTime, UNIX_EPOCH};
use crate::base::error::Error;
use crate::engine::machine::Machine;
use crate::kernels::Precision;
use crate::kernels::forms::Chosen;
use crate::train::golden;
use serde::{Deserialize, Serialize};

/// The value of [`Share::kind`].
pub const KIND: &str = "gpu-mlp results of an adapter";
/// The version of the layout.
pub const SCHEMA: u32 = 1;
/// The precisions in the order of the record.
pub const PRECISIONS: [Precision; 3] = [Precision::F32, Precision::F16Mixed, Precision::Int8];

/// The record. Every part that was measured has either a result or a `failure`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// [`KIND`].
    pub kind: String,
    /// [`SCHEMA`].
    pub schema: u32,
    /// Version of the program.
    pub version: String,
    /// `release` or `debug`.
    pub profile: String,
    /// Seconds since 1970.
    pub unix_time: u64,
    /// The device.
    pub device: Device,
    /// Limits of the adapter; `None` for the CPU engine.
    pub limits: Option<Limits>,
    /// Name of the data set: `mnist` or `digits`.
    pub data: String,
    /// Comparison with the CPU; `None` for the CPU engine.
    pub parity: Option<Parity>,
    /// The training run in integers.
    pub exact: Exact,
    /// Training speeds.
    pub speeds: Vec<Speed>,
}

/// Limits of an adapter that decide which nets fit and which shaders run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Largest binding in bytes.
    pub binding_bytes: u64,
    /// Largest buffer in bytes.
    pub buffer_bytes: u64,
    /// Storage buffers per shader.
    pub storage_buffers: u32,
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Invocations per workgroup.
    pub invocations: u32,
    /// Workgroups per dimension of a dispatch.
    pub groups: u32,
    /// Smallest and largest subgroup.
    pub subgroup: [u32; 2],
    /// What the adapter offers beyond the core of WebGPU.
    pub offers: String,
}

/// Summary of the parity tests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parity {
    /// Number of shaders and of small runs that were compared.
    pub rows: usize,
    /// Number of cases and dispatches.
    pub cases: usize,
    /// Number of compared values.
    pub values: usize,
    /// Largest difference as a share of its bound. Above 1 is wrong.
    pub largest_share: f64,
    /// Shaders that were not run, each with the reason.
    pub not_run: Vec<String>,
    /// Wrong results.
    pub faults: Vec<String>,
    /// Why the tests ended early.
    pub failure: Option<String>,
}

/// The golden run: trained in integers, it must have one hash on every machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exact {
    /// The hash that every machine must get.
    pub reference: String,
    /// The hash on this machine.
    pub sha256: Option<String>,
    /// Why there is no hash.
    pub failure: Option<String>,
}

/// The training speed of one configuration in one precision.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Speed {
    /// The configuration.
    pub config: Workload,
    /// The precision.
    pub precision: Precision,
    /// The measurement.
    pub run: Option<Timed>,
    /// Why the measurement is missing or invalid.
    pub failure: Option<String>,
}

/// The measurement of a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Timed {
    /// Samples of the training split per second.
    pub images_per_second: Spread,
    /// 10⁹ operations of matrix products per second, the median.
    pub gflop_per_second: f64,
    /// Steps per timed part.
    pub steps: usize,
    /// Whether each timed part is an epoch.
    pub whole_epochs: bool,
    /// Accuracy on the test split at the end, from 0 to 1.
    pub test_accuracy: f64,
    /// Forms of the matrix products that tuning chose.
    pub forms: Chosen,
}

impl Share {
    /// A record without measurements.
    pub fn new(machine: &Machine, data: &str) -> Share {
        Share {
            kind: KIND.into(),
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").into(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            unix_time: SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
            device: Device::of(machine),
            limits: Limits::of(machine),
            data: data.into(),
            parity: None,
            exact: Exact { reference: golden::SHA256.into(), ..Exact::default() },
            speeds: Vec::new(),
        }
    }

    /// The name of its file in `bench/results/`: adapter and graphics API.
    pub fn file_name(&self) -> String {
        let api = if self.limits.is_some() { self.device.backend.as_str() } else { "cpu-engine" };
        let text = format!("{} {api}", self.device.adapter).to_lowercase();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
        format!("{}.json", words.collect::<Vec<_>>().join("-"))
    }

    /// Everything that failed, one line each.
    pub fn failures(&self) -> Vec<String> {
        let parity = self.parity.iter().flat_map(|parity| parity.faults.iter().chain(&parity.failure));
        let parity = parity.map(|text| format!("parity: {text}"));
        let other = self.exact.sha256.as_ref().filter(|hash| **hash != self.exact.reference);
        let other = other.map(|hash| format!("exact: the hash is {hash}"));
        let none = self.exact.failure.as_ref().map(|text| format!("exact: {text}"));
        let speeds = self.speeds.iter().filter_map(|Speed { config, precision, failure, .. }| {
            failure.as_ref().map(|text| format!("{config:?} {precision:?}: {text}"))
        });
        parity.chain(other).chain(none).chain(speeds).collect()
    }

    /// What is wrong with the record itself; empty if it follows the schema.
    pub fn problems(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut must = |holds: bool, what: &str| found.extend((!holds).then(|| what.to_string()));
        must(self.kind == KIND && self.schema == SCHEMA, "kind and schema are not those of this version");
        must(["mnist", "digits"].contains(&self.data.as_str()), "data is neither mnist nor digits");
        let adapter = self.device.class != DeviceKind::Cpu;
        must(self.limits.is_some() == adapter, "an adapter has limits, the CPU engine has none");
        must(self.parity.is_some() == adapter, "an adapter has parity, the CPU engine has none");
        must(self.exact.sha256.is_some() != self.exact.failure.is_some(), "exact has either a hash or a failure");
        for Speed { config, precision, run, failure } in &self.speeds {
            let name = format!("{config:?} {precision:?}");
            must(run.is_some() || failure.is_some(), &format!("{name} has neither a run nor a failure"));
            let Some(run) = run else { continue };
            let Spread { median, min, q1, q3, max, samples } = &run.images_per_second;
            let ordered = 0.0 < *min && min <= q1 && q1 <= median && median <= q3 && q3 <= max;
            must(ordered && !samples.is_empty(), &format!("the rates of {name} are not in order"));
            must((0.0..=1.0).contains(&run.test_accuracy), &format!("the accuracy of {name} is not a share"));
        }
        let speeds: Vec<_> = self.speeds.iter().map(|speed| (speed.config, speed.precision as u8)).collect();
        must(!speeds.is_empty() && speeds.is_sorted_by(|a, b| a < b), "speeds are missing, repeated or not in order");
        let Device { adapter, driver, processor, .. } = &self.device;
        let texts = self.failures().into_iter().chain([adapter, driver, processor].map(String::clone));
        must(texts.into_iter().all(|text| text == without_paths(&text)), "it contains a path");
        found
    }
}

impl Limits {
    /// The limits of an adapter; `None` for the CPU engine.
    pub fn of(machine: &Machine) -> Option<Limits> {
        let Machine::Gpu(gpu) = machine else { return None };
        let (limits, info) = (gpu.limits(), gpu.info());
        Some(Limits {
            binding_bytes: limits.max_storage_buffer_binding_size,
            buffer_bytes: limits.max_buffer_size,
            storage_buffers: limits.max_storage_buffers_per_shader_stage,
            workgroup_bytes: limits.max_compute_workgroup_storage_size,
            invocations: limits.max_compute_invocations_per_workgroup,
            groups: limits.max_compute_workgroups_per_dimension,
            subgroup: [info.subgroup_min_size, info.subgroup_max_size],
            offers: gpu.offers().to_string(),
        })
    }
}

impl Parity {
    /// Adds the results of a kernel or of a run.
    pub fn add(&mut self, row: &Row) {
        if let Some(lacks) = &row.lacks {
            self.not_run.push(format!("{}: the adapter lacks {lacks}", row.name));
            return;
        }
        self.rows += 1;
        self.cases += row.verdicts.len();
        self.values += row.verdicts.iter().map(|verdict| verdict.compared).sum::<usize>();
        let largest = row.verdicts.iter().map(|verdict| f64::from(verdict.worst)).fold(0.0, f64::max);
        self.largest_share = self.largest_share.max(largest);
        self.faults.extend(row.faults().iter().map(|fault| without_paths(fault)));
    }
}

impl Exact {
    /// Records the result of the golden run.
    pub fn set(&mut self, result: Result<golden::Golden, Error>) {
        match result {
            Ok(golden) => self.sha256 = Some(golden.sha256),
            Err(error) => self.failure = Some(without_paths(&error.to_string())),
        }
    }
}

impl Speed {
    /// The record of a measured run with the forms it used, or of its error.
    pub fn new(config: Workload, precision: Precision, result: Result<(Run, Chosen), Error>) -> Speed {
        let (run, failure) = match result {
            // A diverged run has rates, but not of training.
            Ok((Run { fault: Some(fault), .. }, _)) => (None, Some(fault)),
            Ok((run, forms)) => {
                let Run { images_per_second, gflop_per_second, steps, whole_epochs, test_accuracy, .. } = run;
                let gflop_per_second = gflop_per_second.median;
                (Some(Timed { images_per_second, gflop_per_second, steps, whole_epochs, test_accuracy, forms }), None)
            }
            Err(error) => (None, Some(error.to_string())),
        };
        Speed { config, precision, run, failure: failure.map(|text| without_paths(&text)) }
    }
}

/// A text in which `…` replaces every absolute path: it can contain the name of a user.
pub fn without_paths(text: &str) -> String {
    let stops = |c: char| c.is_whitespace() || "\"'`()[]{}<>,;=:".contains(c);
    let mut kept = String::new();
    let mut rest = text;
    while let Some(end) = rest.find(stops).map(|at| at + rest[at..].chars().next().map_or(1, char::len_utf8)) {
        kept += &word(&rest[..end]);
        rest = &rest[end..];
    }
    kept + &word(rest)
}

/// A word with the character that ends it, without its path.
fn word(word: &str) -> String {
    let body = word.trim_end_matches(|c: char| c.is_whitespace() || "\"'`()[]{}<>,;=:".contains(c));
    let is_path = body.len() > 1 && (body.starts_with(['/', '\\', '~']));
    if is_path { format!("…{}", &word[body.len()..]) } else { word.into() }
}

#[cfg(test)]
mod tests {
    use super::without_paths;

    #[test]
    fn only_paths_are_left_out() {
        for text in ["12 images/s", "a / b", "x(64,128)[3,17] is 1e0, expected 2e0 ± 1e-7", "…", ""] {
            assert_eq!(without_paths(text), text);
        }
        for (text, left) in [
            ("/home/ada/.cache/gpu-mlp: no space", "…: no space"),
            ("cannot open \"/srv/x.bin\" (os error 2)", "cannot open \"…\" (os error 2)"),
            ("C:\\Users\\ada\\x failed", "C:… failed"),
            ("file=~/x", "file=…"),
        ] {
            assert_eq!(without_paths(text), left);
        }
    }
}
