//! From settings to a plan: the tensors of a net, and the kernels of a training step.

mod build;
mod measure;
pub mod mlp;
mod training;

use crate::config::Config;
use crate::data::{DataSet, Split};
use crate::kernels::InputMap;
use crate::kernels::forms::Forms;
use crate::plan::Plan;
use crate::plan::tensor::TensorId;
use build::Builder;
pub use measure::{FiniteCheck, Health};
use std::ops::Range;

/// Maximum number of samples that an evaluation computes at a time.
pub const EVAL_BATCH: usize = 1024;

/// What a plan depends on besides the settings: data sizes, preferred matmul forms, largest buffer.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Inputs I of a sample.
    pub inputs: usize,
    /// Number of classes C.
    pub classes: usize,
    /// Samples of the training split.
    pub train: usize,
    /// Samples of the validation split; 0 if there is none.
    pub validation: usize,
    /// Samples of the test split; for [`Net::for_evaluation`], of the only split.
    pub test: usize,
    /// Forms of the matrix products.
    pub forms: Forms,
    /// Largest tensor that the engine can hold, in bytes.
    pub limit: u64,
}

impl Sizes {
    /// Sizes of a data set.
    pub fn of(data: &DataSet, forms: impl Into<Forms>, limit: u64) -> Sizes {
        let validation = data.validation.as_ref().map_or(0, Split::len);
        let (train, test) = (data.train.len(), data.test.len());
        Sizes { inputs: data.inputs(), classes: data.classes, train, validation, test, forms: forms.into(), limit }
    }
}

/// Where the samples of a split lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Samples (N, I), bytes: the whole split, or two windows of it if it is streamed.
    pub pixels: TensorId,
    /// Classes (N).
    pub labels: TensorId,
    /// Row numbers of `pixels` in the order of use.
    pub order: TensorId,
    /// Samples of the split.
    pub samples: usize,
    /// Samples per window; equal to `samples` if the split is resident.
    pub window: usize,
}

/// The tensors of a layer.
#[derive(Clone, Debug)]
pub struct LayerIds {
    /// Weights (O, I).
    pub w: TensorId,
    /// Biases (O).
    pub b: TensorId,
    /// Optimizer state, initially zero.
    pub state: Vec<TensorId>,
    /// Moving averages of weights and biases, if used; they start as copies of the initial weights.
    pub average: Option<[TensorId; 2]>,
}

impl LayerIds {
    /// The weights and biases that are evaluated and saved: the averages, if there are any.
    pub fn evaluated(&self) -> [TensorId; 2] {
        self.average.unwrap_or([self.w, self.b])
    }
}

/// The part of a plan that trains.
#[derive(Clone, Debug)]
pub struct Training {
    /// Training split.
    pub source: Source,
    /// Rows B of a micro-batch.
    pub micro: usize,
    /// Steps that compute the gradients of a micro-batch.
    pub gradients: Range<usize>,
    /// Steps that change the weights; they come directly after `gradients`.
    pub update: Range<usize>,
    /// Sums of losses and hits of each micro-batch of an epoch (S·R, 2).
    pub tally: TensorId,
    /// Rows R of the tally per micro-batch.
    pub tally_rows: usize,
    /// Steps that measure an update, if health is measured.
    pub health: Option<Health>,
    /// Steps that check all parameters.
    pub finite: FiniteCheck,
}

impl Training {
    /// Words of the tally that the micro-batches `slots` of an epoch write.
    pub fn tally_words(&self, slots: Range<usize>) -> Range<usize> {
        let words = self.tally_rows * self.tally.stride();
        slots.start * words..slots.end * words
    }
}

/// The part of a plan that evaluates.
#[derive(Clone, Debug)]
pub struct Evaluation {
    /// The split that is evaluated.
    pub source: Source,
    /// Rows of a micro-batch.
    pub micro: usize,
    /// Steps that evaluate a micro-batch.
    pub steps: Range<usize>,
    /// Logits (B, C) of the last micro-batch.
    pub logits: TensorId,
    /// Sum of losses and hits of each micro-batch (S, 2).
    pub tally: TensorId,
}

/// A net laid out as a plan.
#[derive(Clone, Debug)]
pub struct Net {
    /// Tensors and steps.
    pub plan: Plan,
    /// Map from a byte of a sample to an input of the net.
    pub inputs: InputMap,
    /// The layers, first to last.
    pub layers: Vec<LayerIds>,
    /// Present if the net was made for training.
    pub training: Option<Training>,
    /// Evaluation of the test split.
    pub evaluation: Evaluation,
    /// Evaluation of the validation split, if there is one.
    pub validation: Option<Evaluation>,
}

impl Net {
    /// Number of weights and biases.
    pub fn parameters(&self) -> usize {
        self.layers.iter().map(|layer| layer.w.rows * layer.w.cols + layer.b.cols).sum()
    }

    /// The lasting tensors, which keep their values between updates: weights, biases, optimizer state, averages; by
    /// layer.
    pub fn lasting(&self) -> Vec<TensorId> {
        let of =
            |ids: &LayerIds| [&[ids.w, ids.b], ids.state.as_slice(), ids.average.as_slice().as_flattened()].concat();
        self.layers.iter().flat_map(of).collect()
    }

    /// Builds the plan of training, with evaluations of test and validation split.
    pub fn for_training(config: &Config, sizes: Sizes, inputs: &InputMap) -> Net {
        let mut build = Builder::new(config, sizes, inputs);
        let layers = build.layers(true);
        let training = build.training(&layers);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let validation = build.sizes.validation;
        let validation = (validation > 0).then(|| build.evaluation(&layers, "validation", validation));
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        Net { plan: build.plan, inputs: inputs.clone(), layers, training: Some(training), evaluation, validation }
    }

    /// Builds a plan that only evaluates one split of `sizes.test` samples.
    pub fn for_evaluation(config: &Config, sizes: Sizes, inputs: &InputMap) -> Net {
        let mut build = Builder::new(config, sizes, inputs);
        let layers = build.layers(false);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        Net { plan: build.plan, inputs: inputs.clone(), layers, training: None, evaluation, validation: None }
    }
}
