//! A model on disk: safetensors, with the weights in the layout of `torch.nn.Linear` and the rest in the metadata.

use crate::base::disk::write_out;
use crate::base::error::Error;
use crate::base::file_kind::{FileKind, recognise};
use crate::base::hash::sha256;
use crate::config::{Config, LossName};
use crate::data::layout::Layout;
use crate::data::novelty::Novelty;
use crate::data::{DataSet, Features, Header, Task};
use crate::engine::machine::Machine;
use crate::kernels::{Activation, InputMap, Precision};
use crate::net::mlp::Mlp;
use crate::net::{Net, Sizes, exact, loss};
use crate::run::folder::MODEL;
use crate::run::state_dict::StateDict;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::io::ErrorKind;
use std::path::Path;

/// Everything but the weights: one JSON object under the metadata key `gpu_mlp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Widths of the net, inputs first and classes last.
    pub widths: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// Map from a byte of a sample to an input of the net: `scale` and `shift` in the file.
    #[serde(flatten)]
    pub inputs: InputMap,
    /// Dimensions of a sample as it is stored; for a table, the number of columns.
    pub item: Vec<usize>,
    /// What the net predicts. `None` in files of early versions, whose classes are numbered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<Task>,
    /// The loss that it was trained with, if not the usual one of its task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub loss: Option<LossName>,
    /// δ of the Huber loss.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub huber_delta: Option<f32>,
    /// Number format of the model's computation; `None` for single precision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<Precision>,
    /// The columns of the table that it was trained on, if it was a table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Header>,
    /// How the inputs are made from raw numbers; `None` if samples are bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub features: Option<Features>,
    /// Whether rows and columns of the training images were exchanged on loading, as for EMNIST; `None` if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transposed: Option<bool>,
    /// Name of the data set; empty if unknown.
    pub data: String,
    /// Hash of the data set; empty if unknown.
    pub data_sha256: String,
    /// Version of the program.
    pub version: String,
    /// How the training pictures are laid out; `None` if they are not grey pictures, or if the file does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// What the training pictures look like; `None` if they are not grey pictures or too few, or if the file does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub novelty: Option<Novelty>,
}

/// The only metadata key. Several keys would be written in varying order, so the bytes of the file would vary from run
/// to run.
const KEY: &str = "gpu_mlp";

impl Description {
    /// The description of a net with these widths, inputs first, of which nothing else is known. Samples are flat bytes.
    pub fn new(widths: Vec<usize>, activation: Activation, inputs: InputMap) -> Description {
        let item = widths.iter().take(1).copied().collect();
        let [data, data_sha256, version] = [const { String::new() }; 3];
        Description {
            widths,
            activation,
            inputs,
            item,
            task: None,
            loss: None,
            huber_delta: None,
            precision: None,
            header: None,
            features: None,
            transposed: None,
            data,
            data_sha256,
            version,
            layout: None,
            novelty: None,
        }
    }

    /// The description of a net in training.
    pub fn of(config: &Config, data: &DataSet, net: &Net) -> Description {
        Description {
            widths: config.widths(data.inputs(), data.outputs()),
            activation: config.activation(),
            inputs: net.inputs.clone(),
            item: data.item.clone(),
            task: Some(data.task.clone()),
            loss: Some(config.loss).filter(|&loss| !matches!(loss, LossName::Auto | LossName::Mse)),
            huber_delta: (config.loss == LossName::Huber).then_some(config.huber_delta),
            // Mixed precision only rounds; a model trained with it predicts in single precision too.
            precision: Some(config.precision).filter(|&precision| precision == Precision::Int8),
            header: data.header.clone(),
            features: data.features.clone(),
            transposed: Some(data.transposed),
            data: data.name.clone(),
            data_sha256: data.sha256.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            layout: Layout::of(&data.item, &data.train),
            novelty: None,
        }
    }

    /// Adds what the training pictures look like, so that the model can tell which pictures are unlike them. It takes a
    /// tenth of a second, so it is for models that are kept.
    #[must_use]
    pub fn with_novelty(self, data: &DataSet) -> Description {
        Description { novelty: Novelty::of(&data.item, &data.train), ..self }
    }

    /// What the net predicts.
    pub fn task(&self) -> Task {
        self.task.clone().unwrap_or_else(|| Task::numbered(self.widths.last().copied().unwrap_or(0)))
    }

    /// Whether the net predicts the logarithms of counts.
    pub fn counts(&self) -> bool {
        self.loss == Some(LossName::Poisson)
    }

    /// Sizes of a plan that evaluates `samples` samples with targets, without weights.
    pub fn sizes(&self, samples: usize, machine: &Machine) -> Result<Sizes, Error> {
        let config = self.config();
        let sizes = Sizes {
            inputs: self.widths.first().copied().unwrap_or(0),
            outputs: self.widths.last().copied().unwrap_or(0),
            floats: self.features.is_some(),
            weighted: false,
            loss: loss(&config, &self.task())?,
            train: 0,
            validation: 0,
            test: samples,
            forms: machine.form().into(),
            limit: machine.limit(),
        };
        exact::check(&config, &sizes, &self.inputs)?;
        Ok(sizes)
    }

    /// A configuration with this architecture, to build an evaluation.
    pub fn config(&self) -> Config {
        use crate::config::ActivationName as Name;
        let (activation, alpha) = match self.activation {
            Activation::Identity => (Name::Identity, 0.0),
            Activation::Relu => (Name::Relu, 0.0),
            Activation::LeakyRelu(alpha) => (Name::LeakyRelu, alpha),
            Activation::Sigmoid => (Name::Sigmoid, 0.0),
            Activation::Tanh => (Name::Tanh, 0.0),
            Activation::Gelu => (Name::Gelu, 0.0),
            Activation::GeluTanh => (Name::GeluTanh, 0.0),
            Activation::Silu => (Name::Silu, 0.0),
            Activation::Mish => (Name::Mish, 0.0),
            Activation::Selu => (Name::Selu, 0.0),
            Activation::Elu(alpha) => (Name::Elu, alpha),
            Activation::Softplus => (Name::Softplus, 0.0),
        };
        let hidden = self.widths[1..self.widths.len() - 1].to_vec();
        let default = Config::default();
        let loss = self.loss.unwrap_or(default.loss);
        let huber_delta = self.huber_delta.unwrap_or(default.huber_delta);
        let precision = self.precision.unwrap_or(default.precision);
        Config { hidden, activation, alpha, loss, huber_delta, precision, ..default }
    }
}

/// Saves a model; [`read`] reads it again. An existing file is replaced atomically.
///
/// # Errors
/// Those of [`to_bytes`]; [`Error::File`] if the file cannot be written.
pub fn save(path: &Path, model: &Mlp, description: &Description) -> Result<(), Error> {
    write_out(path, &to_bytes(path, model, description)?)
}

/// Returns the bytes of a model file; equal models give equal bytes.
///
/// # Errors
/// [`Error::Model`] if a shape contradicts its data.
pub fn to_bytes(path: &Path, model: &Mlp, description: &Description) -> Result<Vec<u8>, Error> {
    to_bytes_named(path, model, description, |number| format!("layers.{number}"))
}

/// As [`to_bytes`], with other names for the layers (from 0).
pub(crate) fn to_bytes_named(
    path: &Path,
    model: &Mlp,
    description: &Description,
    name: impl Fn(usize) -> String,
) -> Result<Vec<u8>, Error> {
    let broken = |problem: String| Error::Model { path: path.into(), problem };
    let mut tensors = Vec::new();
    for (number, layer) in model.layers.iter().enumerate() {
        let parts =
            [("weight", vec![layer.outputs, layer.inputs], &layer.weight), ("bias", vec![layer.outputs], &layer.bias)];
        for (part, shape, values) in parts {
            let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values));
            tensors.push((format!("{}.{part}", name(number)), view.map_err(|error| broken(error.to_string()))?));
        }
    }
    let description = serde_json::to_string(description).map_err(|error| broken(error.to_string()))?;
    let metadata = HashMap::from([(KEY.to_string(), description)]);
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| broken(error.to_string()))
}

/// A model file of this or another program.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFile {
    /// Layers of the model.
    pub state: StateDict,
    /// The description; `None` in a file of another program.
    pub description: Option<Description>,
    /// Hash of the file.
    pub sha256: String,
}

impl ModelFile {
    /// Returns the model, given what a file of another program does not state.
    pub fn with(self, activation: Activation, inputs: InputMap) -> (Mlp, Description) {
        let description = Description::new(self.state.widths(), activation, inputs);
        (Mlp { activation, layers: self.state.layers }, description)
    }
}

/// Reads a model file of this program.
///
/// # Errors
/// As [`open`], and [`Error::Model`] for a file of another program.
pub fn read(path: &Path) -> Result<(Mlp, Description), Error> {
    let file = open(path)?;
    let not_ours = || "it has no gpu-mlp metadata, so this program did not write it".to_string();
    let description = file.description.ok_or_else(|| Error::Model { path: path.into(), problem: not_ours() })?;
    Ok((Mlp { activation: description.activation, layers: file.state.layers }, description))
}

/// Reads a model file of this program, or a state dict of another.
///
/// # Errors
/// [`Error::Model`] if the file cannot be read, is not a net of linear layers, contradicts itself or holds values that
/// are not finite; [`Error::IsCheckpoint`] if it belongs to a checkpoint.
pub fn open(path: &Path) -> Result<ModelFile, Error> {
    let unreadable = |error: std::io::Error| {
        let in_run = error.kind() == ErrorKind::NotFound && path.file_name().is_some_and(|name| name == MODEL);
        let problem = if in_run { "does not exist: no run ended in this folder".into() } else { error.to_string() };
        Error::Model { path: path.into(), problem }
    };
    parse(&std::fs::read(path).map_err(unreadable)?, path)
}

/// As [`open`], from bytes; `path` is for messages.
///
/// # Errors
/// As [`open`].
pub fn parse(bytes: &[u8], path: &Path) -> Result<ModelFile, Error> {
    from_bytes(bytes).map_err(|refused| match refused {
        Refused::IsCheckpoint => Error::IsCheckpoint { path: path.into() },
        Refused::Problem(problem) => Error::Model { path: path.into(), problem },
    })
}

/// Why bytes are not a model.
enum Refused {
    IsCheckpoint,
    Problem(String),
}

impl From<String> for Refused {
    fn from(problem: String) -> Self {
        Refused::Problem(problem)
    }
}

fn from_bytes(bytes: &[u8]) -> Result<ModelFile, Refused> {
    if let Some(FileKind::Zip | FileKind::Pickle) = FileKind::of(bytes) {
        return Err(
            "this looks like a pickle of torch.save, which is not read because it can run code; write the weights with \
                    safetensors.torch.save_file(model.state_dict(), PATH)"
                .to_string()
                .into(),
        );
    }
    if let Some((what, advice)) = recognise(bytes) {
        return Err(format!("{what}, not a safetensors file; {advice}").into());
    }
    let not = |error: safetensors::SafeTensorError| format!("this is not a complete safetensors file ({error})");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not)?;
    let tensors = SafeTensors::deserialize(bytes).map_err(not)?;
    if ["w1", "b1"].iter().all(|name| tensors.tensor(name).is_ok()) {
        return Err(Refused::IsCheckpoint);
    }
    let state = StateDict::new(&tensors)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let description: Option<Description> = text
        .map(|text| serde_json::from_str(text).map_err(|error| format!("its metadata cannot be read ({error})")))
        .transpose()?;
    if let Some(description) = &description {
        let Description { widths, item, task, features, .. } = description;
        if *widths != state.widths() {
            return Err(format!("its metadata says widths {widths:?}, but its layers are {}", state.sentence).into());
        }
        let values = item.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
        let inputs = match features {
            Some(features) if values != Some(features.width()) => None,
            Some(features) => Some(features.inputs()),
            None => values,
        };
        if inputs != Some(widths[0]) {
            return Err(format!("its samples have the shape {item:?}, but it has {} inputs", widths[0]).into());
        }
        let outputs = widths[widths.len() - 1];
        if let Some(task) = task.as_ref().filter(|task| !task.is_valid() || task.outputs() != outputs) {
            return Err(format!("its metadata names {}, but it has {outputs} outputs", task.counted()).into());
        }
        let config = description.config();
        if !(config.huber_delta.is_finite() && config.huber_delta > 0.0) {
            return Err(format!("its metadata says huber_delta {}, but it must be above 0", config.huber_delta).into());
        }
        if let Some(problem) = description.novelty.as_ref().and_then(Novelty::problem) {
            return Err(format!("its metadata describes the training pictures wrongly: {problem}").into());
        }
        let problem = |error: Error| format!("its loss does not suit its targets ({error})");
        loss(&config, &description.task()).map_err(problem)?;
    }
    Ok(ModelFile { state, description, sha256: sha256(bytes) })
}
