//! `gpu-mlp explain` and `gpu-mlp lab`, run as a user runs them.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use crate::common::runs::{complete, train};
use gpu_mlp::results::png;
use serde_json::Value;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

const SMALL: [&str; 10] =
    ["--engine", "cpu", "--data", "digits", "--digits-train", "1000", "--digits-test", "100", "--hidden", "20"];

/// A folder with a trained run; all tests share it.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    complete(train(folder.path(), &[&SMALL[..], &["--out", "run"]].concat()));
    folder
});

/// The exit code, stdout and stderr of a command on that run.
fn call(folder: &Path, words: &str) -> (Option<i32>, String, String) {
    let run = RUN.path().join("run").display().to_string();
    let words: Vec<String> = words.split_whitespace().map(|word| word.replace("RUN", &run)).collect();
    let output = gpu_mlp(folder).args(words).args(["--engine", "cpu"]).output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_sample_is_explained_for_a_reader_and_as_json() {
    let folder = TempDir::new().expect("a temporary folder");
    let (code, text, stderr) = call(folder.path(), "explain RUN --index 3");
    assert_eq!(code, Some(0), "{stderr}");
    for part in [
        "test sample 3",
        "layer 1, 784 to 20",
        "h1 = relu(z1)",
        "softmax p",
        "one-hot y",
        "δ = p - y",
        "loss = -ln p[",
        "dW2",
        "dW1",
    ] {
        assert!(text.contains(part), "{part} is not in: {text}");
    }
    let (code, all, _) = call(folder.path(), "explain RUN --index 3 --all");
    assert!(code == Some(0) && all.lines().count() > text.lines().count() + 100);
    let (code, json, _) = call(folder.path(), "explain RUN --index 3 --json");
    let json: Value = serde_json::from_str(&json).expect("JSON");
    let numbers = |value: &Value| {
        value.as_array().expect("an array").iter().map(|v| v.as_f64().expect("a number")).collect::<Vec<_>>()
    };
    assert_eq!((code, json["widths"].as_array().map(Vec::len)), (Some(0), Some(3)));
    let (p, y) = (numbers(&json["probabilities"]), numbers(&json["backward"]["target"]));
    let delta = numbers(&json["backward"]["layers"][1]["delta"]);
    assert!((p.iter().sum::<f64>() - 1.0).abs() < 1e-5 && y.iter().sum::<f64>() == 1.0);
    assert!(p.iter().zip(&y).zip(&delta).all(|((p, y), delta)| (p - y - delta).abs() < 1e-6));
    // The gradient of a weight is δ behind it times h before it.
    let (h, dw) = (numbers(&json["layers"][0]["h"]), numbers(&json["backward"]["layers"][1]["weight_gradient"]));
    assert!(dw.iter().enumerate().all(|(at, dw)| (dw - delta[at / 20] * h[at % 20]).abs() < 1e-6));
}

#[test]
fn a_picture_needs_a_label_for_the_way_back() {
    let folder = TempDir::new().expect("a temporary folder");
    let digit: Vec<u8> =
        (0..784).map(|at| if (12..15).contains(&(at % 28)) && (100..700).contains(&at) { 255 } else { 0 }).collect();
    std::fs::write(folder.path().join("1.png"), png::grey(&digit, 28, 28)).expect("a file");
    let (code, text, stderr) = call(folder.path(), "explain RUN 1.png");
    assert!(code == Some(0) && stderr.contains("give the true class with --label"), "{stderr}");
    assert!(text.contains("softmax p") && !text.contains("BACKWARD"), "{text}");
    let (code, text, _) = call(folder.path(), "explain RUN 1.png --label 1");
    assert!(code == Some(0) && text.contains("BACKWARD") && text.contains("loss = -ln p[1]"), "{text}");
    let (code, _, stderr) = call(folder.path(), "explain RUN 1.png --label eleven");
    assert!(code == Some(2) && stderr.contains("there is no class eleven: the classes are 0, 1"), "{stderr}");
    let (code, _, stderr) = call(folder.path(), "explain RUN none.png");
    assert!(code == Some(5) && stderr.contains("none.png"), "{stderr}");
    let (code, _, stderr) = call(folder.path(), "explain RUN --index 100");
    assert!(code == Some(2) && stderr.contains("the test split has 100 samples, numbered from 0"), "{stderr}");
}

#[test]
fn the_lab_writes_one_page_and_replaces_none_silently() {
    let folder = TempDir::new().expect("a temporary folder");
    let few = "--data digits --digits-train 400 --digits-test 100";
    let (code, _, stderr) = call(folder.path(), &format!("lab softmax backprop --quick {few}"));
    assert!(code == Some(0) && stderr.contains("lab: lab.html ("), "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("lab.html")).expect("a page");
    assert!(
        page.contains("id=\"softmax\"") && page.contains("gpu-mlp explain runs/1") && !page.contains("id=\"mnist\"")
    );
    let (code, _, stderr) = call(folder.path(), &format!("lab softmax --quick {few}"));
    assert!(code == Some(2) && stderr.contains("lab.html exists"), "{stderr}");
    let (code, _, stderr) = call(folder.path(), &format!("lab softmax --quick --force {few}"));
    assert_eq!(code, Some(0), "{stderr}");
    let (code, _, stderr) = call(folder.path(), "lab soft");
    assert!(code == Some(2) && stderr.contains("softmax"), "{stderr}");
}

/// The commands that the page recommends, as far as the parser goes.
#[test]
fn every_command_to_try_next_parses() {
    let folder = TempDir::new().expect("a temporary folder");
    let source = include_str!("../../src/cli/lab.rs");
    let commands: Vec<&str> = source.split("\"gpu-mlp ").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(commands.len() >= 16, "{commands:?}");
    for command in commands {
        let output = gpu_mlp(folder.path()).args(command.split_whitespace()).arg("--help").output().expect("it runs");
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
    }
}
