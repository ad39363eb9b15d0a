//! Training in integers gives the same bits on every machine, for any micro-batches, with streamed data, and after a resume.

use crate::common::machines::machines;
use gpu_mlp::Error;
use gpu_mlp::config::{ActivationName, BatchSize, ClassWeight, Config, Optimizer, PlanKind, Schedule, Upload};
use gpu_mlp::data::{DataSet, Split, digits};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Precision;
use gpu_mlp::train::golden::{Golden, SHA256};
use gpu_mlp::train::{Score, Trainer, Values, divide};
use pollster::block_on;

fn data() -> DataSet {
    digits::generate(&digits::Options { train: 1000, test: 200, seed: 1 })
}

/// Widths that are not multiples of a tile, dropout, momentum, smoothing and penalty.
fn config() -> Config {
    Config {
        hidden: vec![65, 34, 17, 9, 21],
        batch_size: BatchSize::Samples(64),
        epochs: 2,
        lr: Some(0.05),
        momentum: 0.9,
        keep_prob: 0.9,
        input_keep_prob: 0.9,
        label_smoothing: 0.1,
        l2: 1e-4,
        precision: Precision::Int8,
        ..Config::default()
    }
}

/// What a run leaves: tensors, and the scores of its epochs.
type Outcome = (Vec<Values>, Vec<Score>);

fn train(config: &Config, data: &DataSet, machine: &Machine) -> Outcome {
    block_on(async {
        let mut trainer = Trainer::open(config, data, machine).await.expect("a trainer");
        let mut scores = Vec::new();
        for _ in 0..config.epochs {
            scores.push(trainer.epoch(&mut |_| {}).await.expect("an epoch").train);
            scores.push(trainer.evaluate().await.expect("a score").expect("a test split"));
        }
        (trainer.tensors().await.expect("tensors"), scores)
    })
}

#[test]
fn the_golden_run_is_the_same_on_every_machine() {
    for machine in machines() {
        let golden = block_on(Golden::run(&machine)).expect("a run");
        assert!(golden.accuracy > 0.9 && golden.updates > 300, "{golden:?}");
        assert_eq!(golden.sha256, SHA256, "{}", machine.description());
    }
}

/// The adapters take turns: each compiles the shaders anew, and the parity tests compare every kernel on every adapter.
#[test]
fn every_optimizer_and_activation_trains_the_same_bits_as_on_the_cpu() {
    let data = data();
    let base = Config { epochs: 1, ..config() };
    let variants = [
        Config { momentum: 0.0, activation: ActivationName::Identity, hidden: vec![20], ..base.clone() },
        Config { optimizer: Optimizer::Nesterov, activation: ActivationName::Tanh, hidden: vec![40], ..base.clone() },
        Config { activation: ActivationName::Sigmoid, hidden: vec![40], clip_value: 0.001, ..base.clone() },
        Config { activation: ActivationName::LeakyRelu, schedule: Schedule::OneCycle, hidden: vec![33, 7], ..base },
    ];
    let machines = machines();
    for (config, machine) in variants.iter().zip(machines[1..].iter().cycle()) {
        let want = train(config, &data, &Machine::Cpu);
        assert!(train(config, &data, machine) == want, "{}: {config:?}", machine.description());
    }
}

#[test]
fn the_plan_and_the_micro_batches_do_not_matter() {
    let data = data();
    let want = train(&config(), &data, &Machine::Cpu);
    let changes = [
        Config { plan: PlanKind::Plain, ..config() },
        Config { physical_batch: 57, ..config() },
        Config { physical_batch: 32, ..config() },
        Config { physical_batch: 7, ..config() },
        Config { batch_size: BatchSize::Samples(16), accumulate: 4, ..config() },
        Config { upload: Upload::Stream, ..config() },
    ];
    for machine in machines() {
        // Adapters run the same plans as the CPU, so one size of micro-batches, in the plain plan, is enough for them.
        let tried = if matches!(machine, Machine::Cpu) { &changes[..] } else { &changes[1..2] };
        for change in tried {
            assert!(train(change, &data, &machine) == want, "{}: {change:?}", machine.description());
        }
    }
}

#[test]
fn samples_of_floats_may_be_streamed() {
    let rows = 20_000;
    let samples: Vec<f32> = (0..rows * 3).map(|at| ((at % 10_007) as f32 * 0.618_034).sin() * 3.0).collect();
    let classes: Vec<u32> = samples.chunks(3).map(|row| u32::from(row[0] > row[1])).collect();
    let split = Split::new(samples, classes);
    let set = DataSet::from_splits("noise", vec![3], split.clone(), split.head(500)).expect("a set");
    let config = Config { hidden: vec![12], batch_size: BatchSize::Samples(100), epochs: 1, ..config() };
    let set = divide(&config, set).expect("encoded data");
    let want = train(&config, &set, &Machine::Cpu);
    let score = want.1[1];
    assert!(score.metric() > 0.9, "{score:?}");
    for machine in machines() {
        let streamed = train(&Config { upload: Upload::Stream, ..config.clone() }, &set, &machine);
        assert!(streamed == want, "{}", machine.description());
    }
}

#[test]
fn a_run_resumed_at_any_update_ends_with_the_same_bits() {
    let (data, config) = (data(), config());
    let (want, _) = train(&config, &data, &Machine::Cpu);
    for stop in 1..=16 {
        let end = block_on(async {
            let mut first = Trainer::open(&config, &data, &Machine::Cpu).await.expect("a trainer");
            for _ in 0..stop {
                first.advance(first.step() + 1, &mut |_| std::ops::ControlFlow::Continue(())).await.expect("an update");
            }
            let tensors = first.tensors().await.expect("tensors");
            let mut second = Trainer::open(&config, &data, &Machine::Cpu).await.expect("a trainer");
            second.restore(&tensors).expect("the same tensors");
            second.seek(first.step(), first.score());
            while second.step() < 2 * second.updates_per_epoch() {
                second.advance(u64::MAX, &mut |_| std::ops::ControlFlow::Continue(())).await.expect("an epoch");
            }
            second.tensors().await.expect("tensors")
        });
        assert!(end == want, "stopped after update {stop}");
    }
}

/// The saved model holds the weights as products use them, so its accuracy is the one that the run has measured.
#[test]
fn a_saved_model_scores_as_the_run_did() {
    use gpu_mlp::results::assess::Predictor;
    use gpu_mlp::run::model_file::Description;
    let (data, config) = (data(), config());
    block_on(async {
        let mut trainer = Trainer::open(&config, &data, &Machine::Cpu).await.expect("a trainer");
        trainer.epoch(&mut |_| {}).await.expect("an epoch");
        let score = trainer.evaluate().await.expect("a score").expect("a test split");
        let model = trainer.model().await.expect("a model");
        let description = Description::of(&config, &data, trainer.net());
        for machine in machines() {
            let mut predictor = Predictor::new(&machine, &model, &description, 64).await.expect("a predictor");
            let found = predictor.classify(data.test.pixels().to_vec()).await.expect("predictions");
            let right = (0..data.test.len()).filter(|&at| found.class(at) == data.test.classes()[at] as usize).count();
            assert_eq!(right as f64, score.metric_sum, "{}", machine.description());
        }
    });
}

#[test]
fn what_has_no_integer_form_is_refused() {
    let data = data();
    let refused = |config: Config| match block_on(Trainer::open(&config, &data, &Machine::Cpu)) {
        Err(Error::Setting(problem)) => problem,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted: {config:?}"),
    };
    for (config, part) in [
        (Config { optimizer: Optimizer::Adam, momentum: 0.0, ..config() }, "use sgd or nesterov"),
        (Config { clip_norm: 1.0, ..config() }, "use clip-value"),
        (Config { ema: 0.9, ..config() }, "averages"),
        (Config { activation: ActivationName::Gelu, ..config() }, "gelu has no integer form"),
        (Config { keep_prob: 1e-4, ..config() }, "above 2147483647"),
    ] {
        let problem = refused(config);
        assert!(problem.starts_with("precision is int8, but ") && problem.contains(part), "{problem}");
    }
    let weighted = Config { class_weight: Some("balanced".parse::<ClassWeight>().expect("a weight")), ..config() };
    let set = divide(&weighted, data.clone()).expect("a set");
    let error = block_on(Trainer::open(&weighted, &set, &Machine::Cpu)).err().expect("an error").to_string();
    assert!(error.contains("samples have weights"), "{error}");
}
