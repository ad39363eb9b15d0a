//! `train --seeds N`: runs side by side, their means, and how they resume.

use super::tables::{fails, ok};
use gpu_mlp::run::history::History;
use serde_json::Value;
use std::fs;
use std::path::Path;

const TRAIN: &str = "train --engine cpu --data digits --digits-train 640 --digits-test 100 --hidden 9 --epochs 2";

fn model(dir: &Path, run: &str) -> Vec<u8> {
    fs::read(dir.join(run).join("model.safetensors")).expect("a model")
}

#[test]
fn each_seed_is_a_run_like_any_other_and_the_means_are_those_of_the_records() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let lines = ok(dir, &format!("{TRAIN} --seed 5 --seeds 3 --json --out all"));
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(
        lines.iter().map(|line| line["type"].as_str()).collect::<Vec<_>>(),
        [Some("epoch"), Some("epoch"), Some("end")]
    );
    let summary = fs::read_to_string(dir.join("all/seeds.jsonl")).expect("the means");
    let written: Vec<Value> = summary.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(written, lines);

    let mut losses = Vec::new();
    for seed in [5, 6, 7] {
        ok(dir, &format!("{TRAIN} --seed {seed} --out alone-{seed}"));
        assert_eq!(model(dir, &format!("all/seed-{seed}")), model(dir, &format!("alone-{seed}")), "seed {seed}");
        let history = History::read(&dir.join(format!("alone-{seed}"))).expect("a record");
        losses.push(history.end.expect("the end").test_loss.expect("a loss"));
    }
    let mean = losses.iter().sum::<f64>() / 3.0;
    let variance = losses.iter().map(|loss| (loss - mean).powi(2)).sum::<f64>() / 2.0;
    let end = &lines[2]["test_loss"];
    let close = |found: &Value, wanted: f64| (found.as_f64().expect("a number") - wanted).abs() < 1e-12;
    assert!(close(&end["mean"], mean) && close(&end["standard_error"], (variance / 3.0).sqrt()), "{end}");
    assert_eq!((&end["runs"], &lines[2]["finished"]), (&3.into(), &3.into()));
    ok(dir, "eval all/seed-6 --engine cpu");
}

#[test]
fn runs_of_one_order_differ_in_initial_weights_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    ok(dir, &format!("{TRAIN} --seed 5 --seeds 2 --same-order --out all"));
    ok(dir, &format!("{TRAIN} --seed 5 --out first"));
    ok(dir, &format!("{TRAIN} --seed 6 --out other-order"));
    ok(dir, &format!("{TRAIN} --seed 6 --order-seed 5 --out alone"));
    assert_eq!(model(dir, "all/seed-5"), model(dir, "first"));
    assert_eq!(model(dir, "all/seed-6"), model(dir, "alone"));
    assert_ne!(model(dir, "all/seed-6"), model(dir, "other-order"));
    let message = fails(dir, &format!("{TRAIN} --same-order --out single"), 2);
    assert!(message.contains("--seeds"), "{message}");
}

#[test]
fn stopped_runs_resume_and_ended_runs_are_left_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    ok(dir, &format!("{TRAIN} --seeds 3 --out whole"));
    ok(dir, &format!("{TRAIN} --seeds 3 --out parts --max-steps 7"));
    // One run was never begun, one was trained to its end.
    fs::remove_dir_all(dir.join("parts/seed-3")).expect("a folder");
    ok(dir, "train --resume parts/seed-1");
    let ended = fs::read(dir.join("parts/seed-1/metrics.jsonl")).expect("a record");
    ok(dir, "train --resume parts");
    for seed in 1..=3 {
        assert_eq!(model(dir, &format!("parts/seed-{seed}")), model(dir, &format!("whole/seed-{seed}")), "seed {seed}");
    }
    assert_eq!(fs::read(dir.join("parts/seed-1/metrics.jsonl")).expect("a record"), ended);
    let message = fails(dir, "train --resume parts --seeds 4", 2);
    assert!(message.contains("3 seeds, not 4"), "{message}");
    let message = fails(dir, "train --resume whole/seed-1 --seeds 3", 2);
    assert!(message.contains("a single run"), "{message}");
    let message = fails(dir, &format!("{TRAIN} --seeds 3 --out whole"), 2);
    assert!(message.contains("--force"), "{message}");
    fs::write(dir.join("parts/seeds.toml"), "seeds = 3").expect("a file");
    let message = fails(dir, "train --resume parts", 5);
    assert!(message.contains("seeds.toml") && message.contains("first"), "{message}");
}

#[test]
fn a_seed_that_diverges_is_named_and_the_others_are_saved() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let message = fails(dir, &format!("{TRAIN} --seeds 2 --lr 1e30 --out all"), 6);
    assert!(message.contains("all/seed-1: ") && message.contains("all/seed-2: "), "{message}");
    assert!(!dir.join("all/seed-1/model.safetensors").exists());
}
