//! Exports a model as an ONNX graph. Its input is samples as the data set stores them; the graph contains the normalisation.
//!
//! ```text
//! pixels u8 (N, item…) → Cast → Mul scale → Add shift → Flatten → Gemm → activation → … → Gemm → logits f32 (N, C)
//! logits → Softmax → probabilities f32 (N, C);  logits → ArgMax → Reshape → label i64 (N)
//! ```
//!
//! A model of a table takes `features` f32 (N, F) as they are in the table; the graph fills missing values, scales, and encodes
//! categories. A model of real values gives `values` f32 (N, T) in their own units; one of labels gives `probabilities` (N, T).
//!
//! If the images of the data set were transposed on loading (EMNIST), the graph does it too, before Flatten. So the input is always
//! the bytes of the files.
//!
//! The batch size N is variable. Uses operator set 17 and IR version 8 (ONNX 1.12, 2022), which all current runtimes read. OpenCV 4
//! takes a NumPy array (N, R, C) for N×R pixels of C channels: give it (N, 1, R, C), which OpenCV 5 reads too.

mod ensemble;
mod inputs;
mod outputs;

pub use ensemble::onnx_ensemble;

use super::onnx_proto::*;
use crate::base::error::Error;
use crate::kernels::Activation;
use crate::net::mlp::Mlp;
use crate::run::model_file::Description;
use prost::Message;
use serde::Serialize;

const FLOAT: i32 = 1;
const UINT8: i32 = 2;
const INT64: i32 = 7;

/// Returns the bytes of an ONNX file. Equal models give equal bytes.
///
/// # Errors
/// [`Error::Setting`] if the file would be larger than 2 GiB, the limit of protobuf.
pub fn onnx(model: &Mlp, description: &Description) -> Result<Vec<u8>, Error> {
    check_size(model.parameters(), "export safetensors")?;
    let mut graph = Graph { name: "mlp".into(), ..Graph::default() };
    inputs::add(&mut graph, description);
    layers(&mut graph, model);
    outputs::add(&mut graph, description);
    encode(graph, description)
}

/// Checks that a file can hold this many parameters. `next`: what to do if it cannot.
fn check_size(parameters: usize, next: &str) -> Result<(), Error> {
    // The rest of the file needs less than a MiB.
    if parameters * 4 > i32::MAX as usize - (1 << 20) {
        return Err(Error::Setting(format!(
            "the model has {parameters} parameters, but an ONNX file holds at most 2 GiB: {next}"
        )));
    }
    Ok(())
}

/// The bytes of a file; `about` becomes its metadata.
fn encode(graph: Graph, about: &impl Serialize) -> Result<Vec<u8>, Error> {
    let described = serde_json::to_string(about).map_err(|error| Error::Setting(error.to_string()))?;
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

/// Adds the layers, from the inputs `x0` to the sums of the last one.
fn layers(graph: &mut Graph, model: &Mlp) {
    let mut x = "x0".to_string();
    for (layer, number) in model.layers.iter().zip(1..) {
        let last = number == model.layers.len();
        let w = format!("w{number}");
        let b = format!("b{number}");
        graph.initializer.push(tensor(&w, &[layer.outputs, layer.inputs], &layer.weight));
        graph.initializer.push(tensor(&b, &[layer.outputs], &layer.bias));
        let activation = if last { Activation::Identity } else { model.activation };
        let y = if last { outputs::NAME.to_string() } else { format!("h{number}") };
        let z = format!("z{number}");
        let sum = if activation == Activation::Identity { &y } else { &z };
        graph.push("Gemm", &[&x, &w, &b], sum, vec![integer("transB", 1)]);
        graph.activate(activation, &z, &y);
        x = y;
    }
}

impl Graph {
    /// Appends the nodes of an activation from `z` to `y`; none for the identity. Operators newer than operator set 17
    /// are composed of older ones.
    fn activate(&mut self, activation: Activation, z: &str, y: &str) {
        let part = |name: &str| format!("{y}_{name}");
        let alpha = |f| vec![Attribute { name: "alpha".into(), f: Some(f), r#type: 1, ..Attribute::default() }];
        match activation {
            Activation::Identity => {}
            Activation::Relu => self.push("Relu", &[z], y, vec![]),
            Activation::LeakyRelu(slope) => self.push("LeakyRelu", &[z], y, alpha(slope)),
            Activation::Sigmoid => self.push("Sigmoid", &[z], y, vec![]),
            Activation::Tanh => self.push("Tanh", &[z], y, vec![]),
            Activation::Selu => self.push("Selu", &[z], y, vec![]),
            Activation::Elu(a) => self.push("Elu", &[z], y, alpha(a)),
            Activation::Softplus => self.push("Softplus", &[z], y, vec![]),
            Activation::Silu => {
                self.push("Sigmoid", &[z], &part("gate"), vec![]);
                self.push("Mul", &[z, &part("gate")], y, vec![]);
            }
            Activation::Mish => {
                self.push("Softplus", &[z], &part("softplus"), vec![]);
                self.push("Tanh", &[&part("softplus")], &part("gate"), vec![]);
                self.push("Mul", &[z, &part("gate")], y, vec![]);
            }
            // z·Φ(z) with Φ(z) = erf(z/√2)/2 + 1/2.
            Activation::Gelu => {
                let root = self.scalar(&part("root"), std::f32::consts::FRAC_1_SQRT_2);
                let half = self.scalar(&part("half"), 0.5);
                self.push("Mul", &[z, &root], &part("scaled"), vec![]);
                self.push("Erf", &[&part("scaled")], &part("erf"), vec![]);
                self.push("Mul", &[&part("erf"), &half], &part("halved"), vec![]);
                self.push("Add", &[&part("halved"), &half], &part("gate"), vec![]);
                self.push("Mul", &[z, &part("gate")], y, vec![]);
            }
            // z·(1 + tanh u)/2 = z·σ(2u) with u = √(2/π)·(z + 0.044715·z³). OpenCV crashes at the form with tanh, and OpenCV 5.0.0
            // gives NaN for tanh of 45 to 89.
            Activation::GeluTanh => {
                let cubic = self.scalar(&part("cubic"), 0.044_715);
                let factor = self.scalar(&part("factor"), 1.595_769);
                self.push("Mul", &[z, z], &part("square"), vec![]);
                self.push("Mul", &[&part("square"), z], &part("cube"), vec![]);
                self.push("Mul", &[&part("cube"), &cubic], &part("term"), vec![]);
                self.push("Add", &[z, &part("term")], &part("sum"), vec![]);
                self.push("Mul", &[&part("sum"), &factor], &part("twice_u"), vec![]);
                self.push("Sigmoid", &[&part("twice_u")], &part("gate"), vec![]);
                self.push("Mul", &[z, &part("gate")], y, vec![]);
            }
        }
    }

    /// Adds a constant and returns its name.
    fn scalar(&mut self, name: &str, value: f32) -> String {
        self.initializer.push(tensor(name, &[], &[value]));
        name.into()
    }

    /// Appends a node and names it after its output.
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
    Attribute { name: name.into(), i: Some(i), r#type: 2, ..Attribute::default() }
}

fn tensor(name: &str, shape: &[usize], values: &[f32]) -> Tensor {
    Tensor {
        dims: shape.iter().map(|&size| size as i64).collect(),
        data_type: FLOAT,
        name: name.into(),
        raw_data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
    }
}

fn integers(name: &str, values: &[i64]) -> Tensor {
    Tensor {
        dims: vec![values.len() as i64],
        data_type: INT64,
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
