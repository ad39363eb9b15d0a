//! The values of `results::explain` against plain loops in double precision, and its gradients against finite differences.

use gpu_mlp::data::Split;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::{Layer, Mlp};
use gpu_mlp::results::explain::{Explainer, Explanation};
use gpu_mlp::run::model_file::Description;
use pollster::block_on;

const WIDTHS: [usize; 4] = [5, 6, 4, 3];
const PIXELS: [u8; 5] = [0, 51, 102, 204, 255];
const TRUTH: u8 = 2;
/// Step of the differences. In double precision neither rounding nor curvature matters at this size.
const STEP: f64 = 1e-5;
/// Single precision.
const NEAR: f64 = 3e-6;

/// A model with weights that are all different.
fn model(activation: Activation) -> Mlp {
    let value = |at: usize| ((at * 7919 + 13) % 1000) as f32 / 500.0 - 1.0;
    let layer = |(number, pair): (usize, &[usize])| Layer {
        inputs: pair[0],
        outputs: pair[1],
        weight: (0..pair[0] * pair[1]).map(|at| 0.7 * value(at + 97 * number)).collect(),
        bias: (0..pair[1]).map(|at| 0.3 * value(at + 31 * number)).collect(),
    };
    Mlp { activation, layers: WIDTHS.windows(2).enumerate().map(layer).collect() }
}

fn explain(activation: Activation, back: bool) -> Explanation {
    let description = Description::new(WIDTHS.to_vec(), activation, InputMap::UNIT);
    block_on(async {
        let mut explainer = Explainer::new(&Machine::Cpu, &model(activation), &description).await.expect("it fits");
        let sample = Split::new(PIXELS.to_vec(), vec![TRUTH]);
        explainer.explain(&sample, back, 0).await.expect("finite values")
    })
}

/// The activation in double precision.
fn apply(activation: Activation, z: f64) -> f64 {
    match activation {
        Activation::Tanh => z.tanh(),
        Activation::Sigmoid => 1.0 / (1.0 + (-z).exp()),
        Activation::Relu => z.max(0.0),
        Activation::Silu => z / (1.0 + (-z).exp()),
        _ => unreachable!("not tested here"),
    }
}

/// The sums of each layer, the probabilities and the loss, by plain loops.
fn forward(activation: Activation, parameters: &[Vec<f64>], inputs: &[f64]) -> (Vec<Vec<f64>>, Vec<f64>, f64) {
    let (mut x, mut sums) = (inputs.to_vec(), Vec::new());
    for (at, pair) in WIDTHS.windows(2).enumerate() {
        let (weight, bias) = parameters[at].split_at(pair[0] * pair[1]);
        let z: Vec<f64> =
            (0..pair[1]).map(|o| bias[o] + (0..pair[0]).map(|i| weight[o * pair[0] + i] * x[i]).sum::<f64>()).collect();
        x = z.iter().map(|&z| apply(activation, z)).collect();
        sums.push(z);
    }
    let last = sums.last().expect("layers");
    let all: f64 = last.iter().map(|z| z.exp()).sum();
    let p: Vec<f64> = last.iter().map(|z| z.exp() / all).collect();
    let loss = -p[usize::from(TRUTH)].ln();
    (sums, p, loss)
}

fn near(found: &[f32], truth: &[f64], what: &str) {
    assert_eq!(found.len(), truth.len(), "{what}");
    for (at, (found, truth)) in found.iter().zip(truth).enumerate() {
        // Written as `<=`, so that a NaN never passes.
        assert!(
            (f64::from(*found) - truth).abs() <= NEAR * (1.0 + truth.abs()),
            "{what}[{at}]: {found}, must be {truth}"
        );
    }
}

#[test]
fn every_value_is_that_of_the_formulas_and_every_gradient_the_slope_of_the_loss() {
    for activation in [Activation::Tanh, Activation::Sigmoid, Activation::Relu, Activation::Silu] {
        let found = explain(activation, true);
        let inputs: Vec<f64> = PIXELS.iter().map(|&pixel| f64::from(pixel) / 255.0).collect();
        let parameters: Vec<Vec<f64>> = model(activation)
            .layers
            .iter()
            .map(|layer| layer.weight.iter().chain(&layer.bias).map(|&v| f64::from(v)).collect())
            .collect();
        let (sums, p, loss) = forward(activation, &parameters, &inputs);
        near(&found.inputs, &inputs, "x");
        for (layer, z) in found.layers.iter().zip(&sums) {
            near(&layer.z, z, "z");
            let last = layer.layer == sums.len();
            let h: Vec<f64> = z.iter().map(|&z| if last { z } else { apply(activation, z) }).collect();
            near(&layer.h, &h, "h");
            assert!(layer.gates.is_empty());
        }
        near(&found.probabilities, &p, "p");
        let back = found.backward.expect("a target is given");
        near(&[back.loss], &[loss], "loss");
        assert_eq!(back.target, [0.0, 0.0, 1.0]);
        let last = back.layers.last().expect("layers");
        near(&last.delta, &[p[0], p[1], p[2] - 1.0], "p - y");
        // Finite differences of every parameter, and of every input.
        for (at, signals) in back.layers.iter().enumerate() {
            let slope = |of: usize| {
                let moved = |by: f64| {
                    let mut parameters = parameters.clone();
                    parameters[at][of] += by;
                    forward(activation, &parameters, &inputs).2
                };
                (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
            };
            let slopes: Vec<f64> = (0..parameters[at].len()).map(slope).collect();
            let (weights, biases) = slopes.split_at(signals.weight_gradient.len());
            near(&signals.weight_gradient, weights, "dW");
            near(&signals.bias_gradient, biases, "db");
            assert_eq!(signals.delta, signals.bias_gradient, "of one sample");
        }
        let slope = |of: usize| {
            let moved = |by: f64| {
                let mut inputs = inputs.clone();
                inputs[of] += by;
                forward(activation, &parameters, &inputs).2
            };
            (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
        };
        near(&back.input_gradient, &(0..inputs.len()).map(slope).collect::<Vec<f64>>(), "dx");
    }
}

#[test]
fn without_a_target_there_is_no_way_back() {
    let (with, without) = (explain(Activation::Relu, true), explain(Activation::Relu, false));
    assert!(without.backward.is_none() && without.layers == with.layers && without.probabilities == with.probabilities);
}

#[test]
fn closed_gates_give_zeros_and_open_ones_are_scaled() {
    let (activation, keep) = (Activation::Sigmoid, 0.5);
    let description = Description::new(WIDTHS.to_vec(), activation, InputMap::UNIT);
    block_on(async {
        let model = model(activation);
        let mut explainer = Explainer::with_dropout(&Machine::Cpu, &model, &description, keep).await.expect("it fits");
        let sample = Split::new(PIXELS.to_vec(), vec![TRUTH]);
        let mut open = 0;
        for step in 0..20 {
            let found = explainer.explain(&sample, true, step).await.expect("finite values");
            let first = &found.layers[0];
            assert_eq!(first.gates.len(), WIDTHS[1]);
            for ((gate, z), h) in first.gates.iter().zip(&first.z).zip(&first.h) {
                let wanted = if *gate { activation.apply(*z) / keep } else { 0.0 };
                assert!((h - wanted).abs() <= 1e-6, "{h}, must be {wanted}");
                open += usize::from(*gate);
            }
        }
        assert!((40..=80).contains(&open), "{open} of 120 gates are open");
    });
}

/// Of a batch, the outputs are those of its samples, and the gradients the means of theirs.
#[test]
fn a_batch_has_the_outputs_of_its_samples_and_the_means_of_their_gradients() {
    let (activation, truths) = (Activation::Tanh, [2u8, 0, 1]);
    let samples: Vec<[u8; 5]> = (0..3).map(|at| PIXELS.map(|pixel| pixel.wrapping_add(70 * at))).collect();
    let description = Description::new(WIDTHS.to_vec(), activation, InputMap::UNIT);
    block_on(async {
        let model = model(activation);
        let mut each = Vec::new();
        let mut explainer = Explainer::new(&Machine::Cpu, &model, &description).await.expect("it fits");
        for (pixels, truth) in samples.iter().zip(truths) {
            let sample = Split::new(pixels.to_vec(), vec![truth]);
            each.push(explainer.explain(&sample, true, 0).await.expect("finite values"));
        }
        let all = Split::new(samples.concat(), truths.to_vec());
        let refused = explainer.batch(&all).await.expect_err("it was made for one sample").to_string();
        assert!(refused.contains("batches of 1"), "{refused}");
        let mut explainer = Explainer::for_batch(&Machine::Cpu, &model, &description, 3).await.expect("it fits");
        assert!(explainer.explain(&all, true, 0).await.is_err());
        let found = explainer.batch(&all).await.expect("finite values");
        assert_eq!(found.layers.len(), 3);
        for (at, layer) in found.layers.iter().enumerate() {
            let h: Vec<f64> = each.iter().flat_map(|one| &one.layers[at].h).map(|&h| f64::from(h)).collect();
            near(&layer.h, &h, "h");
            assert_eq!(layer.h.len(), 3 * layer.outputs);
            let signals = || each.iter().map(|one| &one.backward.as_ref().expect("a target").layers[at]);
            let mean = |pick: &dyn Fn(usize) -> Vec<f32>, count: usize| -> Vec<f64> {
                let all: Vec<Vec<f32>> = (0..3).map(pick).collect();
                (0..count).map(|value| all.iter().map(|one| f64::from(one[value])).sum::<f64>() / 3.0).collect()
            };
            let of = |one: usize| signals().nth(one).expect("a sample");
            let weights = mean(&|one| of(one).weight_gradient.clone(), layer.weight_gradient.len());
            near(&layer.weight_gradient, &weights, "dw");
            let biases = mean(&|one| of(one).bias_gradient.clone(), layer.bias_gradient.len());
            near(&layer.bias_gradient, &biases, "db");
            assert!(biases.iter().any(|bias| bias.abs() > 1e-3), "{biases:?}");
        }
    });
}
