//! A run whose disk fails at any call, in any way, ends with an error or is unharmed. After being resumed, it ends like
//! the run whose disk never failed.

use crate::common::faulty::{FAULTS, Fault, Faulty, LEFT, Left};
use gpu_mlp::Error;
use gpu_mlp::base::disk::Disk;
use gpu_mlp::config::{BatchSize, Config, Optimizer};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::checkpoint::{Checkpoints, Every, Identity, Keeper, Loaded, Saved, Setup};
use gpu_mlp::run::folder::METRICS;
use gpu_mlp::run::metrics::{Metrics, Record};
use gpu_mlp::train::session::{EpochReport, Limits, Observer, Session, Snapshot, Wish};
use gpu_mlp::train::trial::Trial;
use std::path::Path;
use std::sync::Arc;

/// Writes the metrics and checkpoints of a run to a disk.
struct Writer {
    metrics: Metrics,
    keeper: Keeper,
}

impl Observer for Writer {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        self.metrics.push(&Record::epoch(report, "digits"))?;
        Ok(self.keeper.epoch(report, self.metrics.bytes()))
    }
    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        self.keeper.due_at(step)
    }
    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.keeper.save(snapshot)
    }
}

/// Starts a run, or resumes it if it exists, and trains to its end, as the program does.
fn train(disk: &Arc<Faulty>, config: &Config, data: &DataSet) -> Result<Snapshot, Error> {
    let run = Path::new("run");
    let machine = Machine::Cpu;
    let mut session = pollster::block_on(Session::open(config, data, &machine, Limits::default()))?;
    let checkpoints = Checkpoints::new(disk.clone(), run);
    let found: Option<Loaded<Saved>> = checkpoints.of_run(None)?;
    disk.make_folder(run).map_err(Error::file(run))?;
    let mut saved = Saved {
        identity: Identity::new(config, data, &machine),
        setup: Setup::default(),
        from: None,
        changed: None,
        best: None,
        description: None,
        session: Default::default(),
    };
    let (metrics, whole) = match found {
        Some(Loaded { generation, .. }) => {
            saved.best = generation.state.best;
            session.resume(&generation.snapshot())?;
            let metrics = Metrics::resume(disk.clone(), run, generation.metrics_bytes)?;
            checkpoints.forget_after(generation.step)?;
            metrics.cut()?;
            (metrics, Some(generation.step))
        }
        None => {
            checkpoints.forget_after(0)?;
            (Metrics::create(disk.clone(), run)?, None)
        }
    };
    let every = Every { steps: Some(4), time: None };
    let keeper = Keeper::new(checkpoints, saved, every, metrics.bytes(), whole);
    let mut writer = Writer { metrics, keeper };
    let outcome = pollster::block_on(session.run(&mut writer));
    let settled = writer.keeper.settle();
    outcome?;
    settled?;
    pollster::block_on(session.snapshot())
}

/// The tensors, and the records without their times.
fn facts(disk: &Faulty, end: &Snapshot) -> (Vec<gpu_mlp::train::Values>, Vec<serde_json::Value>) {
    let text = String::from_utf8(disk.read(&Path::new("run").join(METRICS)).unwrap()).unwrap();
    let mut records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for record in &mut records {
        let fields = record.as_object_mut().unwrap();
        assert!(fields.remove("seconds").is_some() && fields.remove("images_per_second").is_some());
    }
    (end.tensors.clone(), records)
}

#[test]
fn a_run_whose_disk_fails_at_any_call_is_resumed_to_the_same_end() {
    let data = generate(&Options { train: 150, test: 20, seed: 1 });
    let config = Config {
        hidden: vec![6],
        batch_size: BatchSize::Samples(25),
        optimizer: Optimizer::Adam,
        lr: Some(0.01),
        keep_prob: 0.8,
        epochs: 3,
        ..Config::default()
    };
    let [faults, survived, resumed] = fail(&config, &data, 1, 1);
    eprintln!("figure: {faults} faults injected into runs, {survived} without effect; {resumed} runs resumed");
    assert!(faults > 200 && survived > 0 && survived < faults);
}

/// Floats, with each loss. Each call fails in one of the runs.
#[test]
fn a_run_on_a_table_whose_disk_fails_is_resumed_to_the_same_end() {
    let tables = Trial::tables().unwrap();
    for (number, run) in tables.iter().enumerate() {
        let config = Config { epochs: 3, ..run.config.clone() };
        let [faults, ..] = fail(&config, &run.data, 1 + number, tables.len());
        assert!(faults > 20, "{}: {faults}", run.name);
    }
}

/// Lets one call of a run's disk fail: the first-th, then each `step` calls later, in every way. Returns the number of faults,
/// of those without effect on the end, and of resumed runs.
fn fail(config: &Config, data: &DataSet, first: usize, step: usize) -> [usize; 3] {
    let disk = Arc::new(Faulty::default());
    let end = train(&disk, config, data).unwrap();
    let whole = facts(&disk, &end);
    assert_eq!(whole.1.len(), 3);
    let (mut faults, mut resumed, mut survived) = (0, 0, 0);
    for fault in FAULTS {
        for k in (first..).step_by(step) {
            let disk = Arc::new(Faulty::default());
            disk.arm(k, fault);
            let outcome = train(&disk, config, data);
            if !disk.struck() {
                break;
            }
            faults += 1;
            if let Ok(end) = &outcome {
                // The fault hit the deletion of an old checkpoint or the very last sync: the run itself is complete.
                survived += 1;
                assert!(end.tensors == whole.0, "{fault:?} at call {k}");
            }
            for left in LEFT {
                if fault != Fault::Crash && left != Left::All {
                    continue;
                }
                let disk = Arc::new(disk.after(left));
                let end = train(&disk, config, data)
                    .unwrap_or_else(|error| panic!("{fault:?} at call {k}, {left:?} left: {error}"));
                assert!(facts(&disk, &end) == whole, "{fault:?} at call {k}, {left:?} left: a different end");
                resumed += 1;
            }
        }
    }
    [faults, survived, resumed]
}
