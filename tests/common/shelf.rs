//! Small data sets, valid and broken, built in temporary folders.

pub mod server;

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use gpu_mlp::Error;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::{DataSet, Event, Places, Request, open_in};

/// Original file names of MNIST.
pub const NAMES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

/// File names on the mirrors.
pub const GZIPPED: [&str; 4] = [
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
];

/// A raw IDX file with any magic number and dimensions, consistent or not.
pub fn raw(magic: [u8; 4], dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut file = magic.to_vec();
    dimensions.iter().for_each(|d| file.extend(d.to_be_bytes()));
    file.extend(values);
    file
}

/// The raw bytes of a valid file.
pub fn good(idx: &Idx) -> Vec<u8> {
    let mut file = Vec::new();
    idx.write(&mut file).expect("the shape fits");
    file
}

/// Images whose values encode their position, so that an exchanged pair is noticed.
pub fn images(shape: &[usize]) -> Idx {
    let values = 0..shape.iter().product::<usize>();
    Idx { shape: shape.to_vec(), bytes: values.map(|i| (i % 251) as u8).collect() }
}

pub fn labels(labels: &[u8]) -> Idx {
    Idx { shape: vec![labels.len()], bytes: labels.to_vec() }
}

/// Six training and three test images of 3 × 4, three classes.
pub fn small() -> [Idx; 4] {
    [images(&[6, 3, 4]), labels(&[0, 1, 2, 0, 1, 2]), images(&[3, 3, 4]), labels(&[2, 1, 0])]
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

/// Writes a file at `path` and creates its folders.
pub fn put(path: &Path, bytes: &[u8]) -> PathBuf {
    fs::create_dir_all(path.parent().expect("a file has a folder")).expect("temporary folder");
    fs::write(path, bytes).expect("temporary folder");
    path.to_owned()
}

/// Writes a data set into `folder` under the given names.
pub fn put_set(folder: &Path, names: [&str; 4], set: &[Idx; 4]) {
    for (name, idx) in names.iter().zip(set) {
        let bytes = good(idx);
        let bytes = if name.ends_with(".gz") { gzip(&bytes) } else { bytes };
        put(&folder.join(name), &bytes);
    }
}

/// Opens `choice` from `places` only; also returns the notes.
pub fn open(places: &Places, choice: &str, offline: bool) -> (Result<DataSet, Error>, Vec<String>) {
    let choice = choice.parse().expect("a choice");
    let request = Request { choice, offline, ..Request::default() };
    let mut notes = Vec::new();
    let set = open_in(places, &request, &mut |event| {
        if let Event::Note(note) = event {
            notes.push(note);
        }
    });
    (set, notes)
}

/// Opens a folder by its path.
pub fn open_dir(folder: &Path) -> Result<DataSet, Error> {
    open(&Places::default(), folder.to_str().expect("UTF-8"), true).0
}

/// Checks that an error names the path, contains all of `words`, and has a next step.
#[track_caller]
pub fn assert_says<T>(result: Result<T, Error>, path: &Path, words: &[&str]) {
    let Err(error) = result else { panic!("no error about {}", path.display()) };
    let message = error.to_string();
    assert!(message.starts_with(&path.display().to_string()), "{message}\ndoes not name {path:?}");
    for word in words {
        assert!(message.contains(word), "{message}\ndoes not contain {word:?}");
    }
    assert!(next(&error).len() > 10, "no next step: {message}");
}

/// The next step that an error names.
pub fn next(error: &Error) -> &str {
    match error {
        Error::Data { next, .. } => next,
        #[allow(unreachable_patterns, reason = "other modules have their own error variants")]
        other => panic!("not about data: {other}"),
    }
}
