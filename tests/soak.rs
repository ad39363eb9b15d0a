//! Long runs stay flat: memory, time of a step, and what is under way at once.
#![cfg(target_os = "linux")]

mod runs;

use gpu_mlp::config::Config;
use gpu_mlp::cpu::CpuEngine;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::{Engine, Memory, Pending};
use gpu_mlp::kernels::Form;
use gpu_mlp::model::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::Work;
use gpu_mlp::tensor::Id;
use gpu_mlp::train::Trainer;
use runs::{adapter, long, start, train};
use std::ops::{ControlFlow, Range};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Fifty updates an epoch.
const RUN: &str =
    "--data digits --digits-train 1000 --digits-test 50 --hidden 64 --batch-size 20 --schedule constant --lr 0.01";

/// KiB of a process that are in memory.
fn resident(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

/// Medians of the second tenth and of the last: what comes before is warm-up.
fn early_and_late(values: &[f64]) -> (f64, f64) {
    let tenth = values.len() / 10;
    let median = |part: &[f64]| {
        let mut sorted = part.to_vec();
        sorted.sort_by(f64::total_cmp);
        sorted[sorted.len() / 2]
    };
    (median(&values[tenth..2 * tenth]), median(&values[9 * tenth..]))
}

/// Trains so many epochs; gives resident memory over the run, in KiB, and seconds of each epoch.
fn soak(folder: &Path, engine: &str, epochs: usize) -> (Vec<f64>, Vec<f64>) {
    let epochs = epochs.to_string();
    let words: Vec<&str> =
        RUN.split_whitespace().chain(["--engine", engine, "--epochs", &epochs, "--out", "run"]).collect();
    // One thread: what the others wait for is not the subject.
    let mut child = start(train(folder, &words).env("RAYON_NUM_THREADS", "1"));
    let mut memory = Vec::new();
    while child.try_wait().unwrap().is_none() {
        memory.extend(resident(child.id()));
        std::thread::sleep(Duration::from_millis(20));
    }
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(folder.join("run/metrics.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    (
        memory,
        records.filter_map(|record| (record["type"] == "epoch").then(|| record["seconds"].as_f64().unwrap())).collect(),
    )
}

#[test]
fn memory_and_the_time_of_a_step_are_as_they_were_at_the_beginning() {
    for engine in ["cpu", "gpu"] {
        let folder = TempDir::new().unwrap();
        if engine == "gpu" && !adapter(folder.path()) {
            eprintln!("NOT RUN: no wgpu adapter on this machine");
            continue;
        }
        // The long run on the CPU lasts most of a minute: the speed of a machine that is shared wanders from second to second.
        let epochs = match (long(), engine) {
            (true, "cpu") => 5000,
            (false, "gpu") => 100,
            _ => 1000,
        };
        let (memory, seconds) = soak(folder.path(), engine, epochs);
        assert!(seconds.len() == epochs && memory.len() >= 20, "{} samples of memory", memory.len());
        let ((memory_before, memory_after), (time_before, time_after)) =
            (early_and_late(&memory), early_and_late(&seconds));
        let change = |before: f64, after: f64| 100.0 * (after / before - 1.0);
        eprintln!(
            "figure: {engine}: {} updates; resident memory {memory_before:.0} to {memory_after:.0} KiB ({:+.1} %), \
             time of an update {:.1} to {:.1} µs ({:+.1} %)",
            50 * epochs,
            change(memory_before, memory_after),
            time_before * 2e4,
            time_after * 2e4,
            change(time_before, time_after),
        );
        assert!(memory_after <= 1.02 * memory_before, "{engine}: memory grew");
        // Other programs on this machine may slow any part of a short run down.
        let tolerance = if long() { 1.02 } else { 2.0 };
        assert!(time_after <= tolerance * time_before, "{engine}: steps became slower");
    }
}

/// Counts the answers that are owed of one tensor.
struct Counting {
    engine: CpuEngine,
    of: Id,
    owed: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// Gives an answer back when it is taken, or dropped.
struct Owed(Arc<AtomicUsize>);

impl Drop for Owed {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine for Counting {
    fn write(&mut self, id: Id, first: usize, words: &[u32]) {
        self.engine.write(id, first, words);
    }
    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.engine.run(work)
    }
    fn read(&mut self, id: Id, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        if id != self.of {
            return self.engine.read(id, words);
        }
        let owed = self.owed.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(owed, Ordering::SeqCst);
        let (owed, answer) = (Owed(self.owed.clone()), self.engine.read(id, words));
        Box::pin(async move {
            let _owed = owed;
            answer.await
        })
    }
    fn fences(&mut self, id: Id) -> Pending<'static, Vec<u32>> {
        self.engine.fences(id)
    }
}

#[test]
fn never_more_than_two_parts_of_the_record_are_on_their_way() {
    let data = generate(&Options { train: 5000, test: 50, seed: 1 });
    let config = Config { hidden: vec![8], batch_size: gpu_mlp::config::BatchSize::Samples(1), ..Config::default() };
    let net = Net::for_training(&config, Sizes::of(&data, Form::Plain, u64::MAX), 1.0, 0.0);
    let model = Mlp::new(&[784, 8, 10], config.activation(), config.init, 1);
    let (owed, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let engine = CpuEngine::new(&net.plan, Memory::default());
    let of = net.training.as_ref().expect("a net made for training").tally;
    let engine = Counting { engine, of, owed: owed.clone(), most: most.clone() };
    let mut trainer = Trainer::new(config, &data, net, &model, Box::new(engine));
    let mut parts = 0;
    let watch = &mut |_: &_| {
        parts += 1;
        ControlFlow::Continue(())
    };
    pollster::block_on(trainer.advance(u64::MAX, watch)).unwrap();
    assert!(parts > 5 && most.load(Ordering::SeqCst) == 2, "{parts} parts, {most:?} at once");
    assert_eq!(owed.load(Ordering::SeqCst), 0);
}
