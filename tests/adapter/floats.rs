//! Samples of floats, with targets and weights of every kind: resident and streamed give bit-identical models.

use crate::common::machines::machines;
use gpu_mlp::config::{BatchSize, Config, Upload};
use gpu_mlp::data::{DataSet, Split, Targets};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::train::{Score, Trainer, divide};
use pollster::block_on;

/// More than two windows, so that the first half of the tensor is used twice; the last window is not full.
const ROWS: usize = 20_011;
/// No multiple of 4, so rows are padded on the device.
const INPUTS: usize = 5;

/// Different numbers between −1 and 1.
fn noise(count: usize) -> Vec<f32> {
    (0..count).map(|at| ((at % 100_003) as f32 * 0.618_034).sin()).collect()
}

fn train(config: &Config, data: &DataSet, machine: &Machine) -> (Mlp, Score, Score) {
    block_on(async {
        let mut trainer = Trainer::open(config, data, machine).await.expect("a trainer");
        let windows = trainer.net().training.as_ref().expect("training").source.window;
        assert_eq!(windows < ROWS, config.upload == Upload::Stream, "{:?}: {windows}", config.upload);
        let epoch = trainer.epoch(&mut |_| {}).await.expect("an epoch");
        let test = trainer.evaluate().await.expect("a score").expect("a test split");
        (trainer.model().await.expect("a model"), epoch.train, test)
    })
}

#[test]
fn float_samples_resident_and_streamed_give_the_same_model() {
    let (samples, sums) = (noise(ROWS * INPUTS), noise(ROWS * INPUTS + 1));
    let of = |row: usize, at: usize| sums[row * INPUTS] + at as f32 * sums[row * INPUTS + 1];
    let two = || (0..2 * ROWS).map(|at| of(at / 2, at % 2));
    let machines = machines();
    for (name, targets) in [
        ("classes", Targets::Classes((0..ROWS).map(|row| u32::from(of(row, 1) > 0.0) * 2).collect())),
        ("values", Targets::Values { width: 2, values: two().collect() }),
        ("labels", Targets::Labels { width: 2, values: two().map(|value| f32::from(value > 0.0)).collect() }),
    ] {
        let weights = Some((0..ROWS).map(|row| (row % 4) as f32 / 2.0).collect());
        let split = Split { weights, ..Split::new(samples.clone(), targets) };
        let test = split.head(300);
        let data = DataSet::from_splits("noise", vec![INPUTS], split, test).expect("a set");
        let config =
            Config { hidden: vec![7], lr: Some(0.1), batch_size: BatchSize::Samples(100), ..Config::default() };
        let data = divide(&config, data).expect("encoded data");
        for machine in &machines {
            let with = |upload| train(&Config { upload, ..config.clone() }, &data, machine);
            let (resident, streamed) = (with(Upload::Resident), with(Upload::Stream));
            assert!(resident == streamed, "{name} on {}: {:?} and {:?}", machine.description(), resident.1, streamed.1);
            let (_, before, after) = resident;
            assert!(
                before.samples == ROWS as u64 && after.loss() < before.loss(),
                "{name}: it learns: {before:?}, {after:?}"
            );
        }
    }
}
