//! The default learning rate trains at every batch size, with every optimizer.

use gpu_mlp::config::{BatchSize, Config, Optimizer};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::train::session::{EpochReport, Limits, Session, Wish};
use pollster::block_on;

#[test]
fn the_default_rate_learns_at_every_batch_size() {
    let data = generate(&Options { train: 2000, test: 500, seed: 1 });
    for optimizer in Optimizer::ALL {
        let sizes = [1, 4, 16, 64, 256, 1024].map(BatchSize::Samples).into_iter().chain([BatchSize::Full]);
        for batch_size in sizes {
            // At least 50 updates.
            let epochs = (50 * batch_size.samples(2000)).div_ceil(2000).max(5);
            let momentum = optimizer.default_momentum();
            let config = Config { optimizer, momentum, batch_size, epochs, hidden: vec![32], ..Config::default() };
            let mut session = block_on(Session::open(&config, &data, &Machine::Cpu, Limits::default())).unwrap();
            let lr = session.trainer().config().lr;
            assert_eq!(lr, Some(config.learning_rate(2000)), "the resolved rate is recorded");
            block_on(session.run(&mut |_: &EpochReport| Wish::Continue)).unwrap();
            let accuracy = block_on(session.finish()).unwrap().test.unwrap().metric();
            assert!(accuracy > 0.8, "{optimizer:?} at batch size {batch_size}, rate {lr:?}: {accuracy}");
        }
    }
}

#[test]
fn the_default_rate_at_batch_size_64_is_that_of_old_runs() {
    let rates = Optimizer::ALL.map(|optimizer| optimizer.default_lr(optimizer.default_momentum(), 64, false));
    assert_eq!(rates, [0.2, 0.05, 0.001, 0.001, 0.001]);
}
