//! Mixed precision learns as well as single precision.

use crate::common::{machines, mnist};
use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, Optimizer};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::gpu::{Gpu, Wanted};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::measure::tune::{Tune, tune};
use gpu_mlp::plan::kernel::Needs;
use gpu_mlp::train::Trainer;
use pollster::block_on;

/// Accuracy on the test split after training, for each of several seeds.
fn accuracies(config: &Config, data: &DataSet, machine: &Machine, seeds: u64) -> Vec<f64> {
    let train = async |seed| {
        let config = Config { seed, ..config.clone() };
        let mut trainer = Trainer::open(&config, data, machine).await?;
        for _ in 0..config.epochs {
            trainer.epoch(&mut |_| {}).await?;
        }
        Ok::<_, Error>(trainer.evaluate().await?.unwrap().metric())
    };
    (1..=seeds).map(|seed| block_on(train(seed)).expect("it trains")).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Checks that two means differ by at most three standard errors of the difference of two accuracies. The standard
/// error assumes independent test splits; both use the same split, so the true error is smaller.
fn alike(single: &[f64], mixed: &[f64], tested: usize) {
    let (p, q) = (mean(single), mean(mixed));
    let error = (p * (1.0 - p) * 2.0 / tested as f64).sqrt();
    eprintln!("single {single:?} mean {p:.4}, mixed {mixed:?} mean {q:.4}, standard error {error:.4}");
    assert!((p - q).abs() <= 3.0 * error, "{p} and {q} differ by more than {error} three times");
}

#[test]
fn mixed_precision_has_the_accuracy_of_single_precision() {
    let data = mnist::mnist().unwrap_or_else(|| generate(&Options::default()));
    let adam = Config { optimizer: Optimizer::Adam, lr: Some(0.001), epochs: 2, hidden: vec![64], ..Config::default() };
    for config in [Config { epochs: 3, ..Config::default() }, adam] {
        let mixed = Config { precision: Precision::F16Mixed, ..config.clone() };
        let single = accuracies(&config, &data, &Machine::Cpu, 3);
        alike(&single, &accuracies(&mixed, &data, &Machine::Cpu, 3), data.test.len());
        assert!(mean(&single) > 0.95);
    }
}

#[test]
fn adapters_with_half_precision_agree_with_the_cpu_and_the_others_say_what_they_lack() {
    let data = generate(&Options { train: 1000, test: 500, seed: 1 });
    let config = Config {
        precision: Precision::F16Mixed,
        hidden: vec![32],
        // The last batch is smaller and so has another loss scale; each batch has several micro-batches.
        batch_size: BatchSize::Samples(150),
        physical_batch: 64,
        epochs: 5,
        ..Config::default()
    };
    let on_cpu = accuracies(&config, &data, &Machine::Cpu, 1)[0];
    for machine in machines::adapters() {
        if machine.offers() < Needs::Half {
            let refused = block_on(Trainer::open(&config, &data, &machine)).map(|_| ());
            let refused = refused.expect_err("half precision is missing").to_string();
            assert!(refused.contains("linear_half needs half precision (f16)"), "{refused}");
            continue;
        }
        let accuracy = accuracies(&config, &data, &machine, 1)[0];
        // One sample in a hundred may be classified differently.
        assert!((accuracy - on_cpu).abs() <= 0.01, "{}: {accuracy}, the CPU {on_cpu}", machine.description());
        let tuning = block_on(tune(&config, &data, &machine, Tune::Force, None)).expect("the adapter answers");
        assert!(tuning.forms.values().all(|form| form.is_half()), "{tuning:?}");
        assert_eq!(tuning.notes, [""; 0], "{}: a self-test failed", machine.description());
    }
}

#[test]
fn half_precision_is_requested_from_a_device_only_if_it_is_needed() {
    for one in machines::found() {
        let offers = one.offers();
        let gpu = block_on(Gpu::open(one, None)).expect("a listed adapter can be opened");
        assert_eq!(gpu.offers(), Needs::Core);
        let wanted = Wanted { adapter: Some(gpu.line().into()), precision: Precision::F16Mixed, ..Wanted::default() };
        let chosen = block_on(Machine::choose(gpu_mlp::engine::machine::EngineName::Gpu, &wanted));
        match (offers, chosen) {
            (Needs::Core, Err(Error::NoAdapter { problem, cause })) => {
                assert!(problem.contains("precision f16-mixed needs half precision"), "{problem}");
                assert_eq!(cause, gpu_mlp::base::error::NoAdapter::Lacks);
            }
            (Needs::Core, _) => panic!("{} was chosen", gpu.line()),
            (offers, Ok((machine, _))) => assert_eq!(machine.offers(), offers),
            (_, Err(error)) => panic!("{}: {error}", gpu.line()),
        }
    }
}
