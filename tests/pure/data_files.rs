//! Data sets in other files than unsigned bytes in IDX: other types and byte orders, one-hot labels, CSV, NPZ, pictures.

use std::path::Path;

use crate::common::shelf::{NAMES, assert_says, good, gzip, labels, open, open_dir, put, put_set, raw, small};
use crate::common::splits;
use gpu_mlp::data::{DataSet, Places};

/// A folder with the small set, of which one file is replaced.
fn with(role: usize, name: &str, bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    put_set(dir.path(), NAMES, &small());
    std::fs::remove_file(dir.path().join(NAMES[role])).expect("it is there");
    put(&dir.path().join(name), bytes);
    dir
}

/// Opens the small set with one file replaced; the data must be the same.
#[track_caller]
fn same(role: usize, bytes: &[u8]) {
    for bytes in [bytes.to_vec(), gzip(bytes)] {
        is_small(&open_dir(with(role, NAMES[role], &bytes).path()).expect("a set"));
    }
}

#[track_caller]
fn is_small(set: &DataSet) {
    let [images, labels, test_images, test_labels] = small();
    assert_eq!((&set.item[..], set.outputs()), (&[3, 4][..], 3));
    assert_eq!((set.train.pixels(), splits::labels(&set.train)), (&images.bytes[..], labels.bytes));
    assert_eq!((set.test.pixels(), splits::labels(&set.test)), (&test_images.bytes[..], test_labels.bytes));
}

/// The error about a replaced file.
#[track_caller]
fn refused(role: usize, bytes: &[u8], words: &[&str]) {
    let dir = with(role, NAMES[role], bytes);
    assert_says(open_dir(dir.path()), &dir.path().join(NAMES[role]), words);
}

fn wide<const N: usize>(values: &[u8], to: impl Fn(u8) -> [u8; N]) -> Vec<u8> {
    values.iter().flat_map(|&value| to(value)).collect()
}

#[test]
fn whole_numbers_of_every_type_and_order_are_bytes() {
    let [images, labels, ..] = small();
    let header = |code: u8| raw([0, 0, code, 3], &[6, 3, 4], &[]);
    let with = |code: u8, values: Vec<u8>| same(0, &[header(code), values].concat());
    let pixels = &images.bytes;
    with(0x09, pixels.clone());
    with(0x0b, wide(pixels, |v| i16::from(v).to_be_bytes()));
    with(0x0b, wide(pixels, |v| i16::from(v).to_le_bytes()));
    with(0x0c, wide(pixels, |v| i32::from(v).to_be_bytes()));
    with(0x0c, wide(pixels, |v| i32::from(v).to_le_bytes()));
    with(0x0d, wide(pixels, |v| f32::from(v).to_be_bytes()));
    with(0x0e, wide(pixels, |v| f64::from(v).to_be_bytes()));
    with(0x0e, wide(pixels, |v| f64::from(v).to_le_bytes()));
    let wide_labels = wide(&labels.bytes, |v| i32::from(v).to_be_bytes());
    same(1, &raw([0, 0, 0x0c, 1], &[6], &wide_labels));
}

#[test]
fn little_endian_headers_are_recognised() {
    let [images, labels, ..] = small();
    let little = |magic: [u8; 4], shape: &[u32], values: &[u8]| {
        let dimensions = shape.iter().flat_map(|size| size.to_le_bytes());
        magic.into_iter().chain(dimensions).chain(values.iter().copied()).collect::<Vec<u8>>()
    };
    for magic in [[0, 0, 8, 3], [3, 8, 0, 0]] {
        same(0, &little(magic, &[6, 3, 4], &images.bytes));
    }
    for magic in [[0, 0, 8, 1], [1, 8, 0, 0]] {
        same(1, &little(magic, &[6], &labels.bytes));
    }
    same(0, &little([3, 12, 0, 0], &[6, 3, 4], &wide(&images.bytes, |v| i32::from(v).to_le_bytes())));
}

#[test]
fn labels_in_a_column_or_one_hot() {
    let [_, labels, ..] = small();
    same(1, &raw([0, 0, 8, 2], &[6, 1], &labels.bytes));
    same(1, &raw([0, 0, 8, 2], &[1, 6], &labels.bytes));
    let hot = |one: u8| {
        wide(&labels.bytes, move |v| std::array::from_fn::<u8, 3, _>(|at| one * u8::from(at == usize::from(v))))
    };
    same(1, &raw([0, 0, 8, 2], &[6, 3], &hot(1)));
    same(1, &raw([0, 0, 8, 2], &[6, 3], &hot(255)));
    let mut two = hot(1);
    two[5] = 1;
    refused(1, &raw([0, 0, 8, 2], &[6, 3], &two), &["[6, 3]", "row 1 is not one-hot"]);
}

#[test]
fn qmnist() {
    let set = small();
    let rows = |labels: &[u8]| {
        let row = |(at, &label): (usize, &u8)| [i32::from(label), 4, 2000 + at as i32, 39, 48, 70_000, 0, 0];
        labels.iter().enumerate().flat_map(row).flat_map(i32::to_be_bytes).collect::<Vec<u8>>()
    };
    let dir = tempfile::tempdir().expect("temporary folder");
    for (split, images, labels) in [("train", &set[0], &set[1]), ("test", &set[2], &set[3])] {
        let below = dir.path().join("QMNIST/raw");
        put(&below.join(format!("qmnist-{split}-images-idx3-ubyte.gz")), &gzip(&good(images)));
        let labels = raw([0, 0, 0x0c, 2], &[labels.bytes.len() as u32, 8], &rows(&labels.bytes));
        put(&below.join(format!("qmnist-{split}-labels-idx2-int")), &labels);
    }
    let set = open_dir(dir.path()).expect("QMNIST");
    is_small(&set);
    assert_eq!(set.name, "QMNIST");
}

#[test]
fn other_spellings_of_the_names_and_nested_folders() {
    let spellings: [fn(&str) -> String; 4] = [
        |name| name.to_uppercase(),
        |name| name.replace("-ubyte", ""),
        |name| name.replace("-idx", ".idx") + ".GZ",
        |name| format!("{name}/{name}"),
    ];
    for spelling in spellings {
        let dir = tempfile::tempdir().expect("temporary folder");
        let names = NAMES.map(spelling);
        put_set(dir.path(), names.each_ref().map(String::as_str), &small());
        is_small(&open_dir(dir.path()).unwrap_or_else(|error| panic!("{names:?}: {error}")));
    }
}

#[test]
fn two_versions_of_a_file_are_refused_and_two_copies_are_not() {
    let dir = tempfile::tempdir().expect("temporary folder");
    put_set(dir.path(), NAMES, &small());
    let copy = put(&dir.path().join("test-labels.idx1-ubyte"), &good(&small()[3]));
    is_small(&open_dir(dir.path()).expect("copies do no harm"));
    put(&copy, &good(&labels(&[0, 1, 2])));
    assert_says(open_dir(dir.path()), dir.path(), &["two data sets", "test-labels.idx1-ubyte", NAMES[3]]);
}

#[test]
fn files_that_are_no_data_sets_are_named() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let kinds: [(&str, &[u8], &str); 8] = [
        ("archive.zip", b"PK\x03\x04....", "zip archive"),
        ("mnist.npz", b"<!DOCTYPE html>", "web page"),
        ("mnist.pkl", b"\x80\x04\x95", "pickle"),
        ("mnist.h5", b"\x89HDF\r\n\x1a\n", "HDF5"),
        ("mnist.npy", b"<!DOCTYPE html>", "web page"),
        ("mnist.tar.xz", b"\xfd7zXZ\0", "xz"),
        ("mnist.mat", b"MATLAB 5.0 MAT-file", "MATLAB"),
        ("7.png", b"\x89PNG\r\n", "picture"),
    ];
    for (name, bytes, words) in kinds {
        let path = put(&dir.path().join("files").join(name), bytes);
        let error = open_dir(&path).expect_err(name);
        let said = format!("{error}: {}", crate::common::shelf::next(&error));
        assert!(said.contains("a file, not a folder") && said.contains(words), "{said}");
    }
    put(&dir.path().join("zipped/archive.zip"), b"PK\x03\x04");
    assert_says(open_dir(&dir.path().join("zipped")), &dir.path().join("zipped"), &["archive.zip"]);
    let nothing = dir.path().join("nothing");
    put(&nothing.join("notes.txt"), b"none");
    assert_says(open_dir(&nothing), &nothing, &["no IDX files", "notes.txt"]);
    let part = dir.path().join("part");
    put(&part.join(NAMES[0]), &good(&small()[0]));
    put(&part.join("mnist-labels.bin"), b"?");
    assert_says(open_dir(&part), &part, &["lacks the training labels", "mnist-labels.bin"]);
}

/// Rows of a CSV file with the label first.
#[cfg(feature = "tables")]
fn csv(header: bool, role: usize) -> String {
    let [images, labels] = [&small()[role], &small()[role + 1]];
    let names = |n: usize| (0..n).map(|at| format!(",pixel{at}")).collect::<String>();
    let head = if header { format!("label{}\n", names(12)) } else { String::new() };
    let rows = labels.bytes.iter().zip(images.bytes.chunks(12)).map(|(label, pixels)| {
        format!("{label}{}\n", pixels.iter().map(|pixel| format!(",{pixel}")).collect::<String>())
    });
    head + &rows.collect::<String>()
}

/// Writes the text as training file beside a good test file, and returns the folder.
#[cfg(feature = "tables")]
fn with_table(text: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("temporary folder");
    put(&dir.path().join("mnist_train.csv"), text);
    put(&dir.path().join("mnist_test.csv"), csv(false, 2).as_bytes());
    dir
}

#[test]
#[cfg(feature = "tables")]
fn csv_with_and_without_header() {
    let texts = [csv(false, 0), csv(true, 0), csv(true, 0).replace(',', ";"), csv(false, 0).replace('\n', "\r\n")];
    let zipped = texts.iter().map(|text| gzip(text.as_bytes()));
    for bytes in texts.iter().map(|text| text.clone().into_bytes()).chain(zipped) {
        let set = open_dir(with_table(&bytes).path()).expect("a set");
        let [images, labels, test_images, test_labels] = small();
        assert_eq!((&set.item[..], set.outputs()), (&[12][..], 3));
        assert_eq!((set.train.pixels(), splits::labels(&set.train)), (&images.bytes[..], labels.bytes));
        assert_eq!((set.test.pixels(), splits::labels(&set.test)), (&test_images.bytes[..], test_labels.bytes));
    }
    // A square number of values is a picture.
    let row = |label: u8| format!("{label}{}\n", ",7".repeat(784));
    let dir = tempfile::tempdir().expect("temporary folder");
    put(&dir.path().join("train.csv"), (row(0) + &row(1)).as_bytes());
    put(&dir.path().join("test.csv"), row(1).as_bytes());
    assert_eq!(open_dir(dir.path()).expect("a set").item, [28, 28]);
}

#[test]
#[cfg(feature = "tables")]
fn a_bad_table_is_refused_with_line_and_column() {
    let good = csv(true, 0);
    let cases = [
        (good.replacen("\n0,", "\ncat,", 1), &["line 2", "column label", "cat"][..]),
        (good.replacen(",11\n", ",256\n", 1), &["line 2", "column pixel11", "256"]),
        (good.replacen(",11\n", ",0.5\n", 1), &["pixel11", "0.5"]),
        (good.replacen(",11\n", ",\n", 1), &["pixel11", "\"\""]),
        (good.replacen(",11\n", "\n", 1), &["not a table"]),
        (good.replacen("label", "number", 1), &["no column named label", "number"]),
        (good.replacen("pixel3", "id", 1), &["named \"id\""]),
        (good.lines().next().unwrap_or_default().to_owned(), &["no samples"]),
        (String::new(), &["is empty"]),
        ("<html>".to_owned(), &["web page"]),
        ("7\n3\n".to_owned(), &["single column"]),
        // The label is last.
        ("0,5,7,1\n0,6,2,2\n".to_owned(), &["whose number of values is 1, or the last, where it is 2"]),
        ("9,5,7,1\n8,6,2,2\n7,7,7,2\n".to_owned(), &["whose number of values is 3, or the last, where it is 2"]),
    ];
    for (text, words) in cases {
        let dir = with_table(text.as_bytes());
        assert_says(open_dir(dir.path()), &dir.path().join("mnist_train.csv"), words);
    }
}

/// An NPZ file of arrays: name, type, shape, values.
#[cfg(feature = "tables")]
fn npz(arrays: &[(&str, &str, &str, Vec<u8>)]) -> Vec<u8> {
    use std::io::Write;
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, descr, shape, values) in arrays {
        let options = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Deflated);
        zip.start_file(format!("{name}.npy"), options).expect("memory does not fail");
        let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n");
        let start = [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat();
        zip.write_all(&start).expect("memory does not fail");
    }
    zip.finish().expect("memory does not fail").into_inner()
}

#[test]
#[cfg(feature = "tables")]
fn npz_archives() {
    let [a, b, c, d] = small().map(|idx| idx.bytes);
    let as_i64 = |values: &[u8]| wide(values, |v| i64::from(v).to_le_bytes());
    let keras = [
        ("x_test", "|u1", "3, 3, 4", c.clone()),
        ("x_train", "|u1", "6, 3, 4", a.clone()),
        ("y_train", "<i8", "6,", as_i64(&b)),
        ("y_test", "|u1", "3,", d.clone()),
    ];
    let medical = [
        ("train_images", "<f8", "6, 3, 4", wide(&a, |v| f64::from(v).to_le_bytes())),
        ("train_labels", ">i4", "6, 1", wide(&b, |v| i32::from(v).to_be_bytes())),
        ("test_images", "|u1", "3, 3, 4", c),
        ("test_labels", "|u1", "3, 1", d),
    ];
    let dir = tempfile::tempdir().expect("temporary folder");
    for arrays in [&keras, &medical] {
        let path = put(&dir.path().join("mnist.npz"), &npz(arrays));
        is_small(&open_dir(dir.path()).expect("the folder"));
        let set = open_dir(&path).expect("the file");
        is_small(&set);
        assert_eq!(set.name, "mnist-like");
    }
    let path = put(&dir.path().join("mnist.npz"), &npz(&keras[..3]));
    assert_says(open_dir(&path), &path, &["holds the arrays", "x_test", "y_test"]);
    let unit = wide(&a, |_| 0.25_f32.to_le_bytes());
    let path = put(
        &dir.path().join("mnist.npz"),
        &npz(&[keras[0].clone(), ("x_train", "<f4", "6, 3, 4", unit), keras[2].clone(), keras[3].clone()]),
    );
    let error = open_dir(&path).expect_err("floats");
    assert!(error.to_string().contains("0.25") && crate::common::shelf::next(&error).contains("255"), "{error}");
}

/// Writes a set of pictures, one folder per class.
#[cfg(feature = "images")]
fn pictures(root: &Path, names: [&str; 3], splits: [&str; 2]) {
    for (split, role) in [(splits[0], 0), (splits[1], 2)] {
        let [images, labels] = [&small()[role], &small()[role + 1]];
        for (at, (pixels, &label)) in images.bytes.chunks(12).zip(&labels.bytes).enumerate() {
            let path = root.join(split).join(names[usize::from(label)]).join(format!("{at}.png"));
            put(&path, &gpu_mlp::results::png::grey(pixels, 4, 3));
        }
    }
}

#[test]
#[cfg(feature = "images")]
fn folders_of_pictures() {
    let order = [0, 3, 1, 4, 2, 5];
    for (names, splits, inner) in [
        (["0", "1", "2"], ["train", "test"], ""),
        (["ant", "bee", "cat"], ["training", "testing"], "pictures"),
        (["0", "1", "2"], ["Train", "val"], ""),
    ] {
        let dir = tempfile::tempdir().expect("temporary folder");
        pictures(&dir.path().join(inner), names, splits);
        let (set, notes) = open(&Places::default(), dir.path().to_str().expect("UTF-8"), true);
        let set = set.expect("a set");
        assert_eq!((&set.item[..], set.outputs(), set.train.classes()), (&[3, 4][..], 3, &[0, 0, 1, 1, 2, 2][..]));
        let expected: Vec<u8> = order.iter().flat_map(|&at| small()[0].bytes[at * 12..][..12].to_vec()).collect();
        assert_eq!(set.train.pixels(), expected);
        assert_eq!(notes.len(), usize::from(names[0] == "ant"), "{notes:?}");
    }
}

#[test]
#[cfg(feature = "images")]
fn bad_folders_of_pictures() {
    let fresh = || {
        let dir = tempfile::tempdir().expect("temporary folder");
        pictures(dir.path(), ["0", "1", "2"], ["train", "test"]);
        dir
    };
    let dir = fresh();
    let other = put(&dir.path().join("train/1/9.png"), &gpu_mlp::results::png::grey(&[0; 9], 3, 3));
    assert_says(open_dir(dir.path()), &other, &["[3, 3]", "[3, 4]"]);
    put(&other, b"<html>");
    assert_says(open_dir(dir.path()), &other, &["web page"]);
    put(&other, &gpu_mlp::results::png::rgba(&[7; 48], 4, 3));
    assert_says(open_dir(dir.path()), &other, &["transparent"]);
    put(&other, &gpu_mlp::results::png::rgb(&[9, 8, 7].repeat(12), 4, 3));
    let (set, notes) = open(&Places::default(), dir.path().to_str().expect("UTF-8"), true);
    assert!(set.is_ok() && notes.len() == 1 && notes[0].contains("grey"), "{notes:?}");
    let dir = fresh();
    std::fs::rename(dir.path().join("test/2"), dir.path().join("test/3")).expect("temporary folder");
    assert_says(open_dir(dir.path()), &dir.path().join("test/3"), &["class, 3"]);
    // Without a split.
    let dir = fresh();
    assert_says(open_dir(&dir.path().join("train")), &dir.path().join("train"), &["no folders train and test"]);
}
