//! Tables from file to prediction, as a user has them.

use crate::common::program::gpu_mlp;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

fn run(folder: &Path, words: &str) -> Output {
    gpu_mlp(folder).args(words.split_whitespace()).output().expect("it runs")
}

/// Runs a command that must succeed; returns its output.
pub fn ok(folder: &Path, words: &str) -> String {
    let output = run(folder, words);
    assert!(output.status.success(), "{words}\n{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Runs a command that must fail with exit code `code`; returns its message.
pub fn fails(folder: &Path, words: &str, code: i32) -> String {
    let output = run(folder, words);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{words}\n{text}");
    text
}

/// Rows of numbers, a category, a class that follows from both, and a real value; some values are missing.
pub fn table(rows: usize, names: bool) -> String {
    let mut text = if names { String::from("id,size,colour,kind,price\n") } else { String::new() };
    for at in 0..rows {
        let size = (at * 37 % 101) as f64 / 10.0;
        let colour = ["red", "green", "blue"][at * 7 % 3];
        let kind = if size > 5.0 || colour == "red" { "dear" } else { "cheap" };
        let price = 3.0 * size + if colour == "red" { 20.0 } else { 0.0 };
        let shown = if at % 10 == 3 { String::new() } else { size.to_string() };
        let _ = writeln!(text, "r{at},{shown},{colour},{kind},{price}");
    }
    text
}

#[test]
fn classes_values_and_labels_are_trained_scored_predicted_and_exported() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(400, true)).expect("it is written");
    let common = "train --engine cpu --data shop.csv --id-column id --test 0.25 --epochs 40 --batch-size 16";
    ok(dir, &format!("{common} --target kind --ignore price --out kinds"));
    ok(dir, &format!("{common} --target price --ignore kind --out prices --optimizer adam"));

    let scores: serde_json::Value = serde_json::from_str(&ok(dir, "eval kinds --engine cpu --json")).expect("JSON");
    assert!(scores["accuracy"].as_f64().expect("a share") > 0.9, "{scores}");
    assert_eq!(scores["classes"][0]["name"], "cheap", "{scores}");
    let scores: serde_json::Value = serde_json::from_str(&ok(dir, "eval prices --engine cpu --json")).expect("JSON");
    assert!(scores["targets"][0]["r2"].as_f64().expect("a share") > 0.8, "{scores}");
    assert_eq!(scores["targets"][0]["name"], "price", "{scores}");

    let text = ok(dir, "eval kinds --engine cpu --importance --json");
    let found = &serde_json::from_str::<serde_json::Value>(&text).expect("JSON")["importance"];
    let columns: Vec<&str> =
        found["columns"].as_array().expect("columns").iter().filter_map(|c| c["name"].as_str()).collect();
    assert_eq!((columns, &found["score"]), (vec!["size", "colour"], &"accuracy".into()), "{found}");
    assert!(found["columns"][1]["mean"].as_f64().expect("a drop") > 0.05, "{found}");
    assert!(ok(dir, "eval prices --engine cpu --importance").contains("drop of the R²"));

    // Columns in another order, a category that training did not have, and no targets.
    std::fs::write(dir.join("new.csv"), "colour,size,id\nred,9,a\nblue,0.5,b\nviolet,,c\n").expect("it is written");
    ok(dir, "predict kinds new.csv --id-column id --engine cpu --out kinds.csv");
    let answers = std::fs::read_to_string(dir.join("kinds.csv")).expect("the answers");
    let lines: Vec<&str> = answers.lines().collect();
    assert_eq!(lines[0], "id,class,probability,p_cheap,p_dear");
    assert!(
        lines[1].starts_with("a,dear,") && lines[2].starts_with("b,cheap,") && lines[3].starts_with("c,"),
        "{answers}"
    );
    assert_eq!(lines.len(), 4);
    let values = ok(dir, "predict prices new.csv --engine cpu --out -");
    let price: f64 =
        values.lines().nth(1).and_then(|line| line.split(',').nth(1)).expect("a value").parse().expect("a number");
    assert!((price - 47.0).abs() < 12.0, "{values}");
    for run in ["kinds", "prices"] {
        ok(dir, &format!("export {run} --format onnx"));
        ok(dir, &format!("report {run} --engine cpu"));
        let page = std::fs::read_to_string(dir.join(run).join("report.html")).expect("a page");
        assert!(page.contains("Importance of columns"));
    }

    // Labels: two columns of 0 and 1.
    let rows: String =
        (0..200).map(|at| format!("{},{},{}\n", at % 20, u8::from(at % 20 > 9), u8::from(at % 20 < 5))).collect();
    std::fs::write(dir.join("labels.csv"), format!("x,high,low\n{rows}")).expect("it is written");
    ok(
        dir,
        "train --engine cpu --data labels.csv --target high,low --task labels --test 50 --epochs 60 --optimizer adam --lr 0.02 --out labels",
    );
    let scores: serde_json::Value = serde_json::from_str(&ok(dir, "eval labels --engine cpu --json")).expect("JSON");
    assert!(scores["exact_match"].as_f64().expect("a share") > 0.9, "{scores}");
}

#[test]
fn a_table_is_described() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(40, true)).expect("it is written");
    let options = "data --data shop.csv --id-column id --test 0.25";
    let text = ok(dir, &format!("{options} --target kind"));
    for words in ["size", "colour  3 categories", "no column is constant", "cheap", "dear"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert!(!text.contains(" 255 "), "{text}");
    let text = ok(dir, &format!("{options} --target price --json"));
    let found: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let (size, colour) = (&found["columns"][0], &found["columns"][1]);
    assert_eq!((&size["name"], &size["kind"]), (&"size".into(), &"number".into()));
    // The digits of the file, not those of an f32 as f64.
    assert!(size["largest"].to_string().len() <= 4 && size["largest"].as_f64() > Some(5.0), "{size}");
    assert_eq!((&colour["categories"], &colour["mean"]), (&3.into(), &serde_json::Value::Null));
    assert_eq!(found["train"]["targets"][0]["name"], "price", "{found}");
    assert!(found.get("classes").is_none() && found["train"].get("blank").is_none(), "{found}");
}

#[test]
fn a_run_on_a_table_resumes_and_repeats_with_equal_bits() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(300, true)).expect("it is written");
    let settings = "--engine cpu --data shop.csv --target price --ignore id,kind --test 60 --validation 40 --epochs 6";
    ok(dir, &format!("train {settings} --out whole"));
    ok(dir, &format!("train {settings} --out part --max-steps 9"));
    ok(dir, "train --resume part --epochs 6");
    ok(dir, "train --config whole --engine cpu --out again");
    let model = |run: &str| std::fs::read(dir.join(run).join("model.safetensors")).expect("a model");
    assert!(model("whole") == model("part"), "resumed");
    assert!(model("whole") == model("again"), "repeated");
}

#[test]
fn the_weights_of_classes_and_rows_count_in_training() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(200, true)).expect("it is written");
    let train = "train --engine cpu --data shop.csv --target kind --ignore id,price --epochs 2 --force";
    ok(dir, &format!("{train} --out plain"));
    ok(dir, &format!("{train} --out weighed --class-weight dear=1,cheap=9"));
    ok(dir, &format!("{train} --out ones --class-weight dear=1,cheap=1 --plan plain"));
    ok(dir, &format!("{train} --out plan --plan plain"));
    let model = |run: &str| std::fs::read(dir.join(run).join("model.safetensors")).expect("a model");
    assert!(model("plain") != model("weighed"));
    // A product with 1 changes nothing. The fused last layer sums in another order, so both plans are plain.
    assert!(model("ones") == model("plan"));
    let message = fails(dir, &format!("{train} --out no --class-weight deer=2"), 2);
    assert!(message.contains("no class deer") && message.contains("dear"), "{message}");
    let message = fails(dir, &format!("{train} --out no --class-weight dear=0,cheap=0"), 2);
    assert!(message.contains("above 0"), "{message}");
}

/// Whole numbers, so that all sums are exact.
#[test]
fn the_weight_of_a_row_counts_like_repetition_in_what_is_learned() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let (mut weighted, mut repeated) = ("x,y,colour,price,times\n".to_owned(), "x,y,colour,price\n".to_owned());
    for at in 0..60 {
        // A colour and a missing value that are only in rows of weight 0, and a missing value in one that counts.
        let times = if [20, 30].contains(&at) { 0 } else { at % 4 };
        let (y, colour) = (if [15, 20].contains(&at) { String::new() } else { (at * 7 % 13).to_string() }, at % 2);
        let x = if at == 20 { String::new() } else { (at * 11 % 17).to_string() };
        let colour = if at == 30 { "violet" } else { ["red", "blue"][colour] };
        let row = format!("{x},{y},{colour},{}", at * 5 % 23);
        let _ = writeln!(weighted, "{row},{times}");
        (0..times).for_each(|_| repeated.push_str(&format!("{row}\n")));
    }
    std::fs::write(dir.join("weighted.csv"), weighted).expect("it is written");
    std::fs::write(dir.join("repeated.csv"), repeated).expect("it is written");
    for scaling in ["standard", "robust", "minmax", "unit", "none"] {
        let train = format!(
            "train --engine cpu --target price --task values --normalize {scaling} --epochs 1 --batch-size 8 --force"
        );
        ok(dir, &format!("{train} --data weighted.csv --weight-column times --out weighted"));
        ok(dir, &format!("{train} --data repeated.csv --out repeated"));
        let learned = |run: &str| {
            let path = dir.join(run).join("model.safetensors");
            let (_, description) = gpu_mlp::run::model_file::read(&path).expect("a model");
            (description.features.expect("a table"), description.task.expect("values"))
        };
        let (features, task) = learned("weighted");
        assert_eq!((&features, &task), (&learned("repeated").0, &learned("repeated").1), "{scaling}");
        assert_eq!(features.names(), ["x", "y", "y is missing", "colour=blue", "colour=red", "colour=other"]);
    }
}

/// 64 columns, as many as a picture of 8×8 has pixels; one of them is a category, so the net has more inputs.
#[test]
fn codes_that_look_like_numbers_stay_apart_from_file_to_prediction() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    // Only the zero in front tells the two codes apart, and so the two classes.
    let rows: String = (0..200).map(|at| ["1234,01\n", "01234,1\n"][at % 2]).collect();
    std::fs::write(dir.join("codes.csv"), format!("zip,y\n{rows}")).expect("it is written");
    std::fs::write(dir.join("more.csv"), "zip,y\n01234,1\n1234,01\n01234,1\n").expect("it is written");
    let train = "train --engine cpu --data codes.csv --categorical zip --test more.csv --epochs 20 --batch-size 10";
    ok(dir, &format!("{train} --out codes"));
    let scores: serde_json::Value = serde_json::from_str(&ok(dir, "eval codes --engine cpu --json")).expect("JSON");
    assert_eq!((&scores["samples"], &scores["accuracy"]), (&3.into(), &1.0.into()), "{scores}");
    std::fs::write(dir.join("new.csv"), "zip\n01234\n1234\n").expect("it is written");
    ok(dir, "predict codes new.csv --engine cpu --out new.out.csv");
    let found = std::fs::read_to_string(dir.join("new.out.csv")).expect("predictions");
    let classes: Vec<&str> = found.lines().skip(1).filter_map(|line| line.split(',').nth(1)).collect();
    assert_eq!(classes, ["1", "01"], "{found}");
}

#[test]
fn a_table_as_wide_as_a_picture_is_no_picture() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    let columns: String = (0..63).map(|at| format!("c{at},")).collect();
    let row = |at: usize| (0..63).map(|column| format!("{},", (at * column) % 17)).collect::<String>();
    let rows: String =
        (0..60).map(|at| format!("{}{},{}\n", row(at), ["a", "b", "c"][at % 3], ["x", "y"][at % 2])).collect();
    std::fs::write(dir.join("wide.csv"), format!("{columns}kind,label\n{rows}")).expect("it is written");
    ok(dir, "data wide.csv --html wide.html");
    ok(dir, "data wide.csv");
    ok(dir, "train --engine cpu --data wide.csv --test 20 --epochs 1 --batch-size 8 --out run --tensorboard board");
    ok(dir, "report run --engine cpu");
    ok(dir, "predict run wide.csv --engine cpu --show");
}

#[test]
fn mistakes_with_tables_are_named() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let dir = folder.path();
    std::fs::write(dir.join("shop.csv"), table(100, true)).expect("it is written");
    let train = "train --engine cpu --epochs 1 --out run --force";
    let message = fails(dir, &format!("{train} --data shop.csv"), 5);
    assert!(message.contains("--target") && message.contains("kind"), "{message}");
    let message = fails(dir, &format!("{train} --data digits --target kind"), 2);
    assert!(message.contains("--target is for a table"), "{message}");
    let message = fails(dir, &format!("{train} --data shop.csv --target kind --ignore id --loss mse"), 2);
    assert!(message.contains("2 classes") && message.contains("cross-entropy"), "{message}");
    let message = fails(dir, &format!("{train} --data shop.csv --target price --ignore id --label-smoothing 0.1"), 2);
    assert!(message.contains("label-smoothing is only for classes"), "{message}");
    let message = fails(dir, &format!("{train} --data shop.csv --target kind --ignore id --test 100"), 2);
    assert!(message.contains("none"), "{message}");
    ok(dir, &format!("{train} --data shop.csv --target kind --ignore id,price"));
    let message = fails(dir, "eval run --engine cpu", 2);
    assert!(message.contains("trained on all rows"), "{message}");
    std::fs::write(dir.join("narrow.csv"), "size\n1\n").expect("it is written");
    let message = fails(dir, "predict run narrow.csv --engine cpu", 5);
    assert!(message.contains("colour"), "{message}");
    let message = fails(dir, "predict run --engine cpu", 2);
    assert!(message.contains("name a file"), "{message}");
    let message = fails(dir, "eval run --engine cpu --data digits", 2);
    assert!(message.contains("shape [2]"), "{message}");
}
