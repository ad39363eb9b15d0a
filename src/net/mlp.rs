//! The architecture and weights of a net, independent of any engine.

use crate::base::rng::{Stream, host};
use crate::config::Init;
use crate::kernels::Activation;
use rand::RngExt;
use rand_distr::StandardNormal;

/// A multilayer perceptron: linear layers with an activation after each but the last.
#[derive(Clone, Debug, PartialEq)]
pub struct Mlp {
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// The layers, first to last.
    pub layers: Vec<Layer>,
}

/// One layer: y = x·wᵀ + b.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Inputs I.
    pub inputs: usize,
    /// Outputs O.
    pub outputs: usize,
    /// Weights (O, I), row by row: PyTorch's layout.
    pub weight: Vec<f32>,
    /// Biases (O).
    pub bias: Vec<f32>,
}

impl Mlp {
    /// Returns a new net with the given widths, inputs first and classes last. Each layer has its own random stream, so
    /// its initial weights do not depend on other layers.
    ///
    /// # Panics
    /// If there are fewer than two widths.
    pub fn new(widths: &[usize], activation: Activation, init: Init, seed: u64) -> Self {
        assert!(widths.len() >= 2, "a net has at least inputs and outputs, but widths is {widths:?}");
        let layer = |(number, pair): (usize, &[usize])| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let after = if number + 2 == widths.len() { Activation::Identity } else { activation };
            let deviation = init.standard_deviation(after, inputs, outputs);
            let mut rng = host(seed, Stream::Init, number as u64);
            let mut draw = || (deviation * rng.sample::<f64, _>(StandardNormal)) as f32;
            let weight = (0..inputs * outputs).map(|_| draw()).collect();
            Layer { inputs, outputs, weight, bias: vec![0.0; outputs] }
        };
        Mlp { activation, layers: widths.windows(2).enumerate().map(layer).collect() }
    }

    /// A net with the hidden layers of this one and a new last layer for `outputs` outputs, drawn as by [`Mlp::new`].
    pub fn with_new_head(&self, outputs: usize, init: Init, seed: u64) -> Mlp {
        let hidden = self.layers.len().saturating_sub(1);
        let mut widths = self.widths();
        widths[hidden + 1..].fill(outputs);
        let drawn = Mlp::new(&widths, self.activation, init, seed);
        let layers = self.layers.iter().take(hidden).cloned().chain(drawn.layers.into_iter().skip(hidden));
        Mlp { activation: self.activation, layers: layers.collect() }
    }

    /// Width of the input.
    pub fn inputs(&self) -> usize {
        self.layers.first().map_or(0, |layer| layer.inputs)
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.outputs)
    }

    /// All widths, inputs first and classes last.
    pub fn widths(&self) -> Vec<usize> {
        std::iter::once(self.inputs()).chain(self.layers.iter().map(|layer| layer.outputs)).collect()
    }

    /// Whether the net has these widths, inputs first and classes last, and the right number of values.
    pub fn has(&self, widths: &[usize]) -> bool {
        let fits = |(layer, pair): (&Layer, &[usize])| {
            let values = [layer.weight.len(), layer.bias.len()];
            [layer.inputs, layer.outputs] == pair && values == [layer.inputs * layer.outputs, layer.outputs]
        };
        self.layers.len() + 1 == widths.len() && self.layers.iter().zip(widths.windows(2)).all(fits)
    }

    /// Whether all weights and biases are finite.
    pub fn is_finite(&self) -> bool {
        self.layers.iter().all(|layer| layer.weight.iter().chain(&layer.bias).all(|value| value.is_finite()))
    }

    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.weight.len() + layer.bias.len()).sum()
    }
}
