//! Models that compute no answers, and models that their run did not write.
#![cfg(feature = "cli")]

use crate::common::program::gpu_mlp;
use crate::common::shelf::{NAMES, put_set};
use gpu_mlp::base::hash::sha256;
use gpu_mlp::config::Init;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::png;
use gpu_mlp::run::model_file::{self, Description};
use std::path::Path;
use tempfile::TempDir;

/// Runs a command on the CPU; returns exit code, stdout, stderr.
fn run(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let output = gpu_mlp(folder).args(args).output().expect("it runs");
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

/// A net of 4, 3 and 2 units whose outputs overflow for white samples, though every weight is finite.
fn overflowing() -> (Mlp, Description) {
    let mut model = Mlp::new(&[4, 3, 2], Activation::Relu, Init::Auto, 1);
    model.layers.iter_mut().for_each(|layer| layer.weight.fill(3e25));
    let description = Description::new(model.widths(), model.activation, InputMap::UNIT);
    let description = Description { item: vec![2, 2], ..description };
    (model, description)
}

/// Black training samples, white test samples.
fn black_and_white(folder: &Path) {
    let images = |value: u8| Idx { shape: vec![8, 2, 2], bytes: vec![value; 32] };
    let labels = || Idx { shape: vec![8], bytes: vec![0, 1, 0, 1, 0, 1, 0, 1] };
    put_set(folder, NAMES, &[images(0), labels(), images(255), labels()]);
}

#[test]
fn outputs_that_are_not_finite_are_an_error_in_every_command() {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    black_and_white(&at("data"));
    let (model, description) = overflowing();
    model_file::save(&at("over.safetensors"), &model, &description).expect("a file");
    std::fs::write(at("white.png"), png::grey(&[255; 4], 2, 2)).expect("a file");
    let names_it = |command: &str, words: &str| {
        let args: Vec<&str> = command.split(' ').collect();
        let (code, stdout, stderr) = run(folder.path(), &args);
        assert_eq!(code, Some(6), "{command}: {stdout}{stderr}");
        assert!(stderr.contains(words) && stderr.contains("next: "), "{command}: {stderr}");
        assert!(!stdout.contains("NaN") && !stdout.contains("null"), "{command}: {stdout}");
    };
    names_it("eval over.safetensors --data data --engine cpu", "output of class 0 for sample 0 is inf");
    names_it("eval over.safetensors --data data --engine cpu --json", "output of class 0");
    names_it("predict over.safetensors white.png --engine cpu --fit plain", "for white.png is inf");
    names_it("predict over.safetensors white.png --engine cpu --fit plain --json", "for white.png is inf");
    names_it("predict over.safetensors --index 3 --data data --engine cpu", "for test 3 is inf");
    // The training samples are black, so only the test loss is not finite.
    let train = "train --from over.safetensors --data data --engine cpu --epochs 1 --batch-size 4";
    names_it(&format!("{train} --dry-run"), "for test sample 0 is inf");
    names_it(&format!("{train} --out run"), "for test sample 0 is inf");
    assert!(!at("run/model.safetensors").exists());
    let record = std::fs::read_to_string(at("run/metrics.jsonl")).expect("a record");
    let end = record.lines().last().unwrap_or_default();
    assert!(end.contains(r#""type":"end""#) && end.contains(r#""reason":"diverged""#), "{record}");
    let ignored = format!("{train} --out ignored --on-nan ignore");
    let (code, _, stderr) = run(folder.path(), &ignored.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{stderr}");
    names_it(
        "lr-find --normalize 0,1e-38 --data digits --digits-train 200 --digits-test 50 --engine cpu",
        "first rate",
    );

    // A run that recorded this model.
    let bytes = std::fs::read(at("over.safetensors")).expect("a file");
    std::fs::write(at("ignored/model.safetensors"), &bytes).expect("a file");
    let record = std::fs::read_to_string(at("ignored/metrics.jsonl")).expect("a record");
    let mut lines: Vec<&str> = record.lines().collect();
    lines.pop();
    let end = format!(r#"{{"type":"end","seconds":1,"model_sha256":"{}","reason":"finished"}}"#, sha256(&bytes));
    lines.push(&end);
    std::fs::write(at("ignored/metrics.jsonl"), lines.join("\n") + "\n").expect("a file");
    names_it("report ignored --engine cpu", "for sample 0 is inf");
    let page = std::fs::read_to_string(at("ignored/report.html")).expect("a page");
    assert!(page.contains("Not evaluated: the model's output of class 0"), "{page}");
}

#[test]
fn a_model_that_its_run_did_not_write_is_refused_by_every_command() {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    black_and_white(&at("data"));
    let code_of = |command: &str| run(folder.path(), &command.split(' ').collect::<Vec<_>>());
    let train = "train --data data --engine cpu --epochs 2 --hidden 3 --batch-size 8 --out run --max-steps 1";
    let (code, _, stderr) = code_of(train);
    assert_eq!(code, Some(0), "{stderr}");
    std::fs::write(at("white.png"), png::grey(&[255; 4], 2, 2)).expect("a file");
    let commands = |model: &str| {
        [
            format!("eval {model} --data data --engine cpu"),
            format!("predict {model} white.png --engine cpu --fit plain"),
            format!("export {model} --format csv --out -"),
            format!("train --from {model} --data data --engine cpu --batch-size 8 --dry-run"),
        ]
    };
    let accepted = |model: &str| {
        for command in commands(model) {
            let (code, _, stderr) = code_of(&command);
            assert_eq!(code, Some(0), "{command}: {stderr}");
        }
    };
    accepted("run");
    // A resumed run writes another model and another record.
    let (code, _, stderr) = code_of("train --resume run --engine cpu");
    assert_eq!(code, Some(0), "{stderr}");
    accepted("run/model.safetensors");
    assert_eq!(code_of("report run --engine cpu").0, Some(0));
    assert_eq!(code_of("export run --format safetensors").0, Some(0));
    accepted("run");

    let mut bytes = std::fs::read(at("run/model.safetensors")).expect("a model");
    let end = bytes.len();
    bytes[end - 4..].copy_from_slice(&0.5f32.to_le_bytes());
    std::fs::write(at("run/model.safetensors"), &bytes).expect("a file");
    let mut models = vec!["run", "run/model.safetensors", "data/../run"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("run/model.safetensors", at("link.safetensors")).expect("a link");
        models.push("link.safetensors");
    }
    for model in models {
        for command in commands(model) {
            let (code, _, stderr) = code_of(&command);
            assert!(code == Some(5) && stderr.contains("not the model that its run wrote"), "{command}: {stderr}");
            assert!(stderr.contains("next: restore the file"), "{command}: {stderr}");
        }
    }
    let (code, _, stderr) = code_of("report run --engine cpu");
    assert!(code == Some(5) && stderr.contains("not the model that its run wrote"), "{stderr}");
    // Alone, the file is a model like any other.
    std::fs::copy(at("run/model.safetensors"), at("model.safetensors")).expect("a file");
    accepted("model.safetensors");
}

#[test]
fn an_output_that_is_an_input_is_refused() {
    let folder = TempDir::new().expect("a temporary folder");
    let at = |name: &str| folder.path().join(name);
    let (model, description) = overflowing();
    model_file::save(&at("m.safetensors"), &model, &description).expect("a file");
    let before = std::fs::read(at("m.safetensors")).expect("a model");
    std::fs::hard_link(at("m.safetensors"), at("hard.safetensors")).expect("a link");
    let mut outs = vec!["m.safetensors", "./m.safetensors", "hard.safetensors"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("m.safetensors", at("soft.safetensors")).expect("a link");
        std::os::unix::fs::symlink(".", at("here")).expect("a link");
        outs.extend(["soft.safetensors", "here/m.safetensors"]);
    }
    for out in outs {
        for format in ["safetensors", "onnx", "csv"] {
            let (code, _, stderr) =
                run(folder.path(), &["export", "m.safetensors", "--format", format, "--out", out, "--force"]);
            assert!(code == Some(2) && stderr.contains("is the input m.safetensors"), "{out}: {stderr}");
        }
    }
    assert_eq!(std::fs::read(at("m.safetensors")).expect("a model"), before);

    black_and_white(&at("data"));
    let train = "train --data data --engine cpu --epochs 1 --hidden 3 --batch-size 8 --out run";
    let (code, _, stderr) = run(folder.path(), &train.split(' ').collect::<Vec<_>>());
    assert_eq!(code, Some(0), "{stderr}");
    // A report replaces a report and nothing else.
    for out in ["run/model.safetensors", "run/metrics.jsonl", "run/config.toml", "data/t10k-labels-idx1-ubyte"] {
        let before = std::fs::read(at(out)).expect("a file");
        let (code, _, stderr) = run(folder.path(), &["report", "run", "--engine", "cpu", "--out", out]);
        assert!(code == Some(2) && stderr.contains("is not a report"), "{out}: {stderr}");
        assert_eq!(std::fs::read(at(out)).expect("a file"), before, "{out}");
    }
    for _ in 0..2 {
        assert_eq!(run(folder.path(), &["report", "run", "--engine", "cpu"]).0, Some(0));
    }
    let table = ["predict", "run", "--index", "0", "--data", "data", "--engine", "cpu", "--force", "--out"];
    let (code, _, stderr) = run(folder.path(), &[&table[..], &["data/t10k-labels-idx1-ubyte"]].concat());
    assert!(code == Some(2) && stderr.contains("is the input"), "{stderr}");
    // A run does not replace the run of the model that it starts from.
    let again = ["train", "--from", "run", "--data", "data", "--engine", "cpu", "--epochs", "1", "--force", "--out"];
    let (code, _, stderr) = run(folder.path(), &[&again[..], &["run/../run"]].concat());
    assert!(code == Some(2) && stderr.contains("is the input run/model.safetensors"), "{stderr}");
}
