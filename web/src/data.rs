//! Data sets.

use crate::json;
use gpu_mlp::base::hash::sha256 as hash;
use gpu_mlp::data::idx::Idx;
use gpu_mlp::data::load::{Files, assemble};
use gpu_mlp::data::{DataSet, digits, mnist};
use serde::Serialize;
use std::path::PathBuf;
use wasm_bindgen::prelude::*;

/// A data set. It is never freed, because a run in progress reads it: a page makes few of them.
#[wasm_bindgen]
#[derive(Clone, Copy)]
pub struct Data {
    pub(crate) set: &'static DataSet,
}

#[derive(Serialize)]
struct About<'a> {
    name: &'a str,
    item: &'a [usize],
    classes: usize,
    train: usize,
    test: usize,
    sha256: &'a str,
    origin: &'a str,
}

impl Data {
    fn new(set: DataSet) -> Data {
        Data { set: Box::leak(Box::new(set)) }
    }
}

#[wasm_bindgen]
impl Data {
    /// Generated digits: 28×28 bytes, ten classes.
    pub fn digits(train: usize, test: usize, seed: u32) -> Data {
        Data::new(digits::generate(&digits::Options { train, test, seed: seed.into() }))
    }

    /// A data set from the bytes of four IDX files, gzipped or not: training images and labels, test images and labels.
    /// It is named "mnist" only if the bytes are MNIST's, else "files".
    ///
    /// # Errors
    /// If a file is not IDX, or if the files do not belong together.
    #[wasm_bindgen(js_name = fromIdx)]
    pub fn from_idx(
        train_images: &[u8],
        train_labels: &[u8],
        test_images: &[u8],
        test_labels: &[u8],
    ) -> Result<Data, JsError> {
        let paths = mnist::FILES.map(|file| PathBuf::from(file.name));
        let read = |at: usize, bytes: &[u8]| Idx::parse(&paths[at], bytes);
        let idx = [read(0, train_images)?, read(1, train_labels)?, read(2, test_images)?, read(3, test_labels)?];
        let sha256 = idx.each_ref().map(Idx::raw_sha256);
        let is_mnist = mnist::matches(&sha256) == [true; 4];
        let name = if is_mnist { "mnist" } else { "files" };
        let files = Files { idx, sha256 };
        Ok(Data::new(assemble(name.into(), "from files given to the page".into(), &paths, files)?))
    }

    /// JSON: name, shape of a sample, classes, numbers of samples, hash, origin.
    ///
    /// # Errors
    /// None in practice.
    pub fn about(&self) -> Result<String, JsError> {
        let DataSet { name, item, train, test, sha256, origin, .. } = self.set;
        let classes = self.set.outputs();
        json(&About { name, item, classes, train: train.len(), test: test.len(), sha256, origin })
    }

    /// The pixels of a test sample.
    ///
    /// # Errors
    /// If there is no such sample.
    #[wasm_bindgen(js_name = testSample)]
    pub fn test_sample(&self, at: usize) -> Result<Vec<u8>, JsError> {
        let split = &self.set.test;
        let none = || JsError::new(&format!("there is no test sample {at}: the split has {}", split.len()));
        if at < split.len() { Ok(split.sample(at).to_vec()) } else { Err(none()) }
    }

    /// The classes of the test samples.
    #[wasm_bindgen(js_name = testLabels)]
    pub fn test_labels(&self) -> Vec<u32> {
        self.set.test.classes().to_vec()
    }
}

#[derive(Serialize)]
struct Mirrors {
    mirrors: &'static [&'static str],
    files: [String; 4],
}

/// JSON: the addresses that serve MNIST (`mirrors`, each with a slash at the end), and the names of its four `files` there.
///
/// # Errors
/// None in practice.
#[wasm_bindgen]
pub fn mirrors() -> Result<String, JsError> {
    json(&Mirrors { mirrors: &mnist::MIRRORS, files: mnist::FILES.map(|file| format!("{}.gz", file.name)) })
}

/// MNIST in the making: its files arrive one by one.
#[wasm_bindgen]
pub struct Download {
    files: [Option<Idx>; 4],
}

#[wasm_bindgen]
impl Download {
    /// Without files.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "a constructor for JavaScript")]
    pub fn new() -> Download {
        Download { files: [const { None }; 4] }
    }

    /// Takes the bytes of a file, gzipped or not. `at`: its place in the order of [`mirrors`].
    ///
    /// # Errors
    /// If they are another file, by the SHA-256 of the raw bytes.
    pub fn take(&mut self, at: usize, bytes: &[u8]) -> Result<(), JsError> {
        let (Some(file), Some(place)) = (mnist::FILES.get(at), self.files.get_mut(at)) else {
            return Err(JsError::new("MNIST has four files"));
        };
        let idx = file.parse(bytes)?;
        file.check(&idx).map_err(|problem| JsError::new(&problem))?;
        *place = Some(idx);
        Ok(())
    }

    /// The data set. `from`: the host that sent it.
    ///
    /// # Errors
    /// If a file is missing.
    pub fn data(self, from: &str) -> Result<Data, JsError> {
        let [Some(a), Some(b), Some(c), Some(d)] = self.files else {
            return Err(JsError::new("MNIST has four files, and one is missing"));
        };
        let paths = mnist::FILES.map(|file| PathBuf::from(file.name));
        let files = Files { idx: [a, b, c, d], sha256: mnist::FILES.map(|file| file.raw_sha256.to_owned()) };
        let origin = format!("{from}, MNIST by the SHA-256 of all four files");
        Ok(Data::new(assemble("mnist".into(), origin, &paths, files)?))
    }
}

/// SHA-256 of bytes in hex.
#[wasm_bindgen]
pub fn sha256(bytes: &[u8]) -> String {
    hash(bytes)
}
