//! A model meets data of another shape, or images that were turned otherwise on loading.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use crate::common::splits;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::load::transpose;
use std::path::Path;
use tempfile::TempDir;

/// Writes digits as IDX files: with samples of this shape, transposed or not, with names that begin with `prefix`.
fn write(folder: &Path, shape: &[usize], turned: bool, prefix: &str) {
    std::fs::create_dir(folder).unwrap();
    let data = generate(&Options { train: 400, test: 100, ..Options::default() });
    for (name, split) in [("train", data.train), ("t10k", data.test)] {
        let labels = Idx { shape: vec![split.len()], bytes: splits::labels(&split) };
        let mut images = Idx { shape: [&labels.shape[..], shape].concat(), bytes: split.pixels().to_vec() };
        if turned {
            transpose(&mut images);
        }
        for (kind, idx) in [("images-idx3", images), ("labels-idx1", labels)] {
            let mut bytes = Vec::new();
            idx.write(&mut bytes).unwrap();
            std::fs::write(folder.join(format!("{prefix}{name}-{kind}-ubyte")), bytes).unwrap();
        }
    }
}

/// Runs a command on the CPU; returns whether it succeeded, and what it wrote to stderr.
fn run(folder: &Path, line: &str) -> (bool, String) {
    let output = gpu_mlp(folder).args(line.split(' ')).output().unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

fn train(folder: &Path, data: &str, out: &str) {
    let (good, said) = run(folder, &format!("train --engine cpu --hidden 8 --epochs 1 --data {data} --out {out}"));
    assert!(good, "{said}");
}

/// Commands in which a model meets a data set.
fn meetings(model: &str, data: &str) -> [String; 3] {
    [
        format!("eval {model} --engine cpu --data {data}"),
        format!("predict {model} --engine cpu --index 1 --data {data}"),
        format!("train --from {model} --engine cpu --epochs 1 --data {data}"),
    ]
}

#[test]
fn samples_of_another_shape_are_refused_even_with_as_many_values() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    for (name, shape) in [("wide", &[14, 56][..]), ("high", &[56, 14]), ("flat", &[784]), ("deep", &[1, 14, 56])] {
        write(&at.join(name), shape, false, "");
    }
    train(at, "wide", "run");
    for line in meetings("run", "high") {
        let (good, said) = run(at, &line);
        assert!(!good && said.contains("[14, 56]") && said.contains("[56, 14]"), "{line}: {said}");
    }
    for line in ["flat", "deep"].iter().flat_map(|data| meetings("run", data)) {
        let (good, said) = run(at, &line);
        assert!(good, "{line}: {said}");
    }
}

#[test]
fn images_that_were_turned_otherwise_than_in_training_are_named() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    write(&at.join("stored"), &[28, 28], true, "");
    write(&at.join("turned"), &[28, 28], true, "emnist-digits-");
    write(&at.join("upright"), &[28, 28], false, "");
    train(at, "stored", "of-stored");
    train(at, "turned", "of-turned");
    train(at, "upright", "of-upright");
    // The same files by their hash, but one model saw them turned.
    for line in [meetings("of-stored", "turned"), meetings("of-turned", "stored")].concat() {
        let (good, said) = run(at, &line);
        assert!(!good && said.contains("turned") && said.contains("emnist-"), "{line}: {said}");
    }
    for line in [meetings("of-turned", "upright"), meetings("of-upright", "turned")].concat() {
        let (good, said) = run(at, &line);
        assert!(good && said.contains("note: the images of"), "{line}: {said}");
    }
    for line in [meetings("of-turned", "turned"), meetings("of-upright", "stored")].concat() {
        let (good, said) = run(at, &line);
        assert!(good && !said.contains("note: the images of"), "{line}: {said}");
    }
    // A state dict of another program does not say it.
    let (good, said) = run(at, "export of-turned --format safetensors --out dict.safetensors");
    assert!(good && said.contains("transposed"), "{said}");
    let bytes = std::fs::read(at.join("dict.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    std::fs::write(at.join("bare.safetensors"), safetensors::serialize(tensors.tensors(), None).unwrap()).unwrap();
    let (good, said) = run(at, "eval bare.safetensors --engine cpu --data turned");
    assert!(good && said.contains("unknown"), "{said}");
}

#[test]
fn every_export_says_that_images_were_transposed() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    write(&at.join("turned"), &[28, 28], true, "emnist-digits-");
    train(at, "turned", "run");
    for format in ["onnx", "safetensors", "csv"] {
        let (good, said) = run(at, &format!("export run --format {format}"));
        assert!(good && said.contains("note: the training images were transposed on loading"), "{format}: {said}");
    }
}
