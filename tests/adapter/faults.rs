//! A non-finite value is detected, and the tensor where it began is named, even where activations hide it.

use crate::common::machines::machines;
use gpu_mlp::config::{ActivationName, Config, OnNan, Optimizer};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::engine::{Engine, Memory, Pending};
use gpu_mlp::kernels::forms::Forms;
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::Work;
use gpu_mlp::plan::tensor::TensorId;
use gpu_mlp::train::Trainer;
use gpu_mlp::{Error, Origin};
use pollster::block_on;
use std::ops::Range;

fn digits() -> DataSet {
    generate(&Options { train: 1000, test: 10, seed: 1 })
}

/// A trainer after one epoch, with one value of the tensor `name` replaced by `value`.
fn poisoned<'a>(config: &Config, data: &'a DataSet, machine: &Machine, name: &str, value: f32) -> Trainer<'a> {
    block_on(async {
        let mut trainer = Trainer::open(config, data, machine).await?;
        trainer.epoch(&mut |_| {}).await?;
        let mut tensors = trainer.tensors().await?;
        let tensor = tensors.iter_mut().find(|tensor| tensor.name == name).expect("the net has it");
        tensor.words[3 * tensor.cols + 5] = value.to_bits();
        trainer.restore(&tensors)?;
        trainer.seek(trainer.step(), trainer.score());
        Ok::<_, Error>(trainer)
    })
    .expect("one epoch is trained")
}

/// The error of the next epoch.
fn fault(trainer: &mut Trainer<'_>) -> (String, u64, Origin) {
    match block_on(trainer.epoch(&mut |_| {})) {
        Err(Error::Diverged { what, step, origin, .. }) => (what, step, origin),
        Err(other) => panic!("{other}"),
        Ok(epoch) => panic!("trained on, to a loss of {}", epoch.train.loss()),
    }
}

#[test]
fn a_step_that_is_too_large_is_named_with_the_weights_it_ruined() {
    let data = digits();
    for machine in machines() {
        let config = Config { lr: Some(1e38), ..Config::default() };
        let mut trainer = block_on(Trainer::open(&config, &data, &machine)).expect("it fits");
        let (what, step, origin) = fault(&mut trainer);
        // The second update's loss shows it, or a check of the parameters while the next updates are in flight.
        assert!((2..=4).contains(&step), "{what} in step {step}");
        let Origin::Tensor { tensor, layer, step, kernel, value, .. } = &origin else { panic!("{origin}") };
        assert!((*layer, *step) == (1, 1) || (*layer, *step) == (2, 1) || *step == 2, "{origin}");
        assert!(kernel.is_some() && !value.is_finite() && tensor.contains('('), "{origin}");
        // The trainer is back in its state before the step.
        assert_eq!(trainer.step(), 0);
        let tensors = block_on(trainer.tensors()).expect("all of them are finite");
        let first = Mlp::new(&[784, 128, 10], config.activation(), config.init, config.seed);
        assert!(tensors[0].floats() == first.layers[0].weight);
    }
}

#[test]
fn one_poisoned_weight_is_found_under_every_activation() {
    let data = digits();
    let relu = Config { epochs: 3, lr: Some(0.01), ..Config::default() };
    let tanh = Config { activation: ActivationName::Tanh, ..relu.clone() };
    let sigmoid = Config { activation: ActivationName::Sigmoid, ..relu.clone() };
    for machine in machines() {
        for config in [&relu, &tanh, &sigmoid] {
            for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                for (name, layer) in [("w1", 1), ("w2", 2)] {
                    let mut trainer = poisoned(config, &data, &machine, name, value);
                    let (what, _, origin) = fault(&mut trainer);
                    let what = format!(
                        "{} {:?} {value} in {name}: {what}: {origin}",
                        machine.description(),
                        config.activation
                    );
                    let Origin::Tensor { tensor, layer: found, place, kernel, step, .. } = origin else {
                        panic!("{what}")
                    };
                    assert!(tensor.starts_with(&format!("{name}(")) && found == layer, "{what}");
                    assert_eq!((place, kernel, step), ((3, 5), None, 17), "{what}");
                }
            }
        }
    }
}

#[test]
fn a_nan_in_the_optimizer_state_is_an_error_when_the_state_is_read() {
    let data = digits();
    let config = Config { momentum: 0.9, lr: Some(0.01), ..Config::default() };
    let mut trainer = poisoned(&config, &data, &Machine::Cpu, "v_w1", f32::NAN);
    let Err(Error::Diverged { origin, .. }) = block_on(trainer.tensors()) else {
        panic!("the state was read without an error")
    };
    assert!(origin.to_string().starts_with("it began with v_w1(128,784)[3,5] of layer 1, which was NaN"), "{origin}");
}

#[test]
fn an_overflow_of_the_optimizer_state_is_found_though_weights_and_losses_are_finite() {
    let data = digits();
    let config = Config { hidden: vec![], optimizer: Optimizer::Adam, lr: Some(1e-30), epochs: 1, ..Config::default() };
    let model = Mlp::new(&[784, 10], config.activation(), config.init, config.seed);
    for machine in machines() {
        let forms = Forms { default: machine.form(), ..Forms::default() };
        // Inputs so large that the square of a gradient overflows.
        let net = Net::for_training(
            &config,
            Sizes::of(&config, &data, forms, machine.limit()).unwrap(),
            &InputMap { scale: 1e20, shift: 0.0 },
        );
        let engine = block_on(machine.engine(&net.plan)).expect("the plan fits");
        let mut trainer = Trainer::new(config.clone(), &data, net, &model, engine);
        // No loss shows the overflow. On a slow machine, training reads the tensors too, to save a state for replay.
        let trained = block_on(trainer.epoch(&mut |_| {})).map(|_| ());
        let read = trained.and_then(|()| block_on(trainer.tensors()).map(|_| ()));
        let Err(Error::Diverged { origin, .. }) = read else { panic!("nothing overflowed") };
        let Origin::Tensor { tensor, layer: 1, step: 1, kernel: Some(kernel), value, .. } = &origin else {
            panic!("{origin}")
        };
        assert!(tensor == "v_w1(10,784)" && kernel.starts_with("update_adam") && *value == f32::INFINITY, "{origin}");
    }
}

#[test]
fn a_run_that_started_from_a_model_is_replayed_from_that_model() {
    let data = digits();
    let config = Config { lr: Some(1e38), ..Config::default() };
    let model = Mlp::new(&[784, 128, 10], config.activation(), config.init, 77);
    for machine in machines() {
        let mut trainer = block_on(Trainer::open(&config, &data, &machine)).expect("it fits");
        trainer.begin_with(&model).expect("it has the widths of the net");
        let (_, _, origin) = fault(&mut trainer);
        assert!(matches!(origin, Origin::Tensor { kernel: Some(_), .. }), "{origin}");
        let tensors = block_on(trainer.tensors()).expect("all of them are finite");
        assert!(tensors[0].floats() == model.layers[0].weight, "the replay began with another model");
    }
}

#[test]
fn with_on_nan_ignore_training_continues() {
    let data = digits();
    let config = Config { on_nan: OnNan::Ignore, epochs: 2, ..Config::default() };
    let mut trainer = poisoned(&config, &data, &Machine::Cpu, "w1", f32::NAN);
    let epoch = block_on(trainer.epoch(&mut |_| {})).expect("a NaN is ignored");
    assert!(epoch.train.loss().is_nan());
    assert!(block_on(trainer.model()).is_ok());
}

/// A faulty machine: after `until` runs, one weight becomes infinite.
struct Faulty {
    cpu: CpuEngine,
    weights: TensorId,
    until: usize,
}

impl Engine for Faulty {
    fn write(&mut self, id: TensorId, first: usize, words: &[u32]) {
        self.cpu.write(id, first, words);
    }

    fn run<'a>(&'a mut self, work: &'a [Work]) -> Pending<'a, ()> {
        self.cpu.run_now(work);
        self.until = self.until.wrapping_sub(1);
        if self.until == 0 {
            self.cpu.write(self.weights, 0, &[f32::INFINITY.to_bits()]);
        }
        Box::pin(std::future::ready(Ok(())))
    }

    fn read(&mut self, id: TensorId, words: Range<usize>) -> Pending<'static, Vec<u32>> {
        self.cpu.read(id, words)
    }

    fn fences(&mut self, id: TensorId) -> Pending<'static, Vec<u32>> {
        self.cpu.fences(id)
    }
}

#[test]
fn a_fault_of_the_machine_is_distinguished_from_a_divergence() {
    let (data, config) = (digits(), Config::default());
    let net = Net::for_training(&config, Sizes::of(&config, &data, Form::Plain, u64::MAX).unwrap(), &InputMap::UNIT);
    let model = Mlp::new(&[784, 128, 10], config.activation(), config.init, config.seed);
    let cpu = CpuEngine::new(&net.plan, Memory::default());
    let engine = Box::new(Faulty { cpu, weights: net.layers[1].w, until: 1 });
    let mut trainer = Trainer::new(config, &data, net, &model, engine);
    let (_, _, origin) = fault(&mut trainer);
    assert_eq!(origin, Origin::Nowhere { from: 1 });
}
