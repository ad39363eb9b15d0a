//! Long runs stay flat in memory, time per step, and work in flight.
#![cfg(target_os = "linux")]

use crate::common::not_run;
use crate::common::runs::{adapter, long, start, train};
use gpu_mlp::config::{BatchSize, Config, Optimizer};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::engine::{Engine, Memory, Pending};
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::Work;
use gpu_mlp::plan::tensor::TensorId;
use gpu_mlp::train::Trainer;
use std::ops::{ControlFlow, Range};
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tempfile::TempDir;

/// Fifty updates per epoch.
const RUN: &str =
    "--data digits --digits-train 1000 --digits-test 50 --hidden 64 --batch-size 20 --schedule constant --lr 0.01";

/// Resident memory of a process in KiB.
fn resident(id: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// A running training process.
struct Run {
    child: Child,
    folder: PathBuf,
}

impl Run {
    fn start(folder: &Path, name: &str, engine: &str, epochs: usize) -> Run {
        let epochs = epochs.to_string();
        let words = RUN.split_whitespace().chain(["--engine", engine, "--epochs", &epochs, "--out", name]);
        // One thread: waiting between threads is not measured here, and two runs must not share a core.
        let mut command = train(folder, &words.collect::<Vec<&str>>());
        let child = start(command.envs([("RAYON_NUM_THREADS", "1"), ("LP_NUM_THREADS", "1")]));
        Run { child, folder: folder.join(name) }
    }

    /// Seconds of each epoch up to now.
    fn seconds(&self) -> Vec<f64> {
        let text = std::fs::read_to_string(self.folder.join("metrics.jsonl")).unwrap_or_default();
        // The last line may be incomplete.
        let records = text.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
        records.filter_map(|record| (record["type"] == "epoch").then(|| record["seconds"].as_f64().unwrap())).collect()
    }

    /// Waits until `epochs` epochs are done; returns samples of the resident memory in KiB.
    fn wait_for(&mut self, epochs: usize) -> Vec<f64> {
        let mut memory = Vec::new();
        while self.seconds().len() < epochs {
            assert!(self.child.try_wait().unwrap().is_none(), "the run ended after {} epochs", self.seconds().len());
            // Reading a long record takes processor time from the run, so it is read only every 200 ms.
            for _ in 0..20 {
                memory.extend(resident(self.child.id()));
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        memory
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn memory_and_time_per_step_stay_flat() {
    for engine in ["cpu", "gpu"] {
        let folder = TempDir::new().unwrap();
        if engine == "gpu" && !adapter(folder.path()) {
            continue;
        }
        let epochs = match (long(), engine) {
            (true, "cpu") => 5000,
            (true, _) | (false, "cpu") => 1000,
            (false, _) => 100,
        };
        let mut old = Run::start(folder.path(), "old", engine, 1_000_000);
        let memory = old.wait_for(epochs);
        let tenth = memory.len() / 10;
        assert!(tenth > 0, "{} samples of memory", memory.len());
        let (before, after) = (median(&memory[tenth..2 * tenth]), median(&memory[9 * tenth..]));
        eprintln!(
            "figure: {engine}: {} updates; resident memory {before:.0} to {after:.0} KiB ({:+.1} %)",
            50 * epochs,
            100.0 * (after / before - 1.0),
        );
        assert!(after <= 1.02 * before, "{engine}: memory grew");
        if !long() {
            not_run("the time per update: other programs can disturb a short run during all of it");
            continue;
        }
        // The speed of a shared machine varies by more than the change sought, so the old run is compared with a new
        // one at the same time.
        let side_by_side = epochs / 5;
        let changes: Vec<f64> = (0..5)
            .map(|round| {
                let mut new = Run::start(folder.path(), &format!("new{round}"), engine, 1_000_000);
                new.wait_for(side_by_side / 4);
                let begin = old.seconds().len();
                new.wait_for(side_by_side);
                let (old, new) = (old.seconds(), new.seconds());
                assert!(old.len() > begin, "the old run made no progress");
                median(&old[begin..]) / median(&new[side_by_side / 4..]) - 1.0
            })
            .collect();
        let change = median(&changes);
        eprintln!(
            "figure: {engine}: time per update of a run {} to {} updates old against a new run beside it: {:+.1} % \
             (median of {}: {})",
            50 * epochs,
            50 * old.seconds().len(),
            100.0 * change,
            changes.len(),
            changes.iter().map(|change| format!("{:+.1}", 100.0 * change)).collect::<Vec<_>>().join(" "),
        );
        assert!(change <= 0.02, "{engine}: updates became slower");
    }
}

/// Counts the reads of one tensor that are in flight.
struct Counting {
    engine: CpuEngine,
    of: TensorId,
    in_flight: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

/// A read in flight; ends when its result is taken or dropped.
struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Engine for Counting {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        self.engine.write(id, first, words);
    }
    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.engine.run(work)
    }
    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        if id != self.of {
            return self.engine.read(id, words);
        }
        let in_flight = self.in_flight.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(in_flight, Ordering::SeqCst);
        let (in_flight, answer) = (InFlight(self.in_flight.clone()), self.engine.read(id, words));
        Box::pin(async move {
            let _in_flight = in_flight;
            answer.await
        })
    }
    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>> {
        self.engine.fences(id)
    }
}

#[test]
fn at_most_two_reads_of_the_record_are_in_flight() {
    let data = generate(&Options { train: 5000, test: 50, seed: 1 });
    let config = Config { hidden: vec![8], batch_size: BatchSize::Samples(1), ..Config::default() };
    let net = Net::for_training(&config, Sizes::of(&config, &data, Form::Plain, u64::MAX).unwrap(), &InputMap::RAW);
    let model = Mlp::new(&[784, 8, 10], config.activation(), config.init, 1);
    let (in_flight, most) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let engine = CpuEngine::new(&net.plan, Memory::default());
    let of = net.training.as_ref().expect("a net made for training").tally;
    let engine = Counting { engine, of, in_flight: in_flight.clone(), most: most.clone() };
    let mut trainer = Trainer::new(config, &data, net, &model, Box::new(engine));
    let mut parts = 0;
    let watch = &mut |_: &_| {
        parts += 1;
        ControlFlow::Continue(())
    };
    pollster::block_on(trainer.advance(u64::MAX, watch)).unwrap();
    assert!(parts > 5 && most.load(Ordering::SeqCst) == 2, "{parts} parts, {most:?} in flight");
    assert_eq!(in_flight.load(Ordering::SeqCst), 0);
}

/// Allocator calls in the second epoch, which has `updates` updates, and bytes that it leaves allocated.
fn allocations(config: &Config, updates: usize) -> (u64, i64) {
    let data = generate(&Options { train: 20 * updates, test: 50, seed: 1 });
    // The counter is per thread, so everything runs on one thread.
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let mut trainer = pollster::block_on(Trainer::open(config, &data, &Machine::Cpu)).unwrap();
        pollster::block_on(trainer.epoch(&mut |_| {})).unwrap();
        let counted = allocation_counter::measure(|| {
            pollster::block_on(trainer.epoch(&mut |_| {})).unwrap();
        });
        (counted.count_total, counted.bytes_current)
    })
}

/// Only `gemm` allocates in the loop: each call packs the operands of a product into at most two new buffers.
#[test]
fn an_update_allocates_only_the_buffers_that_products_are_packed_into() {
    let sgd = Config { hidden: vec![32, 16], batch_size: BatchSize::Samples(20), ..Config::default() };
    let adam = Config { keep_prob: 0.8, optimizer: Optimizer::Adam, ..sgd.clone() };
    // Three layers forward, two backward, three gradients.
    let products = 3 + 2 + 3;
    for config in [sgd, adam] {
        let ((few, _), (many, left)) = (allocations(&config, 100), allocations(&config, 1000));
        let per_update = (many - few) as f64 / 900.0;
        eprintln!("figure: {:?}: {per_update:.2} allocator calls per update, {left} bytes left", config.optimizer);
        // Uploads and read-backs cost a few more calls per hundreds of updates.
        assert!(per_update < 2.0 * f64::from(products) + 0.5, "{per_update} calls per update");
        assert!(left < 64 << 10, "an epoch leaves {left} bytes");
    }
}
