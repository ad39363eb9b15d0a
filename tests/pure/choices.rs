//! The validation split decides early stopping, the best epoch and the plateau; it does not affect the weights.

use crate::common::splits;
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, Optimizer, Schedule};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::train::lr_find::lr_find;
use gpu_mlp::train::rates::Sweep;
use gpu_mlp::train::session::{EpochReport, Limits, Observer, Reason, Session, Snapshot, Wish};
use pollster::block_on;

/// Takes a snapshot after every update and records the reports.
#[derive(Default)]
struct Notes {
    snapshots: Vec<Snapshot>,
    reports: Vec<EpochReport>,
}

impl Observer for Notes {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, Error> {
        self.reports.push(report.clone());
        Ok(Wish::Continue)
    }

    fn snapshot_at(&mut self, step: u64) -> Option<u64> {
        Some(step + 1)
    }

    fn snapshot(&mut self, snapshot: &Snapshot) -> Result<(), Error> {
        self.snapshots.push(snapshot.clone());
        Ok(())
    }
}

/// A run whose validation loss soon rises again: a large net, few samples, a high rate.
fn config() -> Config {
    Config {
        hidden: vec![64],
        batch_size: BatchSize::Samples(20),
        schedule: Schedule::Plateau,
        plateau_patience: 1,
        early_stopping: 3,
        restore_best: true,
        validation: 40.into(),
        limit_train: Some(60.into()),
        lr: Some(0.3),
        epochs: 60,
        ..Config::default()
    }
}

fn data(config: &Config) -> DataSet {
    gpu_mlp::train::divide(config, generate(&Options { train: 300, test: 50, seed: 1 })).unwrap()
}

fn open<'a>(config: &Config, data: &'a DataSet) -> Session<'a> {
    block_on(Session::open(config, data, &Machine::Cpu, Limits::default())).unwrap()
}

fn finished(config: &Config, data: &DataSet) -> (Reason, Mlp) {
    let mut session = open(config, data);
    let reason = block_on(session.run(&mut |_: &EpochReport| Wish::Continue)).unwrap();
    (reason, block_on(session.finish()).unwrap().model)
}

#[test]
fn a_run_stops_without_improvement_and_returns_the_best_epoch() {
    let (config, mut notes) = (config(), Notes::default());
    let data = data(&config);
    let mut session = open(&config, &data);
    assert_eq!(block_on(session.run(&mut notes)).unwrap(), Reason::EarlyStopping);
    let losses: Vec<f64> = notes.reports.iter().map(|report| report.validation.unwrap().loss()).collect();
    let best = losses.iter().copied().fold(f64::INFINITY, f64::min);
    let number = losses.iter().position(|&loss| loss == best).unwrap() + 1;
    assert_eq!(losses.len(), number + 3, "three epochs of patience: {losses:?}");
    assert!(notes.reports.iter().all(|report| report.test.is_none()), "the test split is not scored before the end");
    assert!(notes.reports.last().unwrap().lr < 0.3 * 0.6, "the plateau lowered the rate");

    let finish = block_on(session.finish()).unwrap();
    assert_eq!(finish.restored, Some(number));
    let snapshot = &notes.snapshots[3 * number - 1];
    assert_eq!(snapshot.state.step, 3 * number as u64);
    assert_eq!(snapshot.tensors[0].floats(), finish.model.layers[0].weight);
}

#[test]
fn a_resumed_run_makes_the_same_choices() {
    let (config, mut notes) = (config(), Notes::default());
    let data = data(&config);
    let mut whole = open(&config, &data);
    block_on(whole.run(&mut notes)).unwrap();
    let finish = block_on(whole.finish()).unwrap();
    for at in [2, 3 * notes.reports.len() - 7, 3 * notes.reports.len() - 3, 3 * notes.reports.len()] {
        let from = &notes.snapshots[at - 1];
        let state = serde_json::from_str(&serde_json::to_string(&from.state).unwrap()).unwrap();
        let mut rest = open(&config, &data);
        rest.resume(&Snapshot { state, ..from.clone() }).unwrap();
        assert_eq!(block_on(rest.run(&mut Notes::default())).unwrap(), Reason::EarlyStopping, "after update {at}");
        let end = block_on(rest.finish()).unwrap();
        assert_eq!((end.model, end.restored, end.test), (finish.model.clone(), finish.restored, finish.test));
    }
}

#[test]
fn the_validation_samples_do_not_affect_the_weights() {
    let config = Config {
        early_stopping: 0,
        restore_best: false,
        schedule: Schedule::OneCycle,
        momentum: 0.9,
        lr: Some(0.05),
        epochs: 3,
        ..config()
    };
    let data = data(&config);
    let mut noise = data.clone();
    splits::pixels(noise.validation.as_mut().unwrap()).iter_mut().for_each(|pixel| *pixel = 255 - *pixel);
    let mut none = data.clone();
    none.validation = None;
    let [one, two, three] = [data, noise, none].map(|data| finished(&config, &data).1);
    assert!(one == two && one == three);
}

#[test]
fn choices_need_a_validation_split() {
    let data = generate(&Options { train: 100, test: 10, seed: 1 });
    let plain = Config { schedule: Schedule::Constant, early_stopping: 0, restore_best: false, ..config() };
    for config in [
        Config { early_stopping: 1, ..plain.clone() },
        Config { restore_best: true, ..plain.clone() },
        Config { schedule: Schedule::Plateau, ..plain.clone() },
    ] {
        let refused = block_on(Session::open(&config, &data, &Machine::Cpu, Limits::default())).err().unwrap();
        assert!(refused.to_string().contains("needs a validation split"), "{refused}");
    }
    assert_eq!(finished(&Config { epochs: 1, ..plain }, &data).0, Reason::Finished);
}

#[test]
fn accumulated_batches_are_one_large_batch() {
    let data = generate(&Options { train: 250, test: 10, seed: 1 });
    let plain = Config { keep_prob: 0.8, epochs: 2, ..Config::default() };
    let small = Config { batch_size: BatchSize::Samples(20), accumulate: 3, ..plain.clone() };
    let large = Config { batch_size: BatchSize::Samples(60), physical_batch: 20, ..plain };
    assert!(finished(&small, &data).1 == finished(&large, &data).1);
}

#[test]
fn the_suggested_rate_trains() {
    let plain =
        Config { validation: 0.into(), limit_train: None, restore_best: false, early_stopping: 0, ..Config::default() };
    for optimizer in Optimizer::ALL {
        for validation in [0, 200] {
            let momentum = optimizer.default_momentum();
            let config = Config { optimizer, momentum, validation: validation.into(), epochs: 3, ..plain.clone() };
            let data = gpu_mlp::train::divide(&config, generate(&Options { train: 3000, test: 500, seed: 1 })).unwrap();
            let found = block_on(lr_find(&config, &data, &Machine::Cpu, Sweep::default())).unwrap();
            if optimizer == Optimizer::Sgd {
                let again = block_on(lr_find(&config, &data, &Machine::Cpu, Sweep::default())).unwrap();
                assert_eq!(found, again, "a second search gives the same result");
            }
            let lr = found.suggestion.unwrap() as f32;
            assert!(found.points.windows(2).all(|two| two[0].lr < two[1].lr));
            let mut session = open(&Config { lr: Some(lr), ..config }, &data);
            block_on(session.run(&mut |_: &EpochReport| Wish::Continue)).unwrap();
            let accuracy = block_on(session.finish()).unwrap().test.unwrap().metric();
            assert!(accuracy > 0.85, "{optimizer:?}, validation {validation}: {lr} leads to {accuracy}");
        }
    }
}

#[test]
fn an_invalid_sweep_is_refused() {
    let data = generate(&Options { train: 100, test: 10, seed: 1 });
    for sweep in [
        Sweep { from: 0.0, ..Sweep::default() },
        Sweep { from: 1.0, to: 0.1, ..Sweep::default() },
        Sweep { to: f64::INFINITY, ..Sweep::default() },
        Sweep { steps: 49, ..Sweep::default() },
    ] {
        assert!(matches!(block_on(lr_find(&Config::default(), &data, &Machine::Cpu, sweep)), Err(Error::Setting(_))));
    }
}
