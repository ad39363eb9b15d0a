//! A weight of 2 equals the row twice, and a weight of 0 equals the row gone: for every loss and every optimizer.

use gpu_mlp::config::{ActivationName, BatchSize, Config, LossName, Optimizer, PlanKind, Schedule};
use gpu_mlp::data::{DataSet, Scaling, Split, Targets};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::train::{Score, Trainer};
use pollster::block_on;

const ROWS: usize = 24;
const INPUTS: usize = 5;

/// The weight of each row: 0, 1, 2, 0, 1, 2 …
fn weight(row: usize) -> usize {
    row % 3
}

/// Different numbers between −1 and 1.
fn noise(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|at| ((at * 131 + seed * 977) as f32 * 0.618_034).sin()).collect()
}

/// Targets for a loss, two per row but for classes.
fn targets(loss: LossName) -> Targets {
    let values = noise(2 * ROWS, 7);
    match loss {
        LossName::Auto | LossName::CrossEntropy => Targets::Classes((0..ROWS as u32).map(|row| row * 7 % 4).collect()),
        LossName::Bce => {
            Targets::Labels { width: 2, values: values.iter().map(|value| f32::from(*value > 0.0)).collect() }
        }
        LossName::Poisson => {
            Targets::Values { width: 2, values: values.iter().map(|value| (value * 4.0).abs().round()).collect() }
        }
        LossName::Mse | LossName::Mae | LossName::Huber => Targets::Values { width: 2, values },
    }
}

/// The rows with weights, and the rows without weights in which each stands as often as its weight says.
fn pair(loss: LossName) -> [DataSet; 2] {
    let rows = Split::new(noise(ROWS * INPUTS, 1), targets(loss));
    let repeated: Vec<usize> = (0..ROWS).flat_map(|row| std::iter::repeat_n(row, weight(row))).collect();
    let repeated = rows.rows(&repeated);
    let weights = Some((0..ROWS).map(|row| weight(row) as f32).collect());
    [Split { weights, ..rows }, repeated].map(|split| {
        let data = DataSet::from_splits("rows", vec![INPUTS], split.clone(), split).expect("a set");
        // What is learned of the rows would differ, and is not the subject.
        data.encoded(Scaling::None, false).expect("encoded data")
    })
}

/// The model after one step of full batches, the score before it, and the score of the test split after it.
fn step(config: &Config, data: &DataSet) -> (Mlp, Score, Score) {
    block_on(async {
        let mut trainer = Trainer::open(config, data, &Machine::Cpu).await.expect("a trainer");
        let epoch = trainer.epoch(&mut |_| {}).await.expect("an epoch");
        let test = trainer.evaluate().await.expect("a score").expect("a test split");
        (trainer.model().await.expect("a model"), epoch.train, test)
    })
}

/// Largest difference of a weight or bias of two models.
fn apart(one: &Mlp, other: &Mlp) -> f32 {
    let values =
        |model: &Mlp| model.layers.iter().flat_map(|l| l.weight.iter().chain(&l.bias)).copied().collect::<Vec<_>>();
    values(one).iter().zip(&values(other)).fold(0.0, |most: f32, (a, b)| most.max((a - b).abs()))
}

#[test]
fn a_weight_counts_like_repetition_for_every_loss_and_optimizer() {
    let losses =
        [LossName::CrossEntropy, LossName::Mse, LossName::Mae, LossName::Huber, LossName::Poisson, LossName::Bce];
    for loss in losses {
        let [weighted, repeated] = pair(loss);
        let unweighted = DataSet { train: Split { weights: None, ..weighted.train.clone() }, ..weighted.clone() };
        for optimizer in Optimizer::ALL {
            for plan in [PlanKind::Fused, PlanKind::Plain] {
                let config = Config {
                    hidden: vec![6],
                    activation: ActivationName::Tanh,
                    loss,
                    huber_delta: 0.3,
                    optimizer,
                    momentum: optimizer.default_momentum(),
                    // Divisors near 0 would enlarge rounding errors of small gradients.
                    epsilon: 0.01,
                    l2: 0.01,
                    lr: Some(0.1),
                    schedule: Schedule::Constant,
                    batch_size: BatchSize::Full,
                    // Three micro-batches of unequal weight.
                    physical_batch: 9,
                    epochs: 1,
                    plan,
                    ..Config::default()
                };
                let what = format!("{loss:?}, {optimizer:?}, {plan:?}");
                let [(one, train, test), (other, same_train, same_test)] =
                    [&weighted, &repeated].map(|data| step(&config, data));
                let difference = apart(&one, &other);
                assert!(difference <= 1e-5, "{what}: weights are apart by {difference}");
                for (one, other) in [(train, same_train), (test, same_test)] {
                    assert_eq!(one.weight(), other.weight(), "{what}");
                    let differences = [one.loss() - other.loss(), one.metric() - other.metric()].map(f64::abs);
                    assert!(differences.iter().all(|&apart| apart <= 1e-5), "{what}: {one:?} and {other:?}");
                }
                // The weights matter.
                assert!(apart(&one, &step(&config, &unweighted).0) > 1e-3, "{what}: weights have no effect");
            }
        }
    }
}
