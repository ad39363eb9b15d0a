//! The files in a run folder belong to the run that its record describes.

use crate::common::program;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

fn gpu_mlp(folder: &Path, words: &str) -> (Option<i32>, String) {
    let output = program::gpu_mlp(folder).args(words.split_whitespace()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn train(folder: &Path, words: &str) -> (Option<i32>, String) {
    let fixed = "train --engine cpu --data digits --digits-train 600 --digits-test 100 --out run";
    let unless = |option: &str, default| if words.contains(option) { "" } else { default };
    let (epochs, hidden) = (unless("--epochs", "--epochs 2"), unless("--hidden", "--hidden 16"));
    gpu_mlp(folder, &format!("{fixed} {epochs} {hidden} {words}"))
}

fn end(folder: &Path) -> Value {
    let text = std::fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    serde_json::from_str(text.lines().last().unwrap()).unwrap()
}

#[test]
fn replacing_a_run_deletes_its_model_even_if_the_new_run_writes_none() {
    let folder = TempDir::new().unwrap();
    let model = folder.path().join("run/model.safetensors");
    assert_eq!(train(folder.path(), "").0, Some(0));
    assert_eq!(gpu_mlp(folder.path(), "report run").0, Some(0));
    assert!(model.exists() && folder.path().join("run/report.html").exists());
    let (code, stderr) = train(folder.path(), "--lr 1e30 --force");
    assert_eq!(code, Some(6), "{stderr}");
    assert!(!model.exists() && !folder.path().join("run/report.html").exists());
    assert_eq!(
        (end(folder.path())["reason"].as_str(), &end(folder.path())["model_sha256"]),
        (Some("diverged"), &Value::Null)
    );
}

#[test]
fn a_model_from_before_a_resumed_run_diverged_is_reported_as_old() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "").0, Some(0));
    let on = "train --resume run --epochs 4 --lr 1e30 --allow-mismatch lr,epochs";
    assert_eq!(gpu_mlp(folder.path(), on).0, Some(6));
    let (code, stderr) = gpu_mlp(folder.path(), "report run");
    assert!(code == Some(0) && stderr.contains("model.safetensors is from an earlier run"), "{stderr}");
}

#[test]
fn weights_that_are_not_finite_are_not_saved_as_a_model() {
    let folder = TempDir::new().unwrap();
    let (code, stderr) = train(folder.path(), "--lr 1e30 --on-nan ignore");
    assert_eq!(code, Some(0), "{stderr}");
    assert!(stderr.contains("no model was written"), "{stderr}");
    assert!(!folder.path().join("run/model.safetensors").exists());
    assert_eq!(
        (end(folder.path())["reason"].as_str(), &end(folder.path())["model_sha256"]),
        (Some("finished"), &Value::Null)
    );
}

#[test]
fn a_run_that_stopped_early_gets_no_advice_to_resume() {
    let folder = TempDir::new().unwrap();
    let (code, stderr) = train(folder.path(), "--validation 100 --early-stopping 1 --epochs 200 --lr 0.5");
    assert_eq!((code, end(folder.path())["reason"].as_str()), (Some(0), Some("early_stopping")), "{stderr}");
    assert!(!stderr.contains("--resume"), "{stderr}");
    let (code, stderr) = train(folder.path(), "--force --max-steps 3");
    assert!(code == Some(0) && stderr.contains("--resume run"), "{stderr}");
}

#[test]
fn a_report_without_the_data_has_the_test_score_of_a_run_with_validation() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "--validation 100").0, Some(0));
    let accuracy = end(folder.path())["test_accuracy"].as_f64().unwrap();
    std::fs::remove_file(folder.path().join("run/model.safetensors")).unwrap();
    let (code, stderr) = gpu_mlp(folder.path(), "report run");
    assert_eq!(code, Some(0), "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains(&format!("{:.2}\u{a0}%", 100.0 * accuracy)), "{accuracy}");
}

#[test]
fn plan_names_what_is_too_large_and_does_not_panic() {
    let folder = TempDir::new().unwrap();
    for (words, said) in [
        ("--samples 0 --batch-size full", "samples is 0"),
        ("--inputs 2147483648", "inputs is 2147483648"),
        ("--samples 16777216 --inputs 16777216 --hidden 1024", "a shader counts at most 16 GiB"),
        ("--plan plain --hidden 1048576,1048576", "w2(1048576,1048576)"),
        ("--inputs 16777216 --classes 16777216 --hidden none", "dw1(16777216,16777216)"),
    ] {
        let (code, stderr) = gpu_mlp(folder.path(), &format!("plan {words}"));
        assert!(code == Some(2) && stderr.contains(said), "{words}: {stderr}");
    }
    assert_eq!(gpu_mlp(folder.path(), "plan --hidden 8192,8192 --batch-size full").0, Some(0));
}

/// Softmax regression on huge inputs, whose weights overflow after a few updates.
const OVERFLOWS: &str = "--hidden none --normalize 0,1e30 --lr 10 --l2 1.1 --schedule constant --epochs 20";

#[test]
fn a_run_whose_last_update_overflows_leaves_no_model_and_says_that_it_diverged() {
    let folder = TempDir::new().unwrap();
    let run = |steps: u64| train(folder.path(), &format!("{OVERFLOWS} --force --max-steps {steps}"));
    // At the smallest limit that fails, only the check at the end can have found the overflow.
    let (code, stderr) = (1..100).map(run).find(|(code, _)| *code != Some(0)).expect("it overflows");
    assert!(code == Some(6) && stderr.contains("became NaN or infinite"), "{stderr}");
    assert!(!stderr.contains("model:") && !folder.path().join("run/model.safetensors").exists(), "{stderr}");
    let end = end(folder.path());
    assert_eq!((end["reason"].as_str(), &end["model_sha256"]), (Some("diverged"), &Value::Null));
    assert_eq!(end.get("test_accuracy"), None, "the weights that were tested are not those of a model");
}

#[test]
fn a_refused_resume_deletes_no_checkpoint() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "--checkpoint-steps 5 --epochs 3").0, Some(0));
    let checkpoints = || std::fs::read_dir(folder.path().join("run/checkpoints")).unwrap().count();
    let (before, record) = (checkpoints(), folder.path().join("run/metrics.jsonl"));
    let bytes = std::fs::read(&record).unwrap();
    std::fs::write(&record, &bytes[..40]).unwrap();
    assert_eq!(gpu_mlp(folder.path(), "train --resume run --at 25").0, Some(5));
    std::fs::remove_file(&record).unwrap();
    assert_eq!(gpu_mlp(folder.path(), "train --resume run --at 25").0, Some(1));
    assert_eq!(checkpoints(), before);
    std::fs::write(&record, bytes).unwrap();
    let (code, stderr) = gpu_mlp(folder.path(), "train --resume run --at 25");
    assert_eq!(code, Some(0), "{stderr}");
}

#[test]
fn changes_during_a_run_are_in_its_record_its_settings_and_its_report() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "--lr 0.123").0, Some(0));
    let head =
        || std::fs::read_to_string(folder.path().join("run/config.toml")).unwrap().lines().next().unwrap().to_owned();
    assert!(head().contains("Repeats the run"), "{}", head());
    let on = "train --resume run --epochs 3 --lr 0.0456 --allow-mismatch lr,epochs";
    assert_eq!(gpu_mlp(folder.path(), on).0, Some(0));
    assert!(head().contains("since update 20"), "{}", head());
    // Resumed once more without changes: the run still differs from a plain run of these settings.
    let on = "train --resume run --epochs 4 --allow-mismatch epochs";
    assert_eq!(gpu_mlp(folder.path(), on).0, Some(0));
    assert_eq!(gpu_mlp(folder.path(), "train --resume run").0, Some(0));
    assert!(head().contains("since update 30"), "{}", head());
    let (code, stderr) = gpu_mlp(folder.path(), "report run");
    assert_eq!(code, Some(0), "{stderr}");
    let page = std::fs::read_to_string(folder.path().join("run/report.html")).unwrap();
    assert!(page.contains("0.0456") && page.contains("0.123"), "both rates");
}

#[test]
fn other_data_in_a_file_is_refused_and_not_ignored() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "").0, Some(0));
    for data in ["/nowhere/at/all", "run", "mnist"] {
        std::fs::write(folder.path().join("other.toml"), format!("data = '{data}'")).unwrap();
        let (code, stderr) = gpu_mlp(folder.path(), "train --resume run --config other.toml");
        assert!(code == Some(2) && stderr.contains("has data ="), "{data}: {stderr}");
    }
}

#[test]
fn a_run_that_is_training_can_be_inspected() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "").0, Some(0));
    let lock = std::fs::File::create(folder.path().join("run/lock")).unwrap();
    lock.lock().unwrap();
    for words in ["--print-config", "--dry-run"] {
        let (code, stderr) = gpu_mlp(folder.path(), &format!("train --resume run {words}"));
        assert_eq!(code, Some(0), "{words}: {stderr}");
    }
    let refused = || {
        let (code, stderr) = gpu_mlp(folder.path(), "train --resume run");
        assert!(code == Some(2) && stderr.contains("another program is training"), "{stderr}");
    };
    refused();
    // Also before its first checkpoint.
    std::fs::remove_dir_all(folder.path().join("run/checkpoints")).unwrap();
    refused();
}

#[test]
fn health_measured_before_a_run_was_interrupted_is_in_its_record() {
    let folder = TempDir::new().unwrap();
    let health = || {
        let text = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
        let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        records.filter(|record| record["type"] == "epoch").map(|record| record["health"].clone()).collect::<Vec<_>>()
    };
    // Ten updates per epoch; the fifth is measured.
    assert_eq!(train(folder.path(), "--health show").0, Some(0));
    let whole = health();
    assert!(whole.len() == 2 && whole.iter().all(Value::is_array), "{whole:?}");
    assert_eq!(train(folder.path(), "--health show --max-steps 17 --force").0, Some(0));
    assert_eq!(gpu_mlp(folder.path(), "train --resume run").0, Some(0));
    assert_eq!(health(), whole);
}

#[test]
fn a_model_is_evaluated_on_the_data_of_its_run_unless_other_data_is_named() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "").0, Some(0));
    let accuracy = end(folder.path());
    let last = std::fs::read_to_string(folder.path().join("run/metrics.jsonl")).unwrap();
    let last = last.lines().rfind(|line| line.contains(r#""type":"epoch""#)).unwrap();
    let last: Value = serde_json::from_str(last).unwrap();
    assert!(accuracy["model_sha256"].is_string());
    // The run's settings give these 600 and 100 digits; the folder stands for its model.
    let wanted = last["test_accuracy"].as_f64().unwrap();
    let at_least = |words: &str| gpu_mlp(folder.path(), &format!("eval {words} --engine cpu --min-accuracy {wanted}"));
    assert_eq!(at_least("run").0, Some(0));
    assert_eq!(at_least("run/model.safetensors").0, Some(0));
    // Without the settings, other digits would be used, which were not requested.
    std::fs::rename(folder.path().join("run/config.toml"), folder.path().join("away.toml")).unwrap();
    for words in ["eval run --engine cpu", "predict run --engine cpu"] {
        let (code, stderr) = gpu_mlp(folder.path(), words);
        assert!(code == Some(5) && stderr.contains("was trained on data with the hash"), "{words}: {stderr}");
        let (code, stderr) = gpu_mlp(folder.path(), &format!("{words} --digits-test 200"));
        assert_eq!(code, Some(0), "{words}: {stderr}");
    }
}

#[test]
fn a_checkpoint_is_not_a_model_but_can_be_made_one() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "").0, Some(0));
    let model = folder.path().join("run/model.safetensors");
    let bytes = std::fs::read(&model).unwrap();
    std::fs::remove_file(&model).unwrap();
    let (code, stderr) = gpu_mlp(folder.path(), "eval run/checkpoints/000000000020.safetensors");
    let advice = "train --resume RUN --max-steps 1";
    assert!(code == Some(5) && stderr.contains(advice), "{stderr}");
    let (code, stderr) = gpu_mlp(folder.path(), &advice.replace("RUN", "run"));
    assert_eq!((code, std::fs::read(&model).unwrap() == bytes), (Some(0), true), "{stderr}");
}

#[test]
fn differences_between_a_repetition_and_the_run_are_reported() {
    let folder = TempDir::new().unwrap();
    assert_eq!(train(folder.path(), "--max-steps 13").0, Some(0));
    let model = |run: &str| std::fs::read(folder.path().join(run).join("model.safetensors")).unwrap();
    let (_, stderr) = gpu_mlp(folder.path(), "train --engine cpu --config run --out again");
    assert!(stderr.contains("ended after update 13") && stderr.contains("--max-steps 13"), "{stderr}");
    assert!(model("run") != model("again"));
    let (_, stderr) = gpu_mlp(folder.path(), "train --engine cpu --config run --out same --max-steps 13");
    assert!(!stderr.contains("ended after update") && model("run") == model("same"), "{stderr}");
    let on = "train --resume run --lr 0.01 --allow-mismatch lr";
    assert_eq!(gpu_mlp(folder.path(), on).0, Some(0));
    let (_, stderr) = gpu_mlp(folder.path(), "train --engine cpu --config run --out other");
    assert!(stderr.contains("was changed during training, after update 13: lr 0.2, then 0.01"), "{stderr}");
}

#[test]
fn a_negative_number_is_refused_with_the_allowed_range() {
    let folder = TempDir::new().unwrap();
    for (words, said) in [
        ("--lr -1", "lr is -1 but must be a finite number above 0"),
        ("--clip-norm -1", "clip-norm is -1 but must be a finite number, at least 0"),
        ("--seed -1", "'-1' for '--seed <N>'"),
        ("--normalize -1,-1", "'-1,-1' for '--normalize"),
    ] {
        let (code, stderr) = train(folder.path(), words);
        assert!(code == Some(2) && stderr.contains(said), "{words}: {stderr}");
    }
    let (code, stderr) = train(folder.path(), "--normalize -0.1,0.3");
    assert_eq!(code, Some(0), "{stderr}");
}
