//! What `--resume` does with a run that has no checkpoint, that has ended, or whose data moved, and what it says.
#![cfg(unix)]

use crate::common::runs::{complete, facts, generations, metrics, refused, same, small, train};
use crate::common::splits::labels;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{DataSet, Split};
use std::fs::{read, read_dir, write};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Makes a run look as if it had been killed before its first checkpoint: settings, and the beginning of a record.
fn kill(run: &Path) {
    std::fs::remove_dir_all(run.join("checkpoints")).unwrap();
    std::fs::remove_file(run.join("model.safetensors")).unwrap();
    let record = read(run.join("metrics.jsonl")).unwrap();
    let first = record.iter().position(|&byte| byte == b'\n').unwrap();
    write(run.join("metrics.jsonl"), &record[..first + 30]).unwrap();
}

#[track_caller]
fn said(folder: &Path, args: &[&str], words: &[&str]) {
    let stderr = String::from_utf8(complete(train(folder, args)).stderr).unwrap();
    words.iter().for_each(|word| assert!(stderr.contains(word), "{word:?} is not in: {stderr}"));
}

#[test]
fn a_run_killed_before_its_first_checkpoint_begins_again_with_its_settings() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let settings = small(&["--lr", "0.1", "--seed", "7", "--tensorboard", "board"]);
    complete(train(at, &[&settings[..], &["--out", "whole"]].concat()));
    let again = "stopped before its first checkpoint; it begins again with its settings";
    for ask in [["--resume", "run"].as_slice(), &["--resume", "auto", "--out", "run"]] {
        complete(train(at, &[&settings[..], &["--out", "run", "--force", "--max-steps", "9"]].concat()));
        kill(&at.join("run"));
        refused(at, &[ask, &["--seed", "8"]].concat(), 2, &["would differ from its settings", "seed: 7 then, 8 now"]);
        refused(at, &[ask, &["--at", "9"]].concat(), 5, &["no checkpoint"]);
        said(at, &[ask, &["--dry-run"]].concat(), &[again]);
        said(at, ask, &["run was stopped", again]);
        same(&facts(&at.join("run")), &facts(&at.join("whole")), "begun again");
    }
    // Each new run has a folder of its own, in which it begins again.
    let files = |folder: PathBuf| {
        read_dir(at.join(folder)).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
    };
    assert_eq!(["board", "board/run", "board/run-2"].map(|folder| files(folder.into())), [1, 2, 2]);
    // The last run of `runs`.
    complete(train(at, &[&settings[..], &["--max-steps", "9"]].concat()));
    kill(&at.join("runs/1"));
    said(at, &["--resume"], &["runs/1 was stopped", again]);
    same(&facts(&at.join("runs/1")), &facts(&at.join("whole")), "the last run");
}

#[test]
fn a_run_from_a_model_begins_again_with_that_model() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "first", "--epochs", "1"])));
    complete(train(at, &small(&["--out", "other", "--epochs", "1", "--seed", "9"])));
    let settings = small(&["--from", "first"]);
    complete(train(at, &[&settings[..], &["--out", "whole"]].concat()));
    complete(train(at, &[&settings[..], &["--out", "run", "--max-steps", "9"]].concat()));
    kill(&at.join("run"));
    refused(at, &["--resume", "run", "--from", "other"], 2, &["started with first", "leave out --from"]);
    complete(train(at, &["--resume", "run"]));
    same(&facts(&at.join("run")), &facts(&at.join("whole")), "from a model");
}

#[test]
fn the_record_of_a_run_that_ended_is_never_replaced_by_resuming() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let diverges = small(&["--lr", "1e20"]);
    refused(at, &[&diverges[..], &["--out", "run"]].concat(), 6, &[]);
    let record = read(at.join("run/metrics.jsonl")).unwrap();
    assert!(generations(&at.join("run")).is_empty());
    for ask in [["--resume", "run"].as_slice(), &["--resume", "auto", "--out", "run"]] {
        refused(at, &[ask, &small(&[])].concat(), 5, &["run: its run ended without a checkpoint"]);
    }
    assert!(read(at.join("run/metrics.jsonl")).unwrap() == record);
    // In `runs`, a new run has a folder of its own.
    refused(at, &diverges, 6, &[]);
    said(at, &small(&["--resume", "auto"]), &["runs/1 ended without a checkpoint; a new run starts", "runs/2"]);
    assert_eq!(metrics(&at.join("runs/1")).last().unwrap()["reason"], "diverged");
    // With --force the user asks for it.
    complete(train(at, &small(&["--resume", "auto", "--out", "run", "--force"])));
    assert_eq!(metrics(&at.join("run")).last().unwrap()["reason"], "finished");
}

#[test]
fn what_cannot_be_resumed_is_named_with_what_can() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    refused(at, &["--resume", "runs/9"], 5, &["runs/9: there is no such folder", "start a new run"]);
    complete(train(at, &small(&["--epochs", "1"])));
    complete(train(at, &small(&["--epochs", "1", "--out", "mine"])));
    for (asked, problem) in [
        ("runs/9", "there is no such folder"),
        ("9", "there is no such folder"),
        ("runs", "there is no run in this folder"),
        ("runs/1/model.safetensors", "this is a file"),
    ] {
        refused(at, &["--resume", asked], 5, &[&format!("{asked}: {problem}"), "runs/1"]);
    }
    assert!(!at.join("runs/lock").exists());
    refused(at, &["--resume", "9"], 5, &["mine"]);
    refused(at, &["--resume", "--at", "3"], 5, &["no checkpoint of update 3", "give --at 84"]);
}

#[test]
fn a_resume_that_trains_nothing_says_why() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    said(at, &["--resume", "run", "--max-steps", "50"], &["nothing is trained", "has made 100 updates"]);
    complete(train(at, &["--resume", "run"]));
    for more in [[].as_slice(), &["--max-steps", "999"], &["--dry-run"]] {
        said(at, &[&["--resume", "run"], more].concat(), &["nothing is trained", "--epochs N --allow-mismatch epochs"]);
    }
    let early = ["--validation", "100", "--early-stopping", "1", "--lr", "0.5", "--epochs", "100", "--out", "early"];
    complete(train(at, &small(&early)));
    said(at, &["--resume", "early", "--max-steps", "99999"], &["stopped early", "--early-stopping N"]);
}

#[test]
fn a_dry_run_starts_from_the_checkpoint() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    let before = read(at.join("run/metrics.jsonl")).unwrap();
    let output = complete(train(at, &["--resume", "run", "--dry-run"]));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert!(stdout.contains("epoch 2/3 to update 101") && stdout.contains("computed after update 100"), "{stdout}");
    assert!(read(at.join("run/metrics.jsonl")).unwrap() == before && generations(&at.join("run")).len() == 2);
}

#[test]
fn a_jump_of_the_learning_rate_is_told_before_training() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run"])));
    let more = ["--resume", "run", "--epochs", "5", "--allow-mismatch"];
    let stderr = complete(train(at, &[&more[..], &["epochs", "--dry-run"]].concat())).stderr;
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(stderr.contains("after update 252, the learning rate jumps from 0.0002976 to 0.03,"), "{stderr}");
    let offer =
        stderr.split_once("give --lr ").expect("an offer").1.split_once(" --allow-mismatch epochs,lr").unwrap().0;
    let stderr = complete(train(at, &[&more[..], &["epochs,lr", "--lr", offer]].concat())).stderr;
    assert!(!String::from_utf8(stderr).unwrap().contains("jumps"));
}

#[test]
fn a_run_that_diverged_says_that_it_will_again() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    refused(at, &["--resume", "run", "--lr", "1e20", "--allow-mismatch", "lr"], 6, &[]);
    said(at, &["--resume", "run"], &["this run diverged after its last checkpoint", "--lr RATE --allow-mismatch lr"]);
}

/// Writes a data set as IDX files.
fn idx(folder: &Path, data: &DataSet) {
    std::fs::create_dir_all(folder).unwrap();
    let file = |name: &str, sizes: &[usize], bytes: Vec<u8>| {
        let sizes_bytes = sizes.iter().flat_map(|&size| (size as u32).to_be_bytes());
        let head = [0, 0, 8, sizes.len() as u8].into_iter().chain(sizes_bytes);
        write(folder.join(name), head.chain(bytes).collect::<Vec<u8>>()).unwrap();
    };
    let split = |name: &str, split: &Split| {
        file(&format!("{name}-images-idx3-ubyte"), &[split.len(), 28, 28], split.pixels().to_vec());
        file(&format!("{name}-labels-idx1-ubyte"), &[split.len()], labels(split));
    };
    split("train", &data.train);
    split("t10k", &data.test);
}

#[test]
fn a_data_set_that_moved_is_the_same_and_another_one_is_refused() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    let digits = |seed| generate(&Options { train: 600, test: 100, seed });
    idx(&at.join("old"), &digits(1));
    idx(&at.join("another"), &digits(2));
    let args = ["--engine", "cpu", "--data", "old", "--hidden", "16", "--epochs", "2"];
    complete(train(at, &[&args[..], &["--out", "whole"]].concat()));
    complete(train(at, &[&args[..], &["--out", "run", "--max-steps", "13"]].concat()));
    complete(train(at, &[&args[..], &["--out", "killed", "--max-steps", "13"]].concat()));
    kill(&at.join("killed"));
    std::fs::rename(at.join("old"), at.join("new")).unwrap();
    for run in ["run", "killed"] {
        refused(at, &["--resume", run], 5, &["old"]);
        refused(at, &["--resume", run, "--data", "another"], 2, &["data: another", "--allow-mismatch data"]);
        complete(train(at, &["--resume", run, "--data", "new", "--max-steps", "15"]));
        // The new place is saved.
        complete(train(at, &["--resume", run]));
        let (its, whole) = (facts(&at.join(run)), facts(&at.join("whole")));
        assert_eq!(
            (its.tensors, its.metrics.last().unwrap()["test_loss"].as_f64()),
            (whole.tensors, whole.metrics.last().unwrap()["test_loss"].as_f64()),
            "{run}"
        );
    }
    said(at, &["--engine", "cpu", "--config", "run", "--data", "new", "--out", "again", "--epochs", "2"], &[]);
    assert_eq!(facts(&at.join("again")).tensors, facts(&at.join("whole")).tensors);
}
