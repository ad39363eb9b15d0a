//! `gpu-mlp report`: which file it writes, and runs that are given in several ways.

use crate::common::program::gpu_mlp;
use crate::common::runs::{complete, train};
use std::fs::read_to_string;
use std::path::Path;
use tempfile::TempDir;

const SMALL: [&str; 10] =
    ["--engine", "cpu", "--data", "digits", "--digits-train", "300", "--digits-test", "50", "--hidden", "8"];

fn run(folder: &Path, words: &[&str]) {
    complete(train(folder, &[&SMALL[..], words].concat()));
}

/// The exit code and stderr of a report.
fn report(folder: &Path, words: &str) -> (Option<i32>, String) {
    let output = gpu_mlp(folder).arg("report").args(words.split_whitespace()).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_report_replaces_no_other_report_silently() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    run(at, &[]);
    run(at, &["--lr", "0.1"]);
    for name in ["report.html", "report-2.html", "report-3.html"] {
        let (code, stderr) = report(at, "runs/1 runs/2");
        assert!(code == Some(0) && stderr.contains(&format!("report: {name} (")), "{stderr}");
    }
    assert_eq!(report(at, "runs/1 --out page.html").0, Some(0));
    let first = read_to_string(at.join("page.html")).unwrap();
    let (code, stderr) = report(at, "runs/2 --out page.html");
    assert!(code == Some(2) && stderr.contains("page.html exists: give another --out, or --force"), "{stderr}");
    assert!(read_to_string(at.join("page.html")).unwrap() == first);
    assert_eq!(report(at, "runs/2 --out page.html --force").0, Some(0));
    // A run's own page is written anew.
    assert!(!report(at, "runs/1").1.contains("replaces"));
    let (code, stderr) = report(at, "runs/1");
    assert!(code == Some(0) && stderr.contains("replaces the earlier page"), "{stderr}");
}

#[test]
fn a_run_given_twice_is_shown_once() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    run(at, &["--out", "a/run"]);
    run(at, &["--out", "b/run", "--lr", "0.1"]);
    let (code, stderr) = report(at, "a/run ./a/run a/../a/run");
    assert!(code == Some(0) && stderr.contains("./a/run was given more than once"), "{stderr}");
    assert!(!read_to_string(at.join("a/run/report.html")).unwrap().contains("runs compared"));
    // Two runs with one name.
    assert_eq!(report(at, "a/run b/run a/run --out two.html").0, Some(0));
    let page = read_to_string(at.join("two.html")).unwrap();
    assert!(page.contains("2 runs compared") && page.contains(">a/run<") && page.contains(">b/run<"));
}

#[test]
fn more_than_eight_runs_are_compared() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    for seed in 1..=9 {
        let lr = if seed == 9 { "0.05" } else { "0.2" };
        run(at, &["--seed", &seed.to_string(), "--lr", lr, "--validation", "50", "--epochs", "2"]);
    }
    let runs = (1..=9).map(|number| format!("runs/{number} ")).collect::<String>();
    let (code, stderr) = report(at, &runs);
    assert_eq!(code, Some(0), "{stderr}");
    let page = read_to_string(at.join("report.html")).unwrap();
    for said in [
        "9 runs compared",
        "mean of 8",
        ">lr 0.2</text>",
        ">lr 0.05</text>",
        "class=\"band\"",
        "1, 2, 3, 4, 5, 6, 7, 8",
    ] {
        assert!(page.contains(said), "{said}");
    }
}
