//! Event files, read back frame by frame, with each checksum recomputed from its polynomial.
#![cfg(feature = "formats")]

use gpu_mlp::config::Config;
use gpu_mlp::config::Init;
use gpu_mlp::data::{DataSet, digits};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::picture::{Picture, confusion, first_layer};
use gpu_mlp::results::tensorboard::{Board, Event, EventFile, Value};
use gpu_mlp::train::session::{EpochReport, Inspection, Limits, Observer, Session, Wish};
use gpu_mlp::train::{Metric, Score};
use prost::Message;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// CRC-32C bit by bit (RFC 3720, appendix B.4), masked as the format's `record_writer` does.
fn checksum(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 })
    });
    (!crc).rotate_right(15).wrapping_add(0xa282_ead8)
}

fn events(mut bytes: &[u8]) -> Vec<Event> {
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        assert_eq!(word(8), checksum(&bytes[..8]), "checksum of the length");
        assert_eq!(word(12 + length), checksum(&bytes[12..12 + length]), "checksum of the payload");
        events.push(Event::decode(&bytes[12..12 + length]).unwrap());
        bytes = &bytes[16 + length..];
    }
    events
}

#[test]
fn the_checksum_of_this_test_is_right() {
    // RFC 3720, appendix B.4: 32 zeros.
    assert_eq!(checksum(&[0; 32]).wrapping_sub(0xa282_ead8).rotate_left(15), 0x8a91_36aa);
}

#[test]
fn scalars_and_pictures_come_back_and_files_are_never_shared() {
    let folder = TempDir::new().unwrap();
    let mut first = EventFile::create(folder.path()).unwrap();
    let second = EventFile::create(folder.path()).unwrap();
    assert_ne!(first.path(), second.path());
    let picture = confusion(&[9, 1, 0, 5], 2);
    first.scalars(7, &[("loss/train".into(), 0.25), ("lr".into(), 0.0)]).unwrap();
    first.picture(8, "confusion", &picture).unwrap();

    let events = events(&std::fs::read(first.path()).unwrap());
    assert_eq!(events[0].file_version.as_deref(), Some("brain.Event:2"));
    assert!(events.windows(2).all(|pair| pair[0].wall_time <= pair[1].wall_time) && events[0].wall_time > 1.6e9);
    let values = &events[1].summary.as_ref().unwrap().value;
    let scalars: Vec<_> = values.iter().map(|value| (value.tag.as_str(), value.simple_value)).collect();
    assert_eq!((events[1].step, scalars), (7, vec![("loss/train", Some(0.25)), ("lr", Some(0.0))]));
    let image = events[2].summary.as_ref().unwrap().value[0].image.as_ref().unwrap();
    assert_eq!((events[2].step, image.colorspace), (8, 3));
    assert_eq!((image.width as usize, image.height as usize), (picture.width, picture.height));
    assert_eq!(decoded(&image.encoded_image_string), picture);
}

fn decoded(bytes: &[u8]) -> Picture {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!(info.color_type, png::ColorType::Rgb);
    let pixels = pixels.chunks_exact(3).map(|p| [p[0], p[1], p[2]]).collect();
    Picture { width: info.width as usize, height: info.height as usize, pixels }
}

#[test]
fn a_confusion_matrix_is_darkest_where_most_samples_are() {
    let blue = |p: &[u8; 3]| i32::from(p[2]) - i32::from(p[0]);
    let picture = confusion(&[10, 0, 3, 7], 2);
    let (width, height) = (picture.width / 3, picture.height / 3);
    let at = |truth: usize, class: usize| &picture.pixels[((truth + 1) * height) * picture.width + (class + 1) * width];
    assert!(blue(at(0, 0)) > blue(at(1, 1)) && blue(at(1, 1)) > 0, "hits are blue");
    assert!(*at(0, 1) == [255; 3] && blue(at(1, 0)) < 0, "zero counts are white, mistakes are red");
    // A picture of 256 classes has a reasonable size.
    assert_eq!(confusion(&vec![1; 256 * 256], 256).width, 1024);
}

#[test]
fn first_layer_tiles_show_the_sign_of_each_weight() {
    let mut layer = Mlp::new(&[6, 70, 2], gpu_mlp::kernels::Activation::Relu, Init::Auto, 1).layers.remove(0);
    layer.weight.fill(0.0);
    (layer.weight[0], layer.weight[5], layer.weight[6]) = (2.0, -1.0, 1.0);
    let picture = first_layer(&layer, &[2, 3]).unwrap();
    // 64 tiles of 6×4 dots, eight per row, with a border of one dot.
    assert_eq!((picture.width, picture.height), (8 * 8, 8 * 6));
    let at = |x: usize, y: usize| picture.pixels[y * picture.width + x];
    let (strong, weak, below) = (at(1, 1), at(9, 1), at(5, 3));
    assert!(strong[0] > strong[2] && weak[0] > weak[2] && weak[2] > strong[2], "{strong:?} {weak:?}");
    assert!(below[2] > below[0] && at(3, 1) == [255; 3], "{below:?}");
    assert_eq!(first_layer(&layer, &[6]), None, "a vector is not an image");
}

/// The files of a folder in the order in which TensorBoard reads them.
fn all_events(folder: &Path) -> Vec<Event> {
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().flat_map(|path| events(&std::fs::read(path).unwrap())).collect()
}

/// Steps and values of a tag, as TensorBoard's `EventAccumulator` reads them: the start of a session removes all values
/// from its step on.
fn values(events: &[Event], tag: &str) -> Vec<(u64, Value)> {
    let mut values = Vec::new();
    for event in events {
        if event.session_log.as_ref().is_some_and(|log| log.status == 1) {
            values.retain(|(step, _)| *step < event.step as u64);
        }
        let tagged = event.summary.iter().flat_map(|summary| &summary.value).filter(|value| value.tag == tag);
        values.extend(tagged.map(|value| (event.step as u64, value.clone())));
    }
    values
}

fn scalars(events: &[Event], tag: &str) -> Vec<(u64, f32)> {
    values(events, tag).iter().map(|(step, value)| (*step, value.simple_value.unwrap())).collect()
}

/// A board that also records the reports and inspections it receives.
struct RecordingBoard {
    board: Board,
    folder: PathBuf,
    reports: Vec<EpochReport>,
    inspections: Vec<Inspection>,
}

impl RecordingBoard {
    fn new(folder: &Path, item: &[usize]) -> Self {
        let board = Board::create(folder, item).unwrap();
        RecordingBoard { board, folder: folder.into(), reports: Vec::new(), inspections: Vec::new() }
    }
}

impl Observer for RecordingBoard {
    fn epoch(&mut self, report: &EpochReport) -> Result<Wish, gpu_mlp::Error> {
        // Earlier events can be read before the run is over.
        let updates: usize = self.reports.iter().map(|report| report.updates.len()).sum();
        assert_eq!(all_events(&self.folder).len(), 1 + updates + 3 * self.reports.len());
        self.reports.push(report.clone());
        self.board.epoch(report)
    }
    fn inspects(&self) -> bool {
        true
    }
    fn inspect(&mut self, inspection: &Inspection) -> Result<(), gpu_mlp::Error> {
        self.inspections.push(inspection.clone());
        self.board.inspect(inspection)
    }
}

fn train(config: &Config, data: &DataSet, observer: &mut dyn Observer) -> Mlp {
    pollster::block_on(async {
        let mut session = Session::open(config, data, &Machine::Cpu, Limits::default()).await.unwrap();
        session.run(observer).await.unwrap();
        session.model().await.unwrap()
    })
}

/// Number of samples, and number of correctly classified ones.
fn sums(confusion: &[u64]) -> (u64, f64) {
    (confusion.iter().sum(), (0..10).map(|class| confusion[class * 11]).sum::<u64>() as f64)
}

fn of(reports: &[EpochReport], number: impl Fn(&EpochReport) -> Option<f64>) -> Vec<(u64, f32)> {
    reports.iter().map(|report| (report.step, number(report).expect("it was scored") as f32)).collect()
}

#[test]
fn a_run_is_shown_while_it_trains_and_is_not_changed() {
    let digits = digits::generate(&digits::Options { train: 600, test: 100, seed: 1 });
    let config = Config { hidden: vec![20], epochs: 3, ..Config::default() };
    let folder = TempDir::new().unwrap();
    let mut recording = RecordingBoard::new(folder.path(), &digits.item);
    let model = train(&config, &digits, &mut recording);
    assert_eq!(model, train(&config, &digits, &mut |_: &EpochReport| Wish::Continue), "inspection changes nothing");

    let events = all_events(folder.path());
    assert_eq!(scalars(&events, "loss/test"), of(&recording.reports, |report| report.test.map(|test| test.loss())));
    for (report, inspection) in recording.reports.iter().zip(&recording.inspections) {
        assert_eq!((100, report.test.unwrap().metric_sum), sums(&inspection.confusion));
    }
    let tiles = values(&events, "weights/layer1");
    let last = decoded(&tiles[2].1.image.as_ref().unwrap().encoded_image_string);
    assert_eq!((tiles.len(), Some(last)), (3, first_layer(&model.layers[0], &digits.item)));
    assert_eq!(values(&events, "confusion").len(), 3);
}

#[test]
fn with_a_validation_split_the_test_split_is_not_shown_before_the_end() {
    let digits = digits::generate(&digits::Options { train: 600, test: 100, seed: 1 });
    let config = Config { hidden: vec![20], epochs: 3, validation: 150.into(), ..Config::default() };
    let data = gpu_mlp::train::divide(&config, digits).unwrap();
    let folder = TempDir::new().unwrap();
    let mut recording = RecordingBoard::new(folder.path(), &data.item);
    train(&config, &data, &mut recording);
    let reports = recording.reports;
    let events = all_events(folder.path());
    assert_eq!(scalars(&events, "loss/validation"), of(&reports, |report| Some(report.validation?.loss())));
    assert_eq!(scalars(&events, "accuracy/validation"), of(&reports, |report| Some(report.validation?.metric())));
    for (report, inspection) in reports.iter().zip(&recording.inspections) {
        assert_eq!(
            (150, report.validation.unwrap().metric_sum),
            sums(&inspection.confusion),
            "of the validation split"
        );
    }
    assert_eq!(scalars(&events, "loss/test"), []);
    let score = Score { loss_sum: 50.0, metric_sum: 75.0, samples: 100, weight: None };
    recording.board.test(reports[2].step, &score, Metric::Accuracy).unwrap();
    let events = all_events(folder.path());
    assert_eq!(scalars(&events, "loss/test"), [(reports[2].step, 0.5)]);
    assert_eq!(scalars(&events, "accuracy/test"), [(reports[2].step, 0.75)]);
}

/// Runs the program in a folder.
#[cfg(feature = "cli")]
fn run(folder: &Path, words: &str) {
    let output = crate::common::program::gpu_mlp(folder).args(words.split(' ')).output().unwrap();
    assert!(output.status.success(), "{words}: {}", String::from_utf8_lossy(&output.stderr));
}

/// An epoch has 10 updates, or 9 with 50 validation samples.
#[cfg(feature = "cli")]
const SMALL: &str = "--engine cpu --data digits --digits-train 500 --digits-test 50 --batch-size 50";

#[test]
#[cfg(feature = "cli")]
fn train_writes_an_event_file_into_the_given_folder() {
    let folder = TempDir::new().unwrap();
    run(folder.path(), &format!("train --tensorboard board/1 --epochs 2 {SMALL}"));
    // The version, then for each of two epochs ten updates, the scalars, the confusion matrix and the weights.
    assert_eq!(all_events(&folder.path().join("board/1")).len(), 1 + 2 * (10 + 3));
}

#[test]
#[cfg(feature = "cli")]
fn a_resumed_run_is_shown_in_the_same_folder_with_each_epoch_once() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    run(at, &format!("train --out run --tensorboard board --epochs 4 --validation 50 --max-steps 5 {SMALL}"));
    // Resumed within an epoch, at the end of one, and from another folder.
    for limit in [14, 18] {
        run(at, &format!("train --resume run --max-steps {limit}"));
    }
    std::fs::create_dir(at.join("other")).unwrap();
    run(&at.join("other"), "train --resume ../run");

    let text = std::fs::read_to_string(at.join("run/metrics.jsonl")).unwrap();
    let records: Vec<serde_json::Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let recorded = |kind: &str, step: &dyn Fn(&serde_json::Value) -> u64, field: &str| -> Vec<_> {
        let records = records.iter().filter(|record| record["type"] == kind);
        records.map(|record| (step(record), record[field].as_f64().unwrap() as f32)).collect()
    };
    let events = all_events(&at.join("board"));
    for (tag, field) in
        [("loss/train", "train_loss"), ("accuracy/validation", "validation_accuracy"), ("rate/lr", "lr")]
    {
        let epochs = recorded("epoch", &|record| record["step"].as_u64().unwrap(), field);
        assert_eq!((epochs.len(), &epochs), (4, &scalars(&events, tag)), "{tag}");
    }
    let numbers = |record: &serde_json::Value, field: &str| record[field].as_array().unwrap().clone();
    let updates = records.iter().filter(|record| record["type"] == "updates").flat_map(|record| {
        let steps = numbers(record, "step").into_iter().map(|step| step.as_u64().unwrap());
        steps.zip(numbers(record, "loss").into_iter().map(|loss| loss.as_f64().unwrap() as f32)).collect::<Vec<_>>()
    });
    let updates: Vec<(u64, f32)> = updates.collect();
    assert_eq!((updates.len(), &updates), (36, &scalars(&events, "loss/update")));
    assert_eq!(values(&events, "confusion").len(), 4);
    // The run also reached an end, and a test score, after update 18.
    let tests = scalars(&events, "loss/test");
    assert_eq!((tests.len(), &tests[1..]), (2, &recorded("end", &|_| 36, "test_loss")[..]));
}
