//! A checkpoint is complete or absent: however a call fails, the newest complete generation is the last one saved or
//! the one being saved, bit-identical.

use crate::common::faulty::{FAULTS, Fault, Faulty, LEFT, Left};
use gpu_mlp::Error;
use gpu_mlp::base::disk::{Disk, Os, write_whole};
use gpu_mlp::run::checkpoint::{Checkpoints, Generation};
use gpu_mlp::run::folder::CHECKPOINTS;
use gpu_mlp::train::Values;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;

/// The generation of a step; its content depends only on the step.
fn generation(step: u64) -> Generation<Vec<f64>> {
    let values = |count: usize| (0..count).map(|at| (at as f32 + step as f32).sin().to_bits()).collect();
    let tensors = [("w1", 3, 5), ("m_w1", 3, 5), ("b1", 1, 3)];
    let tensor = |(name, rows, cols): (&str, usize, usize)| Values {
        name: name.into(),
        rows,
        cols,
        integers: false,
        words: values(rows * cols),
    };
    Generation {
        step,
        best: Some(20),
        metrics_bytes: 0,
        state: vec![0.1 * step as f64, f64::MIN_POSITIVE, 1e300 / 3.0],
        tensors: tensors.map(tensor).into(),
    }
}

const STEPS: [u64; 5] = [10, 20, 30, 40, 50];

/// Saves generations until a save fails; returns how many succeeded.
fn save(disk: &Arc<Faulty>, steps: &[u64]) -> usize {
    let checkpoints = Checkpoints::new(disk.clone(), Path::new("run"));
    steps.iter().take_while(|&&step| checkpoints.save(&generation(step)).is_ok()).count()
}

#[test]
fn whichever_call_fails_the_newest_complete_generation_is_the_last_saved_or_the_next() {
    let (mut faults, mut lost) = (0, 0);
    for fault in FAULTS {
        for k in 1.. {
            let disk = Arc::new(Faulty::default());
            disk.arm(k, fault);
            let saved = save(&disk, &STEPS);
            if !disk.struck() {
                assert!(k > 40, "five generations took only {k} calls");
                break;
            }
            faults += 1;
            for left in LEFT {
                // Only a crash can lose unsynced data.
                if fault != Fault::Crash && left != Left::All {
                    continue;
                }
                lost += 1;
                let what = format!("{fault:?} at call {k}, {left:?} left, {saved} saved");
                let disk = Arc::new(disk.after(left));
                let checkpoints = Checkpoints::new(disk.clone(), Path::new("run"));
                let newest = checkpoints.newest::<Vec<f64>>().unwrap_or_else(|error| panic!("{what}: {error}"));
                let step = newest.as_ref().map_or(0, |found| found.generation.step);
                let last = saved.checked_sub(1).map_or(0, |at| STEPS[at]);
                let next = STEPS.get(saved).copied().unwrap_or(last);
                assert!(step == last || step == next, "{what}: found {step}");
                if let Some(found) = newest {
                    assert!(found.generation == generation(step), "{what}: step {step} was changed");
                }
                // A resumed run saves the remaining generations, and no trace of the fault is left.
                checkpoints.forget_after(step).unwrap();
                let rest: Vec<u64> = STEPS.into_iter().chain([60]).filter(|&its| its > step).collect();
                assert_eq!(save(&disk, &rest), rest.len(), "{what}");
                let end = checkpoints.newest::<Vec<f64>>().unwrap().unwrap();
                assert!(end.generation == generation(60) && end.passed_over.is_empty(), "{what}");
                let steps: Vec<String> = disk.list(&Path::new("run").join(CHECKPOINTS)).unwrap();
                let steps: Vec<&str> = steps.iter().map(|name| &name[..12]).collect();
                let kept = ["20", "50", "60"].map(|step| format!("{step:0>12}"));
                assert_eq!(steps, [&kept[0], &kept[0], &kept[1], &kept[1], &kept[2], &kept[2]], "{what}");
            }
        }
    }
    println!("figure: {faults} faults injected, {lost} disks recovered");
}

/// The test disk must lose data that is saved without syncing.
#[test]
fn a_file_written_without_sync_is_lost_on_this_disk() {
    let path = Path::new("run/file");
    let disk = |careful: bool| {
        let disk = Faulty::default();
        disk.make_folder(Path::new("run")).unwrap();
        write_whole(&disk, path, b"old bytes").unwrap();
        match careful {
            true => write_whole(&disk, path, b"new bytes").unwrap(),
            false => {
                disk.write(Path::new("run/other"), b"new bytes").unwrap();
                disk.rename(Path::new("run/other"), path).unwrap();
            }
        }
        LEFT.map(|left| disk.after(left).read(path).unwrap())
    };
    assert!(disk(true).iter().all(|bytes| bytes == b"new bytes"));
    let careless = disk(false);
    assert_eq!(careless[0], b"new bytes", "only the program died");
    assert_eq!(careless[1], b"old bytes", "the rename was not synced");
    assert_eq!(careless[2], b"", "the name was synced, the bytes were not");
    assert_eq!(careless[4], b"new ", "half of the bytes were written");
    assert_eq!(careless[5], [0; 9]);
}

fn saved(steps: &[u64]) -> (TempDir, Checkpoints, Vec<PathBuf>) {
    let folder = TempDir::new().unwrap();
    let checkpoints = Checkpoints::new(Arc::new(Os), folder.path());
    steps.iter().for_each(|&step| checkpoints.save(&generation(step)).unwrap());
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder.path().join(CHECKPOINTS)).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    (folder, checkpoints, files)
}

#[test]
fn a_generation_with_any_byte_changed_or_missing_is_skipped_and_named() {
    let (_folder, checkpoints, files) = saved(&[10, 20]);
    for path in &files[2..] {
        let bytes = std::fs::read(path).unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            std::fs::write(path, if at % 2 == 0 { &changed } else { &bytes[..at] }).unwrap();
            let found = checkpoints.newest::<Vec<f64>>().unwrap().unwrap();
            assert!(found.generation == generation(10), "byte {at} of {}", path.display());
            assert!(found.passed_over.len() == 1 && found.passed_over[0].contains("000000000020"));
        }
        std::fs::write(path, &bytes).unwrap();
    }
    assert!(checkpoints.newest::<Vec<f64>>().unwrap().unwrap().generation == generation(20));
    // If no generation is complete, the run does not silently start again.
    files.iter().for_each(|path| std::fs::write(path, b"{}").unwrap());
    let error = checkpoints.newest::<Vec<f64>>().err().unwrap();
    assert!(matches!(&error, Error::Checkpoint { problem, .. } if problem.contains("000000000010")), "{error}");
}

#[test]
fn a_folder_without_checkpoints_has_none_and_other_files_are_kept() {
    let folder = TempDir::new().unwrap();
    let checkpoints = Checkpoints::new(Arc::new(Os), folder.path());
    assert!(checkpoints.newest::<Vec<f64>>().unwrap().is_none());
    checkpoints.save(&generation(1)).unwrap();
    let mine = folder.path().join(CHECKPOINTS).join("notes.txt");
    std::fs::write(&mine, "mine").unwrap();
    (2..6).for_each(|step| checkpoints.save(&generation(step)).unwrap());
    checkpoints.forget_after(0).unwrap();
    assert_eq!(std::fs::read_dir(folder.path().join(CHECKPOINTS)).unwrap().count(), 1);
    assert_eq!(std::fs::read(mine).unwrap(), b"mine");
}
