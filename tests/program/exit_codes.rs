//! Each exit code that `--help` lists, produced as a user would.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use std::collections::BTreeSet;
use tempfile::TempDir;

const TRAIN: [&str; 9] =
    ["train", "--engine", "cpu", "--data", "digits", "--digits-train", "300", "--digits-test", "50"];
const BENCH: [&str; 13] = [
    "bench",
    "--engine",
    "cpu",
    "--data",
    "digits",
    "--digits-train",
    "300",
    "--digits-test",
    "50",
    "--run-only",
    "--max-time",
    "0.1",
    "--floor=1",
];

/// Exit codes, commands that must return them, and text required on stderr.
fn cases() -> Vec<(i32, Vec<&'static str>, &'static str)> {
    let train = |more: &[&'static str]| [&TRAIN, more].concat();
    vec![
        (0, vec!["presets"], ""),
        (0, train(&["--epochs", "1"]), "model: "),
        (0, vec!["--version"], ""),
        (1, train(&["--out", "file/run"]), "file/run"),
        (2, vec![], "Usage"),
        (2, vec!["trian"], "train"),
        (2, train(&["--hiden", "3"]), "--hidden"),
        (2, train(&["--epochs", "many"]), "--epochs"),
        (2, train(&["--epochs", "0"]), "epochs is 0"),
        (2, train(&["--config", "bad.toml"]), "epochs"),
        (2, train(&["--preset", "nilsen"]), "nielsen"),
        (2, vec!["completions", "tcsh"], "possible values"),
        (3, BENCH.to_vec(), "FAILED"),
        (4, vec!["train", "--engine", "gpu", "--adapter", "voodoo2"], "voodoo2"),
        (4, vec!["parity", "--backend", "glide"], "glide"),
        (5, vec!["train", "--engine", "cpu", "--data", "nowhere"], "nowhere"),
        (5, vec!["train", "--engine", "cpu", "--data", "mnist", "--offline"], "offline"),
        (5, vec!["eval", "nothing.safetensors"], "nothing.safetensors"),
        (5, vec!["predict", "file"], "file"),
        (6, train(&["--lr", "1e20"]), "--lr"),
    ]
}

#[test]
fn every_exit_code_is_what_help_says() {
    let folder = TempDir::new().expect("a temporary folder");
    std::fs::write(folder.path().join("file"), "not a model").expect("a file");
    std::fs::write(folder.path().join("bad.toml"), "epoch = 3").expect("a file");
    let mut seen = BTreeSet::new();
    for (code, args, words) in cases() {
        let output = gpu_mlp(folder.path()).args(&args).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(words) && !stderr.contains("panicked"), "{args:?}: {stderr}");
        assert!(code == 0 || output.stdout.is_empty() || code == 3, "{args:?}: an error prints nothing on stdout");
        seen.insert(code);
    }
    let help = gpu_mlp(folder.path()).arg("--help").output().expect("it runs");
    let help = String::from_utf8(help.stdout).expect("text");
    let list = help.split("Exit codes:").nth(1).expect("a list of exit codes");
    let numbers = list.split([' ', ',', '\n', '.']).filter_map(|word| word.parse().ok());
    let listed: BTreeSet<i32> = numbers.collect();
    // The codes of signals exist only where there are signals.
    seen.extend([129, 130, 143]);
    assert_eq!(seen, listed);
}
