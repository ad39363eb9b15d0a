//! Small valid files of each format to start mutation from, by the library's own writers where it has them.

use super::targets::{HASH, STEP, sha256, small_run};
use flate2::Compression;
use flate2::write::GzEncoder;
use gpu_mlp::base::disk::Os;
use gpu_mlp::config::Init;
use gpu_mlp::config::preset::Preset;
use gpu_mlp::config::{Config, Normalize};
use gpu_mlp::data::features::{Encoding, Feature, Number};
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::{Features, TargetScale, Task};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::checkpoint::{Best, Checkpoints, EngineSettings, Every, Identity, Keeper, Saved, Setup};
use gpu_mlp::run::folder::CHECKPOINTS;
use gpu_mlp::run::model_file::{Description, to_bytes};
use gpu_mlp::run::settings::{Ancestor, DataSettings, Provenance, TableSettings, to_text};
use gpu_mlp::train::session::{Limits, Session, Wish};
use half::{bf16, f16};
use image::{DynamicImage, ImageFormat, Rgba, RgbaImage};
use safetensors::tensor::{Dtype, TensorView};
use std::io::{Cursor, Write};
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;

/// The seeds of a target.
pub fn seeds(target: &str) -> Vec<Vec<u8>> {
    match target {
        "idx" => idx(),
        "gzip" => idx().iter().flat_map(|raw| [zipped(raw, 9), zipped(raw, 0), in_two_members(raw)]).collect(),
        "model" => models(),
        "checkpoint" => checkpoints(),
        "config" => configs(),
        "picture" => pictures(),
        "metrics" => metrics(),
        "csv" => tables(),
        "npz" => archives(),
        "table" => [tables(), mixed_tables()].concat(),
        "npy" => arrays(),
        "archive" => {
            let arrays = arrays();
            let [x, y, fortran] = [0, 1, 2].map(|at| arrays[at].as_slice());
            vec![whole_archive(&[("x", x), ("y", y)]), whole_archive(&[("y", y), ("data", fortran)])]
        }
        "tensors" => {
            let y = ("y", Dtype::I64, vec![4], [1_i64, 0, 1, 0].iter().flat_map(|class| class.to_le_bytes()).collect());
            let floats = |n: usize| (0..n).flat_map(|at| (at as f32 / 3.0).to_le_bytes()).collect::<Vec<u8>>();
            let x = || ("x", Dtype::F32, vec![4, 3], floats(12));
            vec![safetensors([x(), y]), safetensors([x()])]
        }
        #[cfg(feature = "parquet")]
        "parquet" => super::parquet::seeds(),
        other => panic!("{other} has no seeds"),
    }
}

fn idx() -> Vec<Vec<u8>> {
    let shapes: [&[usize]; 5] = [&[3, 4, 5], &[70], &[2, 1, 1, 3], &[1, 28, 28], &[1; 255]];
    let raw = |shape: &&[usize]| {
        let bytes = (0..shape.iter().product::<usize>()).map(|at| (at * 7) as u8).collect();
        let mut raw = Vec::new();
        Idx { shape: shape.to_vec(), bytes }.write(&mut raw).expect("the shape is that of the bytes");
        raw
    };
    let wide = |code: u8, shape: &[u32], values: Vec<u8>| {
        let dimensions = shape.iter().flat_map(|size| size.to_be_bytes());
        [0, 0, code, shape.len() as u8].into_iter().chain(dimensions).chain(values).collect::<Vec<u8>>()
    };
    let qmnist = [5, 4, 2000, 39, 48, 70_000, 0, 0, 3, 4, 2001, 39, 48, 70_001, 0, 0];
    let others = [
        wide(0x0c, &[2, 8], qmnist.iter().flat_map(|value: &i32| value.to_be_bytes()).collect()),
        wide(0x0b, &[3, 2], (0..6_i16).flat_map(i16::to_le_bytes).collect()),
        wide(0x0e, &[2, 2], (0..4).flat_map(|value| f64::from(value).to_be_bytes()).collect()),
        [vec![2, 0x0d, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0], 7_f32.to_le_bytes().repeat(2)].concat(),
    ];
    shapes.iter().map(raw).chain(others).collect()
}

fn tables() -> Vec<Vec<u8>> {
    let rows = (0..9).map(|label| format!("{label}{}\n", ",7,255, 0".repeat(3))).collect::<String>();
    let head = format!("label{}\n", ",a,b,\"c\"".repeat(3));
    let picture = format!("3{}\r\n", ";12".repeat(64)).repeat(3);
    let named = head + &rows;
    vec![rows.into_bytes(), zipped(named.as_bytes(), 9), named.into_bytes(), picture.into_bytes()]
}

/// Tables with names, texts, missing values and quotes.
fn mixed_tables() -> Vec<Vec<u8>> {
    let seeds = [
        "a,b,c,y\n1,red,5,0\n2.5,\"blue, or\",NA,1\n,red,7,0\n4,\"x\"\"\ny\",8,1\n",
        "id;w;class\nfirst;0.5;dog\nsecond;?;cat\nthird;1e-3;dog\n",
        "a b c y\n1  2 3 0\n 4 5 6 1\n7 8 9 0\n",
    ];
    seeds.map(|seed| seed.as_bytes().to_vec()).into()
}

/// NPY files: samples, targets, Fortran's order.
fn arrays() -> Vec<Vec<u8>> {
    let array = |header: String, values: Vec<u8>| {
        [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), &values].concat()
    };
    let floats = |n: usize| (0..n).flat_map(|at| (at as f32 / 3.0).to_le_bytes()).collect::<Vec<u8>>();
    vec![
        array(npy("<f4", "4, 3"), floats(12)),
        array(npy(">i2", "4,"), vec![0, 1, 0, 0, 0, 1, 0, 0]),
        array(npy("<f4", "4, 3").replace("False", "True"), floats(12)),
    ]
}

/// A zip file of whole NPY files.
fn whole_archive(arrays: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, bytes)) in arrays.iter().enumerate() {
        let method = if at % 2 == 0 { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).expect("a vector takes all");
        zip.write_all(bytes).expect("a vector takes all");
    }
    zip.finish().expect("a vector takes all").into_inner()
}

/// A zip file of NPY files with these names, headers and values.
pub fn archive(arrays: &[(&str, &str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for (at, (name, header, values)) in arrays.iter().enumerate() {
        let method = if at % 2 == 0 { zip::CompressionMethod::Stored } else { zip::CompressionMethod::Deflated };
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).expect("a vector takes all");
        let length = (header.len() as u16).to_le_bytes();
        let parts = [b"\x93NUMPY\x01\0", &length[..], header.as_bytes(), values].concat();
        zip.write_all(&parts).expect("a vector takes all");
    }
    zip.finish().expect("a vector takes all").into_inner()
}

/// The header of an array.
pub fn npy(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n")
}

fn archives() -> Vec<Vec<u8>> {
    let (images, labels) = (npy("|u1", "2, 2, 2"), npy("<i8", "2,"));
    let two = || [1_i64, 0].iter().flat_map(|label| label.to_le_bytes()).collect();
    let keras = [
        ("x_train", images.as_str(), vec![7; 8]),
        ("y_train", &labels, two()),
        ("x_test", &images, vec![9; 8]),
        ("y_test", &labels, two()),
    ];
    let one = npy(">f4", "1, 1");
    let medical = ["train_images", "train_labels", "test_images", "test_labels"];
    let medical = medical.map(|name| (name, one.as_str(), 1_f32.to_be_bytes().to_vec()));
    vec![archive(&keras), archive(&medical), archive(&keras[..2])]
}

pub fn zipped(raw: &[u8], level: u32) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::new(level));
    encoder.write_all(raw).and_then(|()| encoder.finish()).expect("a vector takes all")
}

fn in_two_members(raw: &[u8]) -> Vec<u8> {
    let (a, b) = raw.split_at(raw.len() / 2);
    [zipped(a, 6), zipped(b, 6)].concat()
}

fn models() -> Vec<Vec<u8>> {
    let activation = Activation::LeakyRelu(0.2);
    let model = Mlp::new(&[4, 3, 2], activation, Init::Auto, 7);
    let description = Description {
        item: vec![2, 2],
        transposed: Some(false),
        data: "tiny".into(),
        data_sha256: "00".into(),
        version: "0".into(),
        ..Description::new(model.widths(), activation, InputMap { scale: 1.0 / 255.0, shift: -0.1 })
    };
    // A number with an indicator, and a category with its bucket for others: four inputs.
    let scales = vec![TargetScale { mean: 1.0, deviation: 2.0 }, TargetScale::NONE];
    let task = Task::Values { names: vec!["price".into(), "age".into()], scales };
    let number = Number { fill: 1.0, center: 0.5, scale: 2.0, clip: true, indicator: true };
    let feature = |name: &str, encoding| Feature { name: name.into(), count: 1, encoding };
    let columns =
        vec![feature("size", Encoding::Number(number)), feature("colour", Encoding::Categories(vec!["red".into()]))];
    let features = Some(Features { columns });
    let table = Description { item: vec![2], task: Some(task), features, ..description.clone() };
    let [ours, table] = [description, table]
        .map(|description| to_bytes(Path::new("model"), &model, &description).expect("shapes are those of the values"));
    let halves = |to: fn(f32) -> [u8; 2], n: usize| (0..n).flat_map(|at| to(at as f32)).collect::<Vec<u8>>();
    let doubles = |n: usize| (0..n).flat_map(|at| (at as f64).to_le_bytes()).collect::<Vec<u8>>();
    let state_dict = safetensors([
        ("net.0.weight", Dtype::F16, vec![3, 4], halves(|x| f16::from_f32(x).to_le_bytes(), 12)),
        ("net.0.bias", Dtype::BF16, vec![3], halves(|x| bf16::from_f32(x).to_le_bytes(), 3)),
        ("net.2.weight", Dtype::F64, vec![3, 3], doubles(9)),
        ("net.10.weight", Dtype::F64, vec![2, 3], doubles(6)),
    ]);
    vec![ours, table, state_dict, b"PK\x03\x04".to_vec()]
}

/// A safetensors file without metadata.
pub fn safetensors<'a>(tensors: impl IntoIterator<Item = (&'a str, Dtype, Vec<usize>, Vec<u8>)>) -> Vec<u8> {
    let tensors: Vec<_> = tensors.into_iter().collect();
    let view = |(name, dtype, shape, bytes): &'a (&str, Dtype, Vec<usize>, Vec<u8>)| {
        (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).expect("shapes are those of the values"))
    };
    let tensors: &'a [_] = Vec::leak(tensors);
    safetensors::serialize(tensors.iter().map(view), None).expect("it takes all tensors")
}

fn checkpoints() -> Vec<Vec<u8>> {
    let (config, four) = small_run();
    let folder = TempDir::new().expect("a folder of temporary files");
    let checkpoints = Checkpoints::new(Arc::new(Os), folder.path());
    let snapshot = pollster::block_on(async {
        let limits = Limits { max_steps: Some(2), ..Limits::default() };
        let mut session = Session::open(config, four, &Machine::Cpu, limits).await.expect("a run opens");
        session.run(&mut |_: &_| Wish::Continue).await.expect("it runs");
        session.snapshot().await.expect("a snapshot")
    });
    assert!(snapshot.best.is_some());
    let identity = Identity::new(config, four, &Machine::Cpu);
    let best = Some(Best { step: 2, loss: 1.5 });
    let data = DataSettings { data: Some("digits".into()), digits_seed: Some(1), ..DataSettings::default() };
    let engine = EngineSettings { adapter: Some("one".into()), ..EngineSettings::default() };
    let saved = Saved {
        identity,
        setup: Setup { data, engine, tensorboard: Some("/board".into()) },
        from: None,
        changed: None,
        best,
        description: None,
        session: snapshot.state.clone(),
    };
    let mut keeper = Keeper::new(checkpoints, saved, Every::default(), 0, None);
    keeper.save(&snapshot).and_then(|()| keeper.settle()).expect("it is written");
    let read = |name: &str| std::fs::read(folder.path().join(CHECKPOINTS).join(name)).expect("it is there");
    let names = std::fs::read_dir(folder.path().join(CHECKPOINTS))
        .expect("it is there")
        .map(|entry| entry.unwrap().file_name());
    let manifest =
        names.map(|name| name.into_string().unwrap()).find(|name| name.ends_with(".json")).expect("a manifest");
    let tensors = read(&format!("{STEP}.safetensors"));
    let manifest = String::from_utf8(read(&manifest)).expect("JSON").replace(&sha256(&tensors), HASH);
    let short = serde_json::from_str::<serde_json::Value>(&manifest).expect("JSON").to_string();
    let mut old: serde_json::Value = serde_json::from_str(&manifest).expect("JSON");
    old["format"] = 1.into();
    let state = old["state"].as_object_mut().expect("an object");
    state.remove("setup");
    state.insert("words".into(), serde_json::json!(["--data", "digits", "--digits-seed", "1", "--engine", "cpu"]));
    [manifest, short, old.to_string()].map(|manifest| [manifest.as_bytes(), &[0], &tensors].concat()).into()
}

fn configs() -> Vec<Vec<u8>> {
    let origin = Provenance {
        version: "0".into(),
        engine: "cpu".into(),
        device: "one".into(),
        adapter: Some("RTX".into()),
        backend: Some("vulkan".into()),
        tensorboard: Some("/board".into()),
        data_sha256: "00".into(),
        from: Some(Ancestor { path: "/model".into(), sha256: "00".into() }),
    };
    let data = DataSettings {
        data: Some("digits".into()),
        digits_train: Some(100),
        digits_test: Some(10),
        digits_seed: Some(1),
        from: Some("/model".into()),
        new_head: true,
        table: TableSettings {
            target: Some(vec!["price".into()]),
            test: Some("0.2".into()),
            header: Some(true),
            ..TableSettings::default()
        },
    };
    let special = Config {
        normalize: Normalize::Given(InputMap { scale: 0.01, shift: -0.5 }),
        batch_size: gpu_mlp::config::BatchSize::Full,
        schedule: gpu_mlp::config::Schedule::OneCycle,
        limit_train: Some(500.into()),
        forms: [("linear 64x784x128".to_string(), gpu_mlp::kernels::Form::Plain)].into(),
        ..Config::default()
    };
    let presets = Preset::ALL.iter().map(Preset::config);
    let text = |config: Config| to_text(&config, &data, Some(&origin), |_| Some("a remark".into())).expect("TOML");
    let by_hand = "hidden = [8]\nbatch-size = 'full'\n# no more\nlr = 1e-3\nnormalize = { scale = 1.0, shift = 0.0 }\n";
    presets.chain([Config::default(), special]).map(text).chain([by_hand.to_string()]).map(String::into_bytes).collect()
}

fn pictures() -> Vec<Vec<u8>> {
    let pixel = |x: u32, y: u32| match (5..9).contains(&x) && (3..14).contains(&y) {
        true => Rgba([20, 30, 40, 255]),
        false => Rgba([230, (220 + x) as u8, (210 + y) as u8, 255]),
    };
    let picture = DynamicImage::from(RgbaImage::from_fn(14, 17, pixel));
    let encoded = |picture: DynamicImage, format| {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).expect("a vector takes all");
        bytes.into_inner()
    };
    let turned = |of: Vec<u8>| {
        // Exif with an orientation turned by 90°.
        let exif = b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        [&of[..2], exif, &of[2..]].concat()
    };
    vec![
        encoded(picture.clone(), ImageFormat::Png),
        encoded(picture.to_luma16().into(), ImageFormat::Png),
        encoded(picture.to_luma_alpha8().into(), ImageFormat::Png),
        gpu_mlp::results::png::grey(&[0, 255, 0, 255, 0, 255], 3, 2),
        encoded(picture.to_rgb8().into(), ImageFormat::Jpeg),
        encoded(picture.to_luma8().into(), ImageFormat::Jpeg),
        turned(encoded(picture.to_rgb8().into(), ImageFormat::Jpeg)),
        include_bytes!("../../pure/torn/progressive-restart.jpg").to_vec(),
        include_bytes!("../../pure/torn/separate.jpg").to_vec(),
    ]
}

fn metrics() -> Vec<Vec<u8>> {
    let run = r#"{"type":"run","schema":2,"version":"0","unix_time":1763798399,"data":"digits","data_origin":"generated",
        "data_sha256":"00","train_samples":100,"validation_samples":10,"test_samples":20,"widths":[784,8,10],"parameters":6370,
        "engine":"cpu","device":"1 thread","config":{"hidden":[8],"lr":0.1,"epochs":2,"activation":"relu"}}"#;
    let epoch = |n: u64, rest: &str| {
        format!(
            "{{\"type\":\"epoch\",\"epoch\":{n},\"step\":{n},\"train_loss\":0.5,\"train_accuracy\":0.875,\"lr\":0.1,\
             \"momentum\":0.9,\"seconds\":0.25,\"images_per_second\":400.0,\"data\":\"digits\"{rest}}}\n"
        )
    };
    let health = r#","test_loss":0.25,"test_accuracy":0.95,"health":[
        {"layer":1,"gradient_norm":0.5,"weight_norm":2.0,"update_ratio":0.001,"dead_share":0.25},
        {"layer":2,"gradient_norm":0.001,"weight_norm":1.0,"update_ratio":0.01}]"#;
    let validation = r#","validation_loss":0.25,"validation_accuracy":0.95"#;
    let end = r#"{"type":"end","seconds":1.5,"model_sha256":"00","reason":"finished"}"#;
    let one_line = |text: &str| text.split('\n').map(str::trim).collect::<String>() + "\n";
    let run = one_line(run);
    let whole = [run.clone(), epoch(1, &one_line(health)), epoch(2, &one_line(health)), one_line(end)].concat();
    let torn =
        [run.clone(), epoch(1, validation), "{\"type\":\"resume\"}\n".into(), epoch(1, validation), epoch(2, "")];
    let torn = torn.concat();
    vec![whole.into_bytes(), torn.as_bytes()[..torn.len() - 9].to_vec(), run.into_bytes()]
}
