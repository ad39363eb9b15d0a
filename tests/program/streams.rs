//! Data goes to stdout and everything else to stderr; readers may close either stream.
#![cfg(feature = "cli")]

use crate::common::program::{commands, gpu_mlp};
use std::path::Path;
use std::process::Stdio;
use tempfile::TempDir;

const DATA: [&str; 8] = ["--data", "digits", "--digits-train", "300", "--digits-test", "80", "--engine", "cpu"];

/// Arguments for a short, complete call of a command.
fn args(command: &str) -> Vec<String> {
    let (data, model) = (DATA.as_slice(), "runs/1/model.safetensors");
    let words: Vec<&str> = match command {
        "train" => [data, &["--epochs", "1"]].concat(),
        "lr-find" => data.to_vec(),
        "eval" | "predict" | "explain" => [&[model], data].concat(),
        "sweep" => [data, &["--epochs", "1", "--lr", "0.1,0.2"]].concat(),
        "lab" => vec!["activations", "--quick", "--force"],
        "bench" => [data, &["--run-only", "--max-time", "0.1"]].concat(),
        "export" => vec![model, "--format", "csv", "--out", "-"],
        "report" => vec!["runs/1", "--engine", "cpu"],
        "completions" => vec!["bash"],
        _ => Vec::new(),
    };
    [command].into_iter().chain(words).map(str::to_owned).collect()
}

fn with_a_run() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    assert!(gpu_mlp(folder.path()).args(args("train")).output().expect("it runs").status.success());
    folder
}

/// The end of a pipe whose reader has gone.
fn closed() -> Stdio {
    let (_, writer) = std::io::pipe().expect("a pipe");
    writer.into()
}

/// Whether an exit code is acceptable: `parity` may lack an adapter here, and `bench` accuracy.
fn code_is_fine(command: &str, code: Option<i32>) -> bool {
    code == Some(0) || command == "parity" && code == Some(4) || command == "bench" && code == Some(3)
}

fn each(folder: &Path, set: impl Fn(&mut std::process::Command)) {
    for command in commands(folder) {
        let mut call = gpu_mlp(folder);
        set(call.args(args(&command)));
        let output = call.output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(code_is_fine(&command, output.status.code()), "{command}: {:?} {stderr}", output.status);
        assert!(
            !stderr.contains("panicked") && !stderr.contains("next:") || command == "parity",
            "{command}: {stderr}"
        );
    }
}

#[test]
fn stdout_may_be_closed() {
    each(with_a_run().path(), |call| _ = call.stdout(closed()).stderr(Stdio::piped()));
}

#[test]
fn both_streams_may_be_closed() {
    each(with_a_run().path(), |call| _ = call.stdout(closed()).stderr(closed()));
}

#[test]
fn a_run_continues_when_stdout_is_closed() {
    let folder = with_a_run();
    let mut call = gpu_mlp(folder.path());
    let output = call.args(args("train")).stdout(closed()).stderr(Stdio::piped()).output().expect("it runs");
    assert!(output.status.success() && folder.path().join("runs/2/model.safetensors").exists());
}

#[test]
fn a_closed_pipe_does_not_hide_another_error() {
    let folder = with_a_run();
    let wrong = gpu_mlp(folder.path()).args(["eval", "none.safetensors"]).stdout(closed()).output().expect("it runs");
    assert_ne!(wrong.status.code(), Some(0), "a missing model stays an error");
}

#[test]
fn an_exit_code_is_the_same_when_stdout_is_closed() {
    let folder = with_a_run();
    let call = |args: &[String], more: &[&str]| {
        let output = gpu_mlp(folder.path()).args(args).args(more).stdout(closed()).output().expect("it runs");
        output.status.code()
    };
    assert_eq!(call(&args("eval"), &["--min-accuracy", "1", "--quiet"]), Some(3));
    let files = ["predict", "runs/1/model.safetensors", "--engine", "cpu", "none.png"].map(str::to_owned);
    assert_eq!(call(&files, &[]), Some(5));
    let adapter = ["devices", "--adapter", "voodoo2"].map(str::to_owned);
    assert_eq!(call(&adapter, &[]), Some(4));
}
