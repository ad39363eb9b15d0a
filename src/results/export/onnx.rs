//! Exports a model as an ONNX graph. Its input is the data set's bytes; the graph contains the normalisation.
//!
//! ```text
//! pixels u8 (N, item…) → Cast → Mul scale → Add shift → Flatten → Gemm → activation → … → Gemm → logits f32 (N, C)
//! logits → Softmax → probabilities f32 (N, C);  logits → ArgMax → label i64 (N)
//! ```
//!
//! The batch size N is variable. Uses operator set 17 and IR version 8 (ONNX 1.12, 2022), which all current runtimes read.

use super::onnx_proto::*;
use crate::base::error::Error;
use crate::kernels::Activation;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use prost::Message;

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT64: i32 = 7;

/// The bytes of an ONNX file. Equal models give equal bytes.
///
/// # Errors
/// [`Error::Setting`] if the file would be larger than 2 GiB, the limit of protobuf.
pub fn onnx(model: &Mlp, description: &Description) -> Result<Vec<u8>, Error> {
    if model.parameters() * 4 > i32::MAX as usize - (1 << 20) {
        return Err(Error::Setting(format!(
            "the model has {} parameters, but an ONNX file holds at most 2 GiB: export safetensors",
            model.parameters()
        )));
    }
    let mut graph = Graph { name: "mlp".into(), ..Graph::default() };
    let item = description.item.iter().map(|&size| dimension(size));
    graph.input.push(value("pixels", UINT8, item.collect(), "samples as bytes, not normalised"));
    for (name, number) in [("scale", description.inputs.scale), ("shift", description.inputs.shift)] {
        graph.initializer.push(tensor(name, &[], &[number]));
    }
    graph.push("Cast", &["pixels"], "floats", vec![integer("to", FLOAT.into())]);
    graph.push("Mul", &["floats", "scale"], "scaled", vec![]);
    graph.push("Add", &["scaled", "shift"], "normalised", vec![]);
    graph.push("Flatten", &["normalised"], "x0", vec![integer("axis", 1)]);

    let mut x = "x0".to_string();
    for (layer, number) in model.layers.iter().zip(1..) {
        let last = number == model.layers.len();
        let w = format!("w{number}");
        let b = format!("b{number}");
        graph.initializer.push(tensor(&w, &[layer.outputs, layer.inputs], &layer.weight));
        graph.initializer.push(tensor(&b, &[layer.outputs], &layer.bias));
        let operator = if last { None } else { operator(model.activation) };
        let h = format!("h{number}");
        let z = format!("z{number}");
        let y = if last { "logits" } else { &h };
        let sum = if operator.is_some() { &z } else { y };
        graph.push("Gemm", &[&x, &w, &b], sum, vec![integer("transB", 1)]);
        if let Some((name, attributes)) = operator {
            graph.push(name, &[&z], y, attributes);
        }
        x = y.to_string();
    }
    graph.push("Softmax", &["logits"], "probabilities", vec![integer("axis", 1)]);
    graph.push("ArgMax", &["logits"], "label", vec![integer("axis", 1), integer("keepdims", 0)]);
    let classes = || vec![dimension(model.classes())];
    graph.output.push(value("logits", FLOAT, classes(), "the last layer's sums"));
    graph.output.push(value("probabilities", FLOAT, classes(), "softmax of the logits"));
    graph.output.push(value("label", INT64, vec![], "the most probable class"));

    let described = serde_json::to_string(description).map_err(|error| Error::Setting(error.to_string()))?;
    let model = Model {
        ir_version: 8,
        producer_name: "gpu-mlp".into(),
        producer_version: env!("CARGO_PKG_VERSION").into(),
        graph: Some(graph),
        opset_import: vec![OperatorSet { domain: String::new(), version: 17 }],
        metadata_props: vec![Entry { key: "gpu_mlp".into(), value: described }],
    };
    Ok(model.encode_to_vec())
}

fn operator(activation: Activation) -> Option<(&'static str, Vec<Attribute>)> {
    match activation {
        Activation::Identity => None,
        Activation::Relu => Some(("Relu", vec![])),
        Activation::LeakyRelu(alpha) => {
            Some(("LeakyRelu", vec![Attribute { name: "alpha".into(), f: alpha, r#type: 1, ..Attribute::default() }]))
        }
        Activation::Sigmoid => Some(("Sigmoid", vec![])),
        Activation::Tanh => Some(("Tanh", vec![])),
    }
}

impl Graph {
    /// Appends a node with the name of its output.
    fn push(&mut self, operator: &str, inputs: &[&str], output: &str, attribute: Vec<Attribute>) {
        self.node.push(Node {
            input: inputs.iter().map(|name| name.to_string()).collect(),
            output: vec![output.into()],
            name: output.into(),
            op_type: operator.into(),
            attribute,
        });
    }
}

fn integer(name: &str, i: i64) -> Attribute {
    Attribute { name: name.into(), i, r#type: 2, ..Attribute::default() }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
    Tensor {
        dims: shape.iter().map(|&size| size as i64).collect(),
        data_type: FLOAT,
        name: name.into(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn dimension(size: usize) -> Dimension {
    Dimension { dim_value: Some(size as i64), dim_param: None }
}

/// An input or output with a variable number of rows.
fn value(name: &str, elem_type: i32, row: Vec<Dimension>, doc: &str) -> ValueInfo {
    let batch = Dimension { dim_value: None, dim_param: Some("N".into()) };
    let shape = Shape { dim: [vec![batch], row].concat() };
    let r#type = Some(Type { tensor_type: Some(TensorType { elem_type, shape: Some(shape) }) });
    ValueInfo { name: name.into(), r#type, doc_string: doc.into() }
}
