//! Clipping, RMSprop and averages follow PyTorch's definitions; each is recomputed here from plain steps.

use crate::common::machines::machines;
use gpu_mlp::config::{BatchSize, Config, Optimizer, PlanKind};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::train::{Trainer, Values};
use pollster::block_on;

/// Full-batch training: an epoch is one update.
fn config() -> Config {
    Config { hidden: vec![20], batch_size: BatchSize::Full, lr: Some(1.0), epochs: 1000, ..Config::default() }
}

fn digits() -> DataSet {
    generate(&Options { train: 100, test: 10, seed: 1 })
}

/// Concatenated values of all tensors whose name begins with one of the prefixes.
fn flat(tensors: &[Values], prefixes: [&str; 2]) -> Vec<f64> {
    let named = |tensor: &&Values| prefixes.iter().any(|prefix| tensor.name.starts_with(prefix));
    tensors.iter().filter(named).flat_map(|tensor| tensor.floats()).map(f64::from).collect()
}

/// All tensors before training and after each of `updates` updates.
fn states(config: &Config, data: &DataSet, machine: &Machine, updates: usize) -> Vec<Vec<Values>> {
    block_on(async {
        let mut trainer = Trainer::open(config, data, machine).await?;
        let mut states = vec![trainer.tensors().await?];
        for _ in 0..updates {
            trainer.epoch(&mut |_| {}).await?;
            states.push(trainer.tensors().await?);
        }
        Ok::<_, gpu_mlp::Error>(states)
    })
    .unwrap_or_else(|error| panic!("{}: {error}", machine.description()))
}

fn parameters(states: &[Vec<Values>]) -> Vec<Vec<f64>> {
    states.iter().map(|tensors| flat(tensors, ["w", "b"])).collect()
}

/// Checks two vectors to 10⁻⁵ of the largest value plus 10⁻⁷, the rounding of the parameters.
#[track_caller]
fn near(found: &[f64], wanted: &[f64]) {
    let largest = wanted.iter().fold(0.0f64, |largest, value| largest.max(value.abs()));
    assert!(found.len() == wanted.len() && largest > 0.0);
    for (found, wanted) in found.iter().zip(wanted) {
        assert!((found - wanted).abs() <= 1e-5 * largest + 1e-7, "{found}, not {wanted}; the largest is {largest}");
    }
}

fn minus(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a - b).collect()
}

fn each(values: &[f64], f: impl Fn(f64) -> f64) -> Vec<f64> {
    values.iter().map(|&value| f(value)).collect()
}

/// The gradient at the first weights: a step of gradient descent with learning rate 1.
fn gradient(data: &DataSet) -> Vec<f64> {
    let states = parameters(&states(&config(), data, &Machine::Cpu, 1));
    minus(&states[0], &states[1])
}

#[test]
fn gradients_are_clipped_by_their_norm_and_by_value() {
    let data = digits();
    let gradient = gradient(&data);
    let norm = gradient.iter().map(|g| g * g).sum::<f64>().sqrt();
    let (half, small) = (norm as f32 / 2.0, norm as f32 / 100.0);
    let by_norm = |limit: f32| each(&gradient, |g| g * (f64::from(limit) / (norm + 1e-6)).min(1.0));
    let by_value = |g: &[f64], limit: f32| each(g, |g| g.clamp(-f64::from(limit), f64::from(limit)));
    for machine in machines() {
        // The sum of several micro-batches is clipped, not each of them.
        for physical_batch in [100, 30] {
            let step = |clip_norm, clip_value| {
                let config = Config { clip_norm, clip_value, physical_batch, ..config() };
                let states = parameters(&states(&config, &data, &machine, 1));
                minus(&states[0], &states[1])
            };
            near(&step(half, 0.0), &by_norm(half));
            near(&step(2.0 * norm as f32, 0.0), &gradient);
            near(&step(0.0, small), &by_value(&gradient, small));
            near(&step(half, small), &by_value(&by_norm(half), small));
        }
    }
}

#[test]
fn rmsprop_matches_pytorch() {
    let data = digits();
    let gradient = gradient(&data);
    for machine in machines() {
        for plan in [PlanKind::Fused, PlanKind::Plain] {
            for momentum in [0.0, 0.9] {
                let config =
                    Config { optimizer: Optimizer::Rmsprop, momentum, epsilon: 1e-3, lr: Some(0.1), plan, ..config() };
                let states = states(&config, &data, &machine, 1);
                let all = parameters(&states);
                let square = each(&gradient, |g| 0.01 * g * g);
                near(&flat(&states[1], ["s_w", "s_b"]), &square);
                let step: Vec<f64> = gradient.iter().zip(&square).map(|(g, s)| 0.1 * g / (s.sqrt() + 1e-3)).collect();
                near(&minus(&all[0], &all[1]), &step);
            }
        }
    }
}

#[test]
fn the_average_begins_with_the_first_update_and_is_evaluated_and_saved() {
    let data = digits();
    for machine in machines() {
        for plan in [PlanKind::Fused, PlanKind::Plain] {
            let config = Config { ema: 0.9, plan, ..config() };
            let states = states(&config, &data, &machine, 3);
            let all = parameters(&states);
            let mut average = all[1].clone();
            for (number, state) in states.iter().enumerate().skip(1) {
                average = average.iter().zip(&all[number]).map(|(a, w)| 0.9 * a + 0.1 * w).collect();
                near(&flat(state, ["ema_w", "ema_b"]), &average);
            }
            block_on(async {
                let mut trainer = Trainer::open(&config, &data, &machine).await?;
                let mut plain = Trainer::open(&Config { ema: 0.0, ..config.clone() }, &data, &machine).await?;
                let first = trainer.evaluate().await?;
                assert_eq!(first, plain.evaluate().await?, "before the first update both are the first weights");
                for _ in 0..3 {
                    trainer.epoch(&mut |_| {}).await?;
                    plain.epoch(&mut |_| {}).await?;
                }
                let saved = trainer.model().await?;
                let saved: Vec<f32> =
                    saved.layers.iter().flat_map(|layer| layer.weight.iter().chain(&layer.bias)).copied().collect();
                near(&saved.into_iter().map(f64::from).collect::<Vec<_>>(), &average);
                assert!(trainer.evaluate().await? != plain.evaluate().await?, "averages are evaluated");
                Ok::<_, gpu_mlp::Error>(())
            })
            .expect("the machine trains");
        }
    }
}
