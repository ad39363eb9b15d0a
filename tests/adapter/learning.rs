//! Training learns, repeats bit-identically, and gives the same result for every way of feeding data.
//!
//! The built-in digits are always available. Tests on the real MNIST need GPU_MLP_DATA_DIR to name its folder; without
//! it they say so and pass.

use crate::common::machines::machines;
use crate::common::mnist::mnist;
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, Optimizer, PlanKind, Upload};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::train::{Epoch, Score, Trainer};
use pollster::block_on;

/// Trains to the end and returns the weights, the epochs, and the score on the test split.
fn train(config: &Config, data: &DataSet, machine: &Machine) -> Result<(Mlp, Vec<Epoch>, Score), Error> {
    block_on(async {
        let mut trainer = Trainer::open(config, data, machine).await?;
        let mut epochs = Vec::new();
        for _ in 0..config.epochs {
            epochs.push(trainer.epoch(&mut |_| {}).await?);
        }
        Ok((trainer.model().await?, epochs, trainer.evaluate().await?.expect("a test split")))
    })
}

fn digits(train: usize, test: usize) -> DataSet {
    generate(&Options { train, test, seed: 1 })
}

fn bits(model: &Mlp) -> Vec<u32> {
    let values = model.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias));
    values.map(|value| value.to_bits()).collect()
}

#[test]
fn every_machine_memorizes_64_digits() {
    let data = digits(64, 10);
    for machine in machines() {
        let config = Config { epochs: 60, batch_size: BatchSize::Samples(16), ..Config::default() };
        let (_, epochs, _) = train(&config, &data, &machine).unwrap();
        let last = epochs.last().unwrap().train;
        assert_eq!((last.metric_sum, last.samples), (64.0, 64), "{}: loss {}", machine.description(), last.loss());
    }
}

#[test]
fn default_settings_reach_97_percent_on_the_built_in_digits() {
    let data = generate(&Options::default());
    let (_, _, score) = train(&Config::default(), &data, &Machine::Cpu).unwrap();
    let accuracy = score.metric();
    assert!((0.97..1.0).contains(&accuracy), "accuracy {accuracy}");
}

#[test]
fn three_epochs_on_mnist_reach_97_percent_and_the_gpu_agrees() {
    let Some(data) = mnist() else { return };
    let config = Config { epochs: 3, ..Config::default() };
    let mut accuracies = Vec::new();
    for machine in machines() {
        let accuracy = train(&config, &data, &machine).unwrap().2.metric();
        eprintln!("{}: {accuracy}", machine.description());
        assert!((0.97..1.0).contains(&accuracy), "{}: accuracy {accuracy}", machine.description());
        accuracies.push(accuracy);
    }
    for accuracy in &accuracies {
        assert!((accuracy - accuracies[0]).abs() <= 0.003, "the machines reach {accuracies:?}");
    }
}

#[test]
fn two_layers_with_dropout_and_adam_reach_98_percent_on_mnist() {
    let Some(data) = mnist() else { return };
    let config = Config {
        hidden: vec![512, 512],
        keep_prob: 0.8,
        batch_size: BatchSize::Samples(128),
        optimizer: Optimizer::Adam,
        lr: Some(0.001),
        epochs: 8,
        ..Config::default()
    };
    let accuracy = train(&config, &data, &Machine::Cpu).unwrap().2.metric();
    assert!((0.982..1.0).contains(&accuracy), "accuracy {accuracy}");
}

#[test]
fn the_same_seed_gives_the_same_bits_however_the_data_is_fed() {
    // More samples than a window holds, and a partial batch at the end.
    let data = digits(20_011, 10);
    let config = Config {
        hidden: vec![30],
        keep_prob: 0.8,
        input_keep_prob: 0.9,
        momentum: 0.5,
        epochs: 2,
        ..Config::default()
    };
    for machine in machines() {
        let run = |upload| bits(&train(&Config { upload, ..config.clone() }, &data, &machine).unwrap().0);
        let resident = run(Upload::Resident);
        assert!(resident == run(Upload::Resident), "{}: another run differs", machine.description());
        assert!(resident == run(Upload::Stream), "{}: streaming differs", machine.description());
    }
    let other = Config { seed: 2, ..config.clone() };
    let [one, two] = [&config, &other].map(|config| bits(&train(config, &data, &Machine::Cpu).unwrap().0));
    assert!(one != two, "another seed must give other weights");
}

#[test]
fn every_batch_size_uses_every_sample_once_per_epoch() {
    let mut data = digits(257, 1);
    data.test = data.train.clone();
    for machine in machines() {
        for batch_size in [1, 7, 64, 256, 257].map(BatchSize::Samples).into_iter().chain([BatchSize::Full]) {
            // The step is too small to change a weight: with each sample used once, the epoch's loss is the split's.
            let config = Config { batch_size, lr: Some(1e-30), epochs: 1, physical_batch: 100, ..Config::default() };
            let (_, epochs, split) = train(&config, &data, &machine).unwrap();
            let (epoch, what) = (epochs[0].train, format!("{batch_size:?} on {}", machine.description()));
            assert_eq!((epoch.samples, split.samples), (257, 257));
            let apart = (epoch.loss_sum / split.loss_sum - 1.0).abs();
            assert!(apart <= 1e-5, "{what}: {} in training, {} of the split", epoch.loss_sum, split.loss_sum);
            // Two logits may be so close that rounding decides.
            let hits = [epoch, split].map(|score| score.metric_sum);
            assert!((hits[0] - hits[1]).abs() <= 1.0, "{what}: hits {hits:?}");
        }
    }
}

#[test]
fn cutting_a_batch_into_micro_batches_changes_weights_by_rounding_only() {
    let data = digits(500, 10);
    let whole = Config { batch_size: BatchSize::Full, keep_prob: 0.8, epochs: 3, ..Config::default() };
    let cut = Config { physical_batch: 64, ..whole.clone() };
    let [one, two] = [whole, cut].map(|config| train(&config, &data, &Machine::Cpu).unwrap().0);
    for (a, b) in one.layers.iter().zip(&two.layers) {
        for (a, b) in a.weight.iter().zip(&b.weight) {
            assert!((a - b).abs() <= 1e-5, "{a} and {b}");
        }
    }
}

#[test]
fn a_learning_rate_that_is_far_too_large_is_reported_and_stops_training() {
    let data = digits(1000, 10);
    let config = Config { lr: Some(1e20), ..Config::default() };
    for machine in machines() {
        match train(&config, &data, &machine) {
            // The first step's loss comes from the initial weights; its update makes the second step overflow.
            Err(Error::Diverged { epoch: 1, step: 2..=4, .. }) => {}
            other => panic!("{}: {:?}", machine.description(), other.map(|(_, epochs, _)| epochs)),
        }
    }
}

#[test]
fn the_fused_plan_trains_like_the_plain_one_except_for_rounding() {
    let data = digits(500, 10);
    for optimizer in Optimizer::ALL {
        let momentum = optimizer.default_momentum();
        let lr = Some(0.1 * optimizer.default_lr(momentum, 64, false));
        let plain = Config { optimizer, lr, momentum, l2: 0.01, keep_prob: 0.8, epochs: 2, ..Config::default() };
        let plain = Config { plan: PlanKind::Plain, ..plain };
        for machine in machines() {
            let fused = Config { plan: PlanKind::Fused, ..plain.clone() };
            let [one, two] = [&plain, &fused].map(|config| train(config, &data, &machine).unwrap().0);
            for (a, b) in one.layers.iter().zip(&two.layers) {
                let apart = a.weight.iter().zip(&b.weight).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(apart <= 1e-4, "{optimizer:?} on {}: weights are {apart} apart", machine.description());
            }
        }
    }
}
