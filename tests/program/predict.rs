//! `predict` on folders, patterns and splits, with a threshold and a CSV file.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::results::png;
use gpu_mlp::run::model_file;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;
use tempfile::TempDir;

const DATA: [&str; 6] = ["--data", "digits", "--digits-train", "2000", "--digits-test", "300"];

/// A folder with a trained run; all tests share it and none changes it.
static RUN: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let train = ["train", "--out", "run", "--epochs", "2", "--engine", "cpu"];
    let output = gpu_mlp(folder.path()).args(train).args(DATA).output().expect("it runs");
    assert!(output.status.success(), "{}", stderr(&output));
    folder
});

fn model() -> PathBuf {
    RUN.path().join("run/model.safetensors")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn predict(folder: &Path, model: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = gpu_mlp(folder);
    command.arg("predict").arg(model).args(["--engine", "cpu"]).args(args);
    let output = command.output().expect("it runs");
    (output.status.code(), String::from_utf8(output.stdout.clone()).expect("text"), stderr(&output))
}

fn digit(sample: usize) -> Vec<u8> {
    static TEST: LazyLock<Vec<u8>> =
        LazyLock::new(|| generate(&Options { train: 2000, test: 300, seed: 1 }).test.pixels().to_vec());
    TEST[sample * 784..][..784].to_vec()
}

/// A folder of pictures whose names sort differently as text and as numbers, with other files.
fn pictures() -> TempDir {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    std::fs::create_dir_all(at("in/below")).expect("a folder");
    for (sample, name) in ["in/10.png", "in/2.PNG", "in/1.png", "in/a,b.png", "in/below/3.png"].iter().enumerate() {
        std::fs::write(at(name), png::grey(&digit(sample), 28, 28)).expect("a file");
    }
    for name in ["in/._1.png", "in/notes.txt"] {
        std::fs::write(at(name), "text").expect("a file");
    }
    std::fs::create_dir_all(at("empty")).expect("a folder");
    std::fs::create_dir_all(at("above/in")).expect("a folder");
    folder
}

/// The names before the answers.
fn names(stdout: &str) -> Vec<String> {
    stdout.lines().filter_map(|line| Some(line.rsplit_once(": ")?.0.replace('\\', "/"))).collect()
}

#[test]
fn folders_and_patterns_are_read_in_natural_order() {
    let folder = pictures();
    let found = |args: &[&str]| {
        let (code, stdout, stderr) = predict(folder.path(), &model(), args);
        assert_eq!(code, Some(0), "{stderr}");
        names(&stdout)
    };
    let all = ["in/1.png", "in/2.PNG", "in/10.png", "in/a,b.png"];
    assert_eq!(found(&["in"]), all);
    // No shell expands these.
    assert_eq!(found(&["in/*.png"]), ["in/1.png", "in/10.png", "in/a,b.png"]);
    assert_eq!(found(&["in/**/[0-9].png"]), ["in/1.png", "in/below/3.png"]);
    assert_eq!(found(&["i?"]), all);
    // A file of that name is no pattern.
    std::fs::copy(folder.path().join("in/1.png"), folder.path().join("[1].png")).expect("a file");
    assert_eq!(found(&["[1].png", "in/1.png"]), ["[1].png", "in/1.png"]);

    for (wrong, words) in [
        ("empty", "holds no PNG or JPEG files"),
        ("*.gif", "matches no file"),
        ("in/[.png", "no pattern"),
        ("gone.png", "gone.png: "),
    ] {
        let (code, stdout, stderr) = predict(folder.path(), &model(), &[wrong, "in/1.png"]);
        assert!(code == Some(5) && names(&stdout) == ["in/1.png"], "{wrong}: {stderr}");
        assert!(stderr.contains(words) && stderr.contains("next: "), "{wrong}: {stderr}");
    }
    let (_, _, stderr) = predict(folder.path(), &model(), &["above"]);
    assert!(stderr.contains("folders in it are not searched"), "{stderr}");
}

#[test]
fn below_the_threshold_the_answer_is_none_of_these() {
    let folder = pictures();
    let (code, stdout, stderr) = predict(folder.path(), &model(), &["in", "--threshold", "1", "--top-k", "2"]);
    assert!(code == Some(0) && stderr.contains("have no class with a probability of at least 1"), "{stderr}");
    assert!(stdout.contains(": none of these (best: "), "{stdout}");
    let (_, stdout, _) = predict(folder.path(), &model(), &["in", "--threshold", "1", "--json"]);
    for line in stdout.lines() {
        let object: Value = serde_json::from_str(line).expect("JSON");
        let sure = object["probability"].as_f64().expect("a number") >= 1.0;
        assert_eq!(object["class"].is_null(), !sure, "{line}");
        assert_eq!(object["top"][0]["probability"], object["probability"], "{line}");
    }
    let (_, all, _) = predict(folder.path(), &model(), &["in"]);
    assert_eq!(predict(folder.path(), &model(), &["in", "--threshold", "0"]).1, all);
    let (code, _, stderr) = predict(folder.path(), &model(), &["in", "--threshold", "90"]);
    assert!(code == Some(2) && stderr.contains("0.9"), "{stderr}");
}

#[test]
fn the_csv_file_holds_every_class_and_replaces_nothing_by_mistake() {
    let folder = pictures();
    let csv = |args: &[&str]| predict(folder.path(), &model(), &[&["in", "--out"], args].concat());
    let (code, stdout, stderr) = csv(&["answers.csv", "--threshold", "1"]);
    assert!(code == Some(0) && stdout.is_empty() && stderr.contains("written: answers.csv"), "{stderr}");
    let table = std::fs::read_to_string(folder.path().join("answers.csv")).expect("a table");
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 5, "{table}");
    assert_eq!(lines[0], "file,class,probability,p0,p1,p2,p3,p4,p5,p6,p7,p8,p9");
    assert!(lines[4].starts_with("\"in/a,b.png\",") || lines[4].starts_with("\"in\\a,b.png\","), "{table}");
    for line in &lines[1..4] {
        let fields: Vec<&str> = line.split(',').collect();
        let shares: Vec<f64> = fields[2..].iter().map(|field| field.parse().expect("a number")).collect();
        assert!(fields[1] == "none" || shares[0] == 1.0, "{line}");
        assert!((shares[1..].iter().sum::<f64>() - 1.0).abs() < 1e-5, "{line}");
        assert_eq!(shares[1..].iter().copied().fold(0.0, f64::max), shares[0], "{line}");
    }
    let (code, _, stderr) = csv(&["answers.csv"]);
    assert!(code == Some(2) && stderr.contains("answers.csv exists"), "{stderr}");
    assert_eq!(csv(&["answers.csv", "--force"]).0, Some(0));
    // The file that is replaced must not be one that is read.
    for input in ["in/1.png", "./in/../in/1.png", model().to_str().expect("UTF-8")] {
        let (code, _, stderr) = csv(&[input, "--force"]);
        assert!(code == Some(2) && stderr.contains("is the input"), "{input}: {stderr}");
    }
    let (_, stdout, _) = csv(&["-"]);
    assert_eq!(stdout.lines().count(), 5);
    let (_, stdout, _) = predict(folder.path(), &model(), &[&["--index", "3", "--out", "-"][..], &DATA].concat());
    assert!(stdout.starts_with("sample,class,probability,label,p0") && stdout.contains("\ntest 3,"), "{stdout}");
}

#[test]
fn ranges_of_samples_are_classified_in_batches_and_agree_with_eval() {
    let folder = TempDir::new().expect("a temporary folder");
    let index = |index: &str| predict(folder.path(), &model(), &[&["--json", "--index", index][..], &DATA].concat());
    let (code, all, stderr) = index("all");
    assert_eq!(code, Some(0), "{stderr}");
    let hits = all.lines().filter(|line| {
        let object: Value = serde_json::from_str(line).expect("JSON");
        object["class"] == object["label"]
    });
    let hits = hits.count();
    let mut eval = gpu_mlp(folder.path());
    let output =
        eval.arg("eval").arg(model()).args(["--engine", "cpu", "--json"]).args(DATA).output().expect("it runs");
    let scores: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((all.lines().count(), Some(hits as u64)), (300, scores["hits"].as_u64()));

    let (_, some, _) = index("7,126-129,0");
    let whole: Vec<&str> = all.lines().collect();
    let part: Vec<&str> = some.lines().collect();
    let name = |line: &str| serde_json::from_str::<Value>(line).expect("JSON")["image"].clone();
    assert_eq!(part.len(), 6);
    for (line, sample) in part.iter().zip([7, 126, 127, 128, 129, 0]) {
        assert_eq!((name(line), *line), (format!("test {sample}").into(), whole[sample]));
    }
    for (wrong, words) in [("300", "300 samples"), ("5-2", "2-5"), ("every", "all"), ("0-300", "index is 300")] {
        let (code, _, stderr) = index(wrong);
        assert!(code == Some(2) && stderr.contains(words), "{wrong}: {stderr}");
    }
}

#[test]
fn dimensions_of_one_do_not_change_what_is_a_picture() {
    let folder = pictures();
    let (mlp, description) = model_file::read(&model()).expect("a model");
    let wanted = predict(folder.path(), &model(), &["in", "--show"]).1;
    for item in [vec![28, 28, 1], vec![1, 28, 28], vec![1, 784]] {
        let other = folder.path().join("other.safetensors");
        let description = model_file::Description { item: item.clone(), ..description.clone() };
        model_file::save(&other, &mlp, &description).expect("a file");
        let (code, stdout, stderr) = predict(folder.path(), &other, &["in", "--show"]);
        assert!(code == Some(0) && stdout == wanted, "{item:?}: {stderr}{stdout}");
    }
}

/// The letter E is no digit, however sure the net is; a digit of the test split is like the training digits.
#[test]
fn pictures_unlike_the_training_pictures_are_unsure() {
    let folder = TempDir::new().expect("a temporary folder");
    let bars = |row: usize| [4..7, 13..16, 21..24].iter().any(|bar| bar.contains(&row));
    let inked = |x: usize, y: usize| (8..11).contains(&x) && (4..24).contains(&y) || (8..21).contains(&x) && bars(y);
    let letter: Vec<u8> = (0..784).map(|at| if inked(at % 28, at / 28) { 255 } else { 0 }).collect();
    std::fs::write(folder.path().join("e.png"), png::grey(&letter, 28, 28)).expect("a file");
    let said = |arguments: &[&str]| {
        let (code, stdout, stderr) = predict(folder.path(), &model(), &[arguments, &["--json"]].concat());
        assert_eq!(code, Some(0), "{stderr}");
        let answers: Vec<Value> = stdout.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        let unlike = |answer: &&Value| answer["doubts"].to_string().contains("unlike the training pictures");
        assert!(answers.iter().filter(unlike).all(|answer| answer["unsure"] == true));
        (answers.iter().filter(unlike).count(), answers.len(), stderr)
    };
    let (unlike, _, stderr) = said(&["e.png"]);
    assert_eq!(unlike, 1, "{stderr}");
    assert!(stderr.contains("note: e.png: unsure: the picture is unlike"), "{stderr}");
    let (unlike, all, stderr) = said(&[&["--index", "all"][..], &DATA].concat());
    assert!(all == 300 && unlike <= 30, "{unlike} of {all}");
    assert!(!stderr.contains("unsure"), "{stderr}");
}
