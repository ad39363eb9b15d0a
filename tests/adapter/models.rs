//! Several models in one plan: each one is bit-identical to a run on its own.

use crate::common::machines::machines;
use gpu_mlp::Error;
use gpu_mlp::config::{ActivationName, BatchSize, Config, Optimizer, PlanKind, Schedule, Upload};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{DataSet, Split, Targets};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::train::fleet::{group, side_by_side, waves};
use gpu_mlp::train::session::{EpochReport, Limits, Observer, Session, Snapshot, Wish};
use gpu_mlp::train::{Score, divide};
use pollster::block_on;

/// Epoch, update, and scores of the training, validation and test split.
type Epoch = (usize, u64, Score, Option<Score>, Option<Score>);

/// What a run computed: its epochs; then its lasting tensors, or why it ended.
#[derive(Debug, PartialEq)]
struct Outcome {
    epochs: Vec<Epoch>,
    state: Result<Vec<(String, Vec<u32>)>, String>,
}

#[derive(Default)]
struct Notes {
    epochs: Vec<Epoch>,
    /// A snapshot is taken after this update.
    at: Option<u64>,
    snapshot: Option<Snapshot>,
}

impl Observer for Notes {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        self.epochs.push((report.epoch, report.step, report.train, report.validation, report.test));
        Ok(Wish::Continue)
    }

    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        self.at.filter(|at| *at > step)
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.snapshot = Some(snapshot.clone());
        Ok(())
    }
}

/// Trains to the end. Also returns the snapshot after update `at`.
async fn trained(mut session: Session<'_>, at: Option<u64>) -> (Outcome, Option<Snapshot>) {
    let mut notes = Notes { at, ..Notes::default() };
    let ended = session.run(&mut notes).await;
    let state = match ended {
        Ok(_) => session.snapshot().await,
        Err(error) => Err(error),
    };
    let tensors = |snapshot: Snapshot| snapshot.tensors.into_iter().map(|values| (values.name, values.words)).collect();
    (Outcome { epochs: notes.epochs, state: state.map(tensors).map_err(|error| error.to_string()) }, notes.snapshot)
}

/// Trains each run on its own.
fn alone(configs: &[Config], data: &DataSet, machine: &Machine, at: Option<u64>) -> Vec<(Outcome, Option<Snapshot>)> {
    let run = |config| {
        block_on(async {
            trained(Session::open(config, data, machine, Limits::default()).await.expect("a session"), at).await
        })
    };
    configs.iter().map(run).collect()
}

/// Trains all runs side by side, from their snapshots if there are any. They must fit into one wave.
fn together(configs: &[Config], data: &DataSet, machine: &Machine, from: &[Option<Snapshot>]) -> Vec<Outcome> {
    let in_waves = waves(configs, data, machine).expect("waves");
    assert_eq!(in_waves, [(0..configs.len()).collect::<Vec<_>>()], "{}", machine.description());
    let group = group(machine, configs.len());
    block_on(async {
        let mut sessions = Vec::new();
        for (at, config) in configs.iter().enumerate() {
            let session = Session::open_in(config, data, machine, group.as_ref(), Limits::default()).await;
            let mut session = session.expect("a session");
            if let Some(Some(snapshot)) = from.get(at) {
                session.resume(snapshot).expect("a snapshot of this run");
            }
            sessions.push(trained(session, None));
        }
        side_by_side(sessions).await.into_iter().map(|(outcome, _)| outcome).collect()
    })
}

/// Compares runs on their own with the same runs side by side, on every adapter.
fn compare(name: &str, configs: &[Config], data: &DataSet) {
    for machine in machines().iter().filter(|machine| !matches!(machine, Machine::Cpu)) {
        let alone: Vec<Outcome> = alone(configs, data, machine, None).into_iter().map(|(outcome, _)| outcome).collect();
        let together = together(configs, data, machine, &[]);
        for (number, (alone, together)) in alone.iter().zip(&together).enumerate() {
            assert!(
                alone == together,
                "{name}, model {number}, {}\n{:?}\n{:?}",
                machine.description(),
                alone.epochs,
                together.epochs
            );
        }
        let first = &alone[0];
        assert!(alone[1..].iter().all(|other| other != first), "{name}: runs that should differ are equal");
    }
}

/// Batches that are not full, several micro-batches, dropout.
fn base() -> Config {
    Config {
        hidden: vec![19, 7],
        batch_size: BatchSize::Samples(40),
        keep_prob: 0.8,
        input_keep_prob: 0.9,
        epochs: 1,
        lr: Some(0.05),
        schedule: Schedule::Cosine,
        ..Config::default()
    }
}

/// Three runs with their own seed, rate, decay and keep probability.
fn mixed(base: &Config) -> Vec<Config> {
    let keep = |share: f32, of: f32| if of < 1.0 { share } else { 1.0 };
    (1..=3u8)
        .map(|number| {
            let n = f32::from(number);
            Config {
                seed: 10 + u64::from(number),
                lr: base.lr.map(|lr| lr * n / 2.0),
                l2: base.l2 * n,
                momentum: base.momentum * (1.0 - n / 20.0),
                keep_prob: keep(0.5 + n / 10.0, base.keep_prob),
                input_keep_prob: keep(0.7 + n / 20.0, base.input_keep_prob),
                label_smoothing: base.label_smoothing * n,
                schedule: if number == 2 { Schedule::Constant } else { base.schedule },
                ..base.clone()
            }
        })
        .collect()
}

fn digits(train: usize) -> DataSet {
    generate(&Options { train, test: 50, seed: 1 })
}

#[test]
fn each_of_three_models_has_the_bits_of_its_own_run_with_every_optimizer() {
    let data = digits(257);
    for optimizer in [Optimizer::Sgd, Optimizer::Adam, Optimizer::Rmsprop] {
        let lr = if optimizer == Optimizer::Sgd { 0.1 } else { 0.003 };
        let momentum = optimizer.default_momentum();
        let config = Config { optimizer, lr: Some(lr), momentum, l2: 1e-3, ..base() };
        compare(&format!("{optimizer:?}"), &mixed(&config), &data);
    }
    let momentum = Config { momentum: 0.9, label_smoothing: 0.05, ema: 0.9, ..base() };
    compare("momentum and averages", &mixed(&momentum), &data);
    let plain = Config { plan: PlanKind::Plain, clip_norm: 0.5, physical_batch: 15, accumulate: 2, ..base() };
    compare("plain plan, micro-batches, clipping", &mixed(&plain), &data);
    let other = Config {
        activation: ActivationName::Gelu,
        validation: 50.into(),
        keep_prob: 1.0,
        input_keep_prob: 1.0,
        ..base()
    };
    let data = divide(&other, data).expect("a validation split");
    compare("GELU without dropout, a validation split", &mixed(&other), &data);
}

#[test]
fn models_in_integers_and_on_tables_too() {
    let int8 = Config { precision: Precision::Int8, lr: Some(0.05), momentum: 0.9, l2: 1e-3, ..base() };
    compare("int8", &mixed(&int8), &digits(257));
    let noise = |count: usize| (0..count).map(|at| ((at % 10_007) as f32 * 0.618_034).sin()).collect::<Vec<_>>();
    for (name, targets) in [
        ("values", Targets::Values { width: 2, values: noise(2 * 150) }),
        ("labels", Targets::Labels { width: 2, values: noise(300).iter().map(|v| f32::from(*v > 0.0)).collect() }),
        ("classes", Targets::Classes(noise(150).iter().map(|v| u32::from(*v > 0.0) * 2).collect())),
    ] {
        let weights = Some((0..150).map(|row| (row % 4) as f32 / 2.0).collect());
        let split = Split { weights, ..Split::new(noise(5 * 150), targets) };
        let test = split.head(30);
        let data = DataSet::from_splits("noise", vec![5], split, test).expect("a set");
        let config = Config { input_keep_prob: 1.0, ..base() };
        let data = divide(&config, data).expect("encoded data");
        compare(name, &mixed(&config), &data);
    }
}

#[test]
fn many_models_fill_a_group_and_one_that_diverges_or_stops_leaves_the_others_untouched() {
    let data = digits(200);
    let base = Config { validation: 40.into(), early_stopping: 1, hidden: vec![8], ..base() };
    let data = divide(&base, data).expect("a validation split");
    let lr = |seed: u64| match seed {
        // The loss grows beyond all bounds.
        5 => 1e30,
        // Nothing is learned, so the patience ends.
        9 => 1e-9,
        _ => 0.01 * (1 + seed % 7) as f32,
    };
    let configs: Vec<Config> =
        (0..64).map(|seed| Config { seed, lr: Some(lr(seed)), epochs: 4, ..base.clone() }).collect();
    let vulkan = machines().into_iter().find(|machine| !matches!(machine, Machine::Cpu)).expect("an adapter");
    let alone: Vec<Outcome> = alone(&configs, &data, &vulkan, None).into_iter().map(|(outcome, _)| outcome).collect();
    assert!(alone[5].state.is_err(), "{:?}", alone[5].epochs);
    let lengths: Vec<usize> = alone.iter().map(|run| run.epochs.len()).collect();
    assert!(lengths.iter().any(|&epochs| epochs < 4) && lengths.contains(&4), "{lengths:?}");
    let together = together(&configs, &data, &vulkan, &[]);
    for (number, (alone, together)) in alone.iter().zip(&together).enumerate() {
        assert!(alone == together, "model {number}: {:?}, then {:?}", alone.epochs, together.epochs);
    }
}

#[test]
fn models_resume_at_different_updates() {
    let data = digits(257);
    let configs = mixed(&Config { optimizer: Optimizer::Adam, lr: Some(0.003), ..base() });
    for machine in machines().iter().filter(|machine| !matches!(machine, Machine::Cpu)) {
        let mut snapshots = Vec::new();
        let mut ends = Vec::new();
        for (config, at) in configs.iter().zip([1, 3, 6]) {
            let (outcome, snapshot) = alone(std::slice::from_ref(config), &data, machine, Some(at)).remove(0);
            ends.push(outcome.state);
            snapshots.push(snapshot);
        }
        let resumed = together(&configs, &data, machine, &snapshots);
        assert!(resumed.into_iter().map(|outcome| outcome.state).eq(ends), "{}", machine.description());
    }
}

#[test]
fn runs_with_other_kernels_or_streamed_samples_are_in_waves_of_their_own() {
    let data = digits(257);
    let adapter = machines().into_iter().find(|machine| !matches!(machine, Machine::Cpu)).expect("an adapter");
    let with = |change: fn(&mut Config)| {
        let mut config = base();
        change(&mut config);
        config
    };
    let configs = [
        base(),
        with(|config| config.hidden = vec![20, 7]),
        with(|config| config.seed = 7),
        with(|config| config.momentum = 0.9),
        with(|config| config.keep_prob = 0.5),
        with(|config| config.keep_prob = 1.0),
    ];
    assert_eq!(waves(&configs, &data, &adapter).expect("waves"), [vec![0, 2, 4], vec![1], vec![3], vec![5]]);
    let many: Vec<Config> = (0..70).map(|seed| Config { seed, ..base() }).collect();
    let sizes: Vec<usize> = waves(&many, &data, &adapter).expect("waves").iter().map(Vec::len).collect();
    assert_eq!(sizes, [64, 6]);
    let streamed = [1, 2].map(|seed| Config { seed, upload: Upload::Stream, ..base() });
    let large = digits(20_000);
    assert_eq!(waves(&streamed, &large, &adapter).expect("waves").len(), 2);
}
