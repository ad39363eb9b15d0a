//! Data sets: MNIST, the built-in digits, or files: IDX, CSV, NPZ, pictures.
//!
//! Reading order: [`idx`] reads one file. [`folder`] finds the four files of a data set under the names that other
//! projects use. [`load`] reads the four and checks that they belong together. `source` chooses the reader for other files:
//! [`csv`], [`npz`], [`class_folders`]. [`mnist`] has the places searched for MNIST and its hashes. [`fetch`] downloads a
//! file. [`digits`] generates a data set.
//!
//! The rule of this module: a data set requested by name is returned byte for byte, or an error gives the reason. Only
//! [`Choice::Auto`] chooses between data sets, and it reports its choice and the reason.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::error::Error;
use crate::base::text::counted;

pub mod class_folders;
pub mod csv;
mod diagnose;
pub mod digits;
mod divide;
pub mod fetch;
pub mod folder;
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
mod labels;
pub mod layout;
pub mod load;
pub mod mnist;
pub mod npz;
mod number;
pub mod shape;
mod source;
pub mod survey;

pub use mnist::Places;

/// The samples of one part of a data set, such as training or test: N samples of I values each.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Split {
    /// Pixels (N, I), row-major, 0 (background) to 255.
    pub pixels: Vec<u8>,
    /// Labels (N): the class of each sample, from 0.
    pub labels: Vec<u8>,
}

impl Split {
    /// The number of samples, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no samples. False for every split of a data set that was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Prints sizes only; the values would fill megabytes of a log.
impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let samples = self.labels.len();
        let pixels = self.pixels.len();
        write!(f, "Split {{ {samples} labels, {pixels} pixels }}")
    }
}

/// A data set in memory, checked: both splits are nonempty, have as many samples as labels, and every label is below
/// `classes`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// "mnist" (only if the bytes are MNIST's), "digits", or the name of its folder.
    pub name: String,
    /// The shape of one sample, for example `[28, 28]`.
    pub item: Vec<usize>,
    /// Whether rows and columns of the stored images were exchanged on loading, as for EMNIST.
    pub transposed: bool,
    /// The number of classes, C: one more than the largest training label.
    pub classes: usize,
    /// The samples to train on.
    pub train: Split,
    /// The samples for decisions during training, such as early stopping. [`DataSet::divided`] takes them out of the training
    /// split.
    pub validation: Option<Split>,
    /// The samples that are used neither for training nor for decisions.
    pub test: Split,
    /// One SHA-256 in hex for the whole set, computed from those of its four raw IDX files by
    /// [`combined_sha256`](crate::base::hash::combined_sha256).
    pub sha256: String,
    /// A sentence on where the data came from.
    pub origin: String,
}

impl DataSet {
    /// The number of values in one sample, I: the product of `item`.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.item.iter().product()
    }

    /// A data set from arrays in memory, with samples of shape `item`. Its hash is that of the same data stored as four IDX
    /// files.
    ///
    /// # Errors
    /// [`Error::Data`] if a split is empty, if its pixels are not one sample of shape `item` per label, or if a test label is
    /// above the largest training label.
    pub fn from_splits(name: &str, item: Vec<usize>, train: Split, test: Split) -> Result<DataSet, Error> {
        let paths = ["train pixels", "train labels", "test pixels", "test labels"].map(PathBuf::from);
        let inputs = item.iter().product::<usize>();
        let mut parts = Vec::new();
        for (half, split) in [train, test].into_iter().enumerate() {
            let pixels = split.pixels.len();
            let samples = split.labels.len();
            if samples == 0 || inputs == 0 || pixels != samples * inputs {
                let problem = format!(
                    "{} for {}, but a sample has the shape {item:?}",
                    counted(pixels, "value"),
                    counted(samples, "label")
                );
                return Err(bad(&paths[2 * half], problem, "give at least one label, and a whole sample for each"));
            }
            parts.push(idx::Idx { shape: [&[samples], item.as_slice()].concat(), bytes: split.pixels });
            parts.push(idx::Idx { shape: vec![samples], bytes: split.labels });
        }
        let sha256 = [0, 1, 2, 3].map(|part: usize| parts[part].raw_sha256());
        let idx = parts.try_into().map_err(|_| bad(&paths[0], "two splits make four parts", "report this"))?;
        load::assemble(name.to_owned(), "arrays in memory".to_owned(), &paths, load::Files { idx, sha256 })
    }
}

/// Which data set to open.
///
/// As text: `auto`, `mnist`, `digits`, or the path of a folder or file. A folder of one of these names is written with `./`, as
/// `./mnist`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// MNIST if it is found or can be fetched, otherwise the generated digits.
    #[default]
    Auto,
    /// MNIST, or an error.
    Mnist,
    /// The built-in generated digits.
    Digits,
    /// The data set in this folder or file.
    Dir(PathBuf),
}

impl Choice {
    /// Whether the generated digits may be used.
    #[must_use]
    pub fn may_be_digits(&self) -> bool {
        matches!(self, Choice::Auto | Choice::Digits)
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        match text {
            "" => Err("expected auto, mnist, digits or a path".to_owned()),
            "auto" => Ok(Choice::Auto),
            "mnist" => Ok(Choice::Mnist),
            "digits" => Ok(Choice::Digits),
            path => Ok(Choice::Dir(PathBuf::from(path))),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Auto => f.write_str("auto"),
            Choice::Mnist => f.write_str("mnist"),
            Choice::Digits => f.write_str("digits"),
            Choice::Dir(path) => path.display().fmt(f),
        }
    }
}

/// Which data set to open, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which data set.
    pub choice: Choice,
    /// Whether to use no network connection.
    pub offline: bool,
    /// Sizes and seed of the generated digits, if they are used.
    pub digits: digits::Options,
}

/// A message to the user while a data set is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A note in words, such as why `auto` chose the digits.
    Note(String),
    /// Progress of a download.
    Fetch {
        /// The name of the file.
        file: String,
        /// Bytes received.
        done: u64,
        /// Bytes in total, if the server gave the length.
        total: Option<u64>,
    },
}

/// Opens a data set. Searches the [`Places`] that the environment variables name.
///
/// # Errors
/// [`Error::Data`] if it is missing, damaged or inconsistent, or if MNIST was requested and the bytes differ;
/// [`Error::NoMnist`] if MNIST was requested and is not there.
pub fn open(request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    open_in(&Places::from_env(), request, watch)
}

/// As [`open`], in given places. A test needs neither environment variables nor a network.
///
/// # Errors
/// As [`open`].
pub fn open_in(places: &Places, request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    match &request.choice {
        Choice::Digits => Ok(digits::generate(&request.digits)),
        Choice::Dir(path) => source::open(path, watch),
        Choice::Mnist => Ok(mnist::open(places, request.offline, watch)??),
        // The outer error means that MNIST is damaged; the user must see it. The inner one means that MNIST is absent.
        Choice::Auto => match mnist::open(places, request.offline, watch)? {
            Ok(found) => Ok(found),
            Err(absent) => {
                let reason = absent.summary();
                watch(Event::Note(format!("{reason}, so the built-in digits are used")));
                let mut made = digits::generate(&request.digits);
                made.origin.push_str("; chosen because MNIST was not found");
                Ok(made)
            }
        },
    }
}

/// An error about the file or folder at `path`. The path and `problem` together form a sentence.
fn bad(path: &Path, problem: impl Into<String>, next: impl Into<String>) -> Error {
    Error::Data { path: path.to_owned(), problem: problem.into(), next: next.into() }
}
