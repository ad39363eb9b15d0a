//! Pictures that are unlike the training pictures are found, by what a model file says about those.

use crate::common::mnist::mnist;
use gpu_mlp::config::Init;
use gpu_mlp::data::novelty::Novelty;
use gpu_mlp::data::{DataSet, Samples, Split, digits};
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::run::model_file::{Description, parse, to_bytes};
use serde_json::{Value, json};
use std::path::Path;

const ITEM: [usize; 2] = [28, 28];

/// Letters as strokes between points of a grid, 0 to 4 across and 0 to 8 down.
const LETTERS: [(char, &[&[[i32; 2]]]); 14] = [
    ('A', &[&[[0, 8], [2, 0], [4, 8]], &[[1, 5], [3, 5]]]),
    ('B', &[&[[0, 0], [0, 8], [3, 8], [4, 6], [3, 4], [0, 4]], &[[3, 4], [4, 2], [3, 0], [0, 0]]]),
    ('E', &[&[[4, 0], [0, 0], [0, 8], [4, 8]], &[[0, 4], [3, 4]]]),
    ('F', &[&[[4, 0], [0, 0], [0, 8]], &[[0, 4], [3, 4]]]),
    ('H', &[&[[0, 0], [0, 8]], &[[4, 0], [4, 8]], &[[0, 4], [4, 4]]]),
    ('K', &[&[[0, 0], [0, 8]], &[[4, 0], [0, 4], [4, 8]]]),
    ('L', &[&[[0, 0], [0, 8], [4, 8]]]),
    ('M', &[&[[0, 8], [0, 0], [2, 5], [4, 0], [4, 8]]]),
    ('N', &[&[[0, 8], [0, 0], [4, 8], [4, 0]]]),
    ('R', &[&[[0, 8], [0, 0], [3, 0], [4, 2], [3, 4], [0, 4]], &[[1, 4], [4, 8]]]),
    ('T', &[&[[0, 0], [4, 0]], &[[2, 0], [2, 8]]]),
    ('W', &[&[[0, 0], [1, 8], [2, 3], [3, 8], [4, 0]]]),
    ('X', &[&[[0, 0], [4, 8]], &[[4, 0], [0, 8]]]),
    ('P', &[&[[0, 8], [0, 0], [3, 0], [4, 2], [3, 4], [0, 4]]]),
];

/// Where a letter is drawn at first.
const LEFT: f32 = 7.0;
const TOP: f32 = 5.0;

/// A letter as MNIST's digits are laid out: 20 pixels high, with the centre of mass in the middle.
fn letter(strokes: &[&[[i32; 2]]], half_width: f32) -> Vec<u8> {
    let segments: Vec<[[f32; 2]; 2]> = strokes
        .iter()
        .flat_map(|stroke| stroke.windows(2))
        .map(|ends| [0, 1].map(|end: usize| [0, 1].map(|axis: usize| [3.5, 2.25][axis] * ends[end][axis] as f32)))
        .collect();
    let ink = |x: f32, y: f32| {
        let away = |[[ax, ay], [bx, by]]: [[f32; 2]; 2]| {
            let (dx, dy) = (bx - ax, by - ay);
            let t = (((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy)).clamp(0.0, 1.0);
            (x - ax - t * dx).hypot(y - ay - t * dy)
        };
        let nearest = segments.iter().map(|&segment| away(segment)).fold(f32::INFINITY, f32::min);
        (half_width + 0.5 - nearest).clamp(0.0, 1.0)
    };
    let draw = |left: f32, top: f32| -> Vec<f32> {
        (0..784).map(|at| ink((at % 28) as f32 - left, (at / 28) as f32 - top)).collect()
    };
    let first = draw(LEFT, TOP);
    let mass: f32 = first.iter().sum();
    let centre = [0, 1].map(|axis: usize| {
        first.iter().enumerate().map(|(at, ink)| ink * [at % 28, at / 28][axis] as f32).sum::<f32>() / mass
    });
    let placed = draw(LEFT + (14.0 - centre[0]).round(), TOP + (14.0 - centre[1]).round());
    placed.iter().map(|ink| (ink * 255.0).round() as u8).collect()
}

fn letters() -> Vec<(char, Vec<u8>)> {
    LETTERS.iter().flat_map(|&(name, strokes)| [1.0, 1.5].map(|half| (name, letter(strokes, half)))).collect()
}

fn noise(pictures: usize) -> Vec<u8> {
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..pictures * 784).map(|_| random()).collect()
}

fn some_digits() -> DataSet {
    digits::generate(&digits::Options { train: 6000, test: 500, seed: 1 })
}

fn unlike(novelty: &Novelty, pictures: &[u8]) -> usize {
    pictures.chunks(784).filter(|picture| novelty.doubt(&ITEM, picture).is_some()).count()
}

/// Few digits of the same kind are unlike the training digits, and most letters are, and all noise.
#[test]
fn letters_and_noise_are_unlike_digits() {
    for data in [Some(some_digits()), mnist()].into_iter().flatten() {
        let novelty = Novelty::of(&data.item, &data.train).unwrap();
        let test = &data.test.pixels()[..data.test.len().min(2000) * 784];
        let digits = unlike(&novelty, test);
        let letters = letters();
        let found: Vec<_> = letters.iter().filter(|(_, letter)| unlike(&novelty, letter) == 1).collect();
        let samples = test.len() / 784;
        eprintln!("{}: {digits} of {samples} digits, {} of {} letters", data.name, found.len(), letters.len());
        assert!(digits * 100 <= 7 * samples, "{}: {digits} of {samples} digits", data.name);
        assert!(found.len() * 100 >= letters.len() * 80, "{}: {} of {}", data.name, found.len(), letters.len());
        assert_eq!(unlike(&novelty, &noise(50)), 50, "{}", data.name);
        let doubt = novelty.doubt(&ITEM, &noise(1)).unwrap();
        assert!(doubt.contains("unlike the training pictures") && doubt.contains("96 %"), "{doubt}");
    }
}

#[test]
fn smaller_pictures_are_compared_too() {
    let data = some_digits();
    let half = |pictures: &[u8]| -> Vec<u8> {
        let sum = |picture: &[u8], at: usize| {
            [0, 1, 28, 29].map(|next| u16::from(picture[at / 14 * 56 + at % 14 * 2 + next])).iter().sum::<u16>()
        };
        pictures.chunks(784).flat_map(|picture| (0..196).map(move |at| (sum(picture, at) / 4) as u8)).collect()
    };
    let train = Split::new(half(data.train.pixels()), data.train.classes().to_vec());
    let novelty = Novelty::of(&[14, 14], &train).unwrap();
    let doubts = |pictures: &[u8]| {
        let pictures = half(pictures);
        pictures.chunks(196).filter(|picture| novelty.doubt(&[14, 14], picture).is_some()).count()
    };
    assert!(doubts(data.test.pixels()) * 100 <= 6 * data.test.len());
    let letters: Vec<u8> = letters().into_iter().flat_map(|(_, letter)| letter).collect();
    assert!(doubts(&letters) * 10 >= letters.len() / 784 * 7, "{} letters", doubts(&letters));
}

#[test]
fn only_enough_grey_pictures_are_measured() {
    let data = some_digits();
    let split = |samples: usize| {
        Split::new(data.train.pixels()[..samples * 784].to_vec(), data.train.classes()[..samples].to_vec())
    };
    assert!(Novelty::of(&ITEM, &split(200)).is_some());
    assert!(Novelty::of(&ITEM, &split(199)).is_none());
    assert!(Novelty::of(&[2, 28, 14], &split(300)).is_none(), "in colour");
    assert!(Novelty::of(&ITEM, &Split::new(vec![7; 784 * 300], vec![0u32; 300])).is_none(), "without edges");
    let floats = Split::new(Samples::Floats(vec![0.5; 784 * 300]), vec![0u32; 300]);
    assert!(Novelty::of(&ITEM, &floats).is_none(), "numbers");
    let novelty = Novelty::of(&ITEM, &split(500)).unwrap();
    assert_eq!(novelty.distance(&[14, 14], &[0; 784]), None, "of another size");
}

/// A model file with a description of pictures, and its metadata.
fn file(novelty: Option<Novelty>) -> (Vec<u8>, Value) {
    let model = Mlp::new(&[784, 4, 10], Activation::Relu, Init::Auto, 7);
    let widths = model.widths();
    let inputs = InputMap { scale: 1.0, shift: 0.0 };
    let description =
        Description { item: ITEM.to_vec(), novelty, ..Description::new(widths, Activation::Relu, inputs) };
    let bytes = to_bytes(Path::new("m"), &model, &description).unwrap();
    assert_eq!(parse(&bytes, Path::new("m")).unwrap().description, Some(description.clone()));
    (bytes, serde_json::to_value(&description).unwrap())
}

#[test]
fn the_file_holds_it_in_few_bytes_and_equal_pictures_give_equal_bytes() {
    let data = some_digits();
    let of = || Novelty::of(&data.item, &data.train);
    let with = file(of()).0;
    assert_eq!(with, file(of()).0);
    let (without, old) = file(None);
    assert!(old.get("novelty").is_none(), "as in older files");
    assert!(with.len() - without.len() < 24_000, "{} bytes", with.len() - without.len());
}

#[test]
fn damaged_values_are_refused() {
    let novelty = Novelty::of(&ITEM, &some_digits().train);
    let (bytes, description) = file(novelty);
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let with = |novelty: Value| {
        let mut changed = description.clone();
        changed["novelty"] = novelty;
        let mut header: Value = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
        header["__metadata__"]["gpu_mlp"] = changed.to_string().into();
        let header = header.to_string();
        let width = header.len().next_multiple_of(8);
        let header = format!("{header:width$}");
        let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &bytes[8 + length..]].concat();
        parse(&bytes, Path::new("m")).map(|_| ()).map_err(|error| error.to_string())
    };
    let centres = description["novelty"]["centres"].clone();
    with(json!({ "centres": centres, "limit": 0.3 })).unwrap();
    let cases = [
        (json!({ "centres": centres, "limit": 0.0 }), "the limit is 0"),
        (json!({ "centres": centres, "limit": 1e39 }), "out of range"),
        (json!({ "centres": centres, "limit": -0.3 }), "the limit is -0.3"),
        (json!({ "centres": "", "limit": 0.3 }), "0 values"),
        (json!({ "centres": "AAAA", "limit": 0.3 }), "3 values"),
        (json!({ "centres": "?", "limit": 0.3 }), "metadata"),
    ];
    for (novelty, words) in cases {
        let error = with(novelty).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
}
