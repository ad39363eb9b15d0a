//! A data set from arrays in memory.

use std::path::Path;

use sha2::{Digest, Sha256};

use super::{DataSet, Header, Samples, Split, Targets, Task, bad};
use crate::base::error::Error;
use crate::base::hash::{combined_sha256, hex};
use crate::base::text::counted;

/// Checks the splits, and makes a data set of them.
///
/// # Errors
/// Those of [`DataSet::from_splits`].
pub(super) fn assemble(name: &str, item: Vec<usize>, train: Split, test: Split) -> Result<DataSet, Error> {
    let inputs = item.iter().product::<usize>();
    if train.is_empty() || inputs == 0 {
        let problem = format!("{} of shape {item:?}", counted(train.len(), "sample"));
        return Err(bad(Path::new("train samples"), problem, "give at least one sample, of at least one value"));
    }
    check("train", &train, inputs, &item)?;
    if !test.is_empty() || !test.samples.is_empty() {
        check("test", &test, inputs, &item)?;
    }
    let task = task(&train, &test)?;
    let samples_differ = !test.is_empty() && train.samples.bytes().is_some() != test.samples.bytes().is_some();
    if samples_differ {
        return Err(bad(
            Path::new("test samples"),
            "differ in type from train samples",
            "give both as bytes, or both as floats",
        ));
    }
    let sha256 = sha256(&item, None, &train, &test);
    let origin = "arrays in memory".to_owned();
    Ok(DataSet::new(name.to_owned(), origin, item, task, train, test, sha256))
}

fn check(which: &str, split: &Split, inputs: usize, item: &[usize]) -> Result<(), Error> {
    let refuse =
        |what: &str, problem: String, next: &str| Err(bad(Path::new(&format!("{which} {what}")), problem, next));
    let (values, samples) = (split.samples.len(), split.len());
    if values != samples * inputs {
        let problem = format!(
            "{} for {}, but a sample has the shape {item:?}",
            counted(values, "value"),
            counted(samples, "target")
        );
        return refuse("samples", problem, "give a whole sample for each target");
    }
    if let Some(at) = split.samples.floats().and_then(|values| values.iter().position(|value| value.is_infinite())) {
        let problem = format!("value {} of sample {} is infinite", at % inputs, at / inputs);
        return refuse("samples", problem, "give a number, or NaN for a missing value");
    }
    if let Targets::Values { width, values } | Targets::Labels { width, values } = &split.targets {
        let width = (*width).max(1);
        if !values.len().is_multiple_of(width) {
            let problem = format!("{} in rows of {width}", counted(values.len(), "value"));
            return refuse("targets", problem, "give a whole row for each sample");
        }
        let binary = matches!(split.targets, Targets::Labels { .. });
        let bad = |value: &f32| if binary { *value != 0.0 && *value != 1.0 } else { !value.is_finite() };
        if let Some(at) = values.iter().position(bad) {
            let problem = format!("target {} of sample {} is {}", at % width, at / width, values[at]);
            return refuse("targets", problem, if binary { "give 0 or 1" } else { "give a finite number" });
        }
    }
    let Some(weights) = &split.weights else { return Ok(()) };
    if weights.len() != samples {
        let problem = format!("{} for {}", counted(weights.len(), "weight"), counted(samples, "sample"));
        return refuse("weights", problem, "give one weight per sample, or none at all");
    }
    if let Some(at) = weights.iter().position(|weight| !(weight.is_finite() && *weight >= 0.0)) {
        return refuse("weights", format!("weight {at} is {}", weights[at]), "give finite numbers from 0");
    }
    if !weights.iter().any(|weight| *weight > 0.0) {
        return refuse("weights", "are all 0".into(), "give at least one sample a weight above 0");
    }
    Ok(())
}

/// The task that the targets show. Names are numbers.
fn task(train: &Split, test: &Split) -> Result<Task, Error> {
    let numbers = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    let differ = || {
        let next = "give both splits the same kind and number of targets";
        Err(bad(Path::new("test targets"), "differ in kind from train targets", next))
    };
    match (&train.targets, &test.targets) {
        (Targets::Classes(train), test) => {
            let classes = train.iter().max().map_or(0, |&class| class as usize + 1);
            let Targets::Classes(test) = test else { return differ() };
            match test.iter().position(|&class| class as usize >= classes) {
                None => Ok(Task::numbered(classes)),
                Some(sample) => Err(bad(
                    Path::new("test labels"),
                    format!(
                        "gives sample {sample} the label {}, but the labels of train labels go from 0 to {}",
                        test[sample],
                        classes - 1
                    ),
                    "take both from one data set, or correct this label",
                )),
            }
        }
        (Targets::Values { width, .. }, other) => match other {
            Targets::Values { width: same, .. } if width == same => {
                Ok(Task::Values { names: numbers(*width), scales: Vec::new() })
            }
            _ if test.is_empty() => Ok(Task::Values { names: numbers(*width), scales: Vec::new() }),
            _ => differ(),
        },
        (Targets::Labels { width, .. }, other) => match other {
            Targets::Labels { width: same, .. } if width == same => Ok(Task::Labels { names: numbers(*width) }),
            _ if test.is_empty() => Ok(Task::Labels { names: numbers(*width) }),
            _ => differ(),
        },
    }
}

/// The combined hash of samples and targets of both splits, each hashed as a raw IDX file, and of names of columns and weights
/// if there are any.
pub(super) fn sha256(item: &[usize], header: Option<&Header>, train: &Split, test: &Split) -> String {
    let parts = [train, test].map(|split| [samples(item, split), targets(split)]);
    let [[a, b], [c, d]] = parts;
    let combined = combined_sha256(&[a, b, c, d]);
    let weights = [train, test].map(|split| split.weights.as_deref());
    if weights == [None, None] && header.is_none() {
        return combined;
    }
    let mut hash = Sha256::new();
    hash.update(&combined);
    // Data with the same names keep the hash that earlier versions gave them.
    let header = header.map(|header| Header { spelled: false, ..header.clone() });
    hash.update(serde_json::to_vec(&header).unwrap_or_default());
    for weights in weights {
        // A split without weights is not skipped: the hash tells which split has them.
        let weights = weights.unwrap_or_default();
        hash.update(idx(0x0d, &[weights.len()], |hash| big_endian(hash, weights)));
    }
    hex(&hash.finalize())
}

fn samples(item: &[usize], split: &Split) -> String {
    let shape = [&[split.len()], item].concat();
    match &split.samples {
        Samples::Bytes(bytes) => idx(0x08, &shape, |hash| hash.update(bytes)),
        Samples::Floats(values) => idx(0x0d, &shape, |hash| big_endian(hash, values)),
    }
}

fn targets(split: &Split) -> String {
    let samples = split.len();
    match &split.targets {
        Targets::Classes(classes) if classes.iter().all(|&class| class < 256) => idx(0x08, &[samples], |hash| {
            hash.update(classes.iter().map(|&class| class as u8).collect::<Vec<_>>());
        }),
        Targets::Classes(classes) => {
            idx(0x0c, &[samples], |hash| classes.iter().for_each(|class| hash.update(class.to_be_bytes())))
        }
        Targets::Values { width, values } | Targets::Labels { width, values } => {
            idx(0x0d, &[samples, *width], |hash| big_endian(hash, values))
        }
    }
}

/// The hash of a raw IDX file with values of this type.
fn idx(kind: u8, shape: &[usize], values: impl FnOnce(&mut Sha256)) -> String {
    let mut hash = Sha256::new();
    hash.update([0, 0, kind, shape.len() as u8]);
    shape.iter().for_each(|&size| hash.update((size as u32).to_be_bytes()));
    values(&mut hash);
    hex(&hash.finalize())
}

fn big_endian(hash: &mut Sha256, values: &[f32]) {
    let mut bytes = Vec::with_capacity(1 << 16);
    for part in values.chunks(1 << 14) {
        bytes.clear();
        part.iter().for_each(|value| bytes.extend_from_slice(&value.to_be_bytes()));
        hash.update(&bytes);
    }
}
