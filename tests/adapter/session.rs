//! A run through the library: what observers see, where it may be interrupted, and that neither changes a bit.

use crate::common::machines;
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, Optimizer, Upload};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::train::session::{EpochReport, Limits, Observer, Progress, Reason, Session, Snapshot, Wish};
use pollster::block_on;
use std::time::Duration;

/// Takes snapshots after the updates in `at` and records every call.
#[derive(Default)]
struct Notes {
    at: Vec<u64>,
    snapshots: Vec<Snapshot>,
    reports: Vec<EpochReport>,
    progress: usize,
}

impl Observer for Notes {
    fn progress(&mut self, _: &Progress) -> Wish {
        self.progress += 1;
        // Request an extra snapshot at every third call.
        if self.progress.is_multiple_of(3) { Wish::Snapshot } else { Wish::Continue }
    }

    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        self.reports.push(report.clone());
        Ok(Wish::Continue)
    }

    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        self.at.iter().copied().find(|&at| at > step)
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.snapshots.push(snapshot.clone());
        Ok(())
    }
}

fn digits(train: usize) -> DataSet {
    generate(&Options { train, test: 50, seed: 1 })
}

/// Seven updates per epoch, the last of a partial batch, each of two micro-batches; every kind of randomness is used.
fn config() -> Config {
    Config {
        hidden: vec![16],
        batch_size: BatchSize::Samples(40),
        physical_batch: 30,
        keep_prob: 0.8,
        input_keep_prob: 0.9,
        epochs: 3,
        ..Config::default()
    }
}

fn open<'a>(config: &Config, data: &'a DataSet, machine: &Machine) -> Session<'a> {
    block_on(Session::open(config, data, machine, Limits::default())).expect("the net fits")
}

/// A report without its times.
fn facts(report: &EpochReport) -> impl PartialEq + std::fmt::Debug + use<> {
    (report.epoch, report.step, report.whole, report.train, report.test, report.lr, report.momentum)
}

#[test]
fn a_run_resumed_from_any_step_is_bit_identical() {
    let data = digits(257);
    for machine in machines::machines() {
        for optimizer in [Optimizer::Nesterov, Optimizer::Adam] {
            let config = Config { momentum: optimizer.default_momentum(), optimizer, lr: Some(0.01), ..config() };
            let mut whole = Notes { at: (1..=21).collect(), ..Notes::default() };
            let mut session = open(&config, &data, &machine);
            assert_eq!(block_on(session.run(&mut whole)).unwrap(), Reason::Finished);
            let end = block_on(session.snapshot()).unwrap();
            assert!(whole.at.iter().all(|at| whole.snapshots.iter().any(|one| one.state.step == *at)));

            let mut plain = Notes::default();
            let mut session = open(&config, &data, &machine);
            block_on(session.run(&mut plain)).unwrap();
            assert!(block_on(session.snapshot()).unwrap().tensors == end.tensors, "snapshots change the run");

            for at in [1, 6, 7, 8, 20] {
                let from = whole.snapshots.iter().find(|one| one.state.step == at).unwrap();
                // Through JSON, as in a file.
                let state = serde_json::from_str(&serde_json::to_string(&from.state).unwrap()).unwrap();
                assert_eq!(from.state, state);
                let mut rest = Notes::default();
                let mut session = open(&config, &data, &machine);
                session.resume(&Snapshot { state, ..from.clone() }).unwrap();
                assert_eq!(block_on(session.run(&mut rest)).unwrap(), Reason::Finished);
                let place = format!("{} resumed after update {at}", machine.description());
                assert!(block_on(session.snapshot()).unwrap().tensors == end.tensors, "{place}");
                let missed = whole.reports.len() - rest.reports.len();
                for (one, other) in whole.reports[missed..].iter().zip(&rest.reports) {
                    assert_eq!(facts(one), facts(other), "{place}");
                }
                assert_eq!(missed, at as usize / 7, "{place}");
            }
        }
    }
}

#[test]
fn a_streamed_run_resumes_in_the_middle_of_an_epoch_of_several_windows() {
    // Three windows; the last one is not full.
    let data = digits(20_011);
    let config = Config { hidden: vec![8], upload: Upload::Stream, epochs: 1, ..Config::default() };
    for machine in machines::machines() {
        let mut notes = Notes { at: vec![200], ..Notes::default() };
        let mut whole = open(&config, &data, &machine);
        block_on(whole.run(&mut notes)).unwrap();
        let from = notes.snapshots.iter().find(|one| one.state.step == 200).unwrap();
        let mut rest = open(&config, &data, &machine);
        rest.resume(from).unwrap();
        block_on(rest.run(&mut Notes::default())).unwrap();
        assert!(
            block_on(whole.finish()).unwrap().model == block_on(rest.finish()).unwrap().model,
            "{}",
            machine.description()
        );
    }
}

#[test]
fn a_state_with_a_value_that_is_not_finite_cannot_be_resumed() {
    let data = digits(257);
    let mut notes = Notes { at: vec![3], ..Notes::default() };
    block_on(open(&config(), &data, &Machine::Cpu).run(&mut notes)).unwrap();
    let mut from = notes.snapshots.swap_remove(0);
    from.tensors[1].words[0] = f32::NAN.to_bits();
    let error = open(&config(), &data, &Machine::Cpu).resume(&from).unwrap_err();
    assert!(error.to_string().contains(&format!("a value of {} is not finite", from.tensors[1].name)), "{error}");
}

#[test]
fn a_limit_ends_a_run_at_its_step_with_the_state_that_the_whole_run_has_there() {
    let data = digits(257);
    let limits = |max_steps, max_time| Limits { max_steps, max_time };
    let run = |limits| {
        let mut session = block_on(Session::open(&config(), &data, &Machine::Cpu, limits)).unwrap();
        let mut notes = Notes { at: vec![10], ..Notes::default() };
        let reason = block_on(session.run(&mut notes)).unwrap();
        (reason, notes, block_on(session.snapshot()).unwrap())
    };
    let (reason, whole, _) = run(limits(None, None));
    assert_eq!((reason, whole.reports.len()), (Reason::Finished, 3));
    let (reason, cut, end) = run(limits(Some(10), None));
    assert_eq!((reason, end.state.step), (Reason::MaxSteps, 10));
    assert_eq!(end.tensors, whole.snapshots.iter().find(|one| one.state.step == 10).unwrap().tensors);
    let last = cut.reports.last().unwrap();
    assert_eq!((cut.reports.len(), last.epoch, last.step, last.whole), (2, 2, 10, false));
    assert_eq!(last.train.samples, 3 * 40);
    let (reason, _, end) = run(limits(None, Some(Duration::ZERO)));
    assert_eq!(reason, Reason::MaxTime);
    assert!(end.state.step < 21);
}

#[test]
fn a_callback_receives_each_epoch_and_may_stop_the_run() {
    let data = digits(257);
    let mut received = Vec::new();
    let mut callback = |report: &EpochReport| {
        received.push((report.epoch, report.step));
        if report.epoch == 2 { Wish::Stop(Reason::Interrupted) } else { Wish::Continue }
    };
    let mut session = open(&config(), &data, &Machine::Cpu);
    assert_eq!(block_on(session.run(&mut callback)).unwrap(), Reason::Interrupted);
    assert_eq!(received, [(1, 7), (2, 14)]);
}

#[test]
fn tensors_of_another_net_are_refused() {
    let data = digits(257);
    let snapshot = block_on(open(&config(), &data, &Machine::Cpu).snapshot()).unwrap();
    let mut other = open(&Config { hidden: vec![17], ..config() }, &data, &Machine::Cpu);
    assert!(matches!(other.resume(&snapshot), Err(Error::Setting(message)) if message.contains("w1 (17,784) f32")));
}
