//! Files that `export` writes, read by independent code: ONNX by another crate's parser and an interpreter below.
#![cfg(feature = "formats")]

use gpu_mlp::config::Init;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::load::transpose;
use gpu_mlp::data::{Split, TargetScale, Task};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::Activation;
use gpu_mlp::kernels::InputMap;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::assess;
use gpu_mlp::results::ensemble::{Doubt, Ensemble, Member};
use gpu_mlp::results::export::onnx::{onnx, onnx_ensemble};
use gpu_mlp::results::export::{csv::csv, sequential::Sequential};
use gpu_mlp::run::model_file::{self, Description};
use onnx_rs::ast::{DataType, Dimension, OpType, TypeValue, ValueInfo};
use std::collections::HashMap;
use std::path::Path;

const ACTIVATIONS: [Activation; 12] = [
    Activation::Identity,
    Activation::Relu,
    Activation::LeakyRelu(0.2),
    Activation::Sigmoid,
    Activation::Tanh,
    Activation::Gelu,
    Activation::GeluTanh,
    Activation::Silu,
    Activation::Mish,
    Activation::Selu,
    Activation::Elu(0.7),
    Activation::Softplus,
];

fn sample(widths: &[usize], activation: Activation) -> (Mlp, Description) {
    let mut model = Mlp::new(widths, activation, Init::Auto, 7);
    for (number, layer) in model.layers.iter_mut().enumerate() {
        layer.bias.iter_mut().enumerate().for_each(|(i, bias)| *bias = 0.1 * i as f32 - 0.2 * number as f32);
    }
    let description = Description {
        item: vec![2, 3],
        transposed: Some(false),
        data: "tiny".into(),
        data_sha256: "00".into(),
        version: "0".into(),
        ..Description::new(model.widths(), activation, InputMap { scale: 0.0125, shift: -0.4 })
    };
    (model, description)
}

/// A matrix: rows, columns, values.
type Matrix = (usize, usize, Vec<f64>);

/// Runs a graph on samples; returns every value by name.
fn run(bytes: &[u8], pixels: &[u8], samples: usize) -> HashMap<String, Matrix> {
    let model = onnx_rs::parse(bytes).unwrap();
    assert_eq!((model.ir_version, model.opset_import[0].version), (8, 17));
    let graph = model.graph.unwrap();
    let mut values: HashMap<String, Matrix> = HashMap::new();
    let pixels = pixels.iter().map(|&pixel| f64::from(pixel)).collect::<Vec<_>>();
    values.insert(graph.input[0].name.into(), (samples, pixels.len() / samples, pixels));
    let mut shapes: HashMap<&str, Vec<i64>> = HashMap::new();
    for tensor in &graph.initializer {
        if let Some(shape) = tensor.as_i64() {
            shapes.insert(tensor.name(), shape.to_vec());
            continue;
        }
        let data = tensor.as_f32().unwrap().iter().map(|&value| f64::from(value)).collect::<Vec<_>>();
        let (rows, cols) = match *tensor.dims() {
            [rows, cols] => (rows as usize, cols as usize),
            _ => (1, data.len()),
        };
        values.insert(tensor.name().into(), (rows, cols, data));
    }
    for node in &graph.node {
        let input = |at: usize| &values[node.input[at]];
        let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
        let (rows, cols, x) = input(0);
        let map = |f: &dyn Fn(f64) -> f64| (*rows, *cols, x.iter().map(|&value| f(value)).collect());
        // For two tensors of one shape, or a tensor and a constant or row.
        let pair = |f: &dyn Fn(f64, f64) -> f64| {
            let other = &input(1).2;
            (*rows, *cols, x.iter().enumerate().map(|(at, &value)| f(value, other[at % other.len()])).collect())
        };
        let result: Matrix = match node.op_type {
            OpType::Cast => {
                assert_eq!(attribute("to").unwrap().i, 1, "to float");
                map(&|value| value)
            }
            OpType::Mul => pair(&|a, b| a * b),
            OpType::Add => pair(&|a, b| a + b),
            OpType::Sum => {
                let mut sum = x.clone();
                for at in 1..node.input.len() {
                    sum.iter_mut().zip(&input(at).2).for_each(|(sum, value)| *sum += value);
                }
                (*rows, *cols, sum)
            }
            OpType::Identity => map(&|value| value),
            OpType::Erf => map(&libm::erf),
            OpType::Softplus => map(&|value| value.exp().ln_1p()),
            OpType::Selu => {
                map(&|value| 1.0507009873554805 * (value.max(0.0) + 1.6732632423543772 * value.min(0.0).exp_m1()))
            }
            OpType::Elu => {
                let alpha = f64::from(attribute("alpha").unwrap().f);
                map(&|value| value.max(0.0) + alpha * value.min(0.0).exp_m1())
            }
            OpType::Flatten => map(&|value| value),
            OpType::Reshape => {
                let shape = &shapes[node.input[1]];
                assert_eq!((shape[0], shape[1..].iter().product::<i64>() as usize), (-1, *cols));
                map(&|value| value)
            }
            OpType::Transpose => {
                assert_eq!(attribute("perm").unwrap().ints, [0, 2, 1]);
                let [high, wide] = [1, 2].map(|at| shapes["stored_shape"][at] as usize);
                let upright = (0..*cols).map(|at| at % high * wide + at / high).collect::<Vec<_>>();
                let turned = x.chunks_exact(*cols).flat_map(|sample| upright.iter().map(|&at| sample[at]));
                (*rows, *cols, turned.collect())
            }
            OpType::Relu => map(&|value| value.max(0.0)),
            OpType::LeakyRelu => {
                let alpha = f64::from(attribute("alpha").unwrap().f);
                map(&|value| if value < 0.0 { alpha * value } else { value })
            }
            OpType::Sigmoid => map(&|value| 1.0 / (1.0 + (-value).exp())),
            OpType::Tanh => map(&f64::tanh),
            OpType::Gemm => {
                assert_eq!(attribute("transB").unwrap().i, 1);
                let ((outputs, inputs, w), (_, _, b)) = (input(1), input(2));
                assert_eq!(inputs, cols);
                let sum =
                    |x: &[f64], o: usize| w[o * inputs..][..*inputs].iter().zip(x).map(|(w, x)| w * x).sum::<f64>();
                let rows_of = x.chunks_exact(*cols).flat_map(|x| (0..*outputs).map(move |o| sum(x, o) + b[o]));
                (*rows, *outputs, rows_of.collect())
            }
            OpType::Softmax => {
                let normal = |row: &[f64]| {
                    let sum: f64 = row.iter().map(|value| value.exp()).sum();
                    row.iter().map(|value| value.exp() / sum).collect::<Vec<_>>()
                };
                (*rows, *cols, x.chunks_exact(*cols).flat_map(normal).collect())
            }
            OpType::ArgMax => {
                assert_eq!((attribute("axis").unwrap().i, attribute("keepdims").unwrap().i), (1, 1));
                let best = |row: &[f64]| (0..*cols).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap() as f64;
                (*rows, 1, x.chunks_exact(*cols).map(best).collect())
            }
            ref other => panic!("unexpected operator {other:?}"),
        };
        assert!(values.insert(node.output[0].into(), result).is_none(), "{} is computed twice", node.output[0]);
    }
    values
}

#[test]
fn an_onnx_graph_computes_what_the_engine_computes() {
    let pixels: Vec<u8> = (0..54u32).map(|i| (i * 89 % 256) as u8).collect();
    let split = Split::new(pixels.clone(), vec![0u8; 9]);
    for activation in ACTIVATIONS {
        for widths in [&[6, 3][..], &[6, 5, 4], &[6, 7, 5, 3]] {
            let (model, description) = sample(widths, activation);
            let values = run(&onnx(&model, &description).unwrap(), &pixels, 9);
            let ours = pollster::block_on(assess(&Machine::Cpu, &model, &description, &split, &[2, 3])).unwrap();
            for (sample, row) in
                ours.classes().unwrap().predictions.probabilities.chunks_exact(model.classes()).enumerate()
            {
                for (class, &ours) in row.iter().enumerate() {
                    let theirs = values["probabilities"].2[sample * row.len() + class];
                    assert!((f64::from(ours) - theirs).abs() < 1e-5, "{activation} {widths:?}: {ours} {theirs}");
                }
                assert_eq!(values["label"].2[sample], ours.classes().unwrap().predictions.class(sample) as f64);
            }
        }
    }
}

/// Members of several widths and activations; with `alike`, all scale their inputs alike.
fn ensemble(alike: bool) -> Vec<Member> {
    let members = ACTIVATIONS.iter().enumerate().map(|(number, &activation)| {
        let widths = [&[6, 4][..], &[6, 5, 4], &[6, 7, 5, 4]][number % 3];
        let (mut model, mut description) = sample(widths, activation);
        model.layers[0].bias[0] = number as f32;
        if !alike {
            description.inputs.shift = 0.1 * number as f32;
        }
        Member { name: format!("runs/{number}"), model, description }
    });
    members.collect()
}

#[test]
fn an_ensemble_is_one_graph() {
    let pixels: Vec<u8> = (0..54u32).map(|i| (i * 89 % 256) as u8).collect();
    for alike in [true, false] {
        let members = ensemble(alike);
        let bytes = onnx_ensemble(&members).unwrap();
        let values = run(&bytes, &pixels, 9);
        let mut ensemble = pollster::block_on(Ensemble::new(&Machine::Cpu, &members, 9)).unwrap();
        let ours = pollster::block_on(ensemble.predict(&pixels[..])).unwrap().answers;
        assert_eq!(ours.len(), values["probabilities"].2.len());
        for (sample, row) in ours.chunks_exact(4).enumerate() {
            for (class, &ours) in row.iter().enumerate() {
                let theirs = values["probabilities"].2[sample * 4 + class];
                assert!((f64::from(ours) - theirs).abs() < 1e-5, "{sample} {class}: {ours} {theirs}");
            }
            let best = (0..4).max_by(|&a, &b| row[a].total_cmp(&row[b])).unwrap();
            assert_eq!(values["label"].2[sample], best as f64);
        }
        let model = onnx_rs::parse(&bytes).unwrap();
        let casts = model.graph.as_ref().unwrap().node.iter().filter(|node| node.op_type == OpType::Cast).count();
        assert_eq!(casts, if alike { 1 } else { members.len() }, "the inputs are scaled once, or once per member");
        let outputs: Vec<&str> = model.graph.as_ref().unwrap().output.iter().map(|info| info.name).collect();
        assert_eq!(outputs, ["probabilities", "label"]);
        assert_eq!(model.graph.unwrap().input.len(), 1);
    }
}

/// Values in their own units, each with its own scale.
#[test]
fn an_ensemble_of_values_averages_them_in_their_units() {
    let members = [2.0f32, 5.0].map(|deviation| {
        let (model, description) = sample(&[6, 5, 1], Activation::Tanh);
        let scales = vec![TargetScale { mean: 10.0 * deviation, deviation }];
        let task = Some(Task::Values { names: vec!["y".into()], scales });
        Member { name: deviation.to_string(), model, description: Description { task, ..description } }
    });
    let pixels: Vec<u8> = (0..54u32).map(|i| (i * 89 % 256) as u8).collect();
    let values = run(&onnx_ensemble(&members).unwrap(), &pixels, 9);
    let mut ensemble = pollster::block_on(Ensemble::new(&Machine::Cpu, &members, 9)).unwrap();
    let ours = pollster::block_on(ensemble.predict(&pixels[..])).unwrap();
    for (ours, theirs) in ours.answers.iter().zip(&values["values"].2) {
        assert!((f64::from(*ours) - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
    assert!(matches!(&ours.doubts[0], Doubt::Deviations(deviations) if deviations[0] > 1.0));
}

/// EMNIST's files store columns as rows; the data set is transposed on loading. The graph takes the files' bytes.
#[test]
fn an_onnx_graph_transposes_the_bytes_of_files_that_were_transposed_on_loading() {
    let upright: Vec<u8> = (0..54u32).map(|i| (i * 89 % 256) as u8).collect();
    let mut images = Idx { shape: vec![9, 2, 3], bytes: upright.clone() };
    transpose(&mut images);
    assert_eq!(images.shape, [9, 3, 2]);
    let (model, mut description) = sample(&[6, 5, 4], Activation::Relu);
    let plain = run(&onnx(&model, &description).unwrap(), &upright, 9);
    let names = [(Some(true), "mine"), (None, "emnist-letters")];
    for (transposed, data) in names {
        description = Description { transposed, data: data.into(), ..description };
        let bytes = onnx(&model, &description).unwrap();
        assert_eq!(run(&bytes, &images.bytes, 9)["logits"], plain["logits"]);
        let graph = onnx_rs::parse(&bytes).unwrap().graph.unwrap();
        assert!(graph.input[0].doc_string.contains("columns as rows"));
    }
}

/// proto3 leaves out a value of 0, and OpenCV refuses an attribute without a value.
#[test]
fn an_attribute_of_zero_is_written_with_its_value() {
    let (model, description) = sample(&[6, 5, 4], Activation::LeakyRelu(0.0));
    let bytes = onnx(&model, &description).unwrap();
    let holds = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
    // Field 1: the name; field 2: a float; field 20: the type.
    assert!(holds(b"\x0a\x05alpha\x15\x00\x00\x00\x00\xa0\x01\x01"));
}

#[test]
fn an_onnx_graph_takes_any_number_of_raw_samples() {
    let (model, description) = sample(&[6, 5, 4], Activation::Relu);
    let bytes = onnx(&model, &description).unwrap();
    assert_eq!(bytes, onnx(&model, &description).unwrap(), "equal models, equal files");
    let graph = onnx_rs::parse(&bytes).unwrap().graph.unwrap();
    let typed = |info: &ValueInfo<'_>| match info.r#type.as_ref().unwrap().value.as_ref().unwrap() {
        TypeValue::Tensor(tensor) => {
            let dims = tensor.shape.as_ref().unwrap().dim.iter().map(|dim| match dim.value {
                Dimension::Param(name) => name.to_string(),
                Dimension::Value(size) => size.to_string(),
            });
            (info.name.to_string(), tensor.elem_type, dims.collect::<Vec<_>>().join(","))
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(typed(&graph.input[0]), ("pixels".into(), DataType::Uint8, "N,2,3".into()));
    let outputs: Vec<_> = graph.output.iter().map(typed).collect();
    let expected = [
        ("logits", DataType::Float, "N,4"),
        ("probabilities", DataType::Float, "N,4"),
        ("label", DataType::Int64, "N"),
    ];
    assert_eq!(outputs, expected.map(|(name, kind, shape)| (name.to_string(), kind, shape.to_string())));
}

#[test]
fn a_sequential_has_the_module_numbers_of_its_python_line_and_can_be_read_back() {
    let (model, description) = sample(&[6, 5, 4, 3], Activation::LeakyRelu(0.2));
    for (input_dropout, dropout) in [(false, false), (false, true), (true, false), (true, true)] {
        let sequential = Sequential { input_dropout, dropout };
        let python = sequential.python(&model);
        let modules: Vec<&str> = python.strip_prefix("nn.Sequential(").unwrap().split("nn.").skip(1).collect();
        let linear = (0..modules.len()).filter(|&at| modules[at].starts_with("Linear"));
        assert_eq!(linear.collect::<Vec<_>>(), [0, 1, 2].map(|layer| sequential.module(layer)), "{python}");
        assert_eq!(python.contains("Dropout"), input_dropout || dropout);

        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("m.safetensors");
        std::fs::write(&path, sequential.to_bytes(&path, &model, &description).unwrap()).unwrap();
        assert_eq!(model_file::read(&path).unwrap(), (model.clone(), description.clone()));
    }
    let bytes = Sequential::default().to_bytes(Path::new("m"), &model, &description).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut names = tensors.names();
    names.sort();
    assert_eq!(names, ["0.bias", "0.weight", "2.bias", "2.weight", "4.bias", "4.weight"]);
}

#[test]
fn a_csv_file_has_every_number_once_and_bit_identical() {
    let (model, _) = sample(&[6, 5, 3], Activation::Relu);
    let mut bytes = Vec::new();
    csv(&model, &mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let mut copy = model.clone();
    for layer in &mut copy.layers {
        layer.weight.fill(f32::NAN);
        layer.bias.fill(f32::NAN);
    }
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("layer,part,output,input,value"));
    for line in lines {
        let fields: Vec<&str> = line.split(',').collect();
        let number = |at: usize| fields[at].parse::<usize>().unwrap();
        let layer = &mut copy.layers[number(0) - 1];
        let place = match fields[1] {
            "weight" => &mut layer.weight[number(2) * layer.inputs + number(3)],
            _ => &mut layer.bias[number(2)],
        };
        assert!(place.is_nan(), "{line} is repeated");
        *place = fields[4].parse().unwrap();
    }
    assert_eq!(copy, model);
}
