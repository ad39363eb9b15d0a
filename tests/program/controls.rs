//! Controls of a training run, used as a user does.

use crate::common::program::gpu_mlp;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

/// A run on generated digits in an empty folder: two epochs of 25 updates.
fn train(folder: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = gpu_mlp(folder);
    command.args(["train", "--engine", "cpu", "--data", "digits", "--digits-train", "1600", "--digits-test", "300"]);
    if !args.contains(&"--epochs") {
        command.args(["--epochs", "2"]);
    }
    let output = command.args(args).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Runs that must succeed; returns stdout and the records.
fn records(args: &[&str]) -> (String, Vec<Value>) {
    let folder = TempDir::new().unwrap();
    let (code, stdout, stderr) = train(folder.path(), args);
    assert_eq!(code, 0, "{stderr}");
    let metrics = std::fs::read_to_string(folder.path().join("runs/1/metrics.jsonl")).unwrap();
    let records = metrics.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (stdout, records.filter(|record| record["type"] != "updates").collect())
}

#[test]
fn a_validation_split_is_scored_each_epoch_and_the_test_split_once() {
    let (stdout, records) = records(&["--validation", "400", "--restore-best"]);
    assert_eq!((&records[0]["train_samples"], &records[0]["validation_samples"]), (&1200.into(), &400.into()));
    for epoch in &records[1..3] {
        assert!(epoch["validation_loss"].as_f64().unwrap() > 0.0 && epoch["test_loss"].is_null(), "{epoch}");
        assert!(epoch["momentum"] == 0.0 && epoch["lr"].as_f64().unwrap() < 0.2, "{epoch}");
    }
    assert_eq!(records[2]["step"], 2 * 19);
    let end = records.last().unwrap();
    assert!(end["test_accuracy"].as_f64().unwrap() > 0.5 && end["reason"] == "finished", "{end}");
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{stdout}");
    assert!(lines[0].contains("validation loss") && !lines[0].contains("test"), "{stdout}");
    let best = end["restored_epoch"].as_u64().unwrap();
    assert!(lines[2].starts_with(&format!("model of epoch {best}, the best  validation loss")), "{stdout}");
    assert!(lines[2].contains("  test loss"), "{stdout}");
    // The record has all scores of the model, and what a reader must know to repeat the run.
    let of_model = &records[best as usize];
    for score in ["train_loss", "train_accuracy", "validation_loss", "validation_accuracy"] {
        assert!(end[score].is_f64() && end[score] == of_model[score], "{score}: {end}");
    }
    assert!(end["test_loss"].is_f64(), "{end}");
    assert_eq!((&end["settings"]["validation"], &end["settings"]["lr"]), (&400.into(), &Value::Null), "{end}");
}

#[test]
fn limits_end_a_run() {
    let (stdout, steps) = records(&["--max-steps", "30"]);
    assert!(stdout.contains("epoch 2/2 to update 30  train"), "{stdout}");
    assert_eq!((&steps[2]["step"], &steps[3]["reason"]), (&30.into(), &"max_steps".into()));
    let (_, time) = records(&["--max-time", "1ms", "--epochs", "500"]);
    assert_eq!(time.last().unwrap()["reason"], "max_time");
    let (_, patience) = records(&["--validation", "100", "--early-stopping", "1", "--epochs", "200", "--lr", "0.5"]);
    assert_eq!(patience.last().unwrap()["reason"], "early_stopping");
}

#[test]
fn a_dry_run_does_everything_once_and_writes_nothing() {
    let folder = TempDir::new().unwrap();
    let (code, stdout, stderr) = train(folder.path(), &["--dry-run", "--validation", "100"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("to update 1 ") && stdout.contains("test loss") && stdout.contains("nothing was written"));
    assert!(!folder.path().join("runs").exists());
}

#[test]
fn a_net_overfits_two_batches() {
    let (_, records) = records(&["--overfit-batches", "2", "--batch-size", "16", "--epochs", "60"]);
    assert_eq!(records[0]["train_samples"], 32);
    assert_eq!(records[60]["train_accuracy"], 1.0);
}

#[test]
fn every_schedule_trains_and_is_in_the_record() {
    for schedule in ["constant", "step", "exponential", "linear", "cosine", "one-cycle", "plateau"] {
        let args = ["--schedule", schedule, "--validation", "100", "--warmup", "0.5", "--optimizer", "nesterov"];
        let (_, records) = records(&args);
        assert_eq!(records[0]["config"]["schedule"], schedule);
        let loss = records[2]["validation_loss"].as_f64().unwrap();
        assert!(loss < 1.0, "{schedule}: {loss}; guessing has ln 10");
    }
}

#[test]
fn invalid_controls_are_refused_with_advice() {
    let cases: [(&[&str], &[&str]); 15] = [
        (
            &["--early-stopping", "2"],
            &["early-stopping needs a validation split", "set validation, for example to 10000"],
        ),
        (&["--restore-best"], &["restore-best needs a validation split"]),
        (&["--schedule", "plateau"], &["plateau schedule needs a validation split"]),
        (&["--validation", "1600"], &["a validation split of 1600", "1600 training samples"]),
        (&["--limit-train", "0"], &["no training samples"]),
        (&["--limit-train", "10", "--batch-size", "32"], &["batch-size is 32", "10 samples"]),
        (&["--overfit-batches", "0"], &["overfit-batches is 0"]),
        (&["--overfit-batches", "1", "--batch-size", "full"], &["a batch-size that is a number"]),
        (&["--max-steps", "0"], &["max-steps is 0"]),
        (&["--max-time", "soon"], &["--max-time"]),
        (&["--accumulate", "30"], &["accumulate is 30", "batch-size is 64", "1600 samples"]),
        (&["--warmup", "2"], &["warmup is 2 epochs", "only 2"]),
        (&["--momentum-warmup", "1", "--momentum", "0.8"], &["cannot rise from 0.85 to 0.8"]),
        (&["--lr-gamma", "NaN"], &["lr-gamma is NaN"]),
        (&["--cycle-peak", "1"], &["cycle-peak is 1"]),
    ];
    let folder = TempDir::new().unwrap();
    for (args, words) in cases {
        let (code, _, stderr) = train(folder.path(), args);
        assert_eq!(code, 2, "{args:?}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{args:?}: {stderr}");
    }
    assert!(!folder.path().join("runs").exists(), "nothing was written");
}

#[test]
fn json_with_quiet_prints_only_the_records() {
    let folder = TempDir::new().unwrap();
    let (code, stdout, stderr) = train(folder.path(), &["--json", "--quiet"]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let run = folder.path().join("runs/1");
    assert_eq!(stdout, std::fs::read_to_string(run.join("metrics.jsonl")).unwrap());
    let model = std::fs::read(run.join("model.safetensors")).unwrap();
    let (code, stdout, stderr) = train(folder.path(), &["-v"]);
    assert!(code == 0 && stdout.starts_with("epoch 1/2  train loss"), "{stdout}");
    assert!(stderr.contains("engine made") && !stderr.contains('\u{1b}'), "{stderr}");
    assert!(
        model == std::fs::read(folder.path().join("runs/2/model.safetensors")).unwrap(),
        "the display does not change the model"
    );
}

#[test]
fn lr_find_plots_and_suggests() {
    let folder = TempDir::new().unwrap();
    let run = |args: &[&str]| {
        let mut command = gpu_mlp(folder.path());
        command.args(["lr-find", "--engine", "cpu", "--data", "digits"]);
        let output = command.args(["--digits-train", "2000", "--digits-test", "100"]).args(args).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stdout).unwrap())
    };
    let (code, text) = run(&[]);
    let suggestion: f64 = text.lines().last().unwrap().strip_prefix("suggestion: --lr ").unwrap().parse().unwrap();
    assert!(code == 0 && (1e-3..1.0).contains(&suggestion) && text.contains('•'), "{text}");
    let found: Value = serde_json::from_str(&run(&["--json"]).1).unwrap();
    assert_eq!(found["suggestion"], suggestion);
    assert!(found["points"].as_array().unwrap().len() > 50);
    assert_eq!(run(&["--from", "1", "--to", "0.1"]).0, 2);
    for idle in [["--schedule", "cosine"], ["--warmup", "1"], ["--early-stopping", "2"], ["--monitor", "accuracy"]] {
        assert_eq!(run(&idle).0, 2, "{idle:?} would have no effect");
    }
    let validated: Value =
        serde_json::from_str(&run(&["--validation", "200", "--limit-train", "900", "--json"]).1).unwrap();
    assert_ne!(validated["points"], found["points"]);
    assert!(!folder.path().join("runs").exists(), "nothing is written");
}
