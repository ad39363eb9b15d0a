//! A device fault is an error with one message that says what to do, never a hang or a panic.

use crate::common::machines::adapters;
use allocation_counter::measure;
use gpu_mlp::Error;
use gpu_mlp::base::error::Oversize;
use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::data::{DataSet, digits};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::engine::memory;
use gpu_mlp::engine::timeout::TimeLimited;
use gpu_mlp::engine::{Engine, Memory, Pending};
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::Work;
use gpu_mlp::plan::tensor::Role;
use gpu_mlp::plan::tensor::{DType, TensorId};
use gpu_mlp::train::Trainer;
use gpu_mlp::train::trial::Trial;

use std::ops::Range;
use std::time::{Duration, Instant};

fn digits_of(train: usize) -> DataSet {
    digits::generate(&digits::Options { train, test: 100, ..Default::default() })
}

/// Checks that the error's message has more than 20 bytes and contains these words.
#[track_caller]
fn fails<T>(result: Result<T, Error>, words: &[&str]) -> Error {
    let Err(error) = result else { panic!("no error") };
    let text = error.to_string();
    for word in words {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
    assert!(text.len() > 20, "{text}");
    error
}

/// Trains until the device is lost, then checks that every later request is an error.
fn lose(config: &Config, data: &DataSet) {
    for machine in adapters() {
        let Machine::Gpu(gpu) = &machine else { unreachable!() };
        let mut trainer = pollster::block_on(Trainer::open(config, data, &machine)).unwrap();
        let mut calls = 0;
        let lost = pollster::block_on(trainer.epoch(&mut |_| {
            calls += 1;
            gpu.destroy();
        }));
        // Work in flight when the device was lost may still have finished.
        let lost = lost.and_then(|_| pollster::block_on(trainer.epoch(&mut |_| {})));
        assert!(calls > 0);
        let error = fails(lost.map(|_| ()), &["the GPU was lost"]);
        assert!(matches!(error, Error::DeviceLost { .. }), "{error:?}");
        fails(pollster::block_on(trainer.evaluate()).map(|_| ()), &["lost"]);
        fails(pollster::block_on(trainer.model()).map(|_| ()), &["lost"]);
        fails(pollster::block_on(Trainer::open(config, data, &machine)).map(|_| ()), &["lost"]);
    }
}

#[test]
fn a_device_lost_while_training_is_an_error_and_so_is_every_later_request() {
    lose(&Config::default(), &digits_of(2000));
}

/// Floats, with each loss.
#[test]
fn a_device_lost_while_training_on_a_table_is_an_error() {
    for run in Trial::tables().unwrap() {
        lose(&Config { epochs: 3, ..run.config }, &run.data);
    }
}

/// A lost device refuses everything at once, but reports the loss only when its queue is empty.
#[test]
fn a_device_lost_during_long_work_is_reported_as_lost_and_not_as_refusing() {
    let config = Config { hidden: vec![1024], batch_size: BatchSize::Samples(512), ..Config::default() };
    lose(&config, &digits_of(4096));
}

/// An engine that computes nothing and never answers a read.
struct Mute;

impl Engine for Mute {
    fn write(&mut self, _: TensorId, _: usize, _: &[u32]) {}
    fn run<'a>(&'a mut self, _: &'a [Work]) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }
    fn read(&mut self, _: TensorId, _: Range<usize>) -> Pending<'static, Vec<u32>> {
        Box::pin(std::future::pending())
    }
    fn fences(&mut self, _: TensorId) -> Pending<'static, Vec<u32>> {
        Box::pin(std::future::pending())
    }
}

#[test]
fn results_that_never_arrive_are_an_error_after_a_while() {
    let data = digits_of(2000);
    let config = Config::default();
    let net = Net::for_training(&config, Sizes::of(&config, &data, Form::Plain, u64::MAX).unwrap(), &InputMap::RAW);
    let model = gpu_mlp::net::mlp::Mlp::new(&[784, 128, 10], config.activation(), config.init, 1);
    let patience = Duration::from_millis(200);
    let engine = Box::new(TimeLimited::new(Box::new(Mute), patience));
    let mut trainer = Trainer::new(config, &data, net, &model, engine);
    let begin = Instant::now();
    let error = fails(pollster::block_on(trainer.epoch(&mut |_| {})).map(|_| ()), &["not answer for 0.2 s"]);
    assert!(matches!(error, Error::NoAnswer { .. }), "{error:?}");
    assert!(begin.elapsed() >= patience);
}

#[test]
fn a_plan_that_no_adapter_can_bind_is_refused_before_anything_is_allocated() {
    for machine in adapters() {
        let limit = machine.limit();
        let mut plan = gpu_mlp::plan::Plan::default();
        plan.f32("h1", Role::Activation { layer: 1 }, 4096, (limit / 4096 / 4) as usize + 4);
        let words = ["h1(4096,", "iB", "this adapter binds at most"];
        let allocated = measure(|| {
            let error = fails(memory::check(&plan, machine.room(), 0, 0), &words);
            let cause = Oversize::MicroBatch { rows: 2048 };
            assert!(matches!(error, Error::TooLarge { cause: found, .. } if found == cause), "{error:?}");
            fails(pollster::block_on(machine.engine_with(&plan, Memory::default())).map(|_| ()), &["h1"]);
        });
        assert!(allocated.bytes_max < 1 << 20, "{allocated:?}");
    }
}

#[test]
fn a_net_larger_than_the_memory_is_refused_before_its_weights_are_drawn() {
    // A layer of 2²⁰ by 2²⁰ weights is 4 TiB.
    let config = Config { hidden: vec![1 << 20, 1 << 20], ..Config::default() };
    let data = digits_of(100);
    let words = ["w2(1048576,1048576)", "TiB", "the free memory allows"];
    if cfg!(target_os = "linux") {
        let allocated = measure(|| {
            let error = fails(pollster::block_on(Trainer::open(&config, &data, &Machine::Cpu)).map(|_| ()), &words);
            assert!(matches!(error, Error::TooLarge { cause: Oversize::Width, .. }), "{error:?}");
        });
        assert!(allocated.bytes_max < 1 << 20, "{allocated:?}");
    }
}

#[test]
fn work_that_the_adapter_refuses_is_an_error() {
    for machine in adapters() {
        let mut plan = gpu_mlp::plan::Plan::default();
        let id = plan.tensor("x", Role::Scratch, DType::U32, 1, 4);
        let mut engine = pollster::block_on(machine.engine(&plan)).unwrap();
        // Beyond the end of the tensor.
        engine.write(id, 1000, &[1, 2, 3]);
        let result = pollster::block_on(engine.read(id, 0..4));
        let error = fails(result, &["the GPU refused"]);
        assert!(matches!(error, Error::DeviceRefused { .. }), "{error:?}");
    }
}
