//! No input file can do harm: for any bytes, a reader returns soon, keeps within its memory limit, and does not panic.
//! `fuzz/` runs the same readers under a fuzzer.
#![cfg(feature = "cli")]

mod bombs;
mod mutate;
#[cfg(feature = "parquet")]
mod parquet;
mod seeds;
mod targets;

use crate::common::runs;
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use targets::{TARGETS, Target};

/// Held by the target under test: memory is counted for the whole process, so targets run one at a time.
static TURN: Mutex<()> = Mutex::new(());

/// Runs a target on valid files, on files built to be expensive, on earlier findings, and on mutated valid files.
fn try_out(name: &str, executions: usize) {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Target::find(name);
    let seeds = seeds::seeds(name);
    assert!(target.execute(&seeds[0]).accepted, "{name}: a valid file is refused");
    let (mut tried, mut accepted, mut most) = (0, 0, 0);
    let mut execute = |bytes: &[u8]| {
        let seen = target.execute(bytes);
        (tried, accepted, most) = (tried + 1, accepted + usize::from(seen.accepted), most.max(seen.held));
    };
    seeds.iter().for_each(|seed| execute(seed));
    bombs::bombs(name).iter().for_each(|bomb| execute(bomb));
    found(name).iter().for_each(|case| execute(case));
    let random = &mut ChaCha8Rng::seed_from_u64(1);
    for _ in 0..if runs::long() { 30 * executions } else { executions } {
        let bytes = mutate::mutant(random, &seeds);
        let last = std::env::temp_dir().join(format!("gpu-mlp-hostile-last-{name}"));
        let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| execute(&bytes)));
        if let Err(cause) = caught {
            std::fs::write(&last, &bytes).expect("the folder of temporary files can be written to");
            eprintln!("{name}: the input is in {}", last.display());
            std::panic::resume_unwind(cause);
        }
    }
    eprintln!("figure: {name}: {tried} inputs, {accepted} of them accepted, at most {} KiB held", most >> 10);
}

/// Earlier findings of the fuzzer for a target.
fn found(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/allocation/hostile/found");
    let mut files: Vec<_> = std::fs::read_dir(folder).expect("a folder").map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let of_target =
        |path: &std::path::PathBuf| path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name));
    files.into_iter().filter(of_target).map(|path| std::fs::read(path).expect("a file")).collect()
}

#[test]
fn idx() {
    try_out("idx", 100_000);
}

#[test]
fn gzip() {
    try_out("gzip", 50_000);
}

#[test]
fn models() {
    try_out("model", 100_000);
}

#[test]
fn checkpoints() {
    try_out("checkpoint", 50_000);
}

#[test]
fn configurations() {
    try_out("config", 10_000);
}

#[test]
fn pictures() {
    try_out("picture", 10_000);
}

#[test]
fn records_of_runs() {
    try_out("metrics", 5_000);
}

#[test]
fn tables() {
    try_out("csv", 50_000);
}

#[test]
fn archives() {
    try_out("npz", 20_000);
}

#[test]
fn tables_with_columns() {
    try_out("table", 10_000);
}

#[test]
fn arrays_with_columns() {
    try_out("npy", 10_000);
}

#[test]
fn archives_with_samples() {
    try_out("archive", 10_000);
}

#[test]
fn tensors_with_samples() {
    try_out("tensors", 10_000);
}

#[cfg(feature = "parquet")]
#[test]
fn row_groups() {
    try_out("parquet", 10_000);
}

/// With `FUZZ_CORPUS=fuzz/corpus cargo test --test allocation seeds`, also writes the initial corpus of the fuzzer.
#[test]
fn seeds_are_many_and_can_be_written() {
    let folder = std::env::var_os("FUZZ_CORPUS");
    for target in TARGETS {
        let files: Vec<_> = seeds::seeds(target.name).into_iter().chain(found(target.name)).collect();
        assert!(files.len() >= 2, "{}", target.name);
        let Some(folder) = &folder else { continue };
        let folder = Path::new(folder).join(target.name);
        std::fs::create_dir_all(&folder).unwrap();
        for (number, bytes) in files.iter().enumerate() {
            std::fs::write(folder.join(format!("seed-{number}")), bytes).unwrap();
        }
    }
}
