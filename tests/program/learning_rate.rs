//! The default learning rate follows the batch size; a given rate always wins.
#![cfg(feature = "cli")]

use crate::common::program;
use std::path::Path;
use tempfile::TempDir;

/// Runs the program; returns its exit code, stdout and stderr.
fn run(folder: &Path, words: &str) -> (Option<i32>, String, String) {
    let output = program::gpu_mlp(folder).args(words.split_whitespace()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Trains one epoch on few digits; returns stderr.
fn train(folder: &Path, words: &str) -> String {
    let fixed = "train --engine cpu --data digits --digits-train 320 --digits-test 50 --hidden 32 --out run --force";
    let epochs = if words.contains("--epochs") { "" } else { "--epochs 1" };
    let (code, _, stderr) = run(folder, &format!("{fixed} {epochs} {words}"));
    assert_eq!(code, Some(0), "{words}: {stderr}");
    stderr
}

/// The learning rate in the run's config.toml.
fn recorded(folder: &Path) -> f64 {
    let text = std::fs::read_to_string(folder.join("run/config.toml")).unwrap();
    text.parse::<toml::Table>().unwrap()["lr"].as_float().unwrap()
}

#[test]
fn the_default_rate_suits_the_samples_per_update_and_is_recorded() {
    let folder = TempDir::new().unwrap();
    for (words, optimizer, batch, lr) in [
        ("", "sgd", 64, 0.2),
        ("--optimizer nesterov", "nesterov", 64, 0.05),
        ("--optimizer adam", "adam", 64, 0.001),
        ("--batch-size 4", "sgd", 4, 0.0125),
        ("--batch-size 1 --accumulate 4", "sgd", 4, 0.0125),
        ("--batch-size 4 --physical-batch 1", "sgd", 4, 0.0125),
        ("--batch-size full --limit-train 4", "sgd", 4, 0.0125),
        ("--batch-size full --limit-train 64", "sgd", 64, 0.2),
    ] {
        let stderr = train(folder.path(), words);
        let line = format!("learning rate {lr} (default for {optimizer} at batch size {batch})\n");
        assert!(stderr.contains(&line), "{words}: {stderr}");
        assert_eq!(recorded(folder.path()), lr, "{words}");
    }
}

#[test]
fn a_given_rate_wins_over_the_default() {
    let folder = TempDir::new().unwrap();
    std::fs::write(folder.path().join("my.toml"), "lr = 0.3\n").unwrap();
    for (words, lr) in [
        ("--batch-size 4 --lr 0.2", 0.2),
        ("--batch-size 4 --config my.toml", 0.3),
        ("--preset nielsen --batch-size 4", 0.1),
        // Its own rate belongs to another optimizer.
        ("--preset nielsen --optimizer adam --batch-size 64", 0.001),
    ] {
        let stderr = train(folder.path(), words);
        assert!(!stderr.contains("(default for") || words.contains("adam"), "{words}: {stderr}");
        assert_eq!(recorded(folder.path()), lr, "{words}");
    }
    train(folder.path(), "");
    std::fs::rename(folder.path().join("run"), folder.path().join("first")).unwrap();
    train(folder.path(), "--config first --batch-size 4");
    assert_eq!(recorded(folder.path()), 0.2, "the rate of the run's record");
    let (code, _, stderr) =
        run(folder.path(), "train --resume first --epochs 2 --batch-size 4 --allow-mismatch epochs,batch-size");
    assert!(code == Some(0) && !stderr.contains("lr:"), "the rate of the checkpoint: {stderr}");
    let mut command = program::gpu_mlp(folder.path());
    let all = command.args(["train", "--print-config", "--batch-size", "4"]).env("GPU_MLP_LR", "0.7").output().unwrap();
    assert!(String::from_utf8(all.stdout).unwrap().contains("\nlr = 0.7 "), "the environment");
}

#[test]
fn printed_settings_hold_the_default_rate_where_the_batch_is_known() {
    let folder = TempDir::new().unwrap();
    let lr = |words: &str| {
        let (code, stdout, _) = run(folder.path(), &format!("train --print-config {words}"));
        assert_eq!(code, Some(0));
        stdout.parse::<toml::Table>().unwrap().get("lr").and_then(toml::Value::as_float)
    };
    assert_eq!((lr(""), lr("--batch-size 4"), lr("--batch-size full")), (Some(0.2), Some(0.0125), None));
    assert_eq!(lr("--batch-size full --lr 3"), Some(3.0));
}

#[test]
fn a_net_that_does_worse_than_guessing_draws_one_note() {
    let folder = TempDir::new().unwrap();
    let high = train(folder.path(), "--lr 3 --batch-size 4 --epochs 3");
    assert_eq!(high.matches("note: the training loss").count(), 1, "{high}");
    assert!(high.contains("probably too high; try --lr 0.0125, the default for sgd at batch size 4"), "{high}");
    let low = train(folder.path(), "--lr 1e-9 --batch-size 4 --epochs 3");
    assert!(low.matches("note: the training loss").count() == 1 && low.contains("probably too low"), "{low}");
    for good in ["--epochs 3", "--batch-size 1", "--batch-size full --epochs 20", "--batch-size full"] {
        let stderr = train(folder.path(), good);
        assert!(!stderr.contains("note: the training loss"), "{good}: {stderr}");
    }
}
