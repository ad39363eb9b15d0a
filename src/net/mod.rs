//! From settings to a plan: the tensors of a net, and the kernels of a training step.

mod build;
pub mod exact;
mod loss;
mod measure;
pub mod mlp;
mod training;

use crate::base::error::Error;
use crate::config::Config;
use crate::data::{DataSet, Split};
use crate::kernels::InputMap;
use crate::kernels::forms::Forms;
use crate::kernels::loss::LossKind;
use crate::plan::Plan;
use crate::plan::tensor::TensorId;
use build::Builder;
pub use loss::{loss, standardises, with_loss};
pub use measure::{FiniteCheck, Health};
use std::ops::Range;

/// Maximum number of samples that an evaluation computes at a time.
pub const EVAL_BATCH: usize = 1024;

/// What a plan depends on besides the settings: data sizes, preferred matmul forms, largest buffer.
#[derive(Clone, Debug)]
pub struct Sizes {
    /// Inputs I of a sample.
    pub inputs: usize,
    /// Outputs: classes C, or targets T.
    pub outputs: usize,
    /// Whether samples are floats, not bytes.
    pub floats: bool,
    /// Whether samples have weights.
    pub weighted: bool,
    /// The loss; `None` for softmax and cross-entropy.
    pub loss: Option<LossKind>,
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
    /// Sizes of a data set, and the loss that the settings choose for its task.
    ///
    /// # Errors
    /// Those of [`loss`].
    pub fn of(config: &Config, data: &DataSet, forms: impl Into<Forms>, limit: u64) -> Result<Sizes, Error> {
        Ok(Sizes {
            inputs: data.inputs(),
            outputs: data.outputs(),
            floats: data.train.samples.floats().is_some(),
            weighted: data.splits().any(|(_, split)| split.weights.is_some()),
            loss: loss(config, &data.task)?,
            train: data.train.len(),
            validation: data.validation.as_ref().map_or(0, Split::len),
            test: data.test.len(),
            forms: forms.into(),
            limit,
        })
    }
}

/// Where the samples of a split lie on the device.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Samples (N, I), bytes or floats: the whole split, or two windows of it if it is streamed.
    pub samples: TensorId,
    /// Classes (N), or values and labels (N, T).
    pub targets: TensorId,
    /// Weights of the samples (N), if they have any.
    pub weights: Option<TensorId>,
    /// Row numbers of the samples in the order of use.
    pub order: TensorId,
    /// Number of samples of the split, N.
    pub count: usize,
    /// Samples per window; equal to `count` if the split is resident.
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
    /// In an integer plan, the fractional bits that the layer's product uses: of its weights, and of its biases.
    pub grid: Option<[u8; 2]>,
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
    /// Sums of losses and metrics of each micro-batch of an epoch (S·R, 2).
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
    /// Outputs (B, C) of the last micro-batch: logits, or values in standard units.
    pub logits: TensorId,
    /// Sum of losses and metrics of each micro-batch (S, 2).
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
    /// Levels of the error signals, in an integer plan: see [`crate::kernels::int_levels`].
    pub levels: Option<TensorId>,
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
    /// layer. In an integer plan also the levels.
    pub fn lasting(&self) -> Vec<TensorId> {
        let of =
            |ids: &LayerIds| [&[ids.w, ids.b], ids.state.as_slice(), ids.average.as_slice().as_flattened()].concat();
        self.layers.iter().flat_map(of).chain(self.levels).collect()
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
        let levels = build.exact().then_some(build.levels);
        Net {
            plan: build.plan,
            inputs: inputs.clone(),
            layers,
            levels,
            training: Some(training),
            evaluation,
            validation,
        }
    }

    /// Builds a plan that only evaluates one split of `sizes.test` samples.
    pub fn for_evaluation(config: &Config, sizes: Sizes, inputs: &InputMap) -> Net {
        Net::evaluating(Builder::new(config, sizes, inputs))
    }

    /// As [`Net::for_evaluation`], with dropout: every sample gets masks of its own, drawn with the keep probabilities of the
    /// settings. The masks are a function of the seed of the settings, of the step, and of the sample's number, which is the
    /// micro-batch's `first` plus the row.
    pub fn for_mc_dropout(config: &Config, sizes: Sizes, inputs: &InputMap) -> Net {
        Net::evaluating(Builder { sampled: true, ..Builder::new(config, sizes, inputs) })
    }

    fn evaluating(mut build: Builder<'_>) -> Net {
        let layers = build.layers(false);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        let levels = build.exact().then_some(build.levels);
        let inputs = build.map.clone();
        Net { plan: build.plan, inputs, layers, levels, training: None, evaluation, validation: None }
    }
}
