//! Data sets from arrays in memory: what is accepted, what is refused, their hash, and their parts.

use crate::common::shelf::next;
use gpu_mlp::base::hash::combined_sha256;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::{DataSet, Samples, Split, Targets, Task};

/// Four samples of two floats, with these targets.
fn floats(targets: impl Into<Targets>) -> Split {
    Split::new(vec![0.5f32, -1.0, f32::NAN, 2.0, 3.5, 0.0, 1e30, -7.0], targets)
}

fn values(width: usize, values: &[f32]) -> Targets {
    Targets::Values { width, values: values.to_vec() }
}

fn labels(width: usize, values: &[f32]) -> Targets {
    Targets::Labels { width, values: values.to_vec() }
}

fn weighted(split: Split, weights: &[f32]) -> Split {
    Split { weights: Some(weights.to_vec()), ..split }
}

fn classes() -> Split {
    floats(vec![0u32, 2, 1, 2])
}

fn set(train: Split, test: Split) -> Result<DataSet, gpu_mlp::Error> {
    DataSet::from_splits("some", vec![2], train, test)
}

/// The error of these splits contains all of `words`.
#[track_caller]
fn refused(train: Split, test: Split, words: &[&str]) {
    let error = set(train, test).expect_err("an error");
    let said = format!("{error}: {}", next(&error));
    for word in words {
        assert!(said.contains(word), "{said:?} lacks {word:?}");
    }
}

#[test]
fn samples_are_bytes_or_floats_and_targets_show_the_task() {
    let names = |count: usize| (0..count).map(|number| number.to_string()).collect::<Vec<_>>();
    for (targets, task) in [
        (vec![0u32, 700, 1, 2].into(), Task::numbered(701)),
        (values(1, &[0.5, -1.0, 2.0, 1e9]), Task::Values { names: names(1), scales: Vec::new() }),
        (values(2, &[0.0; 8]), Task::Values { names: names(2), scales: Vec::new() }),
        (labels(3, &[1.0; 12]), Task::Labels { names: names(3) }),
    ] {
        let split = weighted(floats(targets), &[1.0, 0.0, 2.5, 1.0]);
        let data = set(split.clone(), split.clone()).expect("a set");
        assert_eq!((data.outputs(), data.inputs(), &data.task), (task.outputs(), 2, &task));
        assert!(!data.is_ready() && data.features.is_none() && data.header.is_none() && data.validation.is_none());
        assert!(data.train.targets == split.targets && data.test.weights == split.weights);
        // The test split may be left out.
        assert_eq!(set(split, Split::default()).expect("a set without test split").task, task);
    }
    let bytes = set(Split::new(vec![1u8, 2, 3, 4], vec![0u8, 1]), Split::default()).expect("a set");
    assert!(bytes.is_ready() && bytes.train.samples.floats().is_none());
}

#[test]
fn splits_that_are_no_data_set_are_refused() {
    let good = classes();
    refused(Split::default(), good.clone(), &["train samples", "0 samples"]);
    let flat = DataSet::from_splits("some", vec![2, 0], good.clone(), good.clone()).expect_err("an error");
    assert!(flat.to_string().contains("[2, 0]"), "{flat}");

    let long = Split::new(vec![0.0f32; 9], vec![0u32, 2, 1, 2]);
    refused(long.clone(), good.clone(), &["train samples", "9 values", "4 targets", "[2]"]);
    refused(good.clone(), long, &["test samples", "9 values", "4 targets"]);
    refused(good.clone(), Split::new(vec![0.0f32; 2], Vec::<u32>::new()), &["test samples", "2 values", "0 targets"]);
    refused(good.clone(), Split::new(vec![0u8; 8], vec![0u8, 2, 1, 2]), &["test samples", "differ in type"]);

    let mut infinite = good.clone();
    infinite.samples = Samples::Floats([&[0.0; 5][..], &[f32::NEG_INFINITY], &[0.0; 2]].concat());
    refused(infinite, good.clone(), &["train samples", "value 1 of sample 2 is infinite", "NaN for a missing value"]);

    refused(floats(values(3, &[0.0; 13])), good.clone(), &["train targets", "13 values in rows of 3"]);
    for bad in [f32::NAN, f32::INFINITY] {
        let split = floats(values(2, &[0.0, 0.0, 0.0, 0.0, 0.0, bad, 0.0, 0.0]));
        refused(split, good.clone(), &["train targets", "target 1 of sample 2 is", "finite"]);
    }
    for bad in [f32::NAN, 0.5, -1.0, 2.0] {
        let split = floats(labels(1, &[0.0, 1.0, bad, 1.0]));
        refused(split.clone(), good.clone(), &["train targets", "target 0 of sample 2 is", "give 0 or 1"]);
        refused(floats(labels(1, &[0.0; 4])), split, &["test targets", "give 0 or 1"]);
    }
}

#[test]
fn weights_are_one_per_sample_finite_and_not_all_zero() {
    let with = |weights: &[f32]| weighted(classes(), weights);
    refused(with(&[1.0; 3]), classes(), &["train weights", "3 weights for 4 samples"]);
    for bad in [-1.0, f32::NAN, f32::INFINITY] {
        refused(with(&[1.0, 0.0, bad, 2.0]), classes(), &["train weights", "weight 2 is", "finite numbers from 0"]);
    }
    refused(with(&[0.0; 4]), classes(), &["train weights", "are all 0"]);
    refused(classes(), with(&[0.0; 4]), &["test weights", "are all 0"]);
    let data = set(with(&[0.0, 0.0, 0.5, 0.0]), classes()).expect("one weight above 0 is enough");
    assert_eq!((data.train.weight(), data.test.weight()), (0.5, 4.0));
}

#[test]
fn both_splits_have_the_same_kind_of_targets() {
    refused(classes(), floats(vec![0u32, 1, 3, 2]), &["test labels", "sample 2 the label 3", "0 to 2"]);
    let kinds = [vec![0u32; 4].into(), values(1, &[0.0; 4]), values(2, &[0.0; 8]), labels(1, &[0.0; 4])];
    let other_width = labels(2, &[0.0; 8]);
    for one in kinds.iter().chain([&other_width]) {
        for other in kinds.iter().chain([&other_width]).filter(|other| *other != one) {
            refused(floats(one.clone()), floats(other.clone()), &["test targets", "differ in kind"]);
        }
    }
}

/// The hash is that of the same arrays as IDX files. The constant was computed from the definition by another program; it also was the hash before there were floats.
#[test]
fn the_hash_of_bytes_and_classes_is_that_of_idx_files() {
    let idx = |shape: &[usize], bytes: &[u8]| Idx { shape: shape.to_vec(), bytes: bytes.to_vec() };
    let (train, test) = ([9u8, 0, 0, 7, 8, 1], [2u8, 9]);
    let data = set(Split::new(train.to_vec(), vec![0u8, 1, 0]), Split::new(test.to_vec(), vec![1u8])).expect("a set");
    let parts = [idx(&[3, 2], &train), idx(&[3], &[0, 1, 0]), idx(&[1, 2], &test), idx(&[1], &[1])];
    assert_eq!(data.sha256, combined_sha256(&parts.map(|part| part.raw_sha256())));
    assert_eq!(data.sha256, "8e50d6dea069ce6d2fb97f1e83ac1dab0492a47c6cf9be7cb0f2a5295fc78275");
}

#[test]
fn the_hash_covers_every_value_and_weight() {
    let mut hashes = std::collections::BTreeSet::new();
    let weights = [1.0, 2.0, 1.0, 1.0];
    for train in [
        classes(),
        Split::new(vec![0.5f32, -1.0, f32::NAN, 2.0, 3.5, 0.0, 1e30, -7.5], vec![0u32, 2, 1, 2]),
        floats(vec![0u32, 2, 2, 2]),
        floats(vec![0u32, 2, 300, 2]),
        floats(vec![0u32, 2, 300 + 256, 2]),
        floats(values(1, &[0.0, 2.0, 1.0, 2.0])),
        floats(labels(1, &[0.0, 1.0, 1.0, 1.0])),
        weighted(classes(), &weights),
        weighted(classes(), &[1.0, 2.0, 1.0, 1.5]),
    ] {
        assert!(hashes.insert(set(train, Split::default()).expect("a set").sha256), "two sets have one hash");
    }
    // It is known which split has the weights.
    let both = |train, test| set(train, test).expect("a set").sha256;
    let one = both(weighted(classes(), &weights), classes());
    assert_ne!(one, both(classes(), weighted(classes(), &weights)));
}

#[test]
fn a_divided_split_keeps_rows_targets_and_weights_together() {
    let rows = 103u16;
    let number = |row: u16| f32::from(row);
    let samples: Vec<f32> = (0..rows).flat_map(|row| [number(row), -number(row)]).collect();
    let weights: Vec<f32> = (0..rows).map(|row| 1.0 + number(row)).collect();
    let flags = (0..rows).flat_map(|row| [f32::from(row % 2), f32::from(row / 2 % 2)]).collect();
    for targets in [
        Targets::Classes((0..rows).map(|row| u32::from(row % 3)).collect()),
        Targets::Values { width: 2, values: samples.clone() },
        Targets::Labels { width: 2, values: flags },
    ] {
        let train = Split { weights: Some(weights.clone()), ..Split::new(samples.clone(), targets.clone()) };
        let whole = train.clone();
        let divided = set(train, Split::default()).expect("a set").divided(20, None, 1).expect("a division");
        let validation = divided.validation.expect("a validation split");
        assert_eq!((validation.len(), divided.train.len()), (20, 83));
        let mut seen = vec![false; usize::from(rows)];
        for split in [&validation, &divided.train] {
            for at in 0..split.len() {
                let row = split.samples.floats().expect("floats")[2 * at] as usize;
                assert!(!seen[row], "row {row} is in both splits");
                seen[row] = true;
                let one = split.rows(&[at]);
                assert!(one == whole.rows(&[row]), "row {row} has another target or weight");
            }
        }
        assert!(seen.iter().all(|&seen| seen), "a row was lost");
    }
}
