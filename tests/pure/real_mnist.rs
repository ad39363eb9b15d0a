//! The real MNIST, if `GPU_MLP_DATA_DIR` names its folder.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::common::not_run;
use crate::common::shelf::server::{Reply, Server};
use crate::common::shelf::{GZIPPED, NAMES, open, open_dir, put};
use gpu_mlp::base::hash::combined_sha256;
use gpu_mlp::data::{Places, mnist};

/// The bytes of a file, inflated if it is gzipped.
fn inflated(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let file = File::open(path).expect("the file was just found");
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).expect("gzip");
    bytes
}

#[test]
fn the_real_mnist() {
    let Some(dir) = std::env::var_os("GPU_MLP_DATA_DIR") else {
        return not_run("loading the real MNIST: GPU_MLP_DATA_DIR is not set");
    };
    let places = Places { data_dir: Some(dir.clone().into()), ..Places::default() };
    let set = open(&places, "mnist", true).0.expect("GPU_MLP_DATA_DIR holds MNIST");
    assert_eq!((set.name.as_str(), set.outputs()), ("mnist", 10));
    assert_eq!((set.train.len(), set.test.len(), set.inputs()), (60_000, 10_000, 784));
    assert_eq!(set.train.classes()[..5], [5, 0, 4, 1, 9]);
    assert_eq!(set.sha256, combined_sha256(&mnist::FILES.map(|file| file.raw_sha256.to_owned())));
    // Opened by its path, the folder is recognised by its bytes.
    let by_path = open_dir(Path::new(&dir)).expect("the same files");
    assert_eq!((by_path.name, by_path.sha256), (set.name, set.sha256));

    // With one pixel changed, it is no longer MNIST, and the note names the file.
    let gzipped = Path::new(&dir).join(GZIPPED[3]);
    if !gzipped.is_file() {
        return not_run("a changed MNIST: it is not flat and gzipped in GPU_MLP_DATA_DIR");
    }
    let changed = tempfile::tempdir().expect("temporary folder");
    for name in &GZIPPED[..3] {
        fs::copy(Path::new(&dir).join(name), changed.path().join(name)).expect("a copy");
    }
    let mut bytes = inflated(&gzipped);
    bytes[8] ^= 1;
    put(&changed.path().join(NAMES[3]), &bytes);
    let (set, notes) = open(&Places::default(), changed.path().to_str().expect("UTF-8"), true);
    assert_ne!(set.expect("another data set").name, "mnist");
    assert!(notes.len() == 1 && notes[0].contains(NAMES[3]), "{notes:?}");
}

#[test]
fn the_real_mnist_is_fetched_once_and_kept() {
    let Some(dir) = std::env::var_os("GPU_MLP_DATA_DIR") else {
        return not_run("fetching the real MNIST: GPU_MLP_DATA_DIR is not set");
    };
    if !cfg!(feature = "download") {
        return not_run("fetching the real MNIST: built without the feature `download`");
    }
    let names = GZIPPED.map(|name| Path::new(&dir).join(name));
    let Ok(replies) = names.iter().map(|path| Ok(Reply::Whole(200, fs::read(path)?))).collect::<io::Result<_>>() else {
        return not_run("fetching the real MNIST: it is not flat and gzipped in GPU_MLP_DATA_DIR");
    };
    let cache = tempfile::tempdir().expect("temporary folder");
    let server = Server::start(replies);
    let mirrors = server.mirrors();
    let places = Places { cache: Some(cache.path().into()), mirrors, ..Places::default() };
    let fetched = open(&places, "auto", false).0.expect("a good server");
    assert_eq!(fetched.name, "mnist");
    assert!(fetched.origin.contains("fetched"), "{}", fetched.origin);
    assert_eq!(server.count(), 4);
    // Now MNIST is in the cache.
    let kept = open(&places, "mnist", true).0.expect("the cache");
    assert_eq!(kept.sha256, fetched.sha256);
    // One of four files is missing: only that one is requested, and the server repeats its last reply.
    fs::remove_file(cache.path().join("datasets/mnist/t10k-labels-idx1-ubyte.gz")).expect("there");
    assert_eq!(open(&places, "mnist", false).0.expect("a good server").sha256, fetched.sha256);
    assert_eq!(server.count(), 5);
}
