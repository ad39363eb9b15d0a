//! One sample on its way through a net and back: the values of a training step, as the plan computes them.

mod batch;

pub use batch::{BatchLayer, BatchValues};

use super::assess::softmax;
use crate::base::error::Error;
use crate::config::{BatchSize, Config, HealthName, PlanKind};
use crate::data::{Split, Targets, Task};
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::kernels::linear::Linear;
use crate::kernels::linear_dx::LinearDx;
use crate::kernels::{Activation, Precision};
use crate::net::mlp::Mlp;
use crate::net::{LayerIds, Net, Sizes};
use crate::plan::Plan;
use crate::plan::kernel::StepValues;
use crate::plan::tensor::{Role, TensorId};
use crate::run::model_file::Description;
use crate::train::feed::Feed;
use crate::train::load_parameters;
use serde::Serialize;

/// A sample's values, forward and backward.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// The inputs x (I), after normalisation.
    pub inputs: Vec<f32>,
    /// The layers, first to last.
    pub layers: Vec<Forward>,
    /// softmax(z) of the last layer for classes, σ(z) for labels; empty for real values.
    pub probabilities: Vec<f32>,
    /// The way back; `None` if no target was given.
    pub backward: Option<Backward>,
}

/// What a layer computes from a sample.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Forward {
    /// Number of the layer, from 1.
    pub layer: usize,
    /// The sums z = W·x + b (O). Those of the last layer are the logits, or values in standard units.
    pub z: Vec<f32>,
    /// The outputs h = act(z) (O), after dropout; z itself for the last layer.
    pub h: Vec<f32>,
    /// With dropout, whether each unit is kept (O); empty without.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<bool>,
}

/// The way back from the loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Backward {
    /// The target y: one-hot for classes, else values in standard units, or labels.
    pub target: Vec<f32>,
    /// The loss of the sample.
    pub loss: f32,
    /// The layers, first to last.
    pub layers: Vec<Signals>,
    /// Gradient of the loss with respect to the inputs (I).
    pub input_gradient: Vec<f32>,
}

/// What comes back to a layer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Signals {
    /// Number of the layer, from 1.
    pub layer: usize,
    /// The error signal δ (O): the gradient of the loss with respect to z.
    pub delta: Vec<f32>,
    /// Gradient of the loss with respect to the weights (O, I), row by row: δ·xᵀ.
    pub weight_gradient: Vec<f32>,
    /// Gradient of the loss with respect to the biases (O): δ.
    pub bias_gradient: Vec<f32>,
}

/// Tensors of a layer: z, h, the dropout mask, δ, and the gradients of weights and biases.
struct Traced {
    z: TensorId,
    h: TensorId,
    mask: Option<TensorId>,
    delta: TensorId,
    dw: TensorId,
    db: TensorId,
}

/// A model on an engine, ready to explain any number of samples.
pub struct Explainer {
    engine: Box<dyn Engine>,
    net: Net,
    inputs: TensorId,
    input_gradient: TensorId,
    traced: Vec<Traced>,
    /// The added steps: sums and input gradient.
    added: std::ops::Range<usize>,
    task: Task,
}

impl Explainer {
    /// Makes an engine for the training step of the textbook, with one sample, and loads the model. It computes in single
    /// precision.
    ///
    /// # Errors
    /// [`Error::TooLarge`] if the model does not fit the machine; errors of the device.
    pub async fn new(machine: &Machine, model: &Mlp, description: &Description) -> Result<Explainer, Error> {
        Explainer::with_dropout(machine, model, description, 1.0).await
    }

    /// As [`Explainer::new`], with dropout of the hidden units, which are kept with probability `keep`.
    ///
    /// # Errors
    /// As [`Explainer::new`].
    pub async fn with_dropout(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        keep: f32,
    ) -> Result<Explainer, Error> {
        Explainer::of_rows(machine, model, description, keep, 1).await
    }

    /// For this many samples at a time.
    async fn of_rows(
        machine: &Machine,
        model: &Mlp,
        description: &Description,
        keep: f32,
        rows: usize,
    ) -> Result<Explainer, Error> {
        let config = Config {
            batch_size: BatchSize::Samples(rows),
            physical_batch: rows,
            plan: PlanKind::Plain,
            health: HealthName::Off,
            precision: Precision::F32,
            keep_prob: keep,
            ..description.config()
        };
        let sizes = Sizes { train: rows, test: 0, ..description.sizes(rows, machine)? };
        let mut net = Net::for_training(&config, sizes, &description.inputs);
        let first = net.plan.steps.len();
        let (traced, inputs, input_gradient) = trace(&mut net, machine);
        let added = first..net.plan.steps.len();
        let mut engine = machine.engine(&net.plan).await?;
        load_parameters(engine.as_mut(), &net.layers, model);
        if let Some(training) = &net.training {
            engine.write(training.source.order, 0, &(0..rows as u32).collect::<Vec<u32>>());
        }
        Ok(Explainer { engine, net, inputs, input_gradient, traced, added, task: description.task() })
    }

    /// Replaces the weights by those of a model with the same widths.
    pub fn load(&mut self, model: &Mlp) {
        load_parameters(self.engine.as_mut(), &self.net.layers, model);
    }

    /// Explains the only sample of an encoded split. Without `back`, the targets are ignored. `step`: the number of the update,
    /// from 0, whose dropout mask is used.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if the model gives no finite answer; errors of the device.
    pub async fn explain(&mut self, sample: &Split, back: bool, step: u32) -> Result<Explanation, Error> {
        self.fits(sample)?;
        if sample.len() != 1 {
            return Err(Error::Setting("only a single sample can be explained: see `Explainer::batch`".into()));
        }
        let Some(training) = self.net.training.clone() else { unreachable!("the net was made for training") };
        let _ = Feed::new(training.source, sample, self.engine.as_mut());
        let now = StepValues { rows: 1, batch: 1, total: 1.0, step, ..StepValues::default() };
        self.engine.run(&[(training.gradients, now), (self.added.clone(), now)]).await?;
        let inputs = self.read(self.inputs).await?;
        let mut layers = Vec::new();
        for at in 0..self.traced.len() {
            let Traced { z, h, mask, .. } = self.traced[at];
            let mut gates = Vec::new();
            if let Some(mask) = mask {
                let words = self.engine.read(mask, 0..mask.words()).await?;
                gates.extend((0..mask.cols).map(|unit| words[unit / 32] >> (unit % 32) & 1 == 1));
            }
            layers.push(Forward { layer: at + 1, z: self.read(z).await?, h: self.read(h).await?, gates });
        }
        let outputs = layers.last().map_or(&[][..], |last| &last.z);
        if let Some(class) = outputs.iter().position(|value| !value.is_finite()) {
            let value = outputs[class];
            return Err(Error::NotFinite { sample: "the sample".into(), index: 0, class: Some(class), value });
        }
        let probabilities = match &self.task {
            Task::Classes { .. } => softmax(outputs),
            Task::Labels { .. } => outputs.iter().map(|z| 1.0 / (1.0 + (-z).exp())).collect(),
            Task::Values { .. } => Vec::new(),
        };
        let target = match &sample.targets {
            _ if !back => return Ok(Explanation { inputs, layers, probabilities, backward: None }),
            Targets::Classes(classes) => {
                let class = classes.first().map(|class| *class as usize);
                (0..outputs.len()).map(|at| f32::from(Some(at) == class)).collect()
            }
            Targets::Values { values, .. } | Targets::Labels { values, .. } => values.clone(),
        };
        let loss = self.read(training.tally).await?[0];
        let mut signals = Vec::new();
        for at in 0..self.traced.len() {
            let Traced { delta, dw, db, .. } = self.traced[at];
            signals.push(Signals {
                layer: at + 1,
                delta: self.read(delta).await?,
                weight_gradient: self.read(dw).await?,
                bias_gradient: self.read(db).await?,
            });
        }
        let input_gradient = self.read(self.input_gradient).await?;
        let backward = Some(Backward { target, loss, layers: signals, input_gradient });
        Ok(Explanation { inputs, layers, probabilities, backward })
    }

    /// Checks that there are as many samples as the engine was made for.
    fn fits(&self, samples: &Split) -> Result<(), Error> {
        let (found, rows) = (samples.len(), self.inputs.rows);
        if found == rows {
            return Ok(());
        }
        Err(Error::Setting(format!("the explainer was made for batches of {rows}, but the samples are {found}")))
    }

    async fn read(&mut self, id: TensorId) -> Result<Vec<f32>, Error> {
        Ok(id.unpack(&self.engine.read(id, 0..id.words()).await?))
    }
}

/// Adds the steps that training does not need: the sums of each layer, which its product overwrites with the activation, and
/// the gradient of the inputs. Returns the tensors to read: those of the layers, the inputs, and the gradient of the inputs.
fn trace(net: &mut Net, machine: &Machine) -> (Vec<Traced>, TensorId, TensorId) {
    let (form, none, mut x) = (machine.form(), find(&net.plan, "none"), find(&net.plan, "x0"));
    let (inputs, act, keep) = (x, Activation::Identity, 1.0);
    let mut traced = Vec::new();
    let layers: Vec<LayerIds> = net.layers.clone();
    for (number, LayerIds { w, b, .. }) in (1..).zip(&layers) {
        let last = number == layers.len();
        let h = find(&net.plan, &if last { "logits".into() } else { format!("h{number}") });
        let mut z = h;
        if !last {
            z = net.plan.f32(format!("z{number}"), Role::Activation { layer: number }, x.rows, w.rows);
            net.plan.push(Linear { x, w: *w, b: *b, mask: none, y: z, act, keep, form });
        }
        let delta = find(&net.plan, &if last { "dlogits".into() } else { format!("dh{number}") });
        let [dw, db] = ["dw", "db"].map(|name| find(&net.plan, &format!("{name}{number}")));
        let mask = net.plan.tensors.iter().find(|tensor| !last && tensor.name == format!("mask{number}"));
        let mask = mask.map(|tensor| tensor.id);
        traced.push(Traced { z, h, mask, delta, dw, db });
        x = h;
    }
    let dx = net.plan.like("d", Role::ErrorSignal { layer: 1 }, inputs);
    let (dy, w) = (traced[0].delta, layers[0].w);
    net.plan.push(LinearDx { dy, w, x: inputs, mask: none, dx, act, keep, form });
    (traced, inputs, dx)
}

/// The tensor of the plain plan with this name.
fn find(plan: &Plan, name: &str) -> TensorId {
    let found = plan.tensors.iter().find(|tensor| tensor.name == name);
    found.unwrap_or_else(|| unreachable!("the plain plan has {name}")).id
}
