//! A model on disk: safetensors, with weights as `torch.nn.Linear` has them and everything else in the metadata.

use crate::config::Config;
use crate::error::Error;
use crate::kernels::Activation;
use crate::model::{Layer, Mlp};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;

/// What the file says beside the weights: one JSON object under the metadata key `gpu_mlp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Input first, classes last.
    pub widths: Vec<usize>,
    /// Activation of the hidden layers.
    pub activation: Activation,
    /// A byte p of a sample becomes p·scale + shift.
    pub scale: f32,
    /// See `scale`.
    pub shift: f32,
    /// Dimensions of a sample.
    pub item: Vec<usize>,
    /// Name of the data set it was trained on.
    pub data: String,
    /// Hash of that data set.
    pub data_sha256: String,
    /// Version of the program.
    pub version: String,
}

/// The metadata key. One key only: the order of several would differ from run to run, and with it the file's bytes.
const KEY: &str = "gpu_mlp";

impl Description {
    /// A configuration with this architecture, for building an evaluation.
    pub fn config(&self) -> Config {
        use crate::config::ActivationName as Name;
        let (activation, alpha) = match self.activation {
            Activation::Identity => (Name::Identity, 0.0),
            Activation::Relu => (Name::Relu, 0.0),
            Activation::LeakyRelu(alpha) => (Name::LeakyRelu, alpha),
            Activation::Sigmoid => (Name::Sigmoid, 0.0),
            Activation::Tanh => (Name::Tanh, 0.0),
        };
        let hidden = self.widths[1..self.widths.len() - 1].to_vec();
        Config { hidden, activation, alpha, ..Config::default() }
    }
}

/// The bytes of a model file; equal models give equal bytes.
///
/// # Errors
/// If the container refuses the tensors, which it does only for shapes that contradict their data.
pub fn to_bytes(path: &Path, model: &Mlp, description: &Description) -> Result<Vec<u8>, Error> {
    let broken = |problem: String| Error::Model { path: path.into(), problem };
    let mut tensors = Vec::new();
    for (number, layer) in model.layers.iter().enumerate() {
        let parts =
            [("weight", vec![layer.outputs, layer.inputs], &layer.weight), ("bias", vec![layer.outputs], &layer.bias)];
        for (part, shape, values) in parts {
            let view = TensorView::new(Dtype::F32, shape, bytemuck::cast_slice(values));
            tensors.push((format!("layers.{number}.{part}"), view.map_err(|error| broken(error.to_string()))?));
        }
    }
    let description = serde_json::to_string(description).map_err(|error| broken(error.to_string()))?;
    let metadata = HashMap::from([(KEY.to_string(), description)]);
    safetensors::serialize(tensors, Some(metadata)).map_err(|error| broken(error.to_string()))
}

/// Reads a model file.
///
/// # Errors
/// [`Error::File`] if it cannot be read, [`Error::Model`] if it is not a model of this program or holds values that are
/// not finite.
pub fn read(path: &Path) -> Result<(Mlp, Description), Error> {
    let bytes = std::fs::read(path).map_err(Error::file(path))?;
    from_bytes(&bytes).map_err(|problem| Error::Model { path: path.into(), problem })
}

fn from_bytes(bytes: &[u8]) -> Result<(Mlp, Description), String> {
    let not = |error: safetensors::SafeTensorError| format!("this is not a whole safetensors file ({error})");
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(not)?;
    let text = header.metadata().as_ref().and_then(|metadata| metadata.get(KEY));
    let text = text.ok_or("it has no gpu-mlp metadata: it was not written by this program")?;
    let description: Description =
        serde_json::from_str(text).map_err(|error| format!("its metadata cannot be read ({error})"))?;
    let tensors = SafeTensors::deserialize(bytes).map_err(not)?;
    let widths = &description.widths;
    if widths.len() < 2 || widths.contains(&0) {
        return Err(format!("its widths are {widths:?}, but a net has at least inputs and classes"));
    }
    if description.item.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) != Some(widths[0]) {
        return Err(format!("its items are {:?}, which is not {} inputs", description.item, widths[0]));
    }
    let mut layers = Vec::new();
    for (number, pair) in widths.windows(2).enumerate() {
        let part = |part: &str, shape: &[usize]| -> Result<Vec<f32>, String> {
            let name = format!("layers.{number}.{part}");
            let view = tensors.tensor(&name).map_err(|_| format!("{name} is missing"))?;
            if view.dtype() != Dtype::F32 || view.shape() != shape {
                return Err(format!("{name} is {:?} {:?} but must be {shape:?} F32", view.shape(), view.dtype()));
            }
            let words = view.data().chunks_exact(4);
            let values: Vec<f32> = words.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
            match values.iter().position(|value| !value.is_finite()) {
                Some(at) => Err(format!("{name} holds {} at {at}", values[at])),
                None => Ok(values),
            }
        };
        let (inputs, outputs) = (pair[0], pair[1]);
        let (weight, bias) = (part("weight", &[outputs, inputs])?, part("bias", &[outputs])?);
        layers.push(Layer { inputs, outputs, weight, bias });
    }
    Ok((Mlp { activation: description.activation, layers }, description))
}
