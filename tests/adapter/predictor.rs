//! A predictor classifies as an evaluation does, on every machine, however often it is called.

use crate::common::machines::machines;
use gpu_mlp::Error;
use gpu_mlp::config::Init;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap, Precision};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::{McDropout, Predictor, assess, classify};
use gpu_mlp::run::model_file::Description;
use pollster::block_on;

/// A random net for digits. Its weights are multiplied by `factor`.
fn model(factor: f32) -> (Mlp, Description) {
    let (widths, activation) = (vec![784, 40, 10], Activation::Relu);
    let mut model = Mlp::new(&widths, activation, Init::Auto, 3);
    model.layers.iter_mut().flat_map(|layer| &mut layer.weight).for_each(|weight| *weight *= factor);
    let description = Description::new(widths, activation, InputMap::UNIT);
    (model, Description { item: vec![28, 28], ..description })
}

#[test]
fn a_predictor_agrees_with_an_evaluation_at_every_batch_size() {
    let data = generate(&Options { train: 1, test: 1100, seed: 5 });
    let (model, description) = model(1.0);
    for machine in machines() {
        let name = machine.description();
        let whole = block_on(assess(&machine, &model, &description, &data.test, &data.item)).expect("an evaluation");
        for batch in [0, 3, 64, 5000] {
            let mut predictor = block_on(Predictor::new(&machine, &model, &description, batch)).expect("a predictor");
            let mut again = Vec::new();
            for samples in [0..1, 1..4, 4..4, 4..if batch < 64 { 40 } else { 1100 }] {
                let pixels = &data.test.pixels()[samples.start * 784..samples.end * 784];
                again.extend(block_on(predictor.classify(pixels)).expect("predictions").probabilities);
            }
            let apart =
                again.iter().zip(&whole.classes().unwrap().predictions.probabilities).map(|(a, b)| (a - b).abs());
            let apart = apart.fold(0.0, f32::max);
            assert!(apart <= 1e-6 && again.len() >= 400, "{name}, {batch} at a time: {apart}");
            let torn = block_on(predictor.classify(vec![0u8; 785]));
            assert!(matches!(torn, Err(Error::Setting(_))), "{name}: {torn:?}");
        }
    }
}

#[test]
fn outputs_that_are_not_finite_are_an_error_on_every_machine() {
    let data = generate(&Options { train: 1, test: 1030, seed: 5 });
    let (model, description) = model(1e25);
    let refused = |machine: &Machine| {
        let of_split = block_on(assess(machine, &model, &description, &data.test, &data.item)).map(drop);
        let pixels = data.test.pixels();
        let of_pixels = block_on(classify(machine, &model, &description, pixels, &data.item)).map(drop);
        [of_split, of_pixels]
    };
    for machine in machines() {
        for result in refused(&machine) {
            let Err(Error::NotFinite { index, class, value, .. }) = result else { panic!("{result:?}") };
            assert!(index == 0 && class == Some(0) && !value.is_finite(), "{}", machine.description());
        }
    }
}

/// RELIABILITY.md promises it: a row's answer does not depend on the rows beside it.
#[test]
fn the_answer_for_a_row_has_the_same_bits_in_1000_random_batchings() {
    let data = generate(&Options { train: 1, test: 300, seed: 5 });
    let (model, description) = model(1.0);
    let row = |at: usize| &data.test.pixels()[at * 784..][..784];
    for machine in machines() {
        let mut predictor = block_on(Predictor::new(&machine, &model, &description, 64)).expect("a predictor");
        let all = block_on(predictor.outputs(data.test.pixels())).expect("outputs");
        let bits = |outputs: &[f32]| outputs.iter().map(|output| output.to_bits()).collect::<Vec<_>>();
        // Software adapters compute a batch in milliseconds.
        let batchings = if matches!(machine, Machine::Cpu) { 1000 } else { 100 };
        let mut state = 1u64;
        let mut random = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % below
        };
        for batching in 0..batchings {
            let rows: Vec<usize> = (0..1 + random(100)).map(|_| random(300)).collect();
            let samples: Vec<u8> = rows.iter().flat_map(|&at| row(at)).copied().collect();
            let outputs = block_on(predictor.outputs(samples)).expect("outputs");
            for (answer, &at) in outputs.chunks(10).zip(&rows) {
                assert_eq!(
                    bits(answer),
                    bits(&all[at * 10..][..10]),
                    "{}, {batching}: row {at}",
                    machine.description()
                );
            }
        }
    }
}

/// Every machine draws the same dropout masks: in integers the answers have the same bits, in floats they differ by rounding.
#[test]
fn passes_with_dropout_have_the_same_masks_on_every_machine() {
    let data = generate(&Options { train: 1, test: 70, seed: 5 });
    let (model, description) = model(1.0);
    let dropout = McDropout { input_keep_prob: 0.9, keep_prob: 0.5, seed: 3 };
    for (precision, most) in [(None, 1e-5), (Some(Precision::Int8), 0.0)] {
        let description = Description { precision, ..description.clone() };
        let passes = |machine: &Machine| {
            let predictor = Predictor::with_dropout(machine, &model, &description, 33, &dropout);
            let mut predictor = block_on(predictor).expect("a predictor");
            let pass = |pass| block_on(predictor.answers_of_pass(data.test.pixels(), pass, 5)).expect("answers");
            [0, 1, 9].map(pass).concat()
        };
        let truth = passes(&Machine::Cpu);
        for machine in machines() {
            let apart = passes(&machine).iter().zip(&truth).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart <= most, "{}, {precision:?}: {apart}", machine.description());
        }
    }
}
