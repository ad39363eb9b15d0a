//! Model files have the layout that PyTorch expects, round trips are exact, and hostile files are refused.

use gpu_mlp::base::disk::{Os, write_whole};
use gpu_mlp::config::Init;
use gpu_mlp::kernels::Activation;
use gpu_mlp::kernels::InputMap;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::model_file::{Description, read, to_bytes};
use safetensors::SafeTensors;
use std::path::Path;
use tempfile::TempDir;

fn sample() -> (Mlp, Description) {
    let activation = Activation::LeakyRelu(0.2);
    let model = Mlp::new(&[6, 5, 3], activation, Init::Auto, 7);
    let description = Description {
        item: vec![2, 3],
        transposed: Some(false),
        data: "tiny".into(),
        data_sha256: "00".into(),
        version: "0".into(),
        ..Description::new(model.widths(), activation, InputMap { scale: 1.0 / 255.0, shift: -0.1 })
    };
    (model, description)
}

#[test]
fn a_model_is_read_as_it_was_written_and_equal_models_give_equal_files() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.safetensors");
    let (model, description) = sample();
    let bytes = to_bytes(&path, &model, &description).unwrap();
    assert_eq!(bytes, to_bytes(&path, &model, &description).unwrap());
    write_whole(&Os, &path, &bytes).unwrap();
    assert_eq!(read(&path).unwrap(), (model, description));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn weights_have_the_names_and_shapes_of_a_torch_sequential() {
    let (model, description) = sample();
    let bytes = to_bytes(Path::new("m"), &model, &description).unwrap();
    let tensors = SafeTensors::deserialize(&bytes).unwrap();
    let weight = tensors.tensor("layers.0.weight").unwrap();
    assert_eq!(weight.shape(), [5, 6], "outputs, then inputs");
    assert_eq!(weight.data()[..4], model.layers[0].weight[0].to_le_bytes());
    assert_eq!(tensors.tensor("layers.1.bias").unwrap().shape(), [3]);
}

#[test]
fn every_cut_and_every_changed_header_byte_is_an_error_and_never_a_panic() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.safetensors");
    let (model, description) = sample();
    let bytes = to_bytes(&path, &model, &description).unwrap();
    for end in 0..bytes.len() {
        std::fs::write(&path, &bytes[..end]).unwrap();
        assert!(read(&path).is_err(), "cut at {end}");
    }
    let header = bytes.len() - 4 * model.parameters();
    for at in 0..header {
        let mut changed = bytes.clone();
        changed[at] ^= 0x15;
        std::fs::write(&path, &changed).unwrap();
        // With a changed digit of a number the file may still be a valid model; it must not panic.
        if let Ok((model, description)) = read(&path) {
            assert_eq!(model.widths(), description.widths);
        }
    }
}

#[test]
fn weights_that_are_not_finite_are_refused_by_name() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("m.safetensors");
    let (mut model, description) = sample();
    model.layers[1].bias[2] = f32::NAN;
    std::fs::write(&path, to_bytes(&path, &model, &description).unwrap()).unwrap();
    let message = read(&path).unwrap_err().to_string();
    assert!(message.contains("layers.1.bias holds NaN at 2"), "{message}");
}
