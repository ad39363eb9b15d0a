//! Data sets: MNIST, the built-in digits, or any folder of IDX files.
//!
//! Reading order: [`idx`] reads one file; [`folder`] finds four of them under the names that other
//! projects gave them; [`load`] reads the four and checks that they belong together; [`mnist`]
//! knows where MNIST may be and by which hashes it is known; [`fetch`] downloads a file; [`digits`]
//! makes a set out of nothing.
//!
//! The rule of this module: what was asked for by name is what is given, byte for byte, or an error
//! says why not. Only [`Choice::Auto`] may choose, and it says what it chose and why.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use crate::base::error::Error;

pub mod digits;
mod divide;
pub mod fetch;
pub mod folder;
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
pub mod load;
pub mod mnist;
mod suspect;

pub use mnist::Places;

/// The samples of one half of a data set, training or test: N samples of I values each.
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

    /// Whether there are no samples; never so in a data set that was opened.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }
}

/// Sizes only: the values would fill megabytes of a log.
impl fmt::Debug for Split {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (samples, pixels) = (self.labels.len(), self.pixels.len());
        write!(f, "Split {{ {samples} labels, {pixels} pixels }}")
    }
}

/// A data set in memory, checked: both splits are nonempty, have as many items as labels, and every
/// label is a class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataSet {
    /// "mnist" (byte for byte), "digits", or the name of the folder it came from.
    pub name: String,
    /// The shape of one sample, for example `[28, 28]`.
    pub item: Vec<usize>,
    /// The number of classes, C: the largest training label and one.
    pub classes: usize,
    /// What is learnt from.
    pub train: Split,
    /// What is chosen by, such as when to stop; taken out of the training split by [`DataSet::divided`].
    pub validation: Option<Split>,
    /// What is neither learnt from nor chosen by.
    pub test: Split,
    /// One SHA-256 in hex for the whole set, made of those of its four raw IDX files by
    /// [`combined_sha256`](crate::base::hash::combined_sha256).
    pub sha256: String,
    /// Where it came from, in words.
    pub origin: String,
}

impl DataSet {
    /// The number of values in one sample, I: the product of `item`.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.item.iter().product()
    }

    /// A data set from arrays in memory, with samples of shape `item`. Its hash is that of the four IDX files that it would
    /// make.
    ///
    /// # Errors
    /// [`Error::Data`] if a split is empty, if a split has not `item` pixels for each label, or if a test label is no class.
    pub fn from_splits(name: &str, item: Vec<usize>, train: Split, test: Split) -> Result<DataSet, Error> {
        let paths = ["train pixels", "train labels", "test pixels", "test labels"].map(PathBuf::from);
        let inputs = item.iter().product::<usize>();
        let mut parts = Vec::new();
        for (half, split) in [train, test].into_iter().enumerate() {
            let (pixels, samples) = (split.pixels.len(), split.labels.len());
            if samples == 0 || inputs == 0 || pixels != samples * inputs {
                let problem = format!("{pixels} values for {samples} labels, but a sample has the shape {item:?}");
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

/// Which data set is wanted.
///
/// As text: `auto`, `mnist`, `digits`, or the path of a folder. A folder that has one of these
/// names is written `./mnist`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// MNIST if it is found or can be fetched, otherwise the digits.
    #[default]
    Auto,
    /// MNIST and nothing else.
    Mnist,
    /// The built-in generated digits.
    Digits,
    /// The four IDX files in or below this folder.
    Dir(PathBuf),
}

impl Choice {
    /// Whether it may come to generated digits.
    #[must_use]
    pub fn may_be_digits(&self) -> bool {
        matches!(self, Choice::Auto | Choice::Digits)
    }
}

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Choice, String> {
        match text {
            "" => Err("expected auto, mnist, digits or a folder".to_owned()),
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

/// What to open, and how.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// Which data set.
    pub choice: Choice,
    /// Never open a socket.
    pub offline: bool,
    /// How many digits to generate, if digits they are.
    pub digits: digits::Options,
}

/// What happens on the way, for a person to see.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A sentence worth reading, such as why `auto` took the digits.
    Note(String),
    /// A download moved on.
    Fetch {
        /// The name of the file.
        file: String,
        /// Bytes received.
        done: u64,
        /// Bytes to come in all, if the server said so.
        total: Option<u64>,
    },
}

/// Opens the data set that was asked for, looking in the [`Places`] that the environment names.
///
/// # Errors
/// [`Error::Data`] if it is missing, damaged, inconsistent, or not what its name promises.
pub fn open(request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    open_in(&Places::from_env(), request, watch)
}

/// [`open`] with the places given, so that a test needs neither the environment nor a network.
///
/// # Errors
/// As [`open`].
pub fn open_in(places: &Places, request: &Request, watch: &mut dyn FnMut(Event)) -> Result<DataSet, Error> {
    match &request.choice {
        Choice::Digits => Ok(digits::generate(&request.digits)),
        Choice::Dir(path) => folder::open(path, watch),
        Choice::Mnist => Ok(mnist::open(places, request.offline, watch)??),
        // The outer error is a damaged MNIST, which is for its owner to see; the inner one is its
        // absence.
        Choice::Auto => match mnist::open(places, request.offline, watch)? {
            Ok(found) => Ok(found),
            Err(absent) => {
                let reason = absent.summary();
                watch(Event::Note(format!(
                    "{reason}, so the built-in digits are used; set data to mnist to require MNIST"
                )));
                let mut made = digits::generate(&request.digits);
                made.origin = format!("{}; chosen because {reason}", made.origin);
                Ok(made)
            }
        },
    }
}

/// An error about the file or folder at `path`; together they read as one sentence.
fn bad(path: &Path, problem: impl Into<String>, next: impl Into<String>) -> Error {
    Error::Data { path: path.to_owned(), problem: problem.into(), next: next.into() }
}
