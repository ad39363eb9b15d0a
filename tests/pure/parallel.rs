//! Data-parallel training: any number of processes, here threads, gives the bits of one.

use crate::common::team::{Member, in_threads};
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, LossName, OnNan, Optimizer, Schedule, Upload};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::train::divide;
use gpu_mlp::train::exchange::{Exchange, from_first, odd_one};
use gpu_mlp::train::session::{EpochReport, Limits, Observer, Progress, Reason, Session, Snapshot, Wish};
use pollster::block_on;
use std::time::Duration;

/// Takes a snapshot after update `at`, asks for the end at the first progress if it `stops`, and records the reports.
#[derive(Default)]
struct Notes {
    at: Option<u64>,
    stops: bool,
    snapshots: Vec<Snapshot>,
    reports: Vec<EpochReport>,
}

impl Observer for Notes {
    fn progress(&mut self, _: &Progress) -> Wish {
        if self.stops { Wish::Stop(Reason::Interrupted) } else { Wish::Continue }
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        let mut report = EpochReport { seconds: 0.0, images_per_second: 0.0, ..report.clone() };
        report.updates.iter_mut().for_each(|update| update.seconds = 0.0);
        self.reports.push(report);
        Ok(Wish::Continue)
    }

    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        self.at.filter(|at| *at > step)
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.snapshots.push(snapshot.clone());
        Ok(())
    }
}

/// A snapshot without its times.
fn timeless(mut snapshot: Snapshot) -> Snapshot {
    (snapshot.state.seconds, snapshot.state.epoch_seconds) = (0.0, 0.0);
    snapshot.state.updates.iter_mut().for_each(|update| update.seconds = 0.0);
    snapshot
}

/// Seven updates per epoch; the last has two shards, the first of 8 samples.
fn config() -> Config {
    Config {
        hidden: vec![20, 12],
        batch_size: BatchSize::Samples(40),
        shards: Some(5),
        keep_prob: 0.8,
        input_keep_prob: 0.9,
        validation: 47.into(),
        momentum: 0.9,
        lr: Some(0.02),
        epochs: 3,
        ..Config::default()
    }
}

fn digits(config: &Config) -> DataSet {
    divide(config, generate(&Options { train: 300, test: 50, seed: 1 })).expect("data")
}

/// What a run leaves: the last state, the scores of the end, and the reports, as text.
type End = (Snapshot, String, String);

/// Trains, alone or as a member of a team, from a snapshot if there is one.
fn train(config: &Config, data: &DataSet, member: Option<Member>, from: Option<&Snapshot>) -> (End, Notes) {
    block_on(async {
        let mut session = Session::open(config, data, &Machine::Cpu, Limits::default()).await.expect("a session");
        member.into_iter().for_each(|member| session.share(Box::new(member)).expect("enough shards"));
        from.iter().for_each(|from| session.resume(from).expect("a snapshot of this run"));
        let mut notes = Notes { at: Some(10), ..Notes::default() };
        session.run(&mut notes).await.expect("a run");
        let snapshot = timeless(session.snapshot().await.expect("a snapshot"));
        let finish = session.finish().await.expect("scores");
        let scores = format!("{:?} {:?}", finish.test, finish.validation);
        ((snapshot, scores, format!("{:?}", notes.reports)), notes)
    })
}

/// Settings that differ in tensors, kernels and state.
fn variants() -> Vec<Config> {
    vec![
        config(),
        Config { optimizer: Optimizer::Adam, momentum: 0.0, clip_norm: 1.0, ema: 0.9, ..config() },
        Config { upload: Upload::Stream, accumulate: 2, shards: Some(8), ..config() },
        Config { shards: Some(1), hidden: vec![], ..config() },
        Config { shards: Some(40), schedule: Schedule::Plateau, plateau_patience: 1, min_delta: 1.0, ..config() },
        Config { precision: Precision::F16Mixed, ..config() },
        Config { precision: Precision::Int8, ..config() },
        Config { precision: Precision::Int8, upload: Upload::Stream, shards: Some(8), ..config() },
    ]
}

#[test]
fn every_number_of_processes_gives_the_bits_of_one() {
    for config in variants() {
        let data = digits(&config);
        let (alone, _) = train(&config, &data, None, None);
        for size in [1, 2, 3, 4, 8].into_iter().filter(|size| *size <= config.shards.unwrap()) {
            for (rank, (end, _)) in in_threads(size, |m| train(&config, &data, Some(m), None)).into_iter().enumerate() {
                assert!(end.0 == alone.0, "{config:?}: process {rank} of {size} has other tensors");
                assert_eq!((&end.1, &end.2), (&alone.1, &alone.2), "{config:?}: process {rank} of {size}");
            }
        }
    }
}

#[test]
fn a_run_resumes_with_another_number_of_processes() {
    for precision in [Precision::F32, Precision::Int8] {
        let config = Config { precision, ..config() };
        let data = digits(&config);
        let (alone, _) = train(&config, &data, None, None);
        for (before, after) in [(1, 4), (4, 3), (3, 1), (2, 5)] {
            let begun = in_threads(before, |member| train(&config, &data, Some(member), None));
            let middle = &begun[0].1.snapshots[0];
            assert_eq!(middle.state.step, 10);
            for (end, _) in in_threads(after, |member| train(&config, &data, Some(member), Some(middle))) {
                assert!(end.0 == alone.0 && end.1 == alone.1, "{precision:?}: {before}, then {after} processes");
            }
        }
    }
}

#[test]
fn integers_in_shards_have_the_bits_of_whole_batches() {
    let config = Config { precision: Precision::Int8, ..config() };
    let data = digits(&config);
    let ends = [None, Some(1), Some(5)].map(|shards| train(&Config { shards, ..config.clone() }, &data, None, None).0);
    assert!(ends.iter().all(|end| end.0.tensors == ends[0].0.tensors));
}

#[test]
fn the_request_of_one_process_ends_all_after_the_same_update() {
    let config = Config { epochs: 100_000, ..config() };
    let data = digits(&config);
    for stopping in 0..3 {
        let steps = in_threads(3, |member| {
            block_on(async {
                let stops = member.rank() == stopping;
                // A team member that is slow is no reason for another end.
                let limits = Limits { max_time: Some(Duration::from_secs(60)), ..Limits::default() };
                let mut session = Session::open(&config, &data, &Machine::Cpu, limits).await.expect("a session");
                session.share(Box::new(member)).expect("enough shards");
                let reason = session.run(&mut Notes { stops, ..Notes::default() }).await.expect("a run");
                (reason, session.snapshot().await.expect("a snapshot").state.step)
            })
        });
        assert!(steps.iter().all(|step| *step == steps[0]), "{steps:?}");
        assert_eq!(steps[0].0, Reason::Interrupted);
    }
}

/// Real values so large that the loss soon is not finite.
fn wild() -> (Config, DataSet) {
    let numbers = |count: usize| (0..count).map(|at| (at as f32 * 0.7).sin() * 1e18).collect::<Vec<f32>>();
    let split = Split::new(numbers(200 * 3), numbers(200));
    let data = DataSet::from_splits("wild", vec![3], split.clone(), split).expect("a set");
    let config = Config {
        loss: LossName::Mse,
        lr: Some(1e6),
        shards: Some(4),
        hidden: vec![8],
        normalize: gpu_mlp::config::Normalize::None,
        ..Config::default()
    };
    let data = divide(&config, data).expect("data");
    (config, data)
}

#[test]
fn all_processes_report_the_same_divergence() {
    let (config, data) = wild();
    let errors = |size| {
        in_threads(size, |member| {
            block_on(async {
                let mut session = Session::open(&config, &data, &Machine::Cpu, Limits::default()).await.unwrap();
                session.share(Box::new(member)).expect("enough shards");
                let error = session.run(&mut Notes::default()).await.expect_err("a loss that is not finite");
                assert!(matches!(error, Error::Diverged { .. }), "{error}");
                error.to_string()
            })
        })
    };
    let alone = errors(1);
    assert!(alone[0].contains("it began with"), "{alone:?}");
    for size in [2, 3, 4] {
        assert!(errors(size).iter().all(|error| *error == alone[0]), "{size} processes: {:?}, {alone:?}", errors(size));
    }
    let ignoring = Config { on_nan: OnNan::Ignore, epochs: 1, ..config };
    let ends = in_threads(2, |member| {
        block_on(async {
            let mut session = Session::open(&ignoring, &data, &Machine::Cpu, Limits::default()).await.unwrap();
            session.share(Box::new(member)).expect("enough shards");
            session.run(&mut Notes::default()).await.expect("an end")
        })
    });
    assert_eq!(ends, [Reason::Finished; 2]);
}

#[test]
fn other_weights_of_one_process_are_an_error_of_all() {
    let config = config();
    let data = digits(&config);
    let errors = in_threads(3, |member| {
        block_on(async {
            let seed = if member.rank() == 2 { 9 } else { 1 };
            let config = Config { seed, ..config.clone() };
            let mut session = Session::open(&config, &data, &Machine::Cpu, Limits::default()).await.unwrap();
            session.share(Box::new(member)).expect("enough shards");
            session.run(&mut Notes::default()).await.expect_err("other weights").to_string()
        })
    });
    assert!(errors.iter().all(|error| error.starts_with("process 2 has other weights")), "{errors:?}");
}

#[test]
fn shards_that_cannot_be_used_are_an_error_that_says_what_to_do() {
    let config = config();
    let data = digits(&config);
    let open = |config: &Config| block_on(Session::open(config, &data, &Machine::Cpu, Limits::default()));
    let refused = |shards, physical_batch| {
        let config = Config { shards, physical_batch, ..config.clone() };
        open(&config).err().expect("an error").to_string()
    };
    assert_eq!(refused(Some(0), 64), "shards is 0 but must be at least 1");
    assert_eq!(refused(Some(41), 64), "shards is 41 but a batch has only 40 samples");
    assert!(refused(Some(2), 9).contains("use at least 5 shards"), "{}", refused(Some(2), 9));
    let shared = |shards| {
        let mut session = open(&Config { shards, ..config.clone() }).expect("a session");
        let member = crate::common::team::team(6).remove(0);
        session.share(Box::new(member)).expect_err("too few shards").to_string()
    };
    assert_eq!(shared(None), "there are 6 processes, but batches have no shards");
    assert_eq!(shared(Some(5)), "there are 6 processes but only 5 shards: use more shards, or fewer processes");
    assert_eq!(config.default_shards(300), 8);
    let full = |batch_size, physical_batch| Config { batch_size, physical_batch, ..config.clone() }.default_shards(300);
    assert_eq!(full(BatchSize::Full, 20), 15);
    assert_eq!(full(BatchSize::Samples(3), 20), 3);
}

#[test]
fn texts_of_the_processes_are_compared_and_shared() {
    let answers = in_threads(4, |mut member| {
        let rank = member.rank();
        let of_first = from_first(&mut member, &"é".repeat(5 - rank)).expect("text");
        (of_first, odd_one(&mut member, b"same"), odd_one(&mut member, &[(rank / 2) as u8]))
    });
    assert!(answers.iter().all(|answer| *answer == ("é".repeat(5), None, Some(2))), "{answers:?}");
}
