//! A model recognises pictures of digits as well as the digits themselves.
#![cfg(feature = "images")]

mod canvas;

use crate::common::mnist::mnist;
use canvas::{AS_IT_IS, Way, draw, ways};
use gpu_mlp::Error;
use gpu_mlp::config::Config;
use gpu_mlp::data::images::{Fit, Sample, sample};
use gpu_mlp::data::{DataSet, digits};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::classify;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::train::Trainer;
use image::{GrayImage, ImageFormat, Luma};
use pollster::block_on;
use std::io::Cursor;
use std::path::Path;

fn trained(data: &DataSet, epochs: usize) -> (Mlp, Description) {
    block_on(async {
        let config = Config { epochs, ..Config::default() };
        let mut trainer = Trainer::open(&config, data, &Machine::Cpu).await.unwrap();
        for _ in 0..config.epochs {
            trainer.epoch(&mut |_| {}).await.unwrap();
        }
        let description = Description {
            widths: config.widths(data.inputs(), data.classes),
            activation: config.activation(),
            inputs: trainer.net().inputs.clone(),
            item: data.item.clone(),
            data: data.name.clone(),
            data_sha256: data.sha256.clone(),
            version: String::new(),
        };
        (trainer.model().await.unwrap(), description)
    })
}

/// Number of correct classifications of `pixels`, whose labels are the first of the test split.
fn hits(model: &Mlp, description: &Description, data: &DataSet, pixels: Vec<u8>) -> usize {
    let predictions = block_on(classify(&Machine::Cpu, model, description, pixels, &data.item)).unwrap();
    let samples = predictions.probabilities.len() / predictions.classes;
    (0..samples).filter(|&sample| predictions.class(sample) == usize::from(data.test.labels[sample])).count()
}

fn read(digit: &[u8], way: &Way) -> Vec<u8> {
    sample(&draw(digit, way), Path::new(way.name), Fit::Auto, &[28, 28]).unwrap().pixels
}

/// Hits for `samples` samples without a file, and for each way of drawing them into a file.
fn compare(data: &DataSet, epochs: usize, samples: usize) -> (usize, Vec<(&'static str, usize)>) {
    let (model, description) = trained(data, epochs);
    let digits = &data.test.pixels[..samples * 784];
    let direct = hits(&model, &description, data, digits.to_vec());
    let through = ways().into_iter().map(|way| {
        let pixels = digits.chunks_exact(784).flat_map(|digit| read(digit, &way)).collect();
        (way.name, hits(&model, &description, data, pixels))
    });
    (direct, through.collect())
}

/// Checks that files lose at most `lost` hits of 100.
fn recognised_as_well(data: &DataSet, epochs: usize, lost: usize) {
    let samples = 100;
    let (direct, through) = compare(data, epochs, samples);
    assert!(direct > samples * 8 / 10, "the model recognises only {direct} of {samples}");
    for (name, hits) in through {
        eprintln!("{}, {name}: {hits} of {samples}, {direct} without a file", data.name);
        assert!(hits + lost >= direct, "{name}: {hits} of {samples}, and {direct} without a file");
    }
}

/// Generated digits vary more in position than MNIST's, so centring moves them away from the training data.
#[test]
fn digits_through_files_are_recognised_nearly_as_well_as_digits() {
    recognised_as_well(&digits::generate(&digits::Options { train: 6000, test: 200, seed: 1 }), 4, 8);
}

#[test]
fn mnist_through_files_is_recognised_as_well_as_mnist() {
    mnist().iter().for_each(|data| recognised_as_well(data, 1, 2));
}

/// MNIST's digits already have the size and position that the reader produces, so it leaves them unchanged.
#[test]
fn a_sample_of_mnist_comes_through_a_file_unchanged() {
    let Some(data) = mnist() else { return };
    let unchanged = |digit: &&[u8]| read(digit, &AS_IT_IS).iter().zip(*digit).all(|(a, b)| a.abs_diff(*b) <= 2);
    let same = data.test.pixels.chunks_exact(784).take(1000).filter(unchanged).count();
    eprintln!("{same} of 1000 unchanged");
    assert!(same > 950, "{same} of 1000");
}

/// A white field with black bars (left, top, width, height).
fn bars(size: (u32, u32), bars: &[[u32; 4]]) -> Vec<u8> {
    let inside =
        |x: u32, y: u32| bars.iter().any(|b| (b[0]..b[0] + b[2]).contains(&x) && (b[1]..b[1] + b[3]).contains(&y));
    let picture = GrayImage::from_fn(size.0, size.1, |x, y| Luma([if inside(x, y) { 0 } else { 255 }]));
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn seen(bytes: &[u8]) -> Result<Sample, Error> {
    sample(bytes, Path::new("drawing"), Fit::Auto, &[28, 28])
}

#[test]
fn a_bar_is_scaled_to_20_pixels_and_centred() {
    let sample = seen(&bars((200, 300), &[[150, 20, 10, 100]])).unwrap();
    let wanted = |at: usize| (5..25).contains(&(at / 28)) && (14..16).contains(&(at % 28));
    for (at, &pixel) in sample.pixels.iter().enumerate() {
        assert_eq!(pixel, if wanted(at) { 255 } else { 0 }, "row {}, column {}", at / 28, at % 28);
    }
    assert!(sample.notes.is_empty());
}

#[test]
fn a_photo_with_an_exif_orientation_is_turned_upright() {
    // The letter L: a long stroke down and a short one to the right at its foot, aligned to JPEG's blocks of 8 pixels.
    let jpeg = |pixel: &dyn Fn(u32, u32) -> bool, (width, height)| {
        let image = GrayImage::from_fn(width, height, |x, y| Luma([if pixel(x, y) { 0 } else { 255 }]));
        let mut bytes = Cursor::new(Vec::new());
        image.write_to(&mut bytes, ImageFormat::Jpeg).unwrap();
        bytes.into_inner()
    };
    let l = |x: u32, y: u32| {
        (16..24).contains(&x) && (16..64).contains(&y) || (16..40).contains(&x) && (56..64).contains(&y)
    };
    let upright = jpeg(&l, (64, 80));
    // Exif with one entry (TIFF 6.0, tag 274, Orientation): the sides where the first row and the first column lie.
    let held = |of: Vec<u8>, way: u8| {
        let mut exif = *b"\xff\xe1\x00\x22Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x01\0\0\0\0\0\0\0";
        exif[28] = way;
        [&of[..2], &exif, &of[2..]].concat()
    };
    // 6: the first row is the right side; 8: the left side; 3: upside down; 2: mirrored.
    type Ink<'a> = &'a dyn Fn(u32, u32) -> bool;
    let lying: [(u8, Ink, (u32, u32)); 4] = [
        (6, &|x, y| l(63 - y, x), (80, 64)),
        (8, &|x, y| l(y, 79 - x), (80, 64)),
        (3, &|x, y| l(63 - x, 79 - y), (64, 80)),
        (2, &|x, y| l(63 - x, y), (64, 80)),
    ];
    let pixels = |bytes: &[u8]| seen(bytes).unwrap().pixels;
    for (way, pixel, size) in lying {
        let lies = jpeg(pixel, size);
        assert!(pixels(&lies) != pixels(&upright), "{way}: without Exif it must not be turned");
        let (turned, upright) = (pixels(&held(lies, way)), pixels(&upright));
        let most = turned.iter().zip(&upright).map(|(one, two)| one.abs_diff(*two)).max();
        assert!(most < Some(8), "{way}: {most:?} of 255 apart");
    }
}

#[test]
fn specks_are_removed_and_a_second_shape_is_noted() {
    let bar = [90, 40, 20, 200];
    let clean = seen(&bars((200, 300), &[bar])).unwrap();
    assert_eq!(seen(&bars((200, 300), &[bar, [10, 280, 3, 3]])).unwrap(), clean);
    let two = seen(&bars((200, 300), &[bar, [150, 40, 20, 200]])).unwrap();
    assert!(two.notes[0].contains("2 large separate shapes"), "{:?}", two.notes);
}

#[test]
fn blank_pictures_and_other_files_are_refused_with_the_reason() {
    let png = bars((200, 300), &[[150, 20, 10, 100]]);
    let cases: [(&str, Vec<u8>); 6] = [
        ("is blank", bars((50, 50), &[])),
        ("is blank", bars((50, 50), &[[0, 0, 50, 50]])),
        ("is a GIF picture", b"GIF89a and so on".to_vec()),
        ("is empty", Vec::new()),
        ("is neither PNG nor JPEG", b"not a picture".to_vec()),
        ("cannot be decoded", png[..png.len() / 2].to_vec()),
    ];
    for (words, bytes) in cases {
        let error = seen(&bytes).unwrap_err();
        assert!(matches!(error, Error::Data { .. }) && error.to_string().contains(words), "{words}: {error}");
    }
}

/// A file of a few bytes that declares 60,000 × 60,000 pixels is refused before memory is allocated.
#[test]
fn a_decompression_bomb_is_refused() {
    let mut png = bars((8, 8), &[[2, 2, 2, 2]]);
    png[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    png[29..33].copy_from_slice(&crc.sum().to_be_bytes());
    let error = seen(&png).unwrap_err();
    assert!(error.to_string().contains("60000×60000"), "{error}");
}

#[test]
fn a_model_of_another_size_gets_the_whole_picture_and_a_note() {
    let png = bars((16, 32), &[[0, 0, 16, 16]]);
    let small = sample(&png, Path::new("half"), Fit::Auto, &[4, 2]).unwrap();
    let rows: Vec<u8> = small.pixels.chunks(2).map(|row| row[0]).collect();
    assert!(rows.is_sorted() && rows[0] == 0 && rows[1] < 64 && rows[2] > 191 && rows[3] == 255, "{rows:?}");
    assert!(small.notes[0].contains("4×2"), "{:?}", small.notes);
    assert!(sample(&png, Path::new("half"), Fit::Mnist, &[4, 2]).is_err());
    assert!(sample(&png, Path::new("half"), Fit::Auto, &[3, 4, 2]).is_err());
}
