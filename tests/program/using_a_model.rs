//! `predict` on files, `eval` and `report`, run as a user runs them.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::results::png;
use serde_json::Value;
use std::path::Path;
use std::process::Output;
use std::sync::LazyLock;
use tempfile::TempDir;

const DATA: [&str; 8] = ["--engine", "cpu", "--data", "digits", "--digits-train", "4000", "--digits-test", "300"];
const MODEL: &str = "run/model.safetensors";

/// A folder with a trained run; all tests share it and none changes it.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().unwrap();
    let output = gpu_mlp(folder.path()).args(["train", "--out", "run", "--epochs", "3"]).args(DATA).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    folder
});

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Ten test digits as PNG files, with the labels.
fn pictures(folder: &Path) -> (Vec<String>, Vec<u32>) {
    let data = generate(&Options { train: 4000, test: 300, ..Options::default() });
    let names = (0..10).map(|sample| {
        let name = format!("{sample}.png");
        let digit = &data.test.pixels()[sample * 784..][..784];
        std::fs::write(folder.join(&name), png::grey(digit, 28, 28)).unwrap();
        name
    });
    (names.collect(), data.test.classes()[..10].to_vec())
}

fn objects(output: &Output) -> Vec<Value> {
    stdout(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn predict_reads_files_and_standard_input() {
    let (folder, model) = (TempDir::new().unwrap(), RUN.path().join(MODEL));
    let (names, labels) = pictures(folder.path());
    let predict = || {
        let mut command = gpu_mlp(folder.path());
        command.arg("predict").arg(&model).args(["--engine", "cpu"]);
        command
    };
    let output = predict().args(["--json", "--top-k", "4", "--show"]).args(&names).output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let objects = objects(&output);
    assert_eq!(objects.len(), 10);
    let mut hits = 0;
    for ((object, name), label) in objects.iter().zip(&names).zip(labels) {
        assert_eq!(object["image"], *name);
        let top = object["top"].as_array().unwrap();
        let shares: Vec<f64> = top.iter().map(|entry| entry["probability"].as_f64().unwrap()).collect();
        assert!(shares.len() == 4 && shares.is_sorted_by(|a, b| a >= b) && shares.iter().sum::<f64>() <= 1.0 + 1e-6);
        assert_eq!((&top[0]["class"], &top[0]["probability"]), (&object["class"], &object["probability"]));
        assert_eq!(object["seen"].as_array().unwrap().len(), 784);
        hits += usize::from(object["class"] == label);
    }
    assert!(hits >= 8, "{hits} of 10: {objects:?}");

    let bytes = std::fs::read(folder.path().join(&names[0])).unwrap();
    let mut predict = assert_cmd::Command::from_std(predict());
    let output = predict.args(["-", "--show", "--top-k", "2"]).write_stdin(bytes).output().unwrap();
    let text = stdout(&output);
    let (drawing, answer) = text.trim_end().rsplit_once('\n').unwrap();
    assert!(drawing.split('\n').count() == 14 && drawing.contains('█'), "{text}");
    let class = &objects[0]["class"];
    assert!(answer.starts_with(&format!("-: {class} ")) && answer.matches('%').count() == 2, "{answer}");
}

#[test]
fn predict_names_the_files_it_cannot_use_and_classifies_the_others() {
    let (folder, model) = (TempDir::new().unwrap(), RUN.path().join(MODEL));
    let (names, _) = pictures(folder.path());
    std::fs::write(folder.path().join("blank.png"), png::grey(&[200; 900], 30, 30)).unwrap();
    std::fs::write(folder.path().join("page.jpg"), b"<html>").unwrap();
    let mut command = gpu_mlp(folder.path());
    command.arg("predict").arg(&model).args(["--engine", "cpu", "blank.png", "page.jpg", "gone.png", &names[3]]);
    let output = command.output().unwrap();
    let (text, errors) = (stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(5), "{errors}");
    assert!(text.lines().count() == 1 && text.starts_with("3.png: "), "{text}");
    for words in ["blank.png: is blank", "page.jpg: is a web page", "gone.png: "] {
        assert!(errors.contains(&format!("error: {words}")), "{words}: {errors}");
    }
    assert_eq!(errors.matches("next: ").count(), 3, "{errors}");
}

#[test]
fn eval_reports_the_quality_and_checks_a_minimum() {
    let eval = |args: &[&str]| gpu_mlp(RUN.path()).args(["eval", MODEL]).args(DATA).args(args).output().unwrap();
    let output = eval(&["--json"]);
    let object: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let number = |key: &str| object[key].as_f64().unwrap();
    let accuracy = number("accuracy");
    assert!((accuracy - number("hits") / number("samples")).abs() < 1e-12);
    assert!(number("accuracy_low") < accuracy && accuracy < number("accuracy_high"));
    assert!((0.0..0.5).contains(&number("calibration_error")));
    assert_eq!(object["classes"].as_array().unwrap().len(), 10);
    let rows = object["confusion"].as_array().unwrap();
    let counts = rows.iter().flat_map(|row| row.as_array().unwrap()).map(|count| count.as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 300);

    let text = stdout(&eval(&[]));
    assert!(text.starts_with(&format!("accuracy {:.2} %", 100.0 * accuracy)), "{text}");
    assert!(
        text.contains("95 % confidence interval") && text.contains("calibration error") && text.contains("precision")
    );

    assert_eq!(eval(&["--min-accuracy", "0.5"]).status.code(), Some(0));
    assert_eq!(eval(&["--min-accuracy", &accuracy.to_string()]).status.code(), Some(0));
    let output = eval(&["--min-accuracy", "1"]);
    assert!(output.status.code() == Some(3) && stderr(&output).contains("below 1"), "{}", stderr(&output));
    let output = eval(&["--min-accuracy", "97"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("0.97"), "{}", stderr(&output));
}

#[test]
fn report_writes_a_page_with_and_without_the_data() {
    let folder = TempDir::new().unwrap();
    let report = |args: &[&str]| {
        let mut command = gpu_mlp(folder.path());
        command
            .args(["report", "--engine", "cpu", "--force", "--out", "page.html"])
            .arg(RUN.path().join("run"))
            .args(args);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        (std::fs::read_to_string(folder.path().join("page.html")).unwrap(), stderr(&output))
    };
    // The digits are generated again with the sizes and seed in the record.
    let (page, _) = report(&[]);
    assert!(page.contains("Confusion matrix") && page.contains("Worst mistakes"), "{page}");
    let (page, said) = report(&["--digits-seed", "2"]);
    assert!(said.contains("was not evaluated") && page.contains("Not evaluated: the run was on digits"), "{said}");
    assert!(page.contains("Accuracy") && page.contains("First layer"));
    let copy = folder.path().join("copy");
    std::fs::create_dir(&copy).unwrap();
    for file in ["config.toml", "metrics.jsonl", "model.safetensors"] {
        std::fs::copy(RUN.path().join("run").join(file), copy.join(file)).unwrap();
    }
    let (page, _) = report(&[copy.to_str().unwrap()]);
    assert!(page.contains("2 runs compared"));

    let output = gpu_mlp(folder.path()).args(["report", "no-run"]).output().unwrap();
    let said = stderr(&output);
    assert!(output.status.code() == Some(5) && said.contains("metrics.jsonl") && said.contains("next: "), "{said}");
}

#[cfg(unix)]
#[test]
fn export_follows_links_and_writes_to_devices() {
    let (folder, model) = (TempDir::new().unwrap(), RUN.path().join(MODEL));
    let export = |out: &str, more: &[&str]| {
        let mut command = gpu_mlp(folder.path());
        let output = command.arg("export").arg(&model).args(["--format", "csv", "--out", out]).args(more).output();
        let output = output.unwrap();
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (_, table, _) = export("-", &[]);
    assert!(table.starts_with("layer,part"));
    let (code, printed, errors) = export("/dev/stdout", &[]);
    assert!(code == Some(0) && printed == table, "{errors}");

    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir(at("below")).unwrap();
    std::fs::write(at("below/file"), "old").unwrap();
    for (link, target) in [("link", "below/file"), ("to-nothing", "below/new")] {
        std::os::unix::fs::symlink(target, at(link)).unwrap();
        let (code, _, errors) = export(link, &["--force"]);
        assert_eq!(code, Some(0), "{errors}");
        assert!(at(link).is_symlink() && std::fs::read_to_string(at(target)).unwrap() == table, "{link}");
    }
    let (code, _, errors) = export("link", &[]);
    assert!(code == Some(2) && errors.contains("link exists") && errors.contains("export --help"), "{errors}");
}
