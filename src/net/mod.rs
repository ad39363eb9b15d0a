//! From a configuration to a plan: which tensors a net needs, and which kernels one training step runs over them.

mod build;
mod measure;
pub mod mlp;
mod training;

use crate::config::Config;
use crate::data::{DataSet, Split};
use crate::kernels::InputMap;
use crate::kernels::forms::Forms;
use crate::plan::Plan;
use crate::plan::tensor::Id;
use build::Builder;
pub use measure::{FiniteCheck, Health};
use std::ops::Range;

/// Most samples that an evaluation computes at a time.
pub const EVAL_BATCH: usize = 1024;

/// What a plan is built for: the data's sizes, the engine's taste and its room.
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
    /// Samples of the test split, or of the only split that is evaluated.
    pub test: usize,
    /// Forms of the matrix products.
    pub forms: Forms,
    /// Most bytes the engine can hold in one tensor.
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
    /// Samples (N, I), bytes: the whole split, or two windows of it.
    pub pixels: Id,
    /// Classes (N).
    pub labels: Id,
    /// Which row comes when.
    pub order: Id,
    /// Samples of the split.
    pub samples: usize,
    /// Samples a window holds; equal to `samples` where the split is resident.
    pub window: usize,
}

/// The tensors of a layer.
#[derive(Clone, Debug)]
pub struct LayerIds {
    /// Weights (O, I).
    pub w: Id,
    /// Biases (O).
    pub b: Id,
    /// What the optimizer remembers between steps: zero at first.
    pub state: Vec<Id>,
    /// Running averages of weights and biases, if they are averaged: the first weights at first.
    pub average: Option<[Id; 2]>,
}

impl LayerIds {
    /// The weights and biases that are evaluated and saved: their averages, if there are any.
    pub fn evaluated(&self) -> [Id; 2] {
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
    /// Steps that turn a micro-batch into gradients.
    pub gradients: Range<usize>,
    /// Steps that turn gradients into weights; they follow directly on `gradients`.
    pub update: Range<usize>,
    /// Sums of losses and hits of each micro-batch of an epoch (S·R, 2).
    pub tally: Id,
    /// Rows R of the tally that a micro-batch writes.
    pub tally_rows: usize,
    /// Steps that measure one update, if it is to be measured.
    pub health: Option<Health>,
    /// Steps that look at all parameters.
    pub watch: FiniteCheck,
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
    /// Its steps.
    pub steps: Range<usize>,
    /// Logits (B, C) of the last micro-batch.
    pub logits: Id,
    /// Sum of losses and hits of each micro-batch (S, 2).
    pub tally: Id,
}

/// A net laid out as a plan.
#[derive(Clone, Debug)]
pub struct Net {
    /// Tensors and steps.
    pub plan: Plan,
    /// What a byte of a sample becomes.
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

    /// The tensors that outlast a step: weights, biases, what the optimizer remembers, averages; layer by layer.
    pub fn lasting(&self) -> Vec<Id> {
        let of =
            |ids: &LayerIds| [&[ids.w, ids.b], ids.state.as_slice(), ids.average.as_slice().as_flattened()].concat();
        self.layers.iter().flat_map(of).collect()
    }

    /// The plan of a training run with an evaluation.
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

    /// The plan of an evaluation of one split alone, whose size is `sizes.test`.
    pub fn for_evaluation(config: &Config, sizes: Sizes, inputs: &InputMap) -> Net {
        let mut build = Builder::new(config, sizes, inputs);
        let layers = build.layers(false);
        let evaluation = build.evaluation(&layers, "test", build.sizes.test);
        let layers = layers.into_iter().map(|(ids, _)| ids).collect();
        Net { plan: build.plan, inputs: inputs.clone(), layers, training: None, evaluation, validation: None }
    }
}
