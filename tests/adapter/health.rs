//! The health of a net is measured correctly, and measuring changes no weight.

use crate::common::machines::machines;
use gpu_mlp::config::Init;
use gpu_mlp::config::{ActivationName, BatchSize, Config, HealthName, Normalize, Optimizer, PlanKind};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::forms::Forms;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::train::health::LayerHealth;
use gpu_mlp::train::{Trainer, Values, input_map};
use pollster::block_on;

fn digits(train: usize) -> DataSet {
    generate(&Options { train, test: 10, seed: 1 })
}

/// Trains `model`, or a newly drawn one; returns each epoch's health and the final tensors.
fn train(
    config: &Config,
    data: &DataSet,
    machine: &Machine,
    model: Option<&Mlp>,
) -> (Vec<Option<Vec<LayerHealth>>>, Vec<Values>) {
    let inputs = input_map(&config.normalize, &data.train.samples);
    let forms = Forms { default: machine.form(), ..Forms::default() };
    let net = Net::for_training(config, Sizes::of(config, data, forms, machine.limit()).unwrap(), &inputs);
    let first = Mlp::new(&config.widths(data.inputs(), data.outputs()), config.activation(), config.init, config.seed);
    block_on(async {
        let engine = machine.engine(&net.plan).await?;
        let mut trainer = Trainer::new(config.clone(), data, net, model.unwrap_or(&first), engine);
        let mut health = Vec::new();
        for _ in 0..config.epochs {
            trainer.epoch(&mut |_| {}).await?;
            health.push(trainer.health().await?);
        }
        Ok::<_, gpu_mlp::Error>((health, trainer.tensors().await?))
    })
    .unwrap_or_else(|error| panic!("{}: {error}", machine.description()))
}

/// The health at the end of the run.
fn last(config: &Config, data: &DataSet, machine: &Machine) -> Vec<LayerHealth> {
    train(config, data, machine, None).0.pop().flatten().expect("the last epoch is measured")
}

#[test]
fn a_run_has_the_same_bits_whether_it_is_measured_or_not() {
    let data = digits(700);
    let small = Config { hidden: vec![33], keep_prob: 0.8, epochs: 6, ..Config::default() };
    let plain = Config { plan: PlanKind::Plain, physical_batch: 20, ..small.clone() };
    let adam = Config { optimizer: Optimizer::Adam, lr: Some(0.001), ema: 0.9, ..small.clone() };
    for machine in machines() {
        for config in [&small, &plain, &adam] {
            let [(off, without), (on, with)] = [HealthName::Off, HealthName::Record]
                .map(|health| train(&Config { health, ..config.clone() }, &data, &machine, None));
            assert!(
                off.iter().all(Option::is_none) && on[5].is_some(),
                "eleven updates per epoch: five epochs are too few"
            );
            assert!(without == with, "{}: other bits", machine.description());
        }
    }
}

#[test]
fn norms_and_ratios_match_the_step() {
    let data = digits(300);
    for machine in machines() {
        for plan in [PlanKind::Fused, PlanKind::Plain] {
            for physical_batch in [300, 128] {
                let config =
                    Config { plan, physical_batch, batch_size: BatchSize::Full, epochs: 1, ..Config::default() };
                let first = Mlp::new(&[784, 128, 10], config.activation(), config.init, config.seed);
                let health = last(&config, &data, &machine);
                assert_eq!(health.len(), 2);
                for (number, (found, layer)) in health.iter().zip(&first.layers).enumerate() {
                    let squares = layer.weight.iter().map(|&w| f64::from(w).powi(2)).sum::<f64>();
                    let near =
                        |a: f64, b: f64| assert!((a - b).abs() <= 1e-5 * b, "{plan:?} {physical_batch}: {a}, {b}");
                    assert_eq!(found.layer, number + 1);
                    near(found.weight_norm, squares.sqrt());
                    // A step of gradient descent is the learning rate times the gradient.
                    near(
                        found.update_ratio * found.weight_norm,
                        f64::from(config.learning_rate(300)) * found.gradient_norm,
                    );
                    assert_eq!(found.dead_share.is_some(), number == 0, "only hidden layers have units that can die");
                }
            }
        }
    }
}

#[test]
fn units_that_are_zero_for_every_sample_are_counted() {
    let data = digits(100);
    let config = Config { hidden: vec![8], normalize: Normalize::Unit, epochs: 1, ..Config::default() };
    let mut model = Mlp::new(&[784, 8, 10], config.activation(), Init::Auto, 1);
    let layer = &mut model.layers[0];
    for (unit, bias) in layer.bias.iter_mut().enumerate() {
        // No input is negative, so the sums have the sign of the weights.
        let sign = if unit < 3 { -1.0 } else { 1.0 };
        layer.weight[unit * 784..][..784].iter_mut().for_each(|w| *w = sign * w.abs());
        *bias = sign;
    }
    for machine in machines() {
        let (health, _) = train(&config, &data, &machine, Some(&model));
        assert_eq!(health[0].as_ref().expect("measured")[0].dead_share, Some(3.0 / 8.0));
    }
}

#[test]
fn the_gradient_vanishes_in_a_deep_net_of_sigmoids_and_not_in_one_of_relus() {
    let data = digits(640);
    let deep = Config { hidden: vec![64; 6], epochs: 1, ..Config::default() };
    let sigmoid = Config { activation: ActivationName::Sigmoid, init: Init::Normal, ..deep.clone() };
    for (config, vanishes) in [(sigmoid, true), (deep, false)] {
        let health = last(&config, &data, &Machine::Cpu);
        let share = health[0].gradient_norm / health[6].gradient_norm;
        assert_eq!(share < 1e-3, vanishes, "{share}");
        assert!(vanishes || share > 0.05, "{share}");
    }
}

#[test]
fn epochs_of_few_updates_are_measured_occasionally() {
    let config =
        Config { hidden: vec![4], batch_size: BatchSize::Full, epochs: 120, lr: Some(0.01), ..Config::default() };
    let (health, _) = train(&config, &digits(10), &Machine::Cpu, None);
    let measured: Vec<usize> = (1..=120).filter(|epoch| health[epoch - 1].is_some()).collect();
    assert_eq!(measured, [1, 10, 100, 120]);
}
