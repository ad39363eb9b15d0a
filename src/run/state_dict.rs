//! Finds the layers of a net in a safetensors file with arbitrary tensor names. A PyTorch state dict stores neither the
//! order of the layers nor the modules between them.
//!
//! Each 2-D `NAME.weight` (O, I) with its 1-D `NAME.bias` (O) is a layer; a missing bias is zero. Layers are sorted by
//! name, with numbers in names compared as numbers: `0`, `2`, `10`; `fc1`, `fc2`, `fc10`. If the shapes do not fit in
//! that order and fit in exactly one other, that one is used.

use crate::config::MOST_LAYERS;
use crate::net::mlp::Layer;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::BTreeMap;

/// The layers of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDict {
    /// First to last.
    pub layers: Vec<Layer>,
    /// For the user: names and shapes of the layers in order, and what was assumed.
    pub sentence: String,
}

/// Maximum number of attempts to order the layers.
const ATTEMPTS: usize = 10_000;

impl StateDict {
    /// Finds the layers among a file's tensors.
    ///
    /// # Errors
    /// The reason why the tensors do not form a net of linear layers.
    pub fn new(tensors: &SafeTensors<'_>) -> Result<Self, String> {
        let mut parts: BTreeMap<_, [Option<TensorView<'_>>; 2]> = BTreeMap::new();
        for (name, view) in tensors.tensors() {
            let (layer, part) = name.rsplit_once('.').unwrap_or(("", &name));
            let rank = match part {
                "weight" => 2,
                "bias" => 1,
                _ => return Err(format!("{name} is neither weight nor bias of a linear layer")),
            };
            if view.shape().len() != rank || view.shape().contains(&0) {
                return Err(format!(
                    "{name} is {:?}, but a linear layer has weights (O, I) and biases (O)",
                    view.shape()
                ));
            }
            parts.entry((key(layer), layer.to_string())).or_default()[2 - rank] = Some(view);
        }
        if parts.len() > MOST_LAYERS {
            return Err(format!("it holds {} layers, but at most {MOST_LAYERS} can be read", parts.len()));
        }
        if parts.is_empty() {
            return Err("it holds no tensors".into());
        }
        let mut found = Vec::new();
        let mut remarks = String::new();
        for ((_, name), [weight, bias]) in parts {
            let weight = weight.ok_or_else(|| format!("{} is missing", tensor_name(&name, "weight")))?;
            let (outputs, inputs) = (weight.shape()[0], weight.shape()[1]);
            if let Some(bias) = &bias
                && bias.shape() != [outputs]
            {
                let bias_name = tensor_name(&name, "bias");
                return Err(format!("{bias_name} is {:?}, but {name}.weight is {:?}", bias.shape(), weight.shape()));
            }
            if bias.is_none() {
                remarks += &format!("; {name} has no bias: zeros are used");
            }
            let bias = bias.map_or(Ok(vec![0.0; outputs]), |bias| values(&tensor_name(&name, "bias"), &bias))?;
            let weight = values(&tensor_name(&name, "weight"), &weight)?;
            found.push((name, Layer { inputs, outputs, weight, bias }));
        }
        let shapes: Vec<_> = found.iter().map(|(_, layer)| (layer.inputs, layer.outputs)).collect();
        let listed = |order: &[usize]| {
            let entry = |&at: &usize| format!("{} {}→{}", found[at].0, shapes[at].0, shapes[at].1);
            order.iter().map(entry).collect::<Vec<_>>().join(", ")
        };
        let by_name: Vec<usize> = (0..found.len()).collect();
        let orders = orders(&shapes);
        let order = match &orders[..] {
            [] => return Err(format!("no order of its layers fits: {}", listed(&by_name))),
            [only] => only,
            [first, ..] if *first == by_name => {
                // If names differ only in their numbers, their order is certain.
                let words = |at: usize| key(&found[at].0).into_iter().map(|(word, _)| word).collect::<Vec<_>>();
                if by_name.iter().any(|&at| words(at) != words(0)) {
                    remarks += "; other orders are possible, the order of the names is used";
                }
                first
            }
            _ => {
                return Err(format!(
                    "its layers fit in several orders, but not in the order of the names: {}",
                    listed(&by_name)
                ));
            }
        };
        let sentence = listed(order) + &remarks;
        let mut found: Vec<_> = found.into_iter().map(|(_, layer)| Some(layer)).collect();
        let layers = order.iter().filter_map(|&at| found[at].take()).collect();
        Ok(StateDict { layers, sentence })
    }

    /// All widths, input first and classes last.
    pub fn widths(&self) -> Vec<usize> {
        let inputs = self.layers.first().map(|layer| layer.inputs);
        inputs.into_iter().chain(self.layers.iter().map(|layer| layer.outputs)).collect()
    }
}

fn tensor_name(layer: &str, part: &str) -> String {
    if layer.is_empty() { part.into() } else { format!("{layer}.{part}") }
}

/// Splits a name into words and numbers, so that 2 sorts before 10.
fn key(name: &str) -> Vec<(String, u64)> {
    let mut key = Vec::new();
    let mut rest = name;
    while !rest.is_empty() {
        let word = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let digits = rest[word..].find(|c: char| !c.is_ascii_digit()).map_or(rest.len(), |end| word + end);
        key.push((rest[..word].to_string(), rest[word..digits].parse().unwrap_or(u64::MAX)));
        rest = &rest[digits..];
    }
    key
}

/// Returns the first two orders in which each layer's inputs match the outputs of the layer before. Tries layers in the
/// listed order.
fn orders(shapes: &[(usize, usize)]) -> Vec<Vec<usize>> {
    struct Search<'a> {
        shapes: &'a [(usize, usize)],
        order: Vec<usize>,
        used: Vec<bool>,
        attempts: usize,
        found: Vec<Vec<usize>>,
    }
    impl Search<'_> {
        fn extend(&mut self) {
            if self.order.len() == self.shapes.len() {
                self.found.push(self.order.clone());
                return;
            }
            for next in 0..self.shapes.len() {
                let follows = self.order.last().is_none_or(|&last| self.shapes[last].1 == self.shapes[next].0);
                if follows && !self.used[next] && self.attempts > 0 && self.found.len() < 2 {
                    self.attempts -= 1;
                    self.used[next] = true;
                    self.order.push(next);
                    self.extend();
                    self.order.pop();
                    self.used[next] = false;
                }
            }
        }
    }
    let (used, order, found) = (vec![false; shapes.len()], Vec::new(), Vec::new());
    let mut search = Search { shapes, order, used, attempts: ATTEMPTS, found };
    search.extend();
    search.found
}

/// The values of a tensor in single precision.
fn values(name: &str, view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let data = view.data();
    let values: Vec<f32> = match view.dtype() {
        Dtype::F64 => {
            let doubles = data.chunks_exact(8).map(|b| f64::from_le_bytes(std::array::from_fn(|i| b[i])));
            doubles.map(|double| double as f32).collect()
        }
        Dtype::F32 => data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
        Dtype::F16 => data.chunks_exact(2).map(|b| f16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        Dtype::BF16 => data.chunks_exact(2).map(|b| bf16::from_le_bytes([b[0], b[1]]).to_f32()).collect(),
        other => return Err(format!("{name} is {other:?}, but F64, F32, F16 and BF16 can be read")),
    };
    match values.iter().position(|value| !value.is_finite()) {
        Some(at) => Err(format!("{name} holds {} at {at}", values[at])),
        None => Ok(values),
    }
}
