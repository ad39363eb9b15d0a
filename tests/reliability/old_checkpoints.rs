//! Checkpoints of earlier layouts can be resumed, and a foreign checkpoint can do no harm.
#![cfg(unix)]

use crate::common::runs::{complete, facts, generations, refused, same, small, train};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// Changes the manifest of a run's newest checkpoint. Its name contains the hash of its bytes, which an attacker can
/// compute.
fn rewrite(run: &Path, change: impl FnOnce(&mut Value)) {
    let tensors = generations(run).pop().unwrap();
    let begins = tensors.file_stem().unwrap().to_str().unwrap();
    let is_manifest = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.starts_with(begins) && name.ends_with(".json")
    };
    let path = std::fs::read_dir(run.join("checkpoints"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(is_manifest)
        .unwrap();
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    change(&mut manifest);
    std::fs::remove_file(&path).unwrap();
    let text = manifest.to_string();
    let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02x}")).collect();
    std::fs::write(tensors.with_file_name(format!("{begins}-{}.json", &hash[..16])), text).unwrap();
}

/// Converts the newest checkpoint to layout 1, which has the words of a command line in place of the setup.
fn make_old(run: &Path, words: &[&str]) {
    rewrite(run, |manifest| {
        manifest["format"] = 1.into();
        let state = manifest["state"].as_object_mut().unwrap();
        state.remove("setup");
        state.insert("words".into(), words.iter().map(|&word| Value::from(word)).collect());
        let session = state["session"].as_object_mut().unwrap();
        // The checkpoint may be of layout 1 already.
        if let (Some(factor), Some(mut judge)) = (session.remove("plateau"), session.remove("validation")) {
            judge["lr_factor"] = factor;
            session.insert("judge".into(), judge);
        }
    });
}

const OLD_WORDS: [&str; 10] =
    ["--data", "digits", "--digits-train", "2000", "--digits-test", "100", "--digits-seed", "1", "--engine", "cpu"];

#[test]
fn a_checkpoint_of_an_earlier_version_can_be_resumed() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    // No epoch improves by the required 9, so the learning rate falls each epoch.
    let plateau =
        ["--schedule", "plateau", "--validation", "100", "--plateau-patience", "1", "--min-delta", "9", "--lr", "0.1"];
    complete(train(at, &small(&[&plateau[..], &["--out", "whole"]].concat())));
    complete(train(at, &small(&[&plateau[..], &["--out", "run", "--max-steps", "200"]].concat())));
    rewrite(&at.join("run"), |manifest| assert!(manifest["state"]["session"]["plateau"].as_f64().unwrap() < 1.0));
    make_old(&at.join("run"), &OLD_WORDS);
    refused(at, &["--resume", "run", "--digits-seed", "7"], 2, &["data: digits (sha256 ", "--allow-mismatch data"]);
    complete(train(at, &["--resume", "run", "--max-steps", "230"]));
    // The next checkpoint has the new layout and the same content.
    let mut setup = Value::Null;
    rewrite(&at.join("run"), |manifest| setup = manifest["state"]["setup"].clone());
    let data = serde_json::json!({"data": "digits", "digits_train": 2000, "digits_test": 100, "digits_seed": 1});
    assert_eq!(setup, serde_json::json!({"data": data, "engine": {"engine": "cpu"}}));
    complete(train(at, &["--resume", "run"]));
    same(&facts(&at.join("run")), &facts(&at.join("whole")), "from an old checkpoint");
}

/// A run folder may come from somebody else.
#[test]
fn a_checkpoint_can_neither_replace_files_nor_redirect_output() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    let run = at.join("run");
    // Fields that are not part of a setup are ignored.
    let more = serde_json::json!({"out": "elsewhere", "force": true, "json": true, "data": "nowhere"});
    rewrite(&run, |manifest| manifest["state"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone()));
    let output = complete(train(at, &["--resume", "run", "--max-steps", "101"]));
    assert!(!at.join("elsewhere").exists() && !String::from_utf8_lossy(&output.stdout).contains('{'));
    for words in [["--out", "elsewhere"].as_slice(), &["--force", "--json"], &["--help"], &["runs"]] {
        make_old(&run, &[&OLD_WORDS, words].concat());
        refused(at, &["--resume", "run"], 5, &["run", words[0], "which no run saves"]);
    }
    make_old(&run, &[&OLD_WORDS[..], &["--engine", "abacus"]].concat());
    refused(at, &["--resume", "run"], 5, &["abacus"]);
    // The first versions saved the options of the digits with every data set.
    make_old(&run, &[&OLD_WORDS[..], &["--data", "nowhere"]].concat());
    refused(at, &["--resume", "run"], 5, &["nowhere: "]);
    make_old(&run, &[&OLD_WORDS[..], &["--tensorboard", "board"]].concat());
    let output = complete(train(at, &["--resume", "run"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("after update 101, and in board for TensorBoard"), "{stderr}");
}
