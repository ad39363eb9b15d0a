//! Which data set is opened, from which folder layout, and with which name.

use std::path::PathBuf;

use crate::common::shelf::{GZIPPED, NAMES, assert_says, images, labels, open, open_dir, put, put_set, small};
use crate::common::splits;
use gpu_mlp::Error;
use gpu_mlp::base::hash::combined_sha256;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::{Choice, DataSet, Places, mnist};

/// Writes [`small`] into the folder `below` under `names`, and checks that it is opened unchanged.
#[track_caller]
fn opens(below: &str, names: [&str; 4]) -> DataSet {
    let dir = tempfile::tempdir().expect("temporary folder");
    let root = dir.path().join("shapes");
    let set = small();
    put_set(&root.join(below), names, &set);
    let opened = open_dir(&root).unwrap_or_else(|error| panic!("{below}: {error}"));
    assert_eq!(opened.item, [3, 4], "{below}");
    assert_eq!(opened.inputs(), 12, "{below}");
    assert_eq!(opened.outputs(), 3, "{below}");
    assert_eq!((opened.train.len(), opened.test.len()), (6, 3), "{below}");
    assert_eq!(opened.train.pixels(), set[0].bytes, "{below}");
    assert_eq!(splits::labels(&opened.train), set[1].bytes, "{below}");
    assert_eq!(opened.test.pixels(), set[2].bytes, "{below}");
    assert_eq!(splits::labels(&opened.test), set[3].bytes, "{below}");
    assert_eq!(opened.sha256, combined_sha256(&set.each_ref().map(Idx::raw_sha256)), "{below}");
    assert!(opened.origin.contains(root.to_str().expect("UTF-8")), "{}", opened.origin);
    opened
}

#[test]
fn layouts() {
    assert_eq!(opens("", NAMES).name, "shapes");
    assert_eq!(opens("", GZIPPED).name, "shapes");
    assert_eq!(opens("", [NAMES[0], GZIPPED[1], GZIPPED[2], NAMES[3]]).name, "shapes");
    let dotted = NAMES.map(|name| name.replace("-idx", ".idx"));
    assert_eq!(opens("", dotted.each_ref().map(String::as_str)).name, "shapes");
    assert_eq!(opens("raw", NAMES).name, "shapes");
    assert_eq!(opens("FashionMNIST/raw", GZIPPED).name, "FashionMNIST");
    assert_eq!(opens("KMNIST/raw", NAMES).name, "KMNIST");
    // The name `mnist` is reserved for the real MNIST.
    assert_eq!(opens("MNIST/raw", NAMES).name, "MNIST-like");
    assert_eq!(opens("mnist", NAMES).name, "mnist-like");
    // The layout of burn: separate folders for train and test.
    let apart = [0, 1, 2, 3].map(|i| format!("{}/{}", ["train", "test"][i / 2], NAMES[i]));
    assert_eq!(opens("", apart.each_ref().map(String::as_str)).name, "shapes");
}

#[test]
fn items_of_any_shape() {
    for (item, rank) in [(vec![5], 2), (vec![2, 3, 3], 4), (vec![9, 1], 3)] {
        let dir = tempfile::tempdir().expect("temporary folder");
        let (train, test) = (format!("train-images-idx{rank}-ubyte"), format!("t10k-images-idx{rank}-ubyte"));
        let shape = |count| [&[count], &item[..]].concat();
        let mut set = small();
        (set[0], set[2]) = (images(&shape(6)), images(&shape(3)));
        put_set(dir.path(), [&train, NAMES[1], &test, NAMES[3]], &set);
        let opened = open_dir(dir.path()).expect("any shape");
        assert_eq!(opened.item, item);
        assert_eq!(opened.train.pixels().len(), 6 * opened.inputs());
    }
}

#[test]
fn emnist_is_turned_upright_with_a_note() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let names = ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"];
    let named = |split: &str| names.map(|name| format!("emnist-{split}-{name}-ubyte"));
    let letters = named("letters");
    let folder = dir.path().join("EMNIST/raw");
    put_set(&folder, letters.each_ref().map(String::as_str), &small());
    let set = open_dir(dir.path()).expect("one split");
    assert_eq!((set.name.as_str(), &set.item[..]), ("emnist-letters", &[4, 3][..]));
    assert_eq!(set.train.pixels()[..12], [0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]);
    assert_eq!(set.test.pixels()[12..15], [12, 16, 20]);
    assert!(set.origin.contains("transposed"), "{}", set.origin);
    let digits = named("digits");
    put_set(&folder, digits.each_ref().map(String::as_str), &small());
    assert_says(open_dir(dir.path()), dir.path(), &["several", "emnist-letters-*", "emnist-digits-*"]);
}

#[test]
fn several_data_sets_in_one_folder_are_an_error() {
    let dir = tempfile::tempdir().expect("temporary folder");
    put_set(&dir.path().join("MNIST/raw"), NAMES, &small());
    put_set(&dir.path().join("KMNIST/raw"), NAMES, &small());
    assert_says(open_dir(dir.path()), dir.path(), &["several", "MNIST/raw", "KMNIST/raw"]);
    assert_eq!(open_dir(&dir.path().join("KMNIST/raw")).expect("one set").name, "KMNIST");
}

#[test]
fn a_gzipped_file_beside_its_raw_form_is_the_same_file() {
    let dir = tempfile::tempdir().expect("temporary folder");
    put_set(dir.path(), NAMES, &small());
    put_set(dir.path(), GZIPPED, &small());
    assert_eq!(open_dir(dir.path()).expect("one set").train.len(), 6);
}

#[test]
fn folders_with_the_names_of_files_are_ignored() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let dotted = NAMES.map(|name| name.replace("-idx", ".idx"));
    put_set(dir.path(), dotted.each_ref().map(String::as_str), &small());
    // The unpacked archive from Kaggle looks like this.
    for (folder, file) in NAMES.iter().zip(&dotted) {
        put(&dir.path().join(folder).join(file), b"the same again");
    }
    assert_eq!(open_dir(dir.path()).expect("one set").train.len(), 6);
}

#[test]
fn the_hash_of_a_data_set_is_the_hash_of_a_list_of_hashes() {
    // For the four files of MNIST: printf '%s\n' ba891046… 65a50cbb… 0fa7898d… ff7bcfd4… | sha256sum
    let known = "ac89dbc26b7b0b5f68ff586bc0579a0c16e78b3436b0c71ccdd0169cbebf9ff7";
    let hashes = mnist::FILES.map(|file| file.raw_sha256.to_owned());
    assert_eq!(combined_sha256(&hashes), known);
}

#[test]
fn different_data_sets_have_different_hashes() {
    let sum = |change: fn(&mut [Idx; 4])| {
        let dir = tempfile::tempdir().expect("temporary folder");
        let mut set = small();
        change(&mut set);
        put_set(dir.path(), NAMES, &set);
        open_dir(dir.path()).expect("a set").sha256
    };
    let plain = sum(|_| ());
    assert_eq!(plain.len(), 64);
    assert_eq!(plain, sum(|_| ()));
    assert_ne!(plain, sum(|set| set[0].bytes[0] ^= 1));
    assert_ne!(plain, sum(|set| set[3] = labels(&[2, 1, 1])));
}

#[test]
fn choices_are_read_and_written() {
    for (text, choice) in [("auto", Choice::Auto), ("mnist", Choice::Mnist), ("digits", Choice::Digits)] {
        assert_eq!(text.parse(), Ok(choice.clone()));
        assert_eq!(choice.to_string(), text);
    }
    assert_eq!("./mnist".parse(), Ok(Choice::Dir(PathBuf::from("./mnist"))));
    assert!("".parse::<Choice>().is_err());
}

#[test]
fn auto_uses_the_digits_when_mnist_is_not_found_and_says_why() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let absent = dir.path().join("absent");
    let places = Places { data_dir: Some(absent.clone()), cache: Some(dir.path().into()), mirrors: vec![] };
    let (set, notes) = open(&places, "auto", true);
    let set = set.expect("digits need no file");
    assert_eq!(set.name, "digits");
    let [note] = &notes[..] else { panic!("one note, not {notes:?}") };
    assert!(note.contains("MNIST") && note.contains("offline"), "{note}");
    assert!(note.contains(absent.to_str().expect("UTF-8")), "{note}");
    // The note has said it all; the origin is repeated in every run's record.
    assert!(set.origin.ends_with("; chosen because MNIST was not found"), "{}", set.origin);
    assert!(!set.sha256.contains("MNIST"));
}

#[test]
fn mnist_asked_for_by_name_is_never_replaced() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let places = Places { cache: Some(dir.path().into()), ..Places::default() };
    let (set, notes) = open(&places, "mnist", true);
    assert_eq!(notes.len(), 0);
    let store = dir.path().join("datasets").join("mnist");
    let Err(Error::NoMnist { problem, downloads }) = set else { panic!("there is none: {set:?}") };
    for words in ["MNIST", "no such folder", "offline", store.to_str().expect("UTF-8")] {
        assert!(problem.contains(words), "{problem}");
    }
    assert_eq!(downloads[3].1, store.join(GZIPPED[3]));
    assert!(downloads[3].0.ends_with(GZIPPED[3]), "{downloads:?}");
    let (set, _) = open(&Places::default(), "mnist", false);
    assert!(set.is_err(), "without a cache folder too");
}

#[test]
fn files_named_mnist_that_are_not_mnist_are_an_error_even_for_auto() {
    let dir = tempfile::tempdir().expect("temporary folder");
    put_set(&dir.path().join("MNIST/raw"), NAMES, &small());
    let first = dir.path().join("MNIST/raw").join(NAMES[0]);
    let places = Places { data_dir: Some(dir.path().into()), ..Places::default() };
    for choice in ["auto", "mnist"] {
        let words = ["SHA-256", mnist::FILES[0].raw_sha256, &small()[0].raw_sha256()];
        assert_says(open(&places, choice, true).0, &first, &words);
    }
    put(&first, b"<html>");
    assert_says(open(&places, "auto", true).0, &first, &["web page"]);
    // The digits, requested by name, need none of these files.
    assert_eq!(open(&places, "digits", true).0.expect("digits").name, "digits");
}
