//! A run that is killed at any moment and resumed is bit-identical to an uninterrupted run.
#![cfg(unix)]

use crate::common::program::gpu_mlp;
use crate::common::runs::{
    SMALL, adapter, complete, facts, generations, long, metrics, newest, refused, same, small, start, train,
    wait_for_a_checkpoint,
};
use crate::common::tables::{self, LOSSES, TABLE};
use rand::{RngExt, SeedableRng};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Settings that differ in state, random streams or feeding of data.
fn variants() -> Vec<Vec<&'static str>> {
    let mut variants: Vec<Vec<&str>> = [
        "--engine cpu --momentum 0.9 --lr 0.02 --keep-prob 0.8 --input-keep-prob 0.9 --checkpoint-steps 9",
        "--engine cpu --optimizer adam --schedule cosine --upload stream --checkpoint-steps 5",
        "--engine cpu --optimizer adamw --l2 0.01 --plan plain --physical-batch 10 --checkpoint-steps 20",
        "--engine cpu --optimizer nesterov --schedule constant --digits-train 20000 --upload stream",
        // A rate that ruins the net: the run stops early and restores an earlier epoch, which only a checkpoint holds.
        "--engine cpu --optimizer rmsprop --momentum 0.5 --lr 0.2 --ema 0.5 --validation 400 --early-stopping 2 --monitor accuracy \
         --restore-best --clip-norm 1 --label-smoothing 0.1 --health record --checkpoint-steps 9",
        "--engine cpu --optimizer adam --lr 0.01 --validation 400 --schedule plateau --plateau-patience 1 --min-delta 0.5 --accumulate 2 \
         --checkpoint-steps 7",
        "--engine cpu --precision f16-mixed --schedule one-cycle --momentum 0.9 --warmup 0.5 --checkpoint-steps 11",
    ]
    .iter()
    .map(|line| line.split_whitespace().collect())
    .collect();
    let gpu = "--engine gpu --momentum 0.9 --lr 0.02 --keep-prob 0.8 --upload stream --ema 0.9 --checkpoint-steps 30";
    variants.push(gpu.split(' ').collect());
    // Floats, with each loss.
    let more = [
        "--optimizer adam --upload stream --ema 0.9",
        "--momentum 0.9 --input-keep-prob 0.9",
        "--optimizer rmsprop --schedule cosine",
        "--optimizer adamw --l2 0.01",
        "--keep-prob 0.8 --accumulate 2",
        "--plan plain --physical-batch 10 --clip-norm 1",
    ];
    let table = |(loss, more): (&&'static str, &'static str)| {
        [TABLE, loss, "--engine cpu --checkpoint-steps 9", more].into_iter().flat_map(str::split_whitespace).collect()
    };
    variants.extend(LOSSES.iter().zip(more).map(table));
    variants
}

/// Kills a run repeatedly: after its first checkpoint, then at random moments. Returns the updates after which it was
/// resumed.
fn killed(folder: &Path, args: &[&str], whole: Duration, kills: usize, seed: u64) -> Vec<u64> {
    let mut random = rand::rngs::ChaCha8Rng::seed_from_u64(seed);
    let (run, mut points) = (folder.join("run"), Vec::new());
    for kill in 0..=kills {
        let mut child = start(train(folder, args).args(["--out", "run", "--resume", "auto"]));
        let moment = Instant::now() + whole.mul_f64(random.random_range(0.02..0.6));
        // The first kill does not depend on the machine's speed.
        let due = || if kill == 0 { newest(&run).is_some() } else { Instant::now() >= moment };
        while kill < kills && !due() && child.try_wait().unwrap().is_none() {
            std::thread::sleep(Duration::from_millis(1));
        }
        if kill < kills && child.try_wait().unwrap().is_none() {
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
            break;
        }
        points.push(newest(&run).unwrap_or(0));
    }
    points
}

#[test]
fn a_run_killed_at_any_moment_and_resumed_ends_like_an_uninterrupted_one() {
    let (mut kills, mut points, mut middle) = (0, BTreeSet::new(), 0);
    for (number, variant) in variants().iter().enumerate() {
        if variant.contains(&"gpu") && !adapter(TempDir::new().unwrap().path()) {
            continue;
        }
        let tabular = variant.contains(&"--data");
        let new_folder = || {
            let folder = TempDir::new().unwrap();
            if tabular {
                tables::write(folder.path(), 2100);
            }
            folder
        };
        let folder = new_folder();
        let mut args = if tabular { Vec::new() } else { SMALL.to_vec() };
        if variant.contains(&"--digits-train") {
            args.retain(|word| !["--digits-train", "2000"].contains(word));
        }
        args.extend(variant);
        args.extend(["--epochs", "4"]);
        let begin = Instant::now();
        complete(train(folder.path(), &args).args(["--out", "whole"]));
        let (whole, took) = (facts(&folder.path().join("whole")), begin.elapsed());
        let per_epoch = whole.metrics[1]["step"].as_u64().expect("the first epoch's record");
        if variant.contains(&"--early-stopping") {
            let end = whole.metrics.last().unwrap();
            let last = whole.metrics.iter().filter_map(|record| record["epoch"].as_u64()).max();
            assert_eq!(end["reason"], "early_stopping");
            assert!(end["restored_epoch"].as_u64() < last, "the best epoch must be before the last: {end}");
        }
        for attempt in 0..if long() { 12 } else { 1 } {
            let folder = new_folder();
            let seed = 100 * number as u64 + attempt;
            let mut its = killed(folder.path(), &args, took, if long() { 9 } else { 5 }, seed);
            let resumed = facts(&folder.path().join("run"));
            same(&resumed, &whole, &format!("{args:?}, seed {seed}, killed after updates {its:?}"));
            kills += its.len();
            middle += its.iter().filter(|&&step| step % per_epoch != 0).count();
            points.extend(its.drain(..).map(|step| (number, step)));
        }
    }
    eprintln!("figure: {kills} kills, {} different resume points, {middle} of them within an epoch", points.len());
    assert!(kills > 3 && middle > 0, "the runs ended before they could be killed");
}

#[test]
fn n_updates_and_then_n_more_are_2n_updates_and_the_record_has_each_epoch_once() {
    let folder = TempDir::new().unwrap();
    complete(train(folder.path(), &small(&["--out", "whole"])));
    // Interrupted after the first update, in the middle of an epoch, and at the end of one.
    complete(train(folder.path(), &small(&["--out", "run", "--max-steps", "1"])));
    for limit in ["130", "168", "999"] {
        complete(train(folder.path(), &["--resume", "run", "--max-steps", limit]));
    }
    same(&facts(&folder.path().join("run")), &facts(&folder.path().join("whole")), "in four parts");
    // Resuming a finished run changes nothing; options of all commands may precede `train`.
    let mut quiet = gpu_mlp(folder.path());
    quiet.args(["-q", "train", "--resume", "run"]);
    let output = complete(quiet);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(stderr, "", "-q prints nothing");
    same(&facts(&folder.path().join("run")), &facts(&folder.path().join("whole")), "once more");
}

#[test]
fn a_torn_line_in_a_record_is_removed_when_the_run_is_resumed() {
    let folder = TempDir::new().unwrap();
    complete(train(folder.path(), &small(&["--out", "whole"])));
    complete(train(folder.path(), &small(&["--out", "run", "--max-steps", "100"])));
    let path = folder.path().join("run/metrics.jsonl");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes.extend(br#"{"type":"epoch","epoch":2,"train_lo"#);
    std::fs::write(&path, &bytes).unwrap();
    complete(train(folder.path(), &["--resume", "run"]));
    same(&facts(&folder.path().join("run")), &facts(&folder.path().join("whole")), "torn");
    // A record shorter than the checkpoint states is an error.
    std::fs::write(&path, &bytes[..40]).unwrap();
    refused(folder.path(), &["--resume", "run"], 5, &["run/metrics.jsonl", "has 40 bytes"]);
}

#[test]
fn differences_are_shown_and_refused_unless_allowed_by_name() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    let lr = ["--resume", "run", "--lr", "0.1", "--seed", "2"];
    refused(at, &lr, 2, &["lr: 0.075 then, 0.1 now", "seed: 1 then, 2 now", "--allow-mismatch lr,seed"]);
    refused(at, &[&lr[..], &["--allow-mismatch", "seed"]].concat(), 2, &["lr: 0.075 then", "--allow-mismatch lr\n"]);
    refused(at, &["--resume", "run", "--hidden", "64"], 2, &["hidden: [32] then, [64] now"]);
    // Even if allowed, the tensors of one net do not fit another.
    refused(at, &["--resume", "run", "--hidden", "64", "--allow-mismatch", "hidden"], 2, &["w1"]);
    refused(at, &["--resume", "run", "--digits-seed", "7"], 2, &["data: digits (sha256 ", "--allow-mismatch data"]);
    refused(at, &["--resume", "nowhere"], 5, &["nowhere", "no such folder", "resume one of these runs: run;"]);
    refused(at, &["--resume", "run", "--out", "other"], 2, &["--resume run", "--out is other"]);
    refused(at, &["--resume", "run", "--allow-mismatch", "lrr"], 2, &["did you mean lr?"]);
    refused(at, &["--resume", "run", "--allow-mismatch", "nothing"], 2, &["data, engine, device, version"]);
    refused(at, &small(&["--allow-mismatch", "lr"]), 2, &["--resume"]);
    refused(at, &["--resume", "run", "--data", "nowhere"], 5, &["nowhere"]);
    // A refused resume leaves the run unchanged, and an allowed one trains.
    let reason = |run: &Path| metrics(run).last().unwrap()["reason"].clone();
    assert_eq!(reason(&at.join("run")), "max_steps");
    let same = ["--out", "./run", "--allow-mismatch", "lr", "--allow-mismatch", "split-seed,seed"];
    complete(train(at, &[&lr[..], &same].concat()));
    assert_eq!(reason(&at.join("run")), "finished");
    let config: toml::Table = std::fs::read_to_string(at.join("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["seed"].as_integer(), Some(2));
}

#[test]
fn a_run_that_started_from_a_model_is_resumed_without_it_but_not_with_another() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "first", "--epochs", "1"])));
    let model = "first/model.safetensors";
    complete(train(at, &small(&["--out", "whole", "--from", model])));
    complete(train(at, &small(&["--out", "run", "--from", model, "--max-steps", "100"])));
    complete(train(at, &small(&["--out", "drawn", "--max-steps", "100"])));
    let other = "whole/model.safetensors";
    refused(at, &["--resume", "run", "--from", other], 2, &["started with first/model", "leave out --from"]);
    refused(at, &["--resume", "drawn", "--from", other], 2, &["started with random weights", "leave out --from"]);
    // The same bytes in another file are the same model. The same path again is accepted without reading the file.
    std::fs::rename(at.join(model), at.join("moved.safetensors")).unwrap();
    complete(train(at, &["--resume", "run", "--from", "moved.safetensors", "--max-steps", "130"]));
    std::fs::remove_file(at.join("moved.safetensors")).unwrap();
    complete(train(at, &["--resume", "run", "--from", "moved.safetensors"]));
    same(&facts(&at.join("run")), &facts(&at.join("whole")), "from a model");
    let config: toml::Table = std::fs::read_to_string(at.join("run/config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["record"]["from"]["path"].as_str(), Some(model));
    assert!(config["from"].as_str().unwrap().ends_with("/moved.safetensors"), "{config}");
}

#[test]
fn a_checkpoint_with_a_changed_byte_is_named_and_the_one_before_is_used() {
    let folder = TempDir::new().unwrap();
    complete(train(folder.path(), &small(&["--out", "whole"])));
    // `--checkpoint-steps` forces the checkpoint at 168; at an epoch's end it is skipped if another is being written.
    complete(train(folder.path(), &small(&["--out", "run", "--max-steps", "200", "--checkpoint-steps", "168"])));
    let damage = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 1;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    };
    let files = generations(&folder.path().join("run"));
    damage(files.last().unwrap());
    let output = complete(train(folder.path(), &["--resume", "run"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("000000000200") && stderr.contains("resumed: run after update 168"), "{stderr}");
    same(&facts(&folder.path().join("run")), &facts(&folder.path().join("whole")), "from the checkpoint before");
    generations(&folder.path().join("run")).iter().for_each(|path| damage(path));
    refused(folder.path(), &["--resume", "run"], 5, &["SHA-256", "expected"]);
}

#[test]
fn the_setup_of_a_run_overrides_the_environment_and_the_command_line_overrides_it() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "whole"])));
    complete(train(at, &small(&["--out", "run", "--max-steps", "100", "--tensorboard", "first"])));
    let elsewhere = [("GPU_MLP_DATA", "mnist"), ("GPU_MLP_DIGITS_TRAIN", "500"), ("GPU_MLP_ENGINE", "gpu")];
    let model = [("GPU_MLP_FROM", "nowhere.safetensors")];
    refused(at, &["--resume", "run", "--digits-train", "500"], 2, &["data: digits (sha256 "]);
    refused(at, &["--resume", "run", "--data", "mnist", "--digits-train", "500"], 2, &["data is mnist"]);
    refused(at, &["--resume", "run", "--data", "mnist", "--offline"], 5, &["MNIST was not found"]);
    let output = complete(train(at, &["--resume", "run", "--max-steps", "130"]).envs(elsewhere));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("/first for TensorBoard"), "{stderr}");
    let output = complete(train(at, &["--resume", "run", "--max-steps", "140", "--tensorboard", "second"]));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("in second for TensorBoard"), "{stderr}");
    // A setting that the run did not save is taken from the environment.
    let named = train(at, &["--resume", "run"]).envs(model).output().unwrap();
    let stderr = String::from_utf8_lossy(&named.stderr);
    assert!(stderr.contains("nowhere.safetensors"), "{stderr}");
    complete(train(at, &["--resume", "run"]));
    same(&facts(&at.join("run")), &facts(&at.join("whole")), "with variables in the environment");
}

#[test]
fn a_run_that_diverges_keeps_its_last_checkpoint_and_says_how_to_resume_from_it() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    refused(
        at,
        &["--resume", "run", "--lr", "1e20", "--allow-mismatch", "lr"],
        6,
        &["all values were finite after update 10", "gpu-mlp train --resume run --lr RATE --allow-mismatch lr"],
    );
    complete(train(at, &["--resume", "run", "--lr", "0.2", "--allow-mismatch", "lr"]));
    refused(at, &small(&["--out", "new", "--lr", "1e20"]), 6, &["none was saved in new yet"]);
}

#[test]
fn concurrent_first_runs_do_not_disturb_each_other() {
    let folder = TempDir::new().unwrap();
    let engine: &[&str] = if adapter(folder.path()) { &["--engine", "gpu"] } else { &["--engine", "cpu"] };
    // The runs share an empty cache and one folder of runs.
    let args = [&SMALL, engine, &["--epochs", "1"]].concat();
    let children: Vec<_> = (0..3).map(|_| start(&mut train(folder.path(), &args))).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let models: Vec<String> =
        ["1", "2", "3"].map(|run| facts(&folder.path().join("runs").join(run)).model).into_iter().collect();
    assert!(models[0] == models[1] && models[1] == models[2]);
    complete(train(folder.path(), &args));
    assert_eq!(facts(&folder.path().join("runs/4")).model, models[0]);
}

#[test]
fn two_programs_do_not_train_in_one_folder() {
    let folder = TempDir::new().unwrap();
    let mut child = start(train(folder.path(), &small(&["--epochs", "100000"])).args(["--out", "run"]));
    wait_for_a_checkpoint(&mut child, &folder.path().join("run"));
    refused(folder.path(), &["--resume", "run"], 2, &["another program is training in run"]);
    child.kill().unwrap();
    child.wait().unwrap();
    // The lock disappears with the killed program.
    complete(train(folder.path(), &["--resume", "run", "--max-steps", "1"]));
}

#[test]
fn a_run_resumes_from_any_kept_checkpoint_and_deletes_the_later_ones() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "whole"])));
    complete(train(at, &small(&["--out", "run", "--checkpoint-steps", "100", "--max-steps", "210"])));
    let steps = || -> Vec<u64> {
        let name = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
        generations(&at.join("run")).into_iter().map(name).collect()
    };
    let earlier = steps()[0];
    assert!(earlier < 210, "{:?}", steps());
    refused(
        at,
        &["--resume", "run", "--at", "7"],
        5,
        &["no checkpoint of update 7", &format!("--at {earlier}"), "--at 210"],
    );
    refused(at, &["--at", "7"], 2, &["--resume"]);
    refused(at, &["--resume", "auto", "--at", "7"], 2, &["no run to resume --at"]);
    refused(at, &["--resume", "auto", "--out", "new", "--at", "7"], 2, &["no run to resume --at"]);
    let earlier = earlier.to_string();
    let step = (earlier.parse::<u64>().unwrap() + 1).to_string();
    complete(train(at, &["--resume", "run", "--at", &earlier, "--max-steps", &step]));
    assert_eq!(steps().last().unwrap().to_string(), step);
    complete(train(at, &["--resume", "run"]));
    same(&facts(&at.join("run")), &facts(&at.join("whole")), "from an earlier checkpoint");
}

#[test]
fn a_file_with_other_data_than_the_run_is_refused() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    complete(train(at, &small(&["--out", "run", "--max-steps", "100"])));
    std::fs::write(at.join("other.toml"), "digits_train = 600\n").unwrap();
    refused(at, &["--resume", "run", "--config", "other.toml"], 2, &["digits_train = 600", "has 2000"]);
    std::fs::write(at.join("same.toml"), "data = 'digits'\ndigits_train = 2000\n").unwrap();
    complete(train(at, &["--resume", "run", "--config", "same.toml"]));
}
