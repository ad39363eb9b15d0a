//! `--threads`, and what the system allows a process.
#![cfg(feature = "cli")]

use crate::common::program::{gpu_mlp, path};
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

const RUN: [&str; 19] = [
    "train",
    "--engine",
    "cpu",
    "--data",
    "digits",
    "--digits-train",
    "3000",
    "--digits-test",
    "100",
    "--hidden",
    "150,70",
    "--batch-size",
    "100",
    "--keep-prob",
    "0.8",
    "--epochs",
    "2",
    "--momentum",
    "0.9",
];

/// Trains with more arguments; returns the tensors of the model.
fn model(folder: &Path, name: &str, more: &[&str]) -> Vec<u8> {
    let output = gpu_mlp(folder).args(RUN).args(["--out", name]).args(more).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let bytes = std::fs::read(folder.join(name).join("model.safetensors")).expect("the model is written");
    let header = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    bytes[8 + header..].to_vec()
}

#[test]
fn a_model_does_not_depend_on_the_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let usual = model(folder.path(), "usual", &[]);
    for threads in ["1", "2", "5"] {
        assert!(model(folder.path(), threads, &["--threads", threads]) == usual, "{threads} threads give other bits");
    }
}

#[test]
fn every_command_that_computes_takes_a_number_of_threads() {
    let folder = TempDir::new().unwrap();
    for command in ["train", "lr-find", "eval", "predict", "report", "parity", "bench"] {
        let help = gpu_mlp(folder.path()).args([command, "--help"]).output().expect("it runs");
        assert!(String::from_utf8_lossy(&help.stdout).contains("--threads <N>"), "{command}");
    }
    for number in ["0", "257", "two"] {
        let output = gpu_mlp(folder.path()).args(RUN).args(["--threads", number]).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && stderr.contains("--threads"), "{stderr}");
    }
}

/// The line about the engine of a short run of a command that starts with `words`.
fn engine(words: &[&str], more: &[&str]) -> String {
    let folder = TempDir::new().unwrap();
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).arg(path()).args(RUN).arg("--dry-run").args(more).current_dir(folder.path());
    let output = command.env("HOME", folder.path()).output().expect("it runs");
    let stderr = String::from_utf8_lossy(&output.stderr);
    stderr.lines().find(|line| line.starts_with("engine: ")).expect("a line about the engine").to_owned()
}

#[test]
#[cfg(target_os = "linux")]
fn affinity_and_threads_decide_the_number() {
    assert!(engine(&["env"], &["--threads", "3"]).contains("cpu, 3 threads"));
    assert!(engine(&["env", "RAYON_NUM_THREADS=2"], &[]).contains("cpu, up to 2 threads"));
    if Command::new("taskset").arg("--version").output().is_ok() {
        assert!(engine(&["taskset", "-c", "0"], &[]).contains("cpu, 1 thread:"));
        assert!(engine(&["taskset", "-c", "0"], &["--threads", "2"]).contains("cpu, 2 threads"));
    }
}
