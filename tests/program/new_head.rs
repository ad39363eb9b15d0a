//! `train --from MODEL --new-head`: the hidden layers of a model, for other classes or targets.

use super::tables::{fails, ok, table};
use crate::common::shelf::{NAMES, put_set};
use gpu_mlp::config::Config;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::{Split, Task};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::model_file;
use std::fs;
use std::path::Path;

/// A learning rate that changes no weight.
const STILL: &str = "--lr 1e-30 --epochs 1";

fn model(dir: &Path, run: &str) -> (Mlp, model_file::Description) {
    model_file::read(&dir.join(run).join("model.safetensors")).expect("a model")
}

fn bytes(dir: &Path, run: &str) -> Vec<u8> {
    fs::read(dir.join(run).join("model.safetensors")).expect("a model")
}

/// Images and labels of the digits below `classes`.
fn below(classes: u32, split: &Split) -> [Idx; 2] {
    let rows: Vec<usize> = (0..split.len()).filter(|&row| split.classes()[row] < classes).collect();
    let split = split.rows(&rows);
    let labels: Vec<u8> = split.classes().iter().map(|&class| class as u8).collect();
    [
        Idx { shape: vec![rows.len(), 28, 28], bytes: split.pixels().to_vec() },
        Idx { shape: vec![rows.len()], bytes: labels },
    ]
}

#[test]
fn a_model_of_five_digits_learns_all_ten() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let all = generate(&Options { train: 1200, test: 300, seed: 1 });
    let [images, labels] = below(5, &all.train);
    let [test_images, test_labels] = below(5, &all.test);
    put_set(&dir.join("five"), NAMES, &[images, labels, test_images, test_labels]);
    ok(dir, "train --engine cpu --data five --hidden 32 --epochs 4 --out five-run");

    let ten = "train --engine cpu --digits-train 1200 --digits-test 300";
    let message = fails(dir, &format!("{ten} --from five-run --epochs 1"), 2);
    assert!(["5 classes", "10 classes", "--new-head"].iter().all(|word| message.contains(word)), "{message}");
    ok(dir, &format!("{ten} --from five-run --new-head --seed 3 {STILL} --out still"));
    let ((before, _), (still, _)) = (model(dir, "five-run"), model(dir, "still"));
    assert_eq!(still.layers[..1], before.layers[..1], "the hidden layer is that of the model");
    let Config { init, .. } = Config::default();
    let drawn = Mlp::new(&[784, 32, 10], before.activation, init, 3);
    assert_eq!(still.layers[1].weight, drawn.layers[1].weight, "the last layer is drawn by the seed");

    ok(dir, &format!("{ten} --from five-run --new-head --epochs 4 --out whole"));
    let scores: serde_json::Value = serde_json::from_str(&ok(dir, "eval whole --engine cpu --json")).expect("JSON");
    assert!(scores["accuracy"].as_f64().expect("a share") > 0.8, "{scores}");
    // The record repeats and resumes it.
    ok(dir, "train --config whole --engine cpu --out again");
    ok(dir, &format!("{ten} --from five-run --new-head --epochs 4 --max-steps 25 --out part"));
    ok(dir, "train --resume part");
    assert!(bytes(dir, "whole") == bytes(dir, "again") && bytes(dir, "whole") == bytes(dir, "part"));

    let message = fails(dir, &format!("{ten} --new-head --epochs 1"), 2);
    assert!(message.contains("--from"), "{message}");
    ok(dir, "train --engine cpu --data five --hidden none --epochs 1 --out flat");
    let message = fails(dir, &format!("{ten} --from flat --new-head --epochs 1"), 2);
    assert!(message.contains("hidden layers"), "{message}");
}

#[test]
fn a_model_of_a_table_learns_another_target() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    fs::write(dir.join("shop.csv"), table(300, true)).expect("it is written");
    // Other rows, so that what they teach would differ.
    fs::write(dir.join("few.csv"), table(90, true)).expect("it is written");
    let train = "train --engine cpu --epochs 6 --batch-size 16";
    ok(dir, &format!("{train} --data shop.csv --target kind --ignore price,id --out kinds"));

    let from = format!("{train} --data few.csv --test 20 --from kinds --ignore id");
    let message = fails(dir, &format!("{from} --target price"), 5);
    assert!(message.contains("price") && message.contains("kind") && message.contains("--new-head"), "{message}");
    let message = fails(dir, &format!("{from} --new-head --target size"), 5);
    assert!(message.contains("size") && message.contains("features"), "{message}");
    let whole = format!("{from} --new-head --target price");
    ok(dir, &format!("{whole} --out prices"));
    let ((_, before), (_, after)) = (model(dir, "kinds"), model(dir, "prices"));
    assert_eq!(after.features, before.features, "the columns are encoded as in the training of the model");
    let header = |description: &model_file::Description| description.header.clone().expect("a table").columns;
    assert_eq!(header(&after), header(&before));
    let Some(Task::Values { names, scales }) = after.task else { panic!("values") };
    assert_eq!((names, scales.len()), (vec!["price".to_owned()], 1));

    // A resumed run learns nothing a second time, with a new head or with the old one.
    for (name, begin) in [("prices", &whole), ("kinds-again", &format!("{from} --target kind"))] {
        if name != "prices" {
            ok(dir, &format!("{begin} --out {name}"));
        }
        ok(dir, &format!("{begin} --max-steps 9 --out part --force"));
        ok(dir, "train --resume part");
        assert!(bytes(dir, name) == bytes(dir, "part"), "{name}");
        ok(dir, &format!("train --config {name} --engine cpu --out repeated --force"));
        assert!(bytes(dir, name) == bytes(dir, "repeated"), "{name}");
        ok(dir, &format!("eval {name} --engine cpu"));
        fs::write(dir.join("new.csv"), "colour,size\nred,9\nblue,0.5\n").expect("it is written");
        ok(dir, &format!("predict {name} new.csv --engine cpu --out -"));
        ok(dir, &format!("export {name} --format onnx --force"));
    }

    // The columns of a table, and pictures, for a model of pictures and of a table.
    fs::write(dir.join("narrow.csv"), "size,price\n1,2\n2,3\n3,4\n").expect("it is written");
    let message = fails(dir, &format!("{train} --from kinds --new-head --data narrow.csv --target price"), 5);
    assert!(message.contains("colour"), "{message}");
    let message = fails(dir, &format!("{train} --from kinds --new-head --data digits"), 2);
    assert!(message.contains("table"), "{message}");
}
