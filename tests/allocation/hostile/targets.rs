//! One function for each file format: reads any bytes with the library and checks what must hold of the result.
//! `tests/allocation/hostile.rs` and the fuzz targets (`fuzz/`) call the same functions.

use crate::common::faulty::Faulty;
use gpu_mlp::Error;
use gpu_mlp::base::disk::Disk;
use gpu_mlp::config::{BatchSize, Config, Optimizer, Schedule};
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::images::decode::{MOST_PIXELS, decode};
use gpu_mlp::data::images::{fit, ink};
use gpu_mlp::data::layout::Layout;
use gpu_mlp::data::load::{Files, assemble, transpose};
use gpu_mlp::data::table::{self as tables, Goal, Options, Rows};
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::report::{Subject, page};
use gpu_mlp::run::checkpoint::Checkpoints;
use gpu_mlp::run::folder::CHECKPOINTS;
use gpu_mlp::run::history::History;
use gpu_mlp::run::model_file::{self, ModelFile};
use gpu_mlp::run::settings::{RunFile, to_text};
use gpu_mlp::train::rates::Rates;
use gpu_mlp::train::session::{Limits, Session, Wish};
use peak_alloc::PeakAlloc;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// A reader and its memory limit.
pub struct Target {
    pub name: &'static str,
    /// Reads the bytes and returns whether they were accepted; panics if the result is inconsistent.
    read: fn(&[u8]) -> bool,
    /// Most memory in bytes that reading these bytes may hold at once.
    most: fn(&[u8]) -> usize,
}

/// The result of one execution.
pub struct Seen {
    pub accepted: bool,
    /// Peak memory in bytes.
    pub held: usize,
}

pub const TARGETS: &[Target] = &[
    Target { name: "idx", read: idx, most: |bytes| BASE + 8 * bytes.len() },
    Target { name: "gzip", read: idx, most: |bytes| BASE + 8 * inflated(bytes) },
    Target { name: "model", read: model, most: |bytes| BASE + 64 * bytes.len() },
    Target { name: "checkpoint", read: checkpoint, most: |bytes| BASE + 64 * bytes.len() },
    Target { name: "config", read: config, most: |bytes| BASE + 128 * bytes.len() },
    Target {
        name: "picture",
        read: picture,
        most: |bytes| BASE + 16 * pixels(bytes) + 100 * pixels(bytes).min(1 << 20),
    },
    Target { name: "metrics", read: metrics, most: |bytes| BASE + 128 * bytes.len() },
    // A field may be a single comma, and the `csv` crate keeps a word for its end in each of four rows. A line has at most a
    // mebibyte.
    Target { name: "csv", read: csv, most: |bytes| BASE + 80 * text(bytes).min(1 << 20) + 4 * text(bytes) },
    // Four arrays, each in a vector that grows by half or doubles.
    Target { name: "npz", read: npz, most: |bytes| BASE + 12 * 1032 * bytes.len() },
    // A column may be a single comma, and each has a name, a use and a kind; a class may be two bytes. A table has at most
    // 2¹⁸ columns.
    Target { name: "table", read: table, most: |bytes| 4 * BASE + 256 * text(bytes).min(1 << 20) + 32 * text(bytes) },
    // The values as stored, those of the chunk and of the table; a block is read at a time.
    Target { name: "npy", read: npy, most: |bytes| 4 * BASE + 256 * bytes.len() },
    Target { name: "archive", read: archive, most: |bytes| 4 * BASE + 64 * 1032 * bytes.len() },
    Target { name: "tensors", read: tensors, most: |bytes| 4 * BASE + 256 * bytes.len() },
    // Each of three columns holds an unpacked page of at most 16 MiB, or as much as its bytes can be, and a dictionary.
    #[cfg(feature = "parquet")]
    Target { name: "parquet", read: parquet, most: |bytes| 32 * BASE + 4 * 1032 * bytes.len() },
];

/// Memory in bytes that a reader may hold for an input of any size.
const BASE: usize = 4 << 20;
/// Longest time to read a file of at most a mebibyte.
const LONGEST: Duration = Duration::from_secs(20);

impl Target {
    pub fn find(name: &str) -> &'static Target {
        TARGETS.iter().find(|target| target.name == name).unwrap_or_else(|| panic!("unknown target {name}"))
    }

    /// Reads the bytes and checks memory and time.
    pub fn execute(&self, bytes: &[u8]) -> Seen {
        let (seen, time) = self.measured(bytes);
        let (name, held, most) = (self.name, seen.held, (self.most)(bytes));
        assert!(held <= most, "{name}: {} bytes made it hold {held}, more than {most}", bytes.len());
        // The program may have been suspended, so only an input that is slow twice counts.
        let slow = time > LONGEST && self.measured(bytes).1 > LONGEST;
        assert!(!slow, "{name}: {} bytes took {time:?}", bytes.len());
        seen
    }

    fn measured(&self, bytes: &[u8]) -> (Seen, Duration) {
        let (before, start) = (ALLOCATOR.current_usage(), Instant::now());
        ALLOCATOR.reset_peak_usage();
        let accepted = (self.read)(bytes);
        let held = ALLOCATOR.peak_usage().saturating_sub(before);
        (Seen { accepted, held }, start.elapsed())
    }
}

/// The value that was read; an error must say what is wrong and what to do.
fn said<T>(result: Result<T, Error>) -> Option<T> {
    let complain = |error: &Error| {
        let silent = matches!(error, Error::Data { next, .. } if next.is_empty());
        assert!(!error.to_string().is_empty() && !silent, "{error:?}");
    };
    result.inspect_err(complain).ok()
}

/// Reads the bytes as a file (known length) and as a stream (unknown length); the results must be equal.
fn idx(bytes: &[u8]) -> bool {
    let path = std::env::temp_dir().join(format!("gpu-mlp-hostile-{}", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder of temporary files can be written to");
    let read = said(Idx::read(&path));
    if let Some(labels) = said(Idx::read_labels(&path)) {
        assert!(labels.shape.iter().product::<usize>() == labels.bytes.len());
    }
    _ = std::fs::remove_file(&path);
    assert!(read == said(Idx::parse(&path, bytes)), "the file and the stream differ");
    let Some(idx) = read else { return false };
    assert!(idx.shape.iter().product::<usize>() == idx.bytes.len() && !idx.bytes.is_empty());
    let mut raw = Vec::new();
    idx.write(&mut raw).expect("what was read can be written");
    // Other types and byte orders are written as unsigned bytes.
    let header = 4 + 4 * idx.shape.len();
    assert!(bytes.get(..header) != raw.get(..header) || raw == bytes, "the written file differs from the one read");
    let mut turned = idx.clone();
    transpose(&mut turned);
    transpose(&mut turned);
    assert!(turned == idx);
    let labels = Idx { shape: vec![idx.shape[0]], bytes: vec![0; idx.shape[0]] };
    let files = Files { idx: [turned, labels.clone(), idx, labels], sha256: Default::default() };
    let paths = ["images", "labels", "test images", "test labels"].map(PathBuf::from);
    if let Some(set) = said(assemble(String::new(), String::new(), &paths, files)) {
        assert!(set.train.pixels().len() == set.train.len() * set.inputs());
    }
    true
}

/// Upper limit for the inflated size of the bytes: the size declared in the header inside, and at most what DEFLATE can
/// express.
fn inflated(bytes: &[u8]) -> usize {
    let (mut magic, mut shape) = ([0; 4], Vec::new());
    let mut raw = flate2::read::MultiGzDecoder::new(bytes);
    _ = raw.read_exact(&mut magic);
    _ = raw.take(4 * u64::from(magic[3])).read_to_end(&mut shape);
    let values = |from: fn([u8; 4]) -> u32| {
        shape.as_chunks().0.iter().map(|&dimension| from(dimension) as usize).fold(1, usize::saturating_mul)
    };
    values(u32::from_be_bytes).max(values(u32::from_le_bytes)).min(1032 * bytes.len())
}

fn model(bytes: &[u8]) -> bool {
    let path = Path::new("model.safetensors");
    let Some(file) = said(model_file::parse(bytes, path)) else { return false };
    let widths = file.state.widths();
    for (layer, pair) in file.state.layers.iter().zip(widths.windows(2)) {
        assert!([layer.inputs, layer.outputs] == pair && layer.weight.len() == layer.inputs * layer.outputs);
        assert!(layer.bias.len() == layer.outputs);
        assert!(layer.weight.iter().chain(&layer.bias).all(|value| value.is_finite()));
    }
    let (model, description) = match file {
        ModelFile { state, description: Some(description), .. } => {
            (Mlp { activation: description.activation, layers: state.layers }, description)
        }
        stranger => stranger.with(Activation::Relu, InputMap::UNIT),
    };
    assert!(description.config().widths(widths[0], widths[widths.len() - 1]) == widths);
    let values = description.item.iter().product::<usize>();
    let features = description.features.as_ref();
    assert!(features.is_none_or(|features| features.width() == values));
    assert!(features.map_or(values, gpu_mlp::data::Features::inputs) == widths[0]);
    let written = model_file::to_bytes(path, &model, &description).expect("what was read can be written");
    let again = model_file::parse(&written, path).expect("what was written can be read");
    assert!(
        again.state.layers == model.layers && again.description == Some(description),
        "the written model differs from the one read"
    );
    true
}

/// Reads a manifest, a zero byte, and the tensor file. [`HASH`] in the manifest is replaced by the hash of the tensor
/// file, and the manifest's own hash is put into its name: an attacker can compute both.
fn checkpoint(bytes: &[u8]) -> bool {
    let cut = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    let tensors = bytes.get(cut + 1..).unwrap_or_default().to_vec();
    let manifest = String::from_utf8_lossy(&bytes[..cut]).replace(HASH, &sha256(&tensors)).into_bytes();
    let (disk, run) = (Faulty::default(), Path::new("run"));
    disk.make_folder(&run.join(CHECKPOINTS)).expect("it does not fail unless asked to");
    let manifest_name = format!("{STEP}-{}.json", &sha256(&manifest)[..16]);
    for (name, bytes) in [(manifest_name, manifest), (format!("{STEP}.safetensors"), tensors)] {
        disk.write(&run.join(CHECKPOINTS).join(name), &bytes).expect("it does not fail unless asked to");
    }
    let Some(found) = said(Checkpoints::new(Arc::new(disk), run).of_run(None)) else { return false };
    let generation = found.expect("a checkpoint").generation;
    let all = generation.tensors.iter();
    assert!(all.clone().all(|tensor| tensor.words.len() == tensor.rows * tensor.cols));
    let identity = &generation.state.identity;
    assert!(identity.differences(identity).is_empty());
    pollster::block_on(async {
        let (config, data) = small_run();
        let mut session = Session::open(config, data, &Machine::Cpu, Limits::default()).await.expect("a run opens");
        if said(session.resume(&generation.snapshot())).is_some() {
            said(session.run(&mut |_: &_| Wish::Continue).await);
            said(session.finish().await);
        }
    });
    true
}

/// Placeholder for the hash of the tensor file.
pub const HASH: &str = "HASH-OF-TENSORS";
/// The step of the generation, as in file names.
pub const STEP: &str = "000000000002";

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The run of the checkpoints: two epochs of two updates, with every kind of state.
pub fn small_run() -> (&'static Config, &'static DataSet) {
    static RUN: OnceLock<(Config, DataSet)> = OnceLock::new();
    let (config, data) = RUN.get_or_init(|| {
        let half = || Split::new(vec![9u8, 0, 0, 7, 8, 1, 2, 9], vec![0u8, 1, 0, 1]);
        let mut data = DataSet::from_splits("four", vec![2], half(), half()).expect("two halves make a set");
        data.validation = Some(half());
        let config = Config {
            hidden: vec![2],
            batch_size: BatchSize::Samples(2),
            epochs: 2,
            optimizer: Optimizer::Adam,
            schedule: Schedule::Plateau,
            restore_best: true,
            ..Config::default()
        };
        (config, data)
    });
    (config, data)
}

fn config(bytes: &[u8]) -> bool {
    const SAMPLES: usize = 1000;
    let path = Path::new("config.toml");
    let Some(file) = std::str::from_utf8(bytes).ok().and_then(|text| said(RunFile::parse(text, path))) else {
        return false;
    };
    let Some(config) = said(Config::default().with(&file.settings)) else { return false };
    if said(config.check(SAMPLES)).is_none() {
        return false;
    }
    let rates = Rates::new(&config, SAMPLES);
    for step in [0, 1, 999, u64::MAX / 2] {
        assert!(rates.at(step).lr.is_finite() && rates.momentum(step).is_finite());
    }
    let text = to_text(&config, &file.data, file.record.as_ref(), |_| None).expect("what was read can be written");
    // With a line for each form, the file may be longer than the reader accepts.
    if config.forms.len() < 1000 {
        let again = RunFile::parse(&text, path).expect("what was written can be read");
        assert!(again.data == file.data && again.record == file.record, "the written file differs from the one read");
        assert_eq!(Config::default().with(&again.settings).expect("settings"), config);
    }
    true
}

/// Reads a CSV file.
fn csv(bytes: &[u8]) -> bool {
    let Some(table) = said(gpu_mlp::data::csv::parse(Path::new("train.csv"), bytes)) else { return false };
    assert!(table.labels.shape == [table.labels.bytes.len()] && table.images.shape[0] == table.labels.bytes.len());
    assert!(table.images.shape.iter().product::<usize>() == table.images.bytes.len());
    true
}

/// Upper limit for the length of a text that may be gzipped.
fn text(bytes: &[u8]) -> usize {
    if bytes.starts_with(&[0x1f, 0x8b]) { 1032 * bytes.len() } else { bytes.len() }
}

/// Reads an archive of arrays.
fn npz(bytes: &[u8]) -> bool {
    let read = gpu_mlp::data::npz::parse(Path::new("a.npz"), std::io::Cursor::new(bytes), bytes.len() as u64);
    let Some((_, idx)) = said(read) else { return false };
    assert!(idx.iter().all(|idx| idx.shape.iter().product::<usize>() == idx.bytes.len() && !idx.bytes.is_empty()));
    true
}

/// Reads a file of this name as a table for training, and as a further file with the same columns.
fn table_in(name: &str, bytes: &[u8]) -> bool {
    let path = std::env::temp_dir().join(format!("gpu-mlp-hostile-{}-{name}", std::process::id()));
    std::fs::write(&path, bytes).expect("the folder of temporary files can be written to");
    let by_name = Options::default();
    let last = Options { target: Some(vec!["-1".into()]), ..Options::default() };
    let others =
        Options { id: Some("0".into()), categorical: vec!["1".into()], task: Some(Goal::Classes), ..last.clone() };
    let mut accepted = false;
    for options in [by_name, last, others] {
        let Some(table) = said(tables::read(&path, &options)) else { continue };
        accepted = true;
        assert!(table.values.len() == table.len() * table.header.columns.len() && !table.is_empty());
        assert!(table.values.iter().all(|value| !value.is_infinite()));
        let again = said(tables::read_like(&path, &table.header, &options)).expect("a training file can be read again");
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert!(
            bits(&again.values) == bits(&table.values) && again.targets == table.targets,
            "the second table differs"
        );
        let mut rows = Rows::open(&path, &table.header, &options).expect("a training file can be read in batches");
        let mut count = 0;
        while let Some(batch) = rows.next_batch().expect("a training file can be read in batches") {
            count += batch.rows;
        }
        assert_eq!(count, table.len());
    }
    _ = std::fs::remove_file(&path);
    accepted
}

fn table(bytes: &[u8]) -> bool {
    table_in("t.csv", bytes)
}

fn npy(bytes: &[u8]) -> bool {
    table_in("t.npy", bytes)
}

fn archive(bytes: &[u8]) -> bool {
    table_in("t.npz", bytes)
}

fn tensors(bytes: &[u8]) -> bool {
    table_in("t.safetensors", bytes)
}

#[cfg(feature = "parquet")]
fn parquet(bytes: &[u8]) -> bool {
    table_in("t.parquet", bytes)
}

fn picture(bytes: &[u8]) -> bool {
    said(gpu_mlp::data::class_folders::grey(bytes, Path::new("picture")));
    let Some(picture) = said(decode(bytes, Path::new("picture"))) else { return false };
    assert!(picture.width().max(picture.height()) <= 1024 && !picture.is_empty());
    assert_eq!(fit::plain(&picture, 5, 7).len(), 35);
    for textured in [false, true] {
        if let Ok(ink) = ink::find(&picture, textured) {
            assert_eq!(fit::place(&ink, &Layout::MNIST, 28, 28).len(), 28 * 28);
        }
    }
    true
}

/// Most pixels that the reader accepts for these bytes.
fn pixels(bytes: &[u8]) -> usize {
    (MOST_PIXELS as usize).min(8 * 1032 * bytes.len())
}

fn metrics(bytes: &[u8]) -> bool {
    let Some(history) = History::parse(&String::from_utf8_lossy(bytes)) else { return false };
    let subject = |history| Subject {
        name: "run".into(),
        history,
        model: Err("none".into()),
        results: Err("none".into()),
        notes: Vec::new(),
    };
    assert!(page(&[subject(history.clone())]).starts_with("<!DOCTYPE html>"));
    page(&[subject(history.clone()), subject(history)]);
    true
}
