//! Event files, read back as their readers do: frame by frame, each checksum recomputed from its polynomial.
#![cfg(feature = "formats")]

use gpu_mlp::config::Config;
use gpu_mlp::data::digits;
use gpu_mlp::machine::Machine;
use gpu_mlp::model::{Init, Mlp};
use gpu_mlp::picture::{Picture, confusion, first_layer};
use gpu_mlp::session::{Inspection, Limits, Observer, Report, Session, Wish};
use gpu_mlp::tensorboard::{Board, Event, EventFile};
use prost::Message;
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
fn the_test_knows_the_checksum() {
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
    assert!(*at(0, 1) == [255; 3] && blue(at(1, 0)) < 0, "what never happened is white, mistakes are red");
    // 256 classes stay a picture of reasonable size.
    assert_eq!(confusion(&vec![1; 256 * 256], 256).width, 1024);
}

#[test]
fn first_layer_tiles_show_the_sign_of_each_weight() {
    let mut layer = Mlp::new(&[6, 70, 2], gpu_mlp::kernels::Activation::Relu, Init::Auto, 1).layers.remove(0);
    layer.weight.fill(0.0);
    (layer.weight[0], layer.weight[5], layer.weight[6]) = (2.0, -1.0, 1.0);
    let picture = first_layer(&layer, &[2, 3]).unwrap();
    // 64 tiles of 6×4 dots with a border of one, eight in a row.
    assert_eq!((picture.width, picture.height), (8 * 8, 8 * 6));
    let at = |x: usize, y: usize| picture.pixels[y * picture.width + x];
    let (strong, weak, below) = (at(1, 1), at(9, 1), at(5, 3));
    assert!(strong[0] > strong[2] && weak[0] > weak[2] && weak[2] > strong[2], "{strong:?} {weak:?}");
    assert!(below[2] > below[0] && at(3, 1) == [255; 3], "{below:?}");
    assert_eq!(first_layer(&layer, &[6]), None, "a vector is no image");
}

#[test]
fn a_run_is_shown_while_it_goes_and_is_none_the_worse_for_it() {
    let digits = digits::generate(&digits::Options { train: 600, test: 100, seed: 1 });
    let config = Config { hidden: vec![20], epochs: 3, ..Config::default() };
    let folder = TempDir::new().unwrap();
    let run = |observer: &mut dyn Observer| {
        pollster::block_on(async {
            let mut session = Session::open(&config, &digits, &Machine::Cpu, Limits::default()).await.unwrap();
            session.run(observer).await.unwrap();
            session.model().await.unwrap()
        })
    };
    struct Both(Board, Vec<Report>, std::path::PathBuf);
    impl Observer for Both {
        fn epoch(&mut self, report: &Report) -> Result<Wish, gpu_mlp::Error> {
            // What was written before can be read before the run is over.
            let file = std::fs::read_dir(&self.2).unwrap().next().unwrap().unwrap().path();
            assert_eq!(events(&std::fs::read(file).unwrap()).len(), 1 + 3 * self.1.len());
            self.1.push(report.clone());
            self.0.epoch(report)
        }
        fn inspects(&self) -> bool {
            true
        }
        fn inspect(&mut self, inspection: &Inspection) -> Result<(), gpu_mlp::Error> {
            let hits = (0..10).map(|class| inspection.confusion[class * 11]).sum::<u64>();
            assert_eq!(Some(hits), self.1.last().unwrap().test.map(|test| test.hits));
            self.0.inspect(inspection)
        }
    }
    let board = Board::create(folder.path(), &digits.item).unwrap();
    let mut both = Both(board, Vec::new(), folder.path().into());
    let watched = run(&mut both);
    assert_eq!(watched, run(&mut |_: &Report| Wish::Continue), "looking on changes nothing");

    let file = std::fs::read_dir(folder.path()).unwrap().next().unwrap().unwrap().path();
    let events = events(&std::fs::read(file).unwrap());
    let values = |tag: &str| -> Vec<_> {
        let all = events.iter().flat_map(|event| event.summary.iter().flat_map(|s| &s.value).map(|v| (event.step, v)));
        all.filter(|(_, value)| value.tag == tag).map(|(step, value)| (step as u64, value.clone())).collect()
    };
    let losses: Vec<_> = values("loss/test").iter().map(|(step, value)| (*step, value.simple_value)).collect();
    let reported = both.1.iter().map(|report| (report.step, report.test.map(|test| test.loss() as f32)));
    assert_eq!(losses, reported.collect::<Vec<_>>());
    let tiles = values("weights/layer1");
    let last = decoded(&tiles[2].1.image.as_ref().unwrap().encoded_image_string);
    assert_eq!((tiles.len(), Some(last)), (3, first_layer(&watched.layers[0], &digits.item)));
    assert_eq!(values("confusion").len(), 3);
}

#[test]
#[cfg(feature = "cli")]
fn train_writes_an_event_file_where_it_is_told_to() {
    let folder = TempDir::new().unwrap();
    let mut command = assert_cmd::Command::cargo_bin("gpu-mlp").unwrap();
    command.current_dir(folder.path()).env("HOME", folder.path()).args(["train", "--tensorboard", "board/1"]);
    command.args([
        "--engine",
        "cpu",
        "--data",
        "digits",
        "--digits-train",
        "500",
        "--digits-test",
        "50",
        "--epochs",
        "2",
    ]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let file = std::fs::read_dir(folder.path().join("board/1")).unwrap().next().unwrap().unwrap().path();
    // The version; then for each of two epochs its scalars, the confusion matrix and the weights.
    assert_eq!(events(&std::fs::read(file).unwrap()).len(), 1 + 2 * 3);
}
