//! A model recognises pictures of digits as well as the digits themselves.
#![cfg(feature = "images")]

mod canvas;

use crate::common::mnist::mnist;
use canvas::{AS_IT_IS, Scene, Way, draw, photos, ways};
use gpu_mlp::Error;
use gpu_mlp::config::Config;
use gpu_mlp::data::images::{Fit, Sample, sample};
use gpu_mlp::data::layout::Layout;
use gpu_mlp::data::{DataSet, Split, digits};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::classify;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::train::Trainer;
use image::{GrayImage, ImageFormat, Luma};
use pollster::block_on;
use rayon::prelude::*;
use std::io::Cursor;
use std::path::Path;

fn trained(data: &DataSet, epochs: usize) -> (Mlp, Description) {
    block_on(async {
        let config = Config { epochs, ..Config::default() };
        let mut trainer = Trainer::open(&config, data, &Machine::Cpu).await.unwrap();
        for _ in 0..config.epochs {
            trainer.epoch(&mut |_| {}).await.unwrap();
        }
        let description = Description::of(&config, data, trainer.net());
        (trainer.model().await.unwrap(), description)
    })
}

/// Number of correct classifications of `pixels`, whose labels are the first of the test split.
fn hits(model: &Mlp, description: &Description, data: &DataSet, pixels: Vec<u8>) -> usize {
    let predictions = block_on(classify(&Machine::Cpu, model, description, pixels, &data.item)).unwrap();
    let samples = predictions.probabilities.len() / predictions.classes;
    (0..samples).filter(|&sample| predictions.class(sample) == data.test.classes()[sample] as usize).count()
}

fn read(digit: &[u8], way: &Way, layout: Option<&Layout>) -> Sample {
    sample(&draw(digit, way), Path::new(way.name), Fit::Auto, &[28, 28], layout).unwrap()
}

/// The samples of pictures that are drawn in this way.
fn read_all(digits: &[u8], way: &Way, layout: Option<&Layout>) -> Vec<Sample> {
    let digits: Vec<&[u8]> = digits.chunks_exact(784).collect();
    digits.into_par_iter().map(|digit| read(digit, way, layout)).collect()
}

/// Hits for `samples` samples without a file, and for each way of drawing them into a file.
fn compare(data: &DataSet, epochs: usize, samples: usize) -> (usize, Vec<(&'static str, usize)>) {
    let (model, description) = trained(data, epochs);
    let digits = &data.test.pixels()[..samples * 784];
    let direct = hits(&model, &description, data, digits.to_vec());
    let through = ways().into_iter().map(|way| {
        let samples = read_all(digits, &way, description.layout.as_ref());
        let pixels = samples.into_iter().flat_map(|sample| sample.pixels).collect();
        (way.name, hits(&model, &description, data, pixels))
    });
    (direct, through.collect())
}

/// Checks that files lose at most `lost` hits of `samples`.
fn recognised_as_well(data: &DataSet, epochs: usize, samples: usize, lost: usize) {
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
    recognised_as_well(&digits::generate(&digits::Options { train: 6000, test: 200, seed: 1 }), 4, 50, 5);
}

#[test]
fn mnist_through_files_is_recognised_as_well_as_mnist() {
    mnist().iter().for_each(|data| recognised_as_well(data, 1, 100, 2));
}

/// MNIST's digits already have the size and position that the reader produces, so it leaves them unchanged.
#[test]
fn a_sample_of_mnist_comes_through_a_file_unchanged() {
    let Some(data) = mnist() else { return };
    for layout in [None, Some(Layout::of(&data.item, &data.train).unwrap())] {
        for (read, digit) in
            read_all(data.test.pixels(), &AS_IT_IS, layout.as_ref()).iter().zip(data.test.pixels().chunks(784))
        {
            assert!(read.pixels == digit && read.doubts.is_empty());
        }
    }
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
    sample(bytes, Path::new("drawing"), Fit::Auto, &[28, 28], Some(&Layout::MNIST))
}

#[test]
fn a_bar_is_scaled_to_20_pixels_and_centred() {
    let sample = seen(&bars((200, 300), &[[150, 20, 10, 100]])).unwrap();
    let wanted = |at: usize| (5..25).contains(&(at / 28)) && (14..16).contains(&(at % 28));
    for (at, &pixel) in sample.pixels.iter().enumerate() {
        assert_eq!(pixel, if wanted(at) { 255 } else { 0 }, "row {}, column {}", at / 28, at % 28);
    }
    assert!(sample.notes[0].contains("scaled to 20 pixels") && sample.doubts.is_empty(), "{sample:?}");
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
    assert!(two.doubts[0].contains("2 large separate shapes"), "{:?}", two.doubts);
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
        ("is cut off", png[..png.len() / 2].to_vec()),
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
fn a_model_without_a_layout_gets_the_whole_picture_and_a_note() {
    let png = bars((20, 40), &[[6, 10, 8, 20]]);
    let read = |item: &[usize], fit| sample(&png, Path::new("bar"), fit, item, None);
    let small = read(&[20, 10], Fit::Auto).unwrap();
    assert!(small.notes[0].contains("assumed: light ink on black"), "{:?}", small.notes);
    // Dark on white is inverted.
    assert!(small.pixels[0] == 0 && small.pixels[10 * 10 + 5] == 255, "{:?}", small.pixels);
    assert!(read(&[4, 2], Fit::Mnist).is_err());
    assert!(read(&[3, 4, 2], Fit::Auto).is_err());
}

/// A data set whose samples are changed by `change`, and the layout of its training split.
fn laid_out(data: &DataSet, item: &[usize], change: impl Fn(&[u8]) -> Vec<u8>) -> (DataSet, Layout) {
    let split = |split: &Split| {
        let pixels: Vec<u8> = split.pixels().chunks_exact(784).flat_map(&change).collect();
        Split::new(pixels, split.classes().to_vec())
    };
    let data = DataSet::from_splits("changed", item.to_vec(), split(&data.train), split(&data.test)).unwrap();
    let layout = Layout::of(&data.item, &data.train).unwrap();
    (data, layout)
}

fn png(pixels: &[u8], side: u32) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let picture = GrayImage::from_raw(side, side, pixels.to_vec()).unwrap();
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// Sets of other layouts: test pictures are not changed, inverted ones are inverted back.
#[test]
fn test_pictures_of_any_layout_are_read_as_they_are() {
    let digits = digits::generate(&digits::Options { train: 600, test: 200, seed: 1 });
    let half = |digit: &[u8]| -> Vec<u8> {
        let sum = |at: usize| {
            [0, 1, 28, 29].map(|next| u16::from(digit[at / 14 * 56 + at % 14 * 2 + next])).iter().sum::<u16>()
        };
        (0..196).map(|at| (sum(at) / 4) as u8).collect()
    };
    let padded = |digit: &[u8]| -> Vec<u8> {
        let inside = |at: usize| (2..30).contains(&(at / 32)) && (2..30).contains(&(at % 32));
        (0..1024).map(|at| if inside(at) { digit[(at / 32 - 2) * 28 + at % 32 - 2] } else { 0 }).collect()
    };
    // Grey textures that fill the frame in the width of the digit's pixel sum.
    let cloth = |digit: &[u8]| -> Vec<u8> {
        let narrow = 1 + digit.iter().map(|&p| usize::from(p)).sum::<usize>() % 8;
        let value = |at: usize| match (narrow..28 - narrow).contains(&(at % 28)) {
            true => 80 + (at % 28 * 5 + at / 28 * 3) as u8 % 90,
            false => 0,
        };
        (0..784).map(value).collect()
    };
    let inverted = |digit: &[u8]| digit.iter().map(|value| 255 - value).collect();
    type Change<'a> = &'a dyn Fn(&[u8]) -> Vec<u8>;
    let sets: [(&str, usize, Change); 4] =
        [("14×14", 14, &half), ("32×32", 32, &padded), ("clothes", 28, &cloth), ("dark on white", 28, &inverted)];
    for (name, side, change) in sets {
        let (data, layout) = laid_out(&digits, &[side, side], change);
        for pixels in data.test.pixels().chunks(side * side) {
            let read = |pixels: &[u8]| {
                sample(&png(pixels, side as u32), Path::new(name), Fit::Auto, &data.item, Some(&layout)).unwrap().pixels
            };
            assert_eq!(read(pixels), pixels, "{name}");
            let other: Vec<u8> = pixels.iter().map(|value| 255 - value).collect();
            assert_eq!(read(&other), pixels, "{name}, inverted");
        }
    }
}

#[test]
fn photos_of_digits_are_recognised() {
    let Some(data) = mnist() else { return };
    let (model, description) = trained(&data, 2);
    for way in photos() {
        let samples = read_all(&data.test.pixels()[..78_400], &way, description.layout.as_ref());
        let doubts = samples.iter().filter(|sample| !sample.doubts.is_empty()).count();
        let right = hits(&model, &description, &data, samples.into_iter().flat_map(|sample| sample.pixels).collect());
        eprintln!("{}: {right} of 100, {doubts} in doubt", way.name);
        assert!(right >= 90, "{}: {right} of 100", way.name);
        let small = matches!(way.scene, Scene::Frame(..16) | Scene::Box);
        assert!(doubts <= if small { 50 } else { 15 }, "{}: {doubts} of 100 in doubt", way.name);
    }
}

#[test]
fn noise_is_in_doubt() {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    for (side, smooth) in [(28, 0.0), (60, 0.0), (120, 0.0), (60, 2.0), (120, 4.0), (200, 9.0)] {
        let sure = (0..20).filter(|_| {
            let picture = GrayImage::from_fn(side, side, |_, _| Luma([random()]));
            let picture = if smooth > 0.0 { image::imageops::blur(&picture, smooth) } else { picture };
            seen(&png(picture.as_raw(), side)).is_ok_and(|sample| sample.doubts.is_empty())
        });
        let sure = sure.count();
        eprintln!("noise of {side} pixels, smoothed by {smooth}: {sure} of 20 not in doubt");
        assert!(sure <= 4, "{side}, {smooth}: {sure} of 20 not in doubt");
    }
}
