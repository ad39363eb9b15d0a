//! Several runs as one ensemble, and passes with dropout: `eval`, `predict`, `export` and `report`.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use crate::tables::{fails, ok, table};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::results::png;
use serde_json::Value;
use std::path::Path;
use std::sync::LazyLock;
use tempfile::TempDir;

const DATA: &str = "--data digits --digits-train 600 --digits-test 200";

/// A folder with three runs of one kind in `seeds`, beside others; all tests share it and none changes the runs.
static RUNS: LazyLock<TempDir> = LazyLock::new(|| {
    let folder = TempDir::new().expect("a temporary folder");
    let train =
        |words: &str| ok(folder.path(), &format!("train --engine cpu --epochs 3 --batch-size 16 {DATA} {words}"));
    for seed in [1, 2, 10] {
        train(&format!("--hidden 12 --seed {seed} --out seeds/seed-{seed}"));
    }
    std::fs::write(folder.path().join("seeds/seeds.toml"), "seeds = 3\n").expect("a file");
    train("--hidden 9,7 --activation tanh --normalize standard --seed 4 --out other");
    train("--hidden 12 --keep-prob 0.7 --input-keep-prob 0.9 --out dropout");
    train("--hidden 12 --keep-prob 0.7 --precision int8 --out integers");
    folder
});

fn at() -> &'static Path {
    RUNS.path()
}

fn json(words: &str) -> Value {
    serde_json::from_str(&ok(at(), &format!("{words} --engine cpu --json"))).expect("JSON")
}

fn number(object: &Value, key: &str) -> f64 {
    object[key].as_f64().unwrap_or_else(|| panic!("{key}: {object}"))
}

#[test]
fn eval_scores_an_ensemble_beside_its_members() {
    let all = json("eval seeds");
    let names: Vec<&str> =
        all["members"].as_array().expect("members").iter().filter_map(|m| m["name"].as_str()).collect();
    assert_eq!(names, ["seed-1", "seed-2", "seed-10"]);
    assert_eq!(
        all,
        json("eval seeds/seed-1 seeds/seed-2/model.safetensors seeds/seed-10"),
        "a folder stands for its runs"
    );
    let alone: Vec<f64> =
        [1, 2, 10].iter().map(|seed| number(&json(&format!("eval seeds/seed-{seed}")), "accuracy")).collect();
    for (member, accuracy) in all["members"].as_array().expect("members").iter().zip(&alone) {
        assert_eq!(number(member, "accuracy"), *accuracy);
    }
    assert!((number(&all["mean_of_members"], "accuracy") - alone.iter().sum::<f64>() / 3.0).abs() < 1e-12);
    assert!(number(&all["standard_error"], "accuracy") >= 0.0);
    assert_eq!(number(&all, "accuracy"), number(&all, "hits") / 200.0);
    assert!(number(&all, "accuracy_low") < number(&all, "accuracy"));
    assert!(number(&all["unanimous"], "samples") <= 200.0 && number(&all["unanimous"], "hits") > 0.0);
    let doubt = all["doubt"].as_array().expect("measures");
    let names: Vec<&str> = doubt.iter().filter_map(|doubt| doubt["name"].as_str()).collect();
    assert_eq!(names, ["agreement", "entropy", "expected entropy", "mutual information"]);
    assert!(number(&doubt[1], "right") < number(&doubt[1], "wrong"), "there is more doubt about wrong answers: {all}");
    assert!(number(&doubt[1], "roc_auc") > 0.5, "{all}");
    let parts = number(&doubt[2], "mean") + number(&doubt[3], "mean");
    assert!((number(&doubt[1], "mean") - parts).abs() < 1e-9, "the entropy is the sum of its parts");

    let text = ok(at(), "eval seeds other --engine cpu");
    for words in [
        "ensemble of 4 models, 200 samples",
        "seed-10",
        "other",
        "standard error",
        "mutual information",
        "all agree on",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let accuracy = number(&all, "accuracy");
    ok(at(), &format!("eval seeds --engine cpu --min-accuracy {accuracy}"));
    assert!(fails(at(), "eval seeds --engine cpu --min-accuracy 1", 3).contains("below 1"));
    assert!(fails(at(), "eval seeds --engine cpu --importance", 2).contains("one model"));
}

#[test]
fn predict_says_how_many_members_agree() {
    let pixels = generate(&Options { train: 600, test: 200, seed: 1 }).test.pixels().to_vec();
    let folder = TempDir::new().expect("a temporary folder");
    for sample in 0..3 {
        let digit = &pixels[sample * 784..][..784];
        std::fs::write(folder.path().join(format!("{sample}.png")), png::grey(digit, 28, 28)).expect("a picture");
    }
    let predict = |models: &[&str], words: &str| {
        let mut command = gpu_mlp(folder.path());
        command.arg("predict").args(models.iter().map(|model| at().join(model))).args(words.split_whitespace());
        let output = command.args(["--engine", "cpu"]).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    };
    let text = predict(&["seeds"], "0.png 1.png");
    assert!(text.lines().count() == 2 && text.lines().all(|line| line.ends_with("of 3 agree")), "{text}");
    // Run folders and model files before the pictures are members too.
    let several = ["seeds/seed-1", "seeds/seed-2", "seeds/seed-10/model.safetensors"];
    assert_eq!(predict(&several, "0.png 1.png"), text);
    assert_eq!(predict(&several, "0.png"), text.lines().next().expect("a line").to_string() + "\n");

    let objects = predict(&["seeds"], "--json .");
    for line in objects.lines() {
        let object: Value = serde_json::from_str(line).expect("JSON");
        assert_eq!(object["members"], 3);
        let parts = number(&object, "expected_entropy") + number(&object, "mutual_information");
        assert!((number(&object, "entropy") - parts).abs() < 1e-9 && object["scaled"].is_null(), "{object}");
    }
    let csv = predict(&["seeds"], "0.png --out -");
    let (head, row) = csv.split_once('\n').expect("two lines");
    assert!(head.ends_with("p9,agreement,entropy,expected_entropy,mutual_information"), "{head}");
    assert_eq!(head.split(',').count(), row.trim().split(',').count(), "{row}");

    let text = predict(&["dropout"], "--mc-dropout 20 0.png");
    assert!(text.trim().ends_with("of 20 agree"), "{text}");
    assert_eq!(predict(&["dropout"], "--mc-dropout 20 0.png"), text, "the same seed gives the same answer");
    let object: Value = serde_json::from_str(&predict(&["dropout"], "--json --mc-dropout 20 0.png")).expect("JSON");
    let alone: Value = serde_json::from_str(&predict(&["dropout"], "--json 0.png")).expect("JSON");
    assert_eq!(object["scaled"]["class"], alone["class"]);
    assert!((number(&object["scaled"], "probability") - number(&alone, "probability")).abs() < 1e-6);
    let csv = predict(&["dropout"], "--mc-dropout 5 0.png --out -");
    assert!(
        csv.lines().next().expect("a head").ends_with("mutual_information,scaled_class,scaled_probability"),
        "{csv}"
    );
    let object: Value = serde_json::from_str(&predict(&["integers"], "--json --mc-dropout 5 0.png")).expect("JSON");
    assert_eq!(object["members"], 5, "{object}");
    let message = fails(at(), "predict seeds --index 0 0.png", 2);
    assert!(message.contains("--index and --split"), "{message}");
}

#[test]
fn passes_with_dropout_are_repeatable_and_stand_beside_the_scaled_net() {
    let words = "eval dropout --mc-dropout 8";
    let passes = json(words);
    assert_eq!(passes, json(words));
    assert_eq!(passes["members"].as_array().map(Vec::len), Some(8));
    let settings = &passes["mc_dropout"];
    assert_eq!((settings["passes"].as_u64(), settings["seed"].as_u64()), (Some(8), Some(1)));
    assert!(
        (number(settings, "keep_prob") - 0.7).abs() < 1e-6 && (number(settings, "input_keep_prob") - 0.9).abs() < 1e-6
    );
    assert_eq!(passes["scaled"]["accuracy"], json("eval dropout")["accuracy"]);
    assert!(passes["members"][0]["log_loss"] != passes["members"][1]["log_loss"], "passes have other masks");
    assert!(passes["log_loss"] != json("eval dropout --mc-dropout 8 --mc-seed 9")["log_loss"]);
    let text = ok(at(), "eval dropout --mc-dropout 8 --engine cpu");
    for words in
        ["8 passes with dropout, keep probability 0.7, of inputs 0.9, seed 1", "without dropout", "mean of passes"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let whole = json("eval integers --mc-dropout 3");
    assert_eq!(whole["members"].as_array().map(Vec::len), Some(3));

    assert!(fails(at(), "eval other --mc-dropout 8 --engine cpu", 2).contains("trained without dropout"));
    assert!(fails(at(), "eval seeds --mc-dropout 8 --engine cpu", 2).contains("one model"));
    let away = TempDir::new().expect("a temporary folder");
    std::fs::copy(at().join("dropout/model.safetensors"), away.path().join("copy.safetensors")).expect("a copy");
    let message = fails(away.path(), &format!("eval copy.safetensors --mc-dropout 8 --engine cpu {DATA}"), 2);
    assert!(
        message.contains("copy.safetensors has no settings") && message.contains("name the folder of its run"),
        "{message}"
    );
    // The settings beside a model may be of another run.
    std::fs::copy(at().join("other/config.toml"), away.path().join("config.toml")).expect("a copy");
    let message = fails(away.path(), &format!("eval copy.safetensors --mc-dropout 8 --engine cpu {DATA}"), 2);
    assert!(message.contains("settings of another run"), "{message}");
}

#[test]
fn an_ensemble_is_exported_as_one_file() {
    let out = TempDir::new().expect("a temporary folder");
    let graph = out.path().join("all.onnx");
    ok(at(), &format!("export seeds other --format onnx --out {}", graph.display()));
    let bytes = std::fs::read(&graph).expect("a file");
    let model = onnx_rs::parse(&bytes).expect("ONNX");
    let outputs: Vec<&str> = model.graph.as_ref().expect("a graph").output.iter().map(|info| info.name).collect();
    assert_eq!(outputs, ["probabilities", "label"]);
    for format in ["csv", "safetensors"] {
        assert!(fails(at(), &format!("export seeds --format {format}"), 2).contains("only with --format onnx"));
    }
}

#[test]
fn members_that_do_not_fit_and_runs_without_a_model_are_named() {
    let folder = TempDir::new().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(120, true)).expect("a table");
    let train = "train --engine cpu --data shop.csv --id-column id --test 0.25 --epochs 2 --hidden 6";
    ok(dir, &format!("{train} --target kind --ignore price --out kinds/1"));
    ok(dir, &format!("{train} --target kind --ignore price --seed 2 --normalize robust --out kinds/2"));
    ok(dir, &format!("{train} --target price --ignore kind --out prices/1"));
    ok(dir, &format!("{train} --target price --ignore kind --seed 2 --out prices/2"));
    let message = fails(dir, "eval kinds/1 prices/1 --engine cpu", 2);
    for words in ["1", "predicts 2 classes", "predicts 1 value", "next: "] {
        assert!(message.contains(words), "{words}: {message}");
    }
    let message = fails(dir, &format!("eval kinds/1 {} --engine cpu", at().join("other").display()), 2);
    assert!(message.contains("takes numbers") && message.contains("takes bytes"), "{message}");

    let scores: Value = serde_json::from_str(&ok(dir, "eval prices --engine cpu --json")).expect("JSON");
    assert_eq!(scores["members"][1]["targets"][0]["name"], "price", "{scores}");
    assert!(scores["targets"][0]["rmse_low"].is_number() && scores["loss"].is_null(), "{scores}");
    assert!(scores["mean_of_members"]["targets"][0]["rmse"].is_number(), "{scores}");
    let text = ok(dir, "eval prices --engine cpu");
    assert!(text.contains("mean deviation") && text.contains("RMSE"), "{text}");
    let csv = ok(dir, "predict kinds shop.csv --engine cpu --id-column id --out -");
    assert!(csv.starts_with("id,class,probability,p_cheap,p_dear,agreement,entropy,"), "{csv:.200}");
    let csv = ok(dir, "predict prices/1 prices/2 shop.csv --engine cpu --id-column id --out -");
    assert!(csv.starts_with("id,price,deviation_price\nr0,"), "{csv:.200}");
    let line = ok(dir, "predict prices shop.csv --engine cpu --id-column id --json");
    let object: Value = serde_json::from_str(line.lines().next().expect("a line")).expect("JSON");
    assert!(object["deviations"]["price"].is_number() && object["members"] == 2, "{object}");
    ok(dir, "export kinds --format onnx --out kinds.onnx");

    // A run that has no model yet is left out with a note; a folder of such runs is an error.
    std::fs::create_dir_all(dir.join("kinds/3")).expect("a folder");
    for file in ["config.toml", "metrics.jsonl"] {
        std::fs::copy(dir.join("kinds/1").join(file), dir.join("kinds/3").join(file)).expect("a copy");
    }
    let output = gpu_mlp(dir).args(["eval", "kinds", "--engine", "cpu"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("kinds/3 has no model and is left out"), "{said}");
    std::fs::create_dir_all(dir.join("none")).expect("a folder");
    std::fs::rename(dir.join("kinds/3"), dir.join("none/3")).expect("a move");
    assert!(fails(dir, "eval none --engine cpu", 5).contains("none of them has a model"));
    let output = gpu_mlp(dir).args(["eval", "kinds/1", "kinds/1", "--engine", "cpu"]).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("more than once"), "{said}");
}

#[test]
fn a_report_scores_the_ensemble_of_its_runs() {
    let page = |words: &str| {
        let out = TempDir::new().expect("a temporary folder");
        let path = out.path().join("page.html");
        ok(at(), &format!("report {words} --engine cpu --out {}", path.display()));
        std::fs::read_to_string(path).expect("a page")
    };
    let accuracy = number(&json("eval seeds"), "accuracy");
    let together = page("seeds");
    assert!(together.contains("3 runs compared") && together.contains("<h2>Ensemble</h2>"));
    assert!(together.contains(&format!("class=\"best\">{accuracy:.4}</td>")), "{accuracy}");
    assert!(together.contains("All runs agree on"));
    assert!(!page("other").contains("Ensemble"));
}
