//! A predictor classifies as an evaluation does, on every machine, however often it is called.

use crate::common::machines::machines;
use gpu_mlp::Error;
use gpu_mlp::config::Init;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::{Predictor, assess, classify};
use gpu_mlp::run::model_file::Description;
use pollster::block_on;

/// A random net for digits. Its weights are multiplied by `factor`.
fn model(factor: f32) -> (Mlp, Description) {
    let (widths, activation) = (vec![784, 40, 10], Activation::Relu);
    let mut model = Mlp::new(&widths, activation, Init::Auto, 3);
    model.layers.iter_mut().flat_map(|layer| &mut layer.weight).for_each(|weight| *weight *= factor);
    let [data, data_sha256, version] = [const { String::new() }; 3];
    let item = vec![28, 28];
    (
        model,
        Description {
            widths,
            activation,
            inputs: InputMap::UNIT,
            item,
            transposed: None,
            data,
            data_sha256,
            version,
            layout: None,
        },
    )
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
                let pixels = &data.test.pixels[samples.start * 784..samples.end * 784];
                again.extend(block_on(predictor.classify(pixels)).expect("predictions").probabilities);
            }
            let apart = again.iter().zip(&whole.predictions.probabilities).map(|(a, b)| (a - b).abs());
            let apart = apart.fold(0.0, f32::max);
            assert!(apart <= 1e-6 && again.len() >= 400, "{name}, {batch} at a time: {apart}");
            let torn = block_on(predictor.classify(&[0; 785]));
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
        let pixels = data.test.pixels.clone();
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
