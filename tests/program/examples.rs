//! Runs every example of `--help` and of the README, each line once. New examples are found automatically.
//!
//! Settings in the environment keep the runs short; flags of the examples override them. Examples of `parity` that name
//! an adapter are only parsed: tests/adapter compares every kernel and case on every adapter.
#![cfg(feature = "cli")]

use crate::common::program;
use crate::common::program::{away, commands, gpu_mlp};
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use tempfile::TempDir;

/// Settings that keep the examples short unless they say otherwise; `bench` has no variable for its time.
const SHORT: [(&str, &str); 6] = [
    ("GPU_MLP_DATA", "digits"),
    ("GPU_MLP_DIGITS_TRAIN", "1024"),
    ("GPU_MLP_DIGITS_TEST", "100"),
    ("GPU_MLP_EPOCHS", "1"),
    ("GPU_MLP_OFFLINE", "true"),
    ("GPU_MLP_MAX_TIME", "0.2"),
];

/// The commands under `Examples:`, without the comment that follows two spaces.
fn examples(help: &str) -> Vec<String> {
    let block = help.split("Examples:\n").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let lines = block.lines().filter_map(|line| line.strip_prefix("  "));
    lines.filter_map(|line| line.split("  ").next().map(str::to_owned)).collect()
}

/// The commands in the fenced blocks and in the first column of the tables of a Markdown file.
fn of_markdown(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (number, block) in text.split("```").enumerate() {
        let lines = block.lines().filter(|_| number % 2 == 1);
        found.extend(lines.filter(|line| line.starts_with("gpu-mlp ")).map(|line| line.to_owned()));
        let rows = block.lines().filter(|_| number % 2 == 0).filter_map(|line| line.strip_prefix("| `gpu-mlp "));
        found.extend(rows.filter_map(|row| Some(format!("gpu-mlp {}", row.split('`').next()?))));
    }
    let runs = text.lines().filter_map(|line| line.trim().strip_prefix("cargo run --release -- "));
    found.extend(runs.map(|rest| format!("gpu-mlp {rest}")));
    found.iter().map(|line| line.split("  ").next().unwrap_or(line).replace("MODEL", MODEL)).collect()
}

const MODEL: &str = "runs/1/model.safetensors";

/// The command to run for an example.
fn short(line: &str) -> String {
    // `--share` runs parity too, and nine trainings; tests/adapter/bench.rs runs a part of it.
    if line.starts_with("gpu-mlp parity -") || line.contains("--share") {
        // The options before --help must parse.
        return format!("{line} --help");
    }
    // The widest nets of --growth take seconds per step; few samples make the batches of most variants small.
    let few = if line.contains("--growth") { "GPU_MLP_DIGITS_TRAIN=32 " } else { "" };
    // A table has no digits.
    let digits = SHORT.iter().filter(|(name, _)| name.contains("DATA") || name.contains("DIGITS"));
    let without: String = digits.map(|(name, _)| format!("-u {name} ")).collect();
    let few = if line.contains("iris") { format!("env {without}") } else { few.to_owned() };
    let line = line.replace("gpu-mlp bench", "gpu-mlp bench --max-time 0.2");
    // All experiments together take a minute.
    let quick = if line.starts_with("gpu-mlp lab") && !line.contains("--quick") { " --quick" } else { "" };
    format!("{few}{line}{quick}")
}

/// Runs a line as a shell would, in a folder that already holds a run.
fn run(line: &str, folder: &Path) -> Result<(), String> {
    let program = program::path();
    let folders = [program.parent().expect("a program has a folder")].map(Path::to_path_buf);
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&rest))).expect("plain paths");
    let mut shell = away(Command::new("bash"), folder);
    shell.args(["-e", "-o", "pipefail", "-c", &short(line)]).env("PATH", path).envs(SHORT);
    let begin = std::time::Instant::now();
    let output = shell.output().map_err(|error| format!("{line}: {error}"))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    eprintln!("{:>6.1} s  {line}", begin.elapsed().as_secs_f64());
    let fine = match output.status.code() {
        Some(0) => true,
        // The adapter of the example, or any adapter, may be missing here.
        Some(4) => line.contains("--adapter") || line.contains("--backend") || !required("ADAPTER"),
        // One epoch of a few hundred digits does not reach the accuracy that `bench` requires.
        Some(3) => line.contains(" bench") && stderr.contains("FAILED: the run"),
        _ => false,
    };
    if fine { Ok(()) } else { Err(format!("{line}\n  {:?}\n  {stderr}", output.status)) }
}

fn required(what: &str) -> bool {
    std::env::var_os(format!("GPU_MLP_REQUIRE_{what}")).is_some()
}

/// A folder with a run in runs/1, a sweep in runs/7 and the other files that the examples read.
fn furnished() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    for target in [".local/share/bash-completion/completions", ".zfunc", ".config/fish/completions"] {
        std::fs::create_dir_all(folder.path().join(target)).expect("a temporary folder");
    }
    let first = gpu_mlp(folder.path()).arg("train").args(["--engine", "cpu"]).envs(SHORT).output().expect("it runs");
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let bar: Vec<u8> = (0..900).map(|at| if (12..15).contains(&(at % 30)) { 0 } else { 255 }).collect();
    let row = |at: usize| format!("{}.{},{}.{}", at % 5, at % 7, at % 3, at % 9);
    let iris: String = (0..90).map(|at| format!("{},{}\n", row(at), ["setosa", "virginica"][at % 2])).collect();
    let new: String = (0..9).map(|at| row(at) + "\n").collect();
    for (name, text) in
        [("iris.csv", format!("length,width,species\n{iris}")), ("new.csv", format!("length,width\n{new}"))]
    {
        std::fs::write(folder.path().join(name), text).expect("a temporary folder");
    }
    let table =
        ["train", "--engine", "cpu", "--data", "iris.csv", "--target", "species", "--test", "0.2", "--epochs", "1"];
    let second = gpu_mlp(folder.path()).args(table).args(["--out", "runs/iris"]).output().expect("it runs");
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let dropout = ["train", "--engine", "cpu", "--keep-prob", "0.8", "--out", "runs/dropout"];
    let third = gpu_mlp(folder.path()).args(dropout).envs(SHORT).output().expect("it runs");
    assert!(third.status.success(), "{}", String::from_utf8_lossy(&third.stderr));
    let sweep = ["sweep", "--engine", "cpu", "--lr", "0.1,0.2", "--hidden", "8", "--out", "runs/7"];
    let fourth = gpu_mlp(folder.path()).args(sweep).envs(SHORT).output().expect("it runs");
    assert!(fourth.status.success(), "{}", String::from_utf8_lossy(&fourth.stderr));
    std::fs::write(folder.path().join("space.toml"), "lr = \"0.01..1:log\"\n").expect("a temporary folder");
    for name in ["7.png", "photo.jpg"] {
        image::save_buffer(folder.path().join(name), &bar, 30, 30, image::ColorType::L8).expect("a temporary folder");
    }
    folder
}

fn run_all(lines: &[String]) {
    let folder = furnished();
    let faults: Vec<String> = lines.iter().filter_map(|line| run(line, folder.path()).err()).collect();
    assert!(faults.is_empty(), "{} of {} examples:\n{}", faults.len(), lines.len(), faults.join("\n"));
}

/// The examples of all pages of help, each once.
fn of_help() -> Vec<String> {
    let folder = TempDir::new().expect("a temporary folder");
    let mut lines: Vec<String> = Vec::new();
    for command in commands(folder.path()).into_iter().chain([String::new()]) {
        let args = [command.as_str(), "--help"];
        let help = gpu_mlp(folder.path()).args(&args[usize::from(command.is_empty())..]).output().expect("it runs");
        let help = String::from_utf8(help.stdout).expect("help is text");
        let found = examples(&help);
        assert!(found.len() >= 3, "gpu-mlp {command} --help has {} examples", found.len());
        // A line that help had to wrap would no longer be an example.
        assert!(found.iter().all(|line| line.starts_with(&format!("gpu-mlp {command}"))), "{command}: {found:?}");
        lines.extend(found);
    }
    let mut seen = BTreeSet::new();
    lines.retain(|line| seen.insert(line.clone()));
    lines
}

#[test]
fn every_example_of_help_runs_and_every_command_has_three() {
    run_all(&of_help());
}

#[test]
fn every_command_of_the_readme_runs() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).expect("a README");
    let mut lines = of_markdown(&readme);
    assert!(lines.len() >= 8, "{lines:?}");
    // The test above runs those that are also in help.
    let help = of_help();
    lines.retain(|line| !help.contains(line));
    run_all(&lines);
}

#[test]
fn an_example_that_fails_is_found() {
    let folder = furnished();
    assert!(run("gpu-mlp train --hiden 12", folder.path()).is_err());
    assert!(run("gpu-mlp parity --bakend gl", folder.path()).is_err());
    assert!(run("gpu-mlp eval runs/none/model.safetensors | cat", folder.path()).is_err());
    assert_eq!(examples("Examples:\n  gpu-mlp a  why\n  gpu-mlp b\n\nmore"), ["gpu-mlp a", "gpu-mlp b"]);
}
