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

mod arrays;
pub mod class_folders;
pub mod column;
pub mod csv;
mod diagnose;
pub mod digits;
pub mod divide;
pub mod features;
pub mod fetch;
pub mod folder;
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
mod labels;
pub mod layout;
pub mod load;
pub mod mnist;
pub mod novelty;
pub mod npz;
mod number;
pub mod shape;
mod source;
mod split;
pub mod survey;
pub mod table;
mod tabular;
pub mod target_scale;
mod task;
#[cfg(feature = "ndarray")]
mod views;

pub use column::Column;
pub use features::{Features, Scaling};
pub use mnist::Places;
pub use split::{Samples, Split, Targets};
pub use table::Header;
pub use target_scale::TargetScale;
pub use task::Task;

/// A data set in memory, checked: every split has a target for each sample, and every class is one of the task's. The test
/// split may be empty.
///
/// Samples are bytes, or numbers. Numbers are *raw* at first; [`DataSet::encoded`] turns them into the inputs of a net, by
/// what it learns from the training split.
#[derive(Clone, Debug, PartialEq)]
pub struct DataSet {
    /// "mnist" (only if the bytes are MNIST's), "digits", or the name of its folder or file.
    pub name: String,
    /// The shape of one sample as it is stored, for example `[28, 28]`, or the number of columns of a table.
    pub item: Vec<usize>,
    /// Whether rows and columns of the stored images were exchanged on loading, as for EMNIST.
    pub transposed: bool,
    /// What is predicted.
    pub task: Task,
    /// The columns of a table; `None` for pictures, and for arrays without names.
    pub header: Option<Header>,
    /// How the inputs of the net were made from raw numbers; `None` for bytes and for raw numbers.
    pub features: Option<Features>,
    /// The samples to train on.
    pub train: Split,
    /// The samples for decisions during training, such as early stopping. [`DataSet::divided`] takes them out of the training
    /// split.
    pub validation: Option<Split>,
    /// The samples that are used neither for training nor for decisions. May be empty.
    pub test: Split,
    /// One SHA-256 in hex for the whole set, computed by
    /// [`combined_sha256`](crate::base::hash::combined_sha256) from those of its four arrays, stored as raw IDX
    /// files.
    pub sha256: String,
    /// A sentence on where the data came from.
    pub origin: String,
}

impl DataSet {
    /// A data set as it was read: without names of columns, without a validation split, and not encoded.
    fn new(
        name: String,
        origin: String,
        item: Vec<usize>,
        task: Task,
        train: Split,
        test: Split,
        sha256: String,
    ) -> DataSet {
        DataSet {
            name,
            item,
            transposed: false,
            task,
            header: None,
            features: None,
            train,
            validation: None,
            test,
            sha256,
            origin,
        }
    }

    /// The number of inputs of a net, I: the values of an encoded sample.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.features.as_ref().map_or_else(|| self.item.iter().product(), Features::inputs)
    }

    /// The number of outputs of a net: classes, values or labels.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.task.outputs()
    }

    /// Whether a net can be trained on the samples: they are bytes, or encoded numbers.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.features.is_some() || self.train.samples.bytes().is_some()
    }

    /// All splits with their names.
    pub fn splits(&self) -> impl Iterator<Item = (&'static str, &Split)> {
        let validation = self.validation.iter().map(|split| ("validation", split));
        [("training", &self.train)].into_iter().chain(validation).chain([("test", &self.test)])
    }

    /// A data set from arrays in memory, with samples of shape `item`. Classes are named by their numbers, values and labels
    /// too; a caller may rename them in `task`, and name the columns in `header`. The test split may be empty. The hash is that of the
    /// same data stored as IDX files.
    ///
    /// # Errors
    /// [`Error::Data`] if the training split is empty, if a split has not one sample of shape `item` per target, if a test class
    /// is above the largest training class, if the splits differ in kind, or if a number or a weight cannot be used.
    pub fn from_splits(name: &str, item: Vec<usize>, train: Split, test: Split) -> Result<DataSet, Error> {
        arrays::assemble(name, item, train, test)
    }

    /// Encodes raw numbers as the inputs of a net, and standardises real targets. Means, medians and categories are learned
    /// from the training split alone, where a sample of weight 2 counts twice. Bytes, and data that are encoded already, do
    /// not change.
    ///
    /// # Errors
    /// [`Error::Data`] if a column cannot be encoded.
    pub fn encoded(mut self, scaling: Scaling, standardise: bool) -> Result<DataSet, Error> {
        if let (Samples::Floats(raw), None) = (&self.train.samples, &self.features) {
            let weights = self.train.weights.as_deref();
            let features = match &self.header {
                None => Features::uniform(&self.item, raw, weights, scaling),
                Some(header) => Features::fit(&header.columns, raw, weights, scaling),
            };
            self.encode_samples(features?)?;
        }
        if let (Task::Values { names, scales }, Targets::Values { values, .. }) = (&self.task, &self.train.targets)
            && standardise
            && scales.is_empty()
        {
            let scales = TargetScale::fit(values, names.len(), self.train.weights.as_deref())?;
            self.standardise_targets(&scales);
        }
        Ok(self)
    }

    /// Encodes raw numbers as the inputs of a model that was trained before, and scales real targets as for it. Bytes, and
    /// data that are encoded already, do not change.
    ///
    /// # Errors
    /// [`Error::Data`] if the columns are not those of the model.
    pub fn encoded_as(mut self, features: Option<&Features>, task: &Task) -> Result<DataSet, Error> {
        if let (false, Some(features)) = (self.is_ready(), features) {
            self.encode_samples(features.clone())?;
        }
        if let (Task::Values { scales, .. }, Task::Values { scales: learned, .. }) = (&self.task, task)
            && scales.is_empty()
        {
            self.standardise_targets(learned);
        }
        Ok(self)
    }

    fn encode_samples(&mut self, features: Features) -> Result<(), Error> {
        let header = self.header.clone();
        for split in self.splits_mut() {
            if let Samples::Floats(raw) = &mut split.samples
                && !raw.is_empty()
            {
                let values = std::mem::take(raw);
                *raw = match &header {
                    None => features.apply_in_place(values)?,
                    Some(header) => features.encode(Path::new("the table"), &header.columns, values)?,
                };
            }
        }
        self.features = Some(features);
        Ok(())
    }

    fn standardise_targets(&mut self, by: &[TargetScale]) {
        for split in self.splits_mut() {
            if let Targets::Values { values, .. } = &mut split.targets {
                let each = by.iter().cycle();
                values.iter_mut().zip(each).for_each(|(value, scale)| *value = scale.standardise(*value));
            }
        }
        if let Task::Values { scales, .. } = &mut self.task {
            scales.clear();
            scales.extend_from_slice(by);
        }
    }

    fn splits_mut(&mut self) -> impl Iterator<Item = &mut Split> {
        [Some(&mut self.train), self.validation.as_mut(), Some(&mut self.test)].into_iter().flatten()
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
    /// Which column of a table is what.
    pub table: table::Options,
    /// The columns of the table that a model was trained on; the table is read like it. If there is no target among them,
    /// the target is chosen as for a new model.
    pub header: Option<Header>,
    /// Where the test rows of a table are; `None`: it has none.
    pub test: Option<TestRows>,
}

/// The test rows of a table. As text: a number of rows, a share below 1, or the path of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum TestRows {
    /// The rows of another file with the same columns.
    File(PathBuf),
    /// This many rows of the table.
    Count(usize),
    /// This share of the rows of the table, above 0 and below 1.
    Share(f64),
}

impl FromStr for TestRows {
    type Err = String;

    fn from_str(text: &str) -> Result<TestRows, String> {
        if let Ok(count) = text.parse::<usize>() {
            return if count > 0 { Ok(TestRows::Count(count)) } else { Err("expected at least one row".into()) };
        }
        match text.parse::<f64>() {
            Ok(share) if share > 0.0 && share < 1.0 => Ok(TestRows::Share(share)),
            Ok(_) => Err("expected a file, a number of rows, or a share above 0 and below 1".into()),
            Err(_) if text.is_empty() => Err("expected a file, a number of rows, or a share".into()),
            Err(_) => Ok(TestRows::File(text.into())),
        }
    }
}

impl fmt::Display for TestRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TestRows::File(path) => path.display().fmt(f),
            TestRows::Count(count) => count.fmt(f),
            TestRows::Share(share) => share.fmt(f),
        }
    }
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
        Choice::Dir(path) => source::open(path, request, watch),
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
