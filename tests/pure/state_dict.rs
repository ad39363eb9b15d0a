//! State dicts written by other programs: names, number formats, and what is refused.

use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::run::model_file;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

type Tensor<'a> = (&'a str, Dtype, Vec<usize>, Vec<u8>);

/// A tensor whose values are 0, 1, 2, …
fn counted<'a>(name: &'a str, shape: &[usize]) -> Tensor<'a> {
    let values = (0..shape.iter().product::<usize>()).flat_map(|i| (i as f32).to_le_bytes());
    (name, Dtype::F32, shape.to_vec(), values.collect())
}

fn open(tensors: &[Tensor<'_>]) -> Result<model_file::ModelFile, String> {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.safetensors");
    let views = tensors
        .iter()
        .map(|(name, dtype, shape, bytes)| (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(&path, safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap()).unwrap();
    model_file::open(&path).map_err(|error| error.to_string())
}

/// Name, inputs, outputs.
type Named<'a> = (&'a str, usize, usize);

/// Opens a file of linear layers with these names and shapes (I, O).
fn named(layers: &[Named<'_>]) -> Result<model_file::ModelFile, String> {
    let names: Vec<_> = layers.iter().map(|(name, ..)| (format!("{name}.weight"), format!("{name}.bias"))).collect();
    let pairs = layers.iter().zip(&names);
    let tensors = pairs.flat_map(|((_, i, o), (weight, bias))| [counted(weight, &[*o, *i]), counted(bias, &[*o])]);
    open(&tensors.collect::<Vec<_>>())
}

#[test]
fn layers_with_common_names_are_put_in_order() {
    let cases: [(&[Named<'_>], &[usize]); 7] = [
        (&[("0", 6, 5), ("2", 5, 3)], &[6, 5, 3]),
        (&[("layers.0", 6, 5), ("layers.1", 5, 3)], &[6, 5, 3]),
        // In alphabetical order, 12 would come before 2; the last two are square, so shapes do not decide.
        (&[("net.12", 4, 4), ("net.2", 4, 4), ("net.0", 6, 4)], &[6, 4, 4, 4]),
        (&[("fc1", 6, 5), ("fc2", 5, 4), ("fc10", 4, 3)], &[6, 5, 4, 3]),
        (&[("_orig_mod.0", 6, 5), ("_orig_mod.2", 5, 3)], &[6, 5, 3]),
        // By name the output layer would come first; by shape it cannot.
        (&[("head", 5, 3), ("stem", 6, 5)], &[6, 5, 3]),
        (&[("classifier", 6, 3)], &[6, 3]),
    ];
    for (layers, widths) in cases {
        let file = named(layers).unwrap();
        assert_eq!(file.state.widths(), widths, "{}", file.state.sentence);
        assert!(file.description.is_none());
    }
    let sentence = named(&[("net.12", 4, 4), ("net.2", 4, 4)]).unwrap().state.sentence;
    assert_eq!(sentence, "net.2 4→4, net.12 4→4");
    let sentence = named(&[("hidden", 4, 4), ("entry", 4, 4)]).unwrap().state.sentence;
    assert!(sentence.starts_with("entry 4→4, hidden 4→4; other orders are possible"), "{sentence}");
}

#[test]
fn a_bare_layer_and_a_layer_without_bias_are_layers() {
    let (model, _) = open(&[counted("weight", &[3, 6])]).unwrap().with(Activation::Relu, InputMap::RAW);
    assert_eq!((model.layers[0].inputs, model.layers[0].outputs), (6, 3));
    assert_eq!(model.layers[0].bias, [0.0; 3]);
    let file = open(&[counted("0.weight", &[3, 6])]).unwrap();
    assert!(file.state.sentence.contains("0 has no bias"), "{}", file.state.sentence);
}

#[test]
fn all_floating_point_formats_are_converted() {
    let values = [0.5f32, -1.25, 3.0];
    let formats: [(Dtype, Vec<u8>); 4] = [
        (Dtype::F64, values.iter().flat_map(|&v| f64::from(v).to_le_bytes()).collect()),
        (Dtype::F32, values.iter().flat_map(|v| v.to_le_bytes()).collect()),
        (Dtype::F16, values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect()),
        (Dtype::BF16, values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect()),
    ];
    for (dtype, bytes) in formats {
        let file = open(&[("0.weight", dtype, vec![1, 3], bytes)]).unwrap();
        assert_eq!(file.state.layers[0].weight, values, "{dtype:?}");
    }
}

#[test]
fn other_files_than_nets_of_linear_layers_are_refused_with_the_reason() {
    let ints = ("0.weight", Dtype::I32, vec![1, 1], vec![0; 4]);
    let infinite = ("0.weight", Dtype::F64, vec![1, 1], 1e300f64.to_le_bytes().to_vec());
    let cases: [(&[Tensor<'_>], &str); 9] = [
        (&[], "no tensors"),
        (&[counted("0.weight", &[3, 6]), counted("1.running_mean", &[3])], "1.running_mean is neither"),
        (&[counted("0.weight", &[3, 1, 5, 5])], "0.weight is [3, 1, 5, 5]"),
        (&[counted("1.weight", &[3])], "1.weight is [3]"),
        (&[counted("0.bias", &[3])], "0.weight is missing"),
        (&[counted("0.weight", &[3, 6]), counted("0.bias", &[4])], "0.bias is [4]"),
        (&[counted("0.weight", &[3, 6]), counted("2.weight", &[3, 4])], "0 6→3, 2 4→3"),
        (&[ints], "0.weight is I32"),
        (&[infinite], "0.weight holds inf at 0"),
    ];
    for (tensors, words) in cases {
        let message = open(tensors).unwrap_err();
        assert!(message.contains(words), "{words:?} is not in: {message}");
    }
    let folder = TempDir::new().unwrap();
    for magic in [&b"PK\x03\x04archive/data.pkl"[..], b"\x80\x02\x8a\x0a"] {
        let path = folder.path().join("m.pt");
        std::fs::write(&path, magic).unwrap();
        let message = model_file::open(&path).unwrap_err().to_string();
        assert!(message.contains("pickle") && message.contains("safetensors.torch.save_file"), "{message}");
    }
}

#[test]
fn many_layers_neither_overflow_the_stack_nor_take_long() {
    // No order fits: the last layer connects to none of the square ones.
    let names: Vec<String> = (0..900).map(|i| format!("{i}")).collect();
    let mut layers: Vec<_> = names.iter().map(|name| (name.as_str(), 1, 1)).collect();
    assert_eq!(named(&layers).unwrap().state.layers.len(), 900);
    layers.push(("900", 2, 3));
    assert!(named(&layers).unwrap_err().contains("no order of its layers"));
}

#[cfg(feature = "cli")]
mod cli {
    use super::*;
    use crate::common::program::gpu_mlp;
    use std::path::Path;

    const DATA: [&str; 8] = ["--engine", "cpu", "--data", "digits", "--digits-train", "500", "--digits-test", "100"];

    /// Runs the program; returns its exit code, stdout and stderr.
    fn run(folder: &Path, words: &[&str], data: bool) -> (i32, String, String) {
        let output = gpu_mlp(folder).args(words).args(if data { &DATA[..] } else { &[] }).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    #[test]
    fn a_foreign_file_is_scored_exported_and_trained_from_and_its_reading_is_reported() {
        let folder = TempDir::new().unwrap();
        let (code, _, stderr) = run(folder.path(), &["train", "--epochs", "1", "--hidden", "20,20"], true);
        assert_eq!(code, 0, "{stderr}");
        // The weights of the model alone, as torch would write them.
        let ours = folder.path().join("runs/1/model.safetensors");
        let (model, description) = model_file::read(&ours).unwrap();
        let names = [0, 2, 4].map(|module| [format!("{module}.weight"), format!("{module}.bias")]);
        let views = model.layers.iter().zip(&names).flat_map(|(layer, [weight, bias])| {
            let view =
                |shape, values| TensorView::new(Dtype::F32, shape, bytemuck::cast_slice::<f32, u8>(values)).unwrap();
            let shape = vec![layer.outputs, layer.inputs];
            [(weight.clone(), view(shape, &layer.weight)), (bias.clone(), view(vec![layer.outputs], &layer.bias))]
        });
        let bytes = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
        std::fs::write(folder.path().join("t.safetensors"), bytes).unwrap();

        let deviation = 1.0 / (255.0 * f64::from(description.inputs.scale));
        let normalize = format!("{},{deviation}", -f64::from(description.inputs.shift) * deviation);
        let strange = ["eval", "t.safetensors", "--activation", "relu", "--normalize", &normalize];
        let (_, theirs, said) = run(folder.path(), &strange, true);
        let (_, wanted, _) = run(folder.path(), &["eval", "runs/1/model.safetensors"], true);
        assert_eq!(theirs, wanted);
        assert!(said.contains("0 784→20, 2 20→20, 4 20→10") && said.contains("activation relu"), "{said}");
        // By shape the square layers could be exchanged, but their names give the order: no other order is mentioned.
        assert!(!said.contains("other orders"), "{said}");

        let export = ["export", "t.safetensors", "--format", "onnx", "--activation", "tanh"];
        assert_eq!(run(folder.path(), &export, false).0, 0);
        let onnx = std::fs::read(folder.path().join("t.onnx")).unwrap();
        let graph = onnx_rs::parse(&onnx).unwrap().graph.unwrap();
        assert_eq!(graph.node.iter().filter(|node| node.op_type == onnx_rs::ast::OpType::Tanh).count(), 2);

        // PyTorch's α of ELU is 1.
        let export =
            ["export", "t.safetensors", "--format", "safetensors", "--activation", "elu", "--out", "u.safetensors"];
        assert!(run(folder.path(), &export, false).2.contains("nn.ELU(1)"));

        // A learning rate of almost zero keeps the accuracy.
        for file in ["runs/1/model.safetensors", "t.safetensors"] {
            let words = ["train", "--from", file, "--lr", "1e-12", "--epochs", "1", "--out", "again", "--force"];
            let given = ["--normalize", &normalize];
            let words = [&words[..], if file.starts_with('t') { &given } else { &[] }].concat();
            let (code, stdout, stderr) = run(folder.path(), &words, true);
            assert_eq!(code, 0, "{stderr}");
            let accuracy = wanted.split(" (").next().unwrap();
            assert!(stdout.contains(accuracy), "{stdout} but {wanted}");
        }
    }

    #[test]
    fn a_different_architecture_than_the_models_is_refused() {
        let folder = TempDir::new().unwrap();
        let train = ["train", "--epochs", "1", "--hidden", "20", "--activation", "tanh"];
        assert_eq!(run(folder.path(), &train, true).0, 0);
        let model = "runs/1/model.safetensors";
        let cases: [(&[&str], &str); 5] = [
            (&["train", "--from", model, "--hidden", "30"], "--hidden is [30]"),
            (&["train", "--from", model, "--activation", "relu"], "has tanh"),
            (&["eval", model, "--activation", "tanh"], "leave out --activation"),
            (&["export", model, "--format", "csv", "--dropout"], "safetensors only"),
            (&["export", model, "--format", "onnx", "--out", model], "is the input"),
        ];
        for (words, message) in cases {
            let (code, _, stderr) = run(folder.path(), words, words[0] != "export");
            assert!(code == 2 && stderr.contains(message), "{words:?}: {code} {stderr}");
        }
        assert!(!folder.path().join("runs/2").exists(), "nothing was written");
    }
}
