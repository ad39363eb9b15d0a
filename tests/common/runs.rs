//! Runs of the real binary, and what must be equal in two of them.

use super::no_adapter;
use super::program::gpu_mlp;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::BorrowMut;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

/// Whether the long form of the tests is requested; see RELIABILITY.md.
pub fn long() -> bool {
    std::env::var_os("RELIABILITY").is_some_and(|form| form == "long")
}

/// `gpu-mlp train` in `folder`, which also holds its caches.
pub fn train(folder: &Path, args: &[&str]) -> Command {
    let mut command = gpu_mlp(folder);
    command.env_remove("RAYON_NUM_THREADS").arg("train").args(args);
    command
}

/// Runs a command, which must succeed.
#[track_caller]
pub fn complete(mut command: impl BorrowMut<Command>) -> Output {
    let command = command.borrow_mut();
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    output
}

/// Starts a command with stdout discarded and stderr captured.
pub fn start(command: &mut Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Sends a signal by name.
pub fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// What must be bit-identical: the model, the tensors of the last checkpoint, and the metrics without wall-clock values
/// and `resume` records.
#[derive(Debug, PartialEq)]
pub struct Facts {
    pub model: String,
    pub tensors: String,
    pub metrics: Vec<Value>,
}

pub fn facts(run: &Path) -> Facts {
    let sha256 = |path: &Path| {
        let bytes = std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
    };
    let tensors = generations(run).pop().expect("a checkpoint");
    Facts { model: sha256(&run.join("model.safetensors")), tensors: sha256(&tensors), metrics: metrics(run) }
}

/// The records of a run without wall-clock values and `resume` records; panics at a torn line.
pub fn metrics(run: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records =
        text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap_or_else(|_| panic!("torn: {line}")));
    let mut records: Vec<Value> = records.filter(|record| record["type"] != "resume").collect();
    for record in &mut records {
        for clock in ["unix_time", "seconds", "images_per_second"] {
            record.as_object_mut().unwrap().remove(clock);
        }
        // On the CPU that is the number of threads, which changes no bit.
        if record["engine"] == "cpu" {
            record.as_object_mut().unwrap().remove("device");
        }
    }
    records
}

/// Tensor files of the checkpoints that have a manifest, oldest first.
pub fn generations(run: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(run.join("checkpoints")) else { return Vec::new() };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let step = |name: String| name.strip_suffix(".json").map(|name| name.split('-').next().unwrap().to_string());
    let mut steps: Vec<String> = names.filter_map(step).collect();
    steps.sort();
    steps.iter().map(|step| run.join("checkpoints").join(format!("{step}.safetensors"))).collect()
}

/// Whether there is an adapter for the GPU engine. If not, says so, or fails if GPU_MLP_REQUIRE_ADAPTER is set.
pub fn adapter(folder: &Path) -> bool {
    let devices = gpu_mlp(folder).arg("devices").output();
    let found = devices.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).contains(" binds "));
    if !found {
        no_adapter();
    }
    found
}

/// Two thousand digits in batches of 24: 84 updates per epoch, the last of a partial batch.
pub const SMALL: [&str; 10] =
    ["--data", "digits", "--digits-train", "2000", "--digits-test", "100", "--hidden", "32", "--batch-size", "24"];

#[track_caller]
pub fn same(one: &Facts, two: &Facts, what: &str) {
    for (one, two) in one.metrics.iter().zip(&two.metrics) {
        assert_eq!(one, two, "{what}");
    }
    assert!(one == two, "{what}: {} {}, not {} {}", one.model, one.tensors, two.model, two.tensors);
}

/// Arguments of a small run: three epochs unless `args` say otherwise.
pub fn small<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let epochs: &[&str] = if args.contains(&"--epochs") { &[] } else { &["--epochs", "3"] };
    [&SMALL, ["--engine", "cpu"].as_slice(), epochs, args].concat()
}

#[track_caller]
pub fn refused(folder: &Path, args: &[&str], code: i32, words: &[&str]) {
    let output = train(folder, args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
}

/// Waits until a run has a checkpoint.
#[track_caller]
pub fn wait_for_a_checkpoint(child: &mut Child, run: &Path) {
    while generations(run).is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "the run ended without a checkpoint");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The update after which a run's newest checkpoint was made.
pub fn newest(run: &Path) -> Option<u64> {
    generations(run).pop().map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap())
}
