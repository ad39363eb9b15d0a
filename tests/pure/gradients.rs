//! Gradients against numerical slopes of the loss, which plain loops compute in double precision with the same masks.

mod losses;
mod rig;

use gpu_mlp::config::{ActivationName, BatchSize, Config};
use gpu_mlp::kernels::Activation;
use gpu_mlp::kernels::linear_dx::LinearDx;
use gpu_mlp::plan::tensor::Role;
use rig::{Rig, SAMPLES, config, net, trained};

const ACTIVATIONS: [ActivationName; 12] = [
    ActivationName::Sigmoid,
    ActivationName::Tanh,
    ActivationName::Relu,
    ActivationName::LeakyRelu,
    ActivationName::Identity,
    ActivationName::Gelu,
    ActivationName::GeluTanh,
    ActivationName::Silu,
    ActivationName::Mish,
    ActivationName::Selu,
    ActivationName::Elu,
    ActivationName::Softplus,
];

/// Slope of a loss by each value: (f(v + h) − f(v − h)) / 2h, or `None` where a sum crosses the kink of its ReLU.
fn slopes(values: &[f64], kinks: bool, loss: impl Fn(&[f64]) -> (f64, Vec<bool>)) -> Vec<Option<f64>> {
    const H: f64 = 1e-4;
    let moved = |at: usize, by: f64| {
        let mut values = values.to_vec();
        values[at] += by;
        loss(&values)
    };
    let slope = |at| {
        let ((up, sides_up), (down, sides_down)) = (moved(at, H), moved(at, -H));
        (!kinks || sides_up == sides_down).then_some((up - down) / (2.0 * H))
    };
    (0..values.len()).map(slope).collect()
}

/// Error of single precision after about forty roundings, as a share of the largest value.
const TOLERANCE: f64 = 40.0 * f32::EPSILON as f64;

/// Describes the first value that is too far from its known true value.
fn fault(found: &[f64], truth: &[Option<f64>]) -> Option<String> {
    let pairs = || found.iter().zip(truth).filter_map(|(found, truth)| Some((*found, (*truth)?)));
    let largest = pairs().map(|(_, truth)| truth.abs()).fold(0.0, f64::max);
    if found.len() != truth.len() || largest < 1e-3 || pairs().count() * 10 < truth.len() * 9 {
        return Some(format!("too few true values are known: {truth:?}"));
    }
    // Written as `<=`, so that a NaN never passes.
    let close = |found: f64, truth: f64| (found - truth).abs() <= TOLERANCE * largest;
    let at = pairs().position(|(found, truth)| !close(found, truth))?;
    let (found, truth) = pairs().nth(at)?;
    Some(format!("value {at} is {found:e}, must be {truth:e}; the largest is {largest:e}"))
}

/// True values that are all known.
fn known(values: Vec<f64>) -> Vec<Option<f64>> {
    values.into_iter().map(Some).collect()
}

/// Whether the activation has a kink.
fn has_kinks(config: &Config) -> bool {
    matches!(config.activation, ActivationName::Relu | ActivationName::LeakyRelu)
}

/// Every activation, with up to two hidden layers, with and without dropout; label smoothing where there is dropout.
fn configs() -> impl Iterator<Item = Config> {
    let hidden: [&[usize]; 3] = [&[], &[5], &[5, 4]];
    let nets = hidden.into_iter().flat_map(|hidden| [(hidden, false), (hidden, true)]);
    let smoothed = |config: Config, share| Config { label_smoothing: share, ..config };
    nets.flat_map(move |(hidden, dropout)| {
        ACTIVATIONS.map(|act| smoothed(config(act, hidden, dropout), if dropout { 0.1 } else { 0.0 }))
    })
}

#[test]
fn every_gradient_is_the_slope_of_the_loss() {
    for config in configs() {
        let mut rig = Rig::new(config.clone());
        rig.run(0, SAMPLES, SAMPLES);
        let masks = rig.masks();
        let inputs = rig.inputs(&masks);
        let kinks = has_kinks(&config);
        let loss = |parameters: &[f64]| rig.loss(&masks, &inputs, parameters);
        let slopes = slopes(&rig.parameters, kinks, loss);
        let gradient = rig.gradient();
        assert_eq!(fault(&gradient, &slopes), None, "{config:?}");
        // The check must fail for half the gradient and for NaN.
        for wrong in [0.5, f64::NAN] {
            let wrong: Vec<f64> = gradient.iter().map(|value| value * wrong).collect();
            assert!(fault(&wrong, &slopes).is_some());
        }
    }
}

#[test]
fn the_loss_of_the_engine_is_the_loss_in_double_precision() {
    for config in configs() {
        let mut rig = Rig::new(config.clone());
        rig.run(0, SAMPLES, SAMPLES);
        let masks = rig.masks();
        let (loss, _) = rig.loss(&masks, &rig.inputs(&masks), &rig.parameters);
        let found = rig.values("tally")[0] / SAMPLES as f64;
        assert!((found - loss).abs() <= TOLERANCE * loss, "{found}, must be {loss}: {config:?}");
    }
}

#[test]
fn the_gradient_by_the_inputs_is_the_slope_of_the_loss() {
    for config in configs() {
        let mut net = net(&config);
        let find = |name: &str| net.plan.tensors.iter().find(|tensor| tensor.name == name);
        let id = |name: &str| find(name).map(|tensor| tensor.id);
        let dy = id("dh1").or(id("dlogits")).expect("the plan has an error signal");
        let (w, x, mask) = (net.layers[0].w, id("x0").expect("x0"), id("none").expect("none"));
        let (act, keep, form) = (Activation::Identity, 1.0, Default::default());
        let dx = net.plan.like("d", Role::ErrorSignal { layer: 1 }, x);
        net.plan.push(LinearDx { dy, w, x, mask, dx, act, keep, form });
        let mut rig = Rig::with(config.clone(), net);
        rig.run(0, SAMPLES, SAMPLES);
        let masks = rig.masks();
        let kinks = has_kinks(&config);
        let parameters = rig.parameters.clone();
        let loss = |inputs: &[f64]| rig.loss(&masks, inputs, &parameters);
        let slopes = slopes(&rig.inputs(&masks), kinks, loss);
        assert_eq!(fault(&rig.values("dx0"), &slopes), None, "{config:?}");
    }
}

#[test]
fn the_gradient_of_a_batch_is_the_mean_of_its_samples_gradients() {
    for config in configs() {
        let mut rig = Rig::new(config.clone());
        let mut mean = vec![0.0; rig.parameters.len()];
        for sample in 0..SAMPLES {
            rig.run(sample, 1, 1);
            for (mean, value) in mean.iter_mut().zip(rig.gradient()) {
                *mean += value / SAMPLES as f64;
            }
        }
        rig.run(0, SAMPLES, SAMPLES);
        assert_eq!(fault(&rig.gradient(), &known(mean)), None, "{config:?}");
    }
}

#[test]
fn the_padding_of_a_partial_batch_contributes_nothing() {
    for config in configs() {
        // In memory that held a whole batch, in memory that is NaN, and without padding.
        let mut used = Rig::new(config.clone());
        used.run(0, SAMPLES, SAMPLES);
        let mut fresh = Rig::new(config.clone());
        let mut small = Rig::new(Config { physical_batch: 4, ..config.clone() });
        let gradients = [&mut used, &mut fresh, &mut small].map(|rig| {
            rig.run(0, 4, 4);
            rig.gradient()
        });
        assert!(gradients[0] == gradients[1] && gradients[0] == gradients[2], "{config:?}");
        assert!(gradients[0].iter().any(|&value| value != 0.0));
    }
}

#[test]
fn a_step_of_training_moves_every_parameter_against_its_slope() {
    for config in configs().filter(|config| config.keep_prob == 1.0) {
        let config = Config { lr: Some(1.0), ..config };
        let rig = Rig::new(config.clone());
        let masks = vec![vec![1.0; 64]; rig.net.layers.len()];
        let inputs = rig.inputs(&masks);
        let loss = |parameters: &[f64]| rig.loss(&masks, &inputs, parameters);
        let slopes = slopes(&rig.parameters, has_kinks(&config), loss);
        let after = trained(&config, 1);
        let moved = rig.parameters.iter().zip(after).map(|(before, after)| before - after);
        assert_eq!(fault(&moved.collect::<Vec<_>>(), &slopes), None, "{config:?}");
    }
}

#[test]
fn micro_batches_train_like_the_whole_batch() {
    for config in configs() {
        for batch_size in [BatchSize::Full, BatchSize::Samples(5)] {
            let with = |physical_batch, lr| {
                let config = config.clone();
                trained(&Config { batch_size, physical_batch, lr: Some(lr), ..config }, 2)
            };
            let whole = known(with(SAMPLES, 0.1));
            for micro in [1, 3, 4] {
                assert_eq!(fault(&with(micro, 0.1), &whole), None, "{micro}: {config:?}");
            }
            let other = fault(&with(SAMPLES, 0.2), &whole);
            assert!(other.is_some(), "the learning rate has no effect: {config:?}");
        }
    }
}
