//! `gpu-mlp sweep`: grid and random trials, halving, folds, several processes, and a sweep that is killed again and again.

use crate::common::program::gpu_mlp;
use crate::common::runs::{complete, facts, same, start};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// `gpu-mlp sweep` on a few digits, on the CPU.
fn sweep(folder: &Path, words: &str) -> Command {
    let mut command = gpu_mlp(folder);
    let few = "sweep --data digits --digits-train 600 --digits-test 100 --engine cpu";
    command.args(if words.contains("--resume") { "sweep" } else { few }.split(' ')).args(words.split_whitespace());
    command
}

/// The lines of a file of records.
fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("torn: {line}"))).collect()
}

fn table(folder: &Path, name: &str) -> String {
    std::fs::read_to_string(folder.join(name).join("trials.jsonl")).unwrap()
}

#[track_caller]
fn refused(folder: &Path, words: &str, code: i32, parts: &[&str]) {
    let output = sweep(folder, words).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words}: {stderr}");
    parts.iter().for_each(|part| assert!(stderr.contains(part), "{part:?} is not in: {stderr}"));
}

#[test]
fn a_grid_has_a_run_per_combination_and_the_best_is_repeated_bit_for_bit() {
    let folder = TempDir::new().unwrap();
    let output =
        complete(sweep(folder.path(), "--lr 0.01,0.1,1e30 --hidden 16|24,24 --epochs 2 --monitor accuracy --out s"));
    let stdout = String::from_utf8(output.stdout).unwrap();
    let all = lines(&folder.path().join("s/trials.jsonl"));
    let states: Vec<&str> = all[..6].iter().map(|trial| trial["state"].as_str().unwrap()).collect();
    assert_eq!(states.iter().filter(|state| **state == "complete").count(), 4, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == "failed").count(), 2, "the rate 1e30 diverges: {states:?}");
    let value = |trial: &Value| trial["validation_accuracy"].as_f64().unwrap_or(-1.0);
    let best = all[..6].iter().fold(&all[0], |best, next| if value(next) > value(best) { next } else { best });
    assert_eq!((&all[6]["type"], &all[6]["run"]), (&"best".into(), &best["run"]));
    let run = format!("s/{}", best["run"].as_str().unwrap());
    let words = stdout.lines().find_map(|line| line.strip_prefix("repeat it: gpu-mlp ")).expect("a command");
    assert!(words.contains(&run), "{words}");
    // As printed: also where `auto` would choose an adapter, the engine is that of the sweep.
    complete(gpu_mlp(folder.path()).env("GPU_MLP_ENGINE", "gpu").args(words.split(' ')).args(["--out", "again"]));
    same(&facts(&folder.path().join(&run)), &facts(&folder.path().join("again")), "the best trial, repeated");
    complete(gpu_mlp(folder.path()).args(["report", "s"]));
    let page = std::fs::read_to_string(folder.path().join("s/report.html")).unwrap();
    for words in ["Parallel coordinates", "Effect of each setting", "Best trials by epoch", "24,24", "it began with"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn halving_trains_the_best_third_three_times_as_long() {
    let folder = TempDir::new().unwrap();
    let words = "--lr 0.005..0.5:log --keep-prob 0.5,0.8,1 --trials 9 --epochs 9 --halving 3 --hidden 16 --json";
    let output = complete(sweep(folder.path(), &format!("{words} --out s")));
    let all = lines(&folder.path().join("s/trials.jsonl"));
    let mut by_epochs = BTreeMap::<u64, Vec<f64>>::new();
    let of = |trial: &Value| (trial["epochs"].as_u64().unwrap(), trial["validation_loss"].as_f64().unwrap());
    all[..9].iter().map(of).for_each(|(epochs, loss)| by_epochs.entry(epochs).or_default().push(loss));
    let counts: Vec<_> = by_epochs.iter().map(|(epochs, losses)| (*epochs, losses.len())).collect();
    assert_eq!(counts, [(1, 6), (3, 2), (9, 1)]);
    let records: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let count = |kind: &str| records.iter().filter(|record| record["type"] == kind).count();
    assert_eq!((count("sweep"), count("rung"), count("trial"), count("best")), (1, 3, 13, 1));
    assert_eq!(count("epoch"), 9 + 3 * 2 + 6);
    // The same again.
    complete(sweep(folder.path(), &format!("{words} --out t")));
    assert_eq!(table(folder.path(), "s"), table(folder.path(), "t"));
}

#[test]
fn folds_are_averaged_and_each_is_a_run_that_can_be_repeated() {
    let folder = TempDir::new().unwrap();
    complete(sweep(folder.path(), "--lr 0.05,0.1 --epochs 1 --hidden 16 --folds 3 --out s"));
    let loss = |run: &str| {
        let records = lines(&folder.path().join(run).join("metrics.jsonl"));
        assert_eq!(records[0]["validation_samples"], 200);
        records.last().unwrap()["validation_loss"].as_f64().unwrap()
    };
    let mean = (loss("s/trial-0002/fold-1") + loss("s/trial-0002/fold-2") + loss("s/trial-0002/fold-3")) / 3.0;
    assert_eq!(lines(&folder.path().join("s/trials.jsonl"))[1]["validation_loss"].as_f64(), Some(mean));
    complete(gpu_mlp(folder.path()).args([
        "train",
        "--config",
        "s/trial-0002/fold-2",
        "--engine",
        "cpu",
        "--out",
        "again",
    ]));
    same(
        &facts(&folder.path().join("s/trial-0002/fold-2")),
        &facts(&folder.path().join("again")),
        "one fold, repeated",
    );
}

#[test]
fn a_space_may_be_in_a_file_and_options_override_it() {
    let folder = TempDir::new().unwrap();
    let space = "lr = [0.05, 0.1]\nhidden = [[16], [8, 8]]\nkeep_prob = \"0.5..1\"\nepochs = 1\n";
    std::fs::write(folder.path().join("space.toml"), space).unwrap();
    complete(sweep(folder.path(), "--space space.toml --keep-prob 0.9 --out s"));
    let all = lines(&folder.path().join("s/trials.jsonl"));
    assert_eq!(all.len(), 5);
    assert_eq!(all[1]["settings"], serde_json::json!({"hidden": "16", "lr": 0.1}));
    std::fs::write(folder.path().join("space.toml"), "lrate = [0.05, 0.1]\n").unwrap();
    refused(folder.path(), "--space space.toml", 2, &["unknown setting `lrate`", "did you mean `lr`"]);
}

#[test]
fn what_cannot_be_searched_is_refused_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let cases: [(&str, &[&str]); 8] = [
        ("--epochs 1", &["no setting varies", "0.01..1:log for lr"]),
        ("--lr 1..0.1", &["lr: the range", "begin below"]),
        ("--keep-prob 0.5,1.5", &["keep-prob is 1.5"]),
        ("--lr 0.1..1 --search grid", &["choices only"]),
        ("--lr 0.1,0.2 --search grid --trials 5", &["leave out --trials"]),
        ("--lr 0.1,0.2 --folds 3 --validation 0.1", &["--folds"]),
        ("--activation relu,step", &["activation: \"step\""]),
        ("--resume runs/9", &["there is no sweep in this folder"]),
    ];
    for (words, parts) in cases {
        refused(folder.path(), words, if words.contains("resume") { 5 } else { 2 }, parts);
    }
    assert!(!folder.path().join("runs").exists());
    complete(sweep(folder.path(), "--lr 0.1,0.2 --epochs 1 --hidden 8 --out s"));
    refused(folder.path(), "--lr 0.1,0.2 --epochs 1 --hidden 8 --out s", 2, &["already holds a run"]);
    refused(folder.path(), "--lr 0.1,0.3 --epochs 1 --hidden 8 --out s --join", 2, &["another sweep"]);
    refused(folder.path(), "--resume s --lr 0.1,0.2", 2, &["leave out --lr"]);
    let mut several = sweep(folder.path(), "--lr 0.1,0.2");
    let output = several.envs([("PMI_SIZE", "2"), ("PMI_RANK", "1")]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && stderr.contains("name it with --out"), "{stderr}");
}

#[test]
fn processes_share_a_sweep_and_the_table_is_that_of_one() {
    let folder = TempDir::new().unwrap();
    let words = "--lr 0.01..1:log --trials 32 --epochs 8 --halving 2 --hidden 128 --batch-size 8 --threads 1";
    complete(sweep(folder.path(), &format!("{words} --out one")));
    // Two as `mpirun` starts them, of which the first reports, and one that joins by itself.
    let begin = |command: &mut Command| command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let ranked = |rank: &str| {
        let mut command = sweep(folder.path(), &format!("{words} --out s"));
        begin(command.envs([("OMPI_COMM_WORLD_SIZE", "2"), ("OMPI_COMM_WORLD_RANK", rank)]))
    };
    let joined = begin(&mut sweep(folder.path(), &format!("{words} --out s --join")));
    for (prints, child) in [(true, ranked("0")), (false, ranked("1")), (true, joined)] {
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).contains("best: "), prints, "{stderr}");
        assert_eq!(stderr.contains("table: "), prints, "{stderr}");
    }
    assert_eq!(table(folder.path(), "s"), table(folder.path(), "one"));
    let journal = lines(&folder.path().join("s/journal.log"));
    let workers: std::collections::BTreeSet<&str> =
        journal.iter().filter(|line| line["op_code"] == 9).filter_map(|line| line["worker_id"].as_str()).collect();
    assert!(workers.len() > 1, "{workers:?}");
    let created = journal.iter().filter(|line| line["op_code"] == 4).count();
    let ended = journal.iter().filter(|line| line["op_code"] == 6 && line["state"] != 0).count();
    assert_eq!((created, ended), (32, 32));
}

#[test]
fn a_sweep_that_is_killed_again_and_again_has_the_table_of_one_that_was_not() {
    let folder = TempDir::new().unwrap();
    let words = "--lr 0.01..2:log --keep-prob 0.5,0.8,1 --seed 1..9 --trials 64 --epochs 9 --halving 3 --hidden 32";
    complete(sweep(folder.path(), &format!("{words} --out whole")));
    let mut child = start(&mut sweep(folder.path(), &format!("{words} --out s")));
    // On a busy machine this takes longer than the wait before the first kill.
    while !folder.path().join("s/sweep.toml").exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(10));
    }
    let mut kills = 0;
    // Each time a little later, until it is at its end.
    while kills < 5 {
        std::thread::sleep(Duration::from_millis(if kills == 0 { 1500 } else { 900 + 300 * kills }));
        if child.try_wait().unwrap().is_some() {
            break;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        kills += 1;
        child = start(&mut sweep(folder.path(), "--resume s"));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(kills > 0, "the sweep was over before it was killed");
    eprintln!("killed {kills} times");
    assert_eq!(table(folder.path(), "s"), table(folder.path(), "whole"));
    for number in 1..=64 {
        let run = |sweep: &str| folder.path().join(format!("{sweep}/trial-{number:04}"));
        same(&facts(&run("whole")), &facts(&run("s")), &format!("trial {number}"));
    }
}
