//! `--precision int8` and `parity --exact`, run as a user runs them.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use tempfile::TempDir;

const DATA: [&str; 8] = ["--engine", "cpu", "--data", "digits", "--digits-train", "3000", "--digits-test", "500"];
const TRAIN: [&str; 7] = ["train", "--precision", "int8", "--epochs", "3", "--hidden", "64"];

fn run(folder: &Path, args: &[&str]) -> Output {
    let output = gpu_mlp(folder).args(args).output().expect("it runs");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

fn last_record(folder: &Path, run: &str) -> Value {
    let text = std::fs::read_to_string(folder.join(run).join("metrics.jsonl")).expect("metrics");
    serde_json::from_str(text.lines().last().expect("a record")).expect("JSON")
}

#[test]
fn a_run_in_integers_learns_resumes_and_is_used_like_any_other() {
    let folder = TempDir::new().expect("a folder");
    let at = folder.path();
    let train = |more: &[&str]| run(at, &[&TRAIN, &DATA[..], more].concat());
    let train = |more: &[&str]| train(&[&["--momentum", "0.9"], more].concat());
    train(&["--out", "whole"]);
    train(&["--out", "parts", "--max-steps", "70", "--threads", "1"]);
    run(at, &["train", "--resume", "parts"]);
    let model = |run: &str| std::fs::read(at.join(run).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("parts"), "a resumed run ends with other bits");

    let end = last_record(at, "whole");
    let accuracy = end["test_accuracy"].as_f64().expect("an accuracy");
    assert!(accuracy > 0.9, "{end}");
    let eval = run(at, &["eval", "whole", "--engine", "cpu", "--json"]);
    let eval: Value = serde_json::from_slice(&eval.stdout).expect("JSON");
    assert_eq!(eval["accuracy"].as_f64(), Some(accuracy), "{eval}");
    run(at, &["predict", "whole", "--index", "0-9", "--engine", "cpu"]);
    run(at, &["report", "whole", "--out", "report.html"]);
    run(at, &["export", "whole", "--format", "onnx", "--out", "model.onnx"]);
    run(at, &["plan", "--precision", "int8"]);
}

#[test]
fn limited_values_are_noted_and_recorded() {
    let folder = TempDir::new().expect("a folder");
    let args = [&TRAIN, &DATA[..], &["--lr", "3", "--momentum", "0.97", "--out", "wild", "--health", "show"]].concat();
    let output = run(folder.path(), &args);
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("layer 1  limited: weights "), "{stdout}");
    assert!(stderr.contains("did not fit in 8 bits and were limited"), "{stderr}");
    let text = std::fs::read_to_string(folder.path().join("wild/metrics.jsonl")).expect("metrics");
    let epoch = text.lines().find(|line| line.contains("\"epoch\":3")).expect("the last epoch");
    let epoch: Value = serde_json::from_str(epoch).expect("JSON");
    let shares = ["weights", "outputs", "errors"].map(|what| epoch["limited"][0][what].as_f64().expect("a share"));
    assert!(shares.iter().any(|share| *share > 0.01), "{shares:?}");
}

#[test]
fn what_has_no_integer_form_is_an_error() {
    let folder = TempDir::new().expect("a folder");
    for (more, part) in [
        (["--optimizer", "adam"], "use sgd or nesterov"),
        (["--clip-norm", "1"], "use clip-value"),
        (["--activation", "gelu"], "has no integer form"),
    ] {
        let output = gpu_mlp(folder.path()).args(TRAIN).args(DATA).args(more).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains(part), "{:?}: {stderr}", output.status);
    }
}

#[test]
fn the_golden_run_is_bit_identical_on_every_adapter() {
    let folder = TempDir::new().expect("a folder");
    let output = run(folder.path(), &["parity", "--exact", "--threads", "2"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let machines = stdout.matches("bit-identical to the reference: yes").count();
    assert!(machines >= 1 && !stdout.contains(": NO"), "{stdout}");
}
