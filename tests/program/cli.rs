//! The binary, run as a user runs it.

use crate::common::program::gpu_mlp;
use crate::common::runs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tempfile::TempDir;

/// A short training run on generated digits.
fn short(folder: &Path) -> Command {
    let mut command = gpu_mlp(folder);
    command.args(["train", "--engine", "cpu", "--data", "digits", "--digits-train", "2000", "--digits-test", "500"]);
    command.args(["--epochs", "2"]);
    command
}

/// Runs a command that must exit with `code` and print each of the words and a next step on stderr.
fn fails(command: &mut Command, code: i32, words: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "{word:?} is not in: {stderr}");
    }
    assert!(stderr.contains("next: ") || code == 2, "no next step in: {stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
}

#[test]
fn train_writes_a_run_folder_that_eval_and_predict_read() {
    let folder = TempDir::new().unwrap();
    let output = short(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8(output.stdout).unwrap();
    assert_eq!(stdout.lines().count(), 2, "one line per epoch and nothing else: {stdout}");
    assert!(!stdout.contains('\u{1b}'), "no escape codes without a terminal");

    let run = folder.path().join("runs/1");
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = metrics.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = records.iter().map(|record| record["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["run", "epoch", "updates", "epoch", "updates", "end"]);
    let records: Vec<_> = records.into_iter().filter(|record| record["type"] != "updates").collect();
    assert_eq!(records[0]["config"]["batch_size"], 64);
    for field in ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds", "images_per_second"] {
        assert!(records[2][field].as_f64().unwrap() > 0.0, "{field}");
    }
    assert_eq!(records[2]["epoch"], 2);
    let health = records[2]["health"].as_array().expect("the last epoch is measured");
    assert_eq!(health.len(), 2);
    for (layer, number) in health.iter().zip(1..) {
        assert_eq!(layer["layer"], number);
        for field in ["gradient_norm", "weight_norm", "update_ratio"] {
            assert!(layer[field].as_f64().unwrap() > 0.0, "{field}");
        }
    }
    assert!(health[0]["dead_share"].is_number() && health[1].get("dead_share").is_none());
    assert_eq!(records[0]["evaluated_weights"], "last");
    let config: toml::Table = std::fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["epochs"].as_integer(), Some(2));

    let model = run.join("model.safetensors");
    let digits = ["--engine", "cpu", "--data", "digits", "--digits-train", "2000", "--digits-test", "500"];
    let eval = gpu_mlp(folder.path()).arg("eval").arg(&model).args(digits).output().unwrap();
    let text = String::from_utf8(eval.stdout).unwrap();
    let accuracy = 100.0 * records[2]["test_accuracy"].as_f64().unwrap();
    assert!(text.starts_with(&format!("accuracy {accuracy:.2} %")), "{text}, trained to {accuracy}");
    assert!(text.contains("95 % confidence interval") && text.contains("calibration error"), "{text}");

    let predict = gpu_mlp(folder.path()).arg("predict").arg(&model).args(["--index", "3,4"]).args(digits).output();
    let text = String::from_utf8(predict.unwrap().stdout).unwrap();
    assert!(text.contains("test 3: ") && text.contains("test 4: "), "{text}");
}

#[test]
fn the_chosen_forms_are_in_every_record_of_the_run() {
    let folder = TempDir::new().unwrap();
    if !runs::adapter(folder.path()) {
        return;
    }
    let mut command = gpu_mlp(folder.path());
    command.args(["train", "--engine", "gpu", "--tune", "force", "--data", "digits", "--digits-train", "200"]);
    let output = command.args(["--digits-test", "50", "--hidden", "128,32", "--epochs", "1"]).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && stderr.contains("forms: "), "{stderr}");
    let run = folder.path().join("runs/1");
    let config: toml::Table = std::fs::read_to_string(run.join("config.toml")).unwrap().parse().unwrap();
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let record: serde_json::Value = serde_json::from_str(metrics.lines().next().unwrap()).unwrap();
    for product in ["linear 64x784x128", "linear 64x128x32", "linear_dx 64x128x32", "update_sgd 64x784x128"] {
        let form = config["forms"][product].as_str().unwrap();
        assert!(["plain", "tiled", "registers", "wide", "split"].contains(&form), "{product}: {form}");
        assert_eq!(record["config"]["forms"][product], form);
    }
}

#[test]
fn equal_runs_write_equal_models_and_number_their_folders() {
    let folder = TempDir::new().unwrap();
    for _ in 0..2 {
        assert!(short(folder.path()).output().unwrap().status.success());
    }
    let model = |run: &str| std::fs::read(folder.path().join(run).join("model.safetensors")).unwrap();
    assert!(model("runs/1") == model("runs/2"));
}

#[test]
fn mixed_precision_is_recorded_and_refused_on_an_adapter_without_it() {
    let folder = TempDir::new().unwrap();
    assert!(short(folder.path()).args(["--precision", "f16-mixed"]).output().unwrap().status.success());
    let config = std::fs::read_to_string(folder.path().join("runs/1/config.toml")).unwrap();
    assert!(config.contains("precision = \"f16-mixed\""), "{config}");
    // GL has no half precision; without GL there is no adapter. Both exit with 4.
    let gl = ["train", "--data", "digits", "--engine", "gpu", "--backend", "gl", "--precision", "f16-mixed"];
    fails(gpu_mlp(folder.path()).args(gl), 4, &[]);
}

#[test]
fn a_run_is_not_replaced_unless_asked() {
    let folder = TempDir::new().unwrap();
    assert!(short(folder.path()).args(["--out", "mine"]).output().unwrap().status.success());
    fails(short(folder.path()).args(["--out", "mine"]), 2, &["mine already holds a run", "--force"]);
    assert!(short(folder.path()).args(["--out", "mine", "--force"]).output().unwrap().status.success());
}

#[test]
fn auto_says_that_digits_stand_in_for_mnist_in_every_record() {
    let folder = TempDir::new().unwrap();
    let args = ["train", "--engine", "cpu", "--offline", "--epochs", "1"];
    let few = ["--data", "auto", "--digits-train", "500", "--digits-test", "50"];
    let output = gpu_mlp(folder.path()).args(args).args(few).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && stderr.contains("note: ") && stderr.contains("digits"), "{stderr}");
    let metrics = std::fs::read_to_string(folder.path().join("runs/1/metrics.jsonl")).unwrap();
    for line in metrics.lines().take(2) {
        let record: serde_json::Value = serde_json::from_str(line).unwrap();
        assert_eq!(record["data"], "digits");
    }
    fails(gpu_mlp(folder.path()).args(["train", "--data", "mnist", "--offline"]), 5, &["offline"]);
}

#[test]
fn options_of_digits_select_digits_and_no_other_data_set() {
    let folder = TempDir::new().unwrap();
    let few = ["--digits-train", "500", "--digits-test", "50"];
    let call = |args: &[&str]| {
        let mut command = gpu_mlp(folder.path());
        command.args(["train", "--engine", "cpu", "--epochs", "1"]).args(args);
        command
    };
    // No note: the digits do not replace MNIST here.
    let output = call(&few).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        output.status.success() && stderr.contains("data: digits, 500 + 50") && !stderr.contains("note: "),
        "{stderr}"
    );
    fails(call(&few).args(["--data", "mnist"]), 2, &["data is mnist", "--data digits"]);
    fails(call(&few).args(["--data", "set"]), 2, &["data is set"]);
    fails(call(&few).env("GPU_MLP_DATA", "mnist"), 2, &["data is mnist"]);
    std::fs::write(folder.path().join("my.toml"), "data = \"mnist\"").unwrap();
    fails(call(&few).args(["--config", "my.toml"]), 2, &["data is mnist"]);
    // A data set on the command line may replace the digits of a file.
    fails(&mut call(&["--config", "runs/1", "--data", "mnist", "--offline"]), 5, &["offline"]);
}

#[test]
fn a_number_that_no_record_can_hold_is_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let most = u64::MAX.to_string();
    for option in ["--seed", "--split-seed", "--digits-seed", "--epochs", "--validation"] {
        fails(short(folder.path()).args([option, &most]), 2, &[option]);
    }
}

#[test]
fn an_error_of_a_setting_names_the_command_whose_help_says_more() {
    let folder = TempDir::new().unwrap();
    fails(short(folder.path()).args(["--lr", "0"]), 2, &["next: see `gpu-mlp train --help`"]);
    fails(gpu_mlp(folder.path()).args(["plan", "--lr", "0"]), 2, &["next: see `gpu-mlp plan --help`"]);
}

#[test]
fn commands_that_are_about_adapters_take_no_engine() {
    let folder = TempDir::new().unwrap();
    for command in ["parity", "devices"] {
        fails(gpu_mlp(folder.path()).args([command, "--engine", "cpu"]), 2, &["--engine"]);
    }
}

#[test]
fn offline_opens_no_connection_and_otherwise_one_is_tried() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let calls = Arc::new(AtomicUsize::new(0));
    let counter = calls.clone();
    std::thread::spawn(move || listener.incoming().for_each(|_| _ = counter.fetch_add(1, Ordering::SeqCst)));
    let folder = TempDir::new().unwrap();
    let run = |offline: &[&str]| {
        let mut command = gpu_mlp(folder.path());
        command.args(["train", "--data", "mnist"]).args(offline);
        for name in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "all_proxy", "https_proxy", "http_proxy"] {
            command.env(name, &proxy);
        }
        fails(&mut command, 5, &[]);
        calls.load(Ordering::SeqCst)
    };
    assert_eq!(run(&["--offline"]), 0);
    assert!(run(&[]) > 0 || !cfg!(feature = "download"));
}

#[test]
fn impossible_settings_are_refused_by_name_before_anything_is_written() {
    let folder = TempDir::new().unwrap();
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--keep-prob", "0"], &["keep-prob is 0", "above 0 and at most 1"]),
        (&["--keep-prob", "NaN"], &["keep-prob is NaN"]),
        (&["--input-keep-prob", "1.5"], &["input-keep-prob is 1.5"]),
        (&["--lr", "0"], &["lr is 0"]),
        (&["--lr", "inf"], &["lr is inf"]),
        (&["--momentum", "1"], &["momentum is 1"]),
        (&["--optimizer", "adam", "--momentum", "0.9"], &["Adam has no such setting", "beta1"]),
        (&["--l2=-1"], &["l2 is -1"]),
        (&["--hidden", "0"], &["hidden layer has 0 units"]),
        (&["--hidden", "12,x"], &["\"x\" is not a width"]),
        (&["--batch-size", "0"], &["at least 1, or `full`"]),
        (&["--batch-size", "2001"], &["batch-size is 2001", "2000 samples"]),
        (&["--physical-batch", "0"], &["physical-batch is 0"]),
    ];
    for (args, words) in cases {
        fails(short(folder.path()).args(args), 2, words);
    }
    assert!(!folder.path().join("runs").exists(), "nothing was written");
}

#[test]
fn bad_data_and_bad_models_exit_with_5_and_name_the_file() {
    let folder = TempDir::new().unwrap();
    let (dir, model) = (folder.path().join("set"), folder.path().join("m.safetensors"));
    fails(
        gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--data", "no-such-folder"]),
        5,
        &["no-such-folder"],
    );
    std::fs::create_dir(&dir).unwrap();
    for name in
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"]
    {
        std::fs::write(dir.join(name), b"<!DOCTYPE html><title>503</title>").unwrap();
    }
    fails(gpu_mlp(folder.path()).args(["train", "--engine", "cpu", "--data", "set"]), 5, &["ubyte", "web page"]);
    for bytes in [&b""[..], b"not a model", &[255; 100]] {
        std::fs::write(&model, bytes).unwrap();
        fails(
            gpu_mlp(folder.path()).args(["eval", "m.safetensors", "--data", "digits"]),
            5,
            &["m.safetensors", "safetensors file"],
        );
    }
    fails(gpu_mlp(folder.path()).args(["eval", "missing.safetensors"]), 5, &["missing.safetensors"]);
}

#[test]
fn an_absent_adapter_exits_with_4_and_a_list_of_those_present() {
    let folder = TempDir::new().unwrap();
    fails(gpu_mlp(folder.path()).args(["train", "--engine", "gpu", "--adapter", "voodoo2"]), 4, &["voodoo2", "found"]);
    fails(gpu_mlp(folder.path()).args(["parity", "--backend", "glide"]), 4, &["glide", "vulkan"]);
    fails(gpu_mlp(folder.path()).args(["parity"]).env("WGPU_ADAPTER_NAME", "voodoo2"), 4, &["voodoo2", "found"]);
    fails(gpu_mlp(folder.path()).args(["parity"]).env("WGPU_BACKEND", "glide"), 4, &["glide"]);
}

#[test]
fn a_learning_rate_that_is_too_large_exits_with_6() {
    let folder = TempDir::new().unwrap();
    let where_ = ["epoch 1", "it began with", "of layer", "in step", "smaller --lr"];
    fails(short(folder.path()).args(["--lr", "1e20"]), 6, &where_);
    // With `--on-nan ignore` the run succeeds.
    let ignored = short(folder.path()).args(["--lr", "1e20", "--on-nan", "ignore"]).output().unwrap();
    assert!(ignored.status.success(), "{}", String::from_utf8_lossy(&ignored.stderr));
}

#[test]
fn health_is_shown_and_the_plain_plan_is_reported_where_it_is_required() {
    let folder = TempDir::new().unwrap();
    let output = short(folder.path()).args(["--health", "show", "--clip-norm", "1", "--ema", "0.9"]).output().unwrap();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stderr.contains("note: the plain plan is used: clipping needs all gradients first"), "{stderr}");
    assert!(stdout.contains("  layer 1  gradient ") && stdout.contains("  layer 2  gradient "), "{stdout}");
    let metrics = std::fs::read_to_string(folder.path().join("runs/1/metrics.jsonl")).unwrap();
    assert!(metrics.contains("\"evaluated_weights\":\"averaged\""), "{metrics}");
}

#[test]
fn devices_and_plan_print_what_there_is() {
    let folder = TempDir::new().unwrap();
    let devices = gpu_mlp(folder.path()).arg("devices").output().unwrap();
    assert!(String::from_utf8_lossy(&devices.stdout).contains("--engine auto uses the "));
    let plan = gpu_mlp(folder.path()).args(["plan", "--hidden", "512,512", "--keep-prob", "0.8"]).output().unwrap();
    let text = String::from_utf8(plan.stdout).unwrap();
    assert!(text.contains("x0(64,784) w1(512,784)") && text.contains("dropout") && text.contains("memory: "), "{text}");
}
