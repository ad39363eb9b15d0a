//! The generated data set has the same bytes for the same seed, and MNIST's geometry.

use std::collections::HashSet;

use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{DataSet, Split};

const SIDE: usize = 28;

fn digits(train: usize, test: usize, seed: u64) -> DataSet {
    generate(&Options { train, test, seed })
}

fn images(split: &Split) -> std::slice::ChunksExact<'_, u8> {
    split.pixels().chunks_exact(SIDE * SIDE)
}

/// Also a portability test: the digest comes from x86-64 and must be the same on every platform. After an intended
/// change of the drawing, pin the new digest and mention it in the changelog.
#[test]
fn bytes_are_pinned() {
    let set = digits(20, 10, 1);
    assert_eq!(set.sha256, "fa8227dfadd5764000c0073c556ffdc2ba18d41f09ec996304af4f7a7f16f30f");
    assert_eq!(set, digits(20, 10, 1));
}

#[test]
fn default_options_have_the_sizes_of_mnist() {
    let options = Options::default();
    assert_eq!((options.train, options.test), (60_000, 10_000));
}

#[test]
fn a_smaller_split_is_a_prefix() {
    let (small, large) = (digits(33, 7, 5), digits(120, 50, 5));
    for (small, large) in [(&small.train, &large.train), (&small.test, &large.test)] {
        assert!(!small.classes().is_empty());
        assert!(large.classes().starts_with(small.classes()));
        assert!(large.pixels().starts_with(small.pixels()));
    }
}

#[test]
fn seeds_differ_and_splits_share_no_image() {
    let (one, two) = (digits(2000, 2000, 1), digits(2000, 2000, 2));
    assert_ne!(one.sha256, two.sha256);
    let parts = [&one.train, &one.test, &two.train, &two.test];
    let distinct: HashSet<&[u8]> = parts.into_iter().flat_map(images).collect();
    assert_eq!(distinct.len(), 8000);
    let labels: HashSet<&[u32]> = parts.into_iter().map(Split::classes).collect();
    assert_eq!(labels.len(), 4, "each split has its own order of labels");
}

#[test]
fn every_ten_in_a_row_hold_each_digit_once() {
    let set = digits(300, 100, 3);
    assert_eq!((set.outputs(), set.item), (10, vec![SIDE, SIDE]));
    for labels in set.train.classes().chunks_exact(10).chain(set.test.classes().chunks_exact(10)) {
        assert_eq!(labels.iter().collect::<HashSet<_>>().len(), 10, "{labels:?}");
        assert!(labels.iter().all(|&label| label < 10), "{labels:?}");
    }
}

#[test]
fn geometry_matches_mnist() {
    let set = digits(3000, 0, 4);
    for (index, image) in images(&set.train).enumerate() {
        let label = set.train.classes()[index];
        let inked: Vec<(usize, usize)> =
            (0..SIDE * SIDE).filter(|&i| image[i] > 0).map(|i| (i % SIDE, i / SIDE)).collect();
        assert!(inked.len() > 20, "{index}: a {label} of {} pixels", inked.len());
        let mass: f64 = image.iter().map(|&ink| f64::from(ink)).sum();
        let mut extent = [0; 2];
        for (axis, extent) in extent.iter_mut().enumerate() {
            let at = |&(x, y): &(usize, usize)| if axis == 0 { x } else { y };
            let low = inked.iter().map(at).min().unwrap();
            let high = inked.iter().map(at).max().unwrap();
            *extent = high + 1 - low;
            let moment: f64 = inked.iter().map(|p| f64::from(image[p.1 * SIDE + p.0]) * (at(p) as f64 + 0.5)).sum();
            // Half a pixel for rounding; more only if the digit touches the border of the image.
            let off = (moment / mass - 14.0).abs();
            let at_border = low == 0 || high + 1 == SIDE;
            assert!(off <= 0.500_001 || at_border, "{index}: a {label} off by {off} px");
            assert!(off <= 3.0, "{index}: a {label} off by {off} px");
        }
        let longest = extent[0].max(extent[1]);
        assert!((18..=20).contains(&longest), "{index}: a {label} of {extent:?}");
    }
}

/// The nearest mean image of a class classifies far better than chance.
#[test]
fn labels_belong_to_their_images() {
    let set = digits(2000, 500, 6);
    let mut means = vec![[0.0; SIDE * SIDE]; 10];
    for (image, &label) in images(&set.train).zip(set.train.classes()) {
        for (mean, &ink) in means[label as usize].iter_mut().zip(image) {
            *mean += f64::from(ink) / 200.0;
        }
    }
    let distance = |image: &[u8], mean: &[f64]| -> f64 {
        image.iter().zip(mean).map(|(&ink, mean)| (f64::from(ink) - mean).powi(2)).sum()
    };
    let nearest = |image: &[u8]| {
        (0..10).min_by(|&a, &b| distance(image, &means[a]).total_cmp(&distance(image, &means[b]))).unwrap()
    };
    let right =
        images(&set.test).zip(set.test.classes()).filter(|(image, label)| nearest(image) == **label as usize).count();
    assert!((325..490).contains(&right), "{right} of 500 right");
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| digits(500, 100, 8))
    };
    let one = with(1);
    assert_eq!(one, with(2));
    assert_eq!(one, with(7));
}

#[test]
fn empty_splits_are_fine() {
    let none = digits(0, 0, 0);
    assert!(none.train.pixels().is_empty() && none.test.classes().is_empty());
    // SHA-256 of nothing (FIPS 180-4).
    let nothing = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(none.sha256, nothing);
    let test_only = digits(0, 10, u64::MAX);
    assert_eq!((test_only.train.classes().len(), test_only.test.classes().len()), (0, 10));
}
