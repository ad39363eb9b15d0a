//! The same seed on the same machine gives the same bits; settings that should not matter do not.
#![cfg(unix)]

use crate::common::runs::{Facts, adapter, complete, facts, long, train};
use crate::common::tables::{self, LOSSES, TABLE};
use crate::common::{not_run, program};
use std::path::Path;
use tempfile::TempDir;

/// Arguments and environment variables that must not change a bit.
type Toggle = (&'static [&'static str], &'static [(&'static str, &'static str)]);

const TOGGLES: [Toggle; 12] = [
    (&[], &[]),
    (&[], &[("RAYON_NUM_THREADS", "1")]),
    (&[], &[("RAYON_NUM_THREADS", "2")]),
    (&[], &[("RAYON_NUM_THREADS", "3")]),
    (&[], &[("RAYON_NUM_THREADS", "7")]),
    (&[], &[("RUST_LOG", "trace")]),
    (&[], &[("RUST_LOG", "off")]),
    (&["--upload", "resident"], &[]),
    (&["--upload", "stream"], &[]),
    // Checkpoints force submission and read-back after every update or every seven; otherwise the pace decides.
    (&["--checkpoint-steps", "1"], &[]),
    (&["--checkpoint-steps", "7"], &[]),
    (&["--checkpoint-minutes", "1"], &[]),
];

const RUN: &str = "--data digits --digits-train 9000 --digits-test 100 --hidden 24 --batch-size 60 --epochs 2 \
                   --momentum 0.9 --lr 0.02 --keep-prob 0.8 --input-keep-prob 0.9";

/// Like `RUN`, with every kind of state and random stream.
const RICH: &str = "--data digits --digits-train 9400 --digits-test 100 --hidden 24,20 --batch-size 30 --accumulate 2 --epochs 2 \
                    --optimizer rmsprop --momentum 0.5 --lr 0.002 --keep-prob 0.8 --ema 0.9 --validation 400 --restore-best \
                    --schedule one-cycle --clip-norm 1 --label-smoothing 0.1 --health record";

/// Whether two toggles set the same thing.
fn clash(one: &Toggle, two: &Toggle) -> bool {
    one.0.first().is_some_and(|option| two.0.first() == Some(option))
        || one.1.first().is_some_and(|(name, _)| two.1.first().is_some_and(|(other, _)| name == other))
}

fn run(folder: &Path, words: &str, engine: &str, name: &str, toggles: &[&Toggle]) -> Facts {
    let words: Vec<&str> = words.split_whitespace().chain(["--engine", engine, "--out", name]).collect();
    let mut command = train(folder, &words);
    for (words, variables) in toggles {
        command.args(*words).envs(variables.iter().copied());
    }
    complete(command);
    without_settings(facts(&folder.join(name)))
}

/// The records name the settings, which differ; everything else must be equal.
fn without_settings(mut facts: Facts) -> Facts {
    for record in &mut facts.metrics {
        let record = record.as_object_mut().unwrap();
        ["config", "device", "settings"].iter().for_each(|key| _ = record.remove(*key));
    }
    facts
}

#[test]
fn settings_that_should_not_matter_change_no_bit() {
    let mut tried = 0;
    for (engine, words) in [("cpu", RUN), ("gpu", RUN), ("cpu", RICH), ("gpu", RICH)] {
        let folder = TempDir::new().unwrap();
        if engine == "gpu" && !adapter(folder.path()) {
            continue;
        }
        let base = run(folder.path(), words, engine, "base", &[]);
        let mut check = |toggles: &[&Toggle]| {
            tried += 1;
            let other = run(folder.path(), words, engine, &format!("{tried}"), toggles);
            assert!(other == base, "{engine}: {words} {toggles:?} changes the bits:\n{other:?}\n{base:?}");
        };
        TOGGLES.iter().for_each(|toggle| check(&[toggle]));
        for (number, one) in TOGGLES.iter().enumerate().filter(|_| long()) {
            for two in TOGGLES[number + 1..].iter().filter(|two| !clash(one, two)) {
                check(&[one, two]);
            }
        }
    }
    eprintln!("figure: {tried} toggles and pairs of toggles tried");
}

/// Floats, with each loss. There are more rows than a window of a streamed split holds; the toggles are dealt out to the losses.
#[test]
fn settings_that_should_not_matter_change_no_bit_of_a_table() {
    let toggles = &TOGGLES[1..];
    let step = if long() { 1 } else { LOSSES.len() };
    for engine in ["cpu", "gpu"] {
        let folder = TempDir::new().unwrap();
        if engine == "gpu" && !adapter(folder.path()) {
            continue;
        }
        tables::write(folder.path(), 8600);
        // A run on the GPU takes longer to start.
        let fewer = engine == "gpu" && !long();
        for (number, loss) in LOSSES.iter().enumerate().step_by(if fewer { LOSSES.len() - 1 } else { 1 }) {
            let words = format!("{TABLE} {loss} --epochs 2 --keep-prob 0.8 --validation 100");
            let base = run(folder.path(), &words, engine, &format!("base {number}"), &[]);
            let dealt = toggles.iter().skip(number % step).step_by(step);
            for (at, toggle) in dealt.enumerate() {
                let other = run(folder.path(), &words, engine, &format!("{number} {at}"), &[toggle]);
                assert!(other == base, "{engine}: {words} {toggle:?} changes the bits:\n{other:?}\n{base:?}");
            }
        }
    }
}

#[test]
fn a_progress_bar_on_a_terminal_changes_nothing() {
    let folder = TempDir::new().unwrap();
    let base = run(folder.path(), RUN, "cpu", "base", &[]);
    // `script` gives the program a terminal.
    let line = format!("{} train {RUN} --engine cpu --out bar", program::path().display());
    let mut script = program::away(std::process::Command::new("script"), folder.path());
    script.args(["-qec", &line, "/dev/null"]).env("TERM", "xterm");
    let Ok(output) = script.output() else {
        return not_run("there is no `script` here to make a terminal");
    };
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && shown.contains("epoch 1/2") && shown.contains('\u{1b}'), "no bar in: {shown}");
    assert!(without_settings(facts(&folder.path().join("bar"))) == base);
}

#[test]
fn another_seed_or_l2_changes_the_bits() {
    let folder = TempDir::new().unwrap();
    let base = run(folder.path(), RUN, "cpu", "base", &[]).model;
    for (name, words) in [("seed", ["--seed", "2"]), ("l2", ["--l2", "0.0001"])] {
        let all: Vec<&str> = RUN.split_whitespace().chain(["--engine", "cpu", "--out", name]).chain(words).collect();
        complete(train(folder.path(), &all));
        assert!(facts(&folder.path().join(name)).model != base, "{name}");
    }
}
