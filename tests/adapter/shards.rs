//! Batches in shards on every adapter: two processes, here threads, give the bits of one.

use crate::common::machines;
use crate::common::team::in_threads;
use gpu_mlp::config::{BatchSize, Config, Upload};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::train::Values;
use gpu_mlp::train::exchange::{Alone, Exchange};
use gpu_mlp::train::session::{EpochReport, Limits, Session, Wish};
use pollster::block_on;

#[test]
fn two_processes_give_the_bits_of_one_on_every_adapter() {
    let data = generate(&Options { train: 150, test: 50, seed: 1 });
    let floats = Config {
        hidden: vec![16],
        batch_size: BatchSize::Samples(40),
        shards: Some(4),
        keep_prob: 0.8,
        momentum: 0.9,
        epochs: 1,
        ..Config::default()
    };
    let integers = Config { precision: Precision::Int8, upload: Upload::Stream, ..floats.clone() };
    let trained = |config: &Config, machine: &Machine, exchange: Box<dyn Exchange>| -> (Vec<Values>, String) {
        block_on(async {
            let mut session = Session::open(config, &data, machine, Limits::default()).await.expect("a session");
            session.share(exchange).expect("enough shards");
            let mut score = String::new();
            let mut note = |report: &EpochReport| {
                score = format!("{:?} {:?} {:?}", report.train, report.test, report.health);
                Wish::Continue
            };
            session.run(&mut note).await.expect("a run");
            (session.snapshot().await.expect("a snapshot").tensors, score)
        })
    };
    for machine in machines::machines() {
        for config in [&floats, &integers] {
            let alone = trained(config, &machine, Box::new(Alone));
            for both in in_threads(2, |member| trained(config, &machine, Box::new(member))) {
                assert!(both == alone, "{}, {:?}: {}, {}", machine.description(), config.precision, both.1, alone.1);
            }
        }
    }
}
