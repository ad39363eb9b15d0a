//! Tables: one file with a row per sample and a column per feature, and columns with targets, weights and identifiers.
//!
//! Reading order: this page has the types. `roles` decides which column of a file is what: [`read`] by [`Options`],
//! [`read_like`] and [`Rows`] by the [`Header`] of the training file, [`read_anew`] by both. `plan` is the result, and
//! `chunk` turns fields into numbers by it. `text` reads CSV and TSV, `arrays` reads NPY, NPZ and safetensors, `columnar`
//! reads Parquet; each is a `source` of chunks. `kinds` makes a table of the chunks and decides what its targets are. `words`
//! keeps the categories.
//!
//! A value is an f32. NaN means missing; a category is the index of its name in [`Column::categories`]. Categories and
//! classes keep the texts of their fields. Nothing is scaled or filled here: that must be learned from the training rows,
//! and this module does not know which rows those are.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::error::Error;
use crate::data::Column;

#[cfg(feature = "tables")]
mod arrays;
#[cfg(feature = "tables")]
mod chunk;
#[cfg(feature = "parquet")]
mod columnar;
#[cfg(feature = "tables")]
mod field;
#[cfg(feature = "tables")]
mod kinds;
#[cfg(feature = "tables")]
mod plan;
#[cfg(feature = "tables")]
mod roles;
#[cfg(feature = "tables")]
mod rows;
#[cfg(feature = "tables")]
mod source;
#[cfg(feature = "tables")]
pub(in crate::data) mod text;
#[cfg(feature = "tables")]
mod words;

#[cfg(feature = "tables")]
pub use rows::{Batch, Rows};

/// Most different values of a column of categories. Each becomes an input of the net.
pub const MOST_CATEGORIES: usize = 4096;
/// Most columns of a file. Wider tables are likely not tables.
pub const MOST_COLUMNS: usize = 1 << 18;
/// Numbers of a target column are classes if they are whole and have at most this many different values.
pub const MOST_NUMBERED_CLASSES: usize = 20;

/// A table of N rows and F feature columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    /// The columns.
    pub header: Header,
    /// Values of the features (N, F), row-major. NaN: missing. A category: its index in [`Column::categories`], or the
    /// length of that list if the training file did not have it.
    pub values: Vec<f32>,
    /// The targets.
    pub targets: RawTargets,
    /// Weights (N): finite, not negative, not all zero.
    pub weights: Option<Vec<f32>>,
    /// A text for each row, which predictions repeat.
    pub ids: Option<Ids>,
    /// What a user should know, such as columns that were not used. Whole sentences without a full stop.
    pub notes: Vec<String>,
}

impl Table {
    /// The number of rows, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.header.columns.len()).unwrap_or(0)
    }

    /// Whether there are no rows. False for every table that was read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

/// The columns that a model was trained on. It is stored with the model, to read other files in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The features, in the order of the training file.
    pub columns: Vec<Column>,
    /// What is predicted; `None` if the table has no targets.
    pub target: Option<Target>,
    /// Whether the names are those of the file. If not, columns of other files are matched by position.
    pub named: bool,
    /// Whether categories and classes have the texts of the file as their names. Models of earlier versions have the number
    /// instead, `3` for `03`, and a field of another file is found by its number.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spelled: bool,
}

/// The columns of the targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The columns (T), in the order in which they were named.
    pub columns: Vec<TargetColumn>,
    /// What they hold.
    pub kind: TargetKind,
}

/// A column of targets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TargetColumn {
    /// The name in the file, or `column 3` (from 0) if it has none.
    pub name: String,
    /// Its place among the features and targets of the training file, from 0. Needed for files without names.
    pub place: usize,
}

/// What the target columns hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TargetKind {
    /// One column: the class of the sample.
    Classes {
        /// The classes (C), sorted: numbers by value, others by their text. They are the texts of the file, and different
        /// texts are different classes. Only if all are plain numbers, equal ones are one class: `1` and `1.0` are `1`.
        /// Numbers with a needless zero or plus sign in front, with an exponent, or of more than 15 digits are not plain.
        names: Vec<String>,
    },
    /// Real numbers.
    Values,
    /// Yes or no in each column.
    Labels,
}

/// Targets of N rows.
#[derive(Clone, Debug, PartialEq)]
pub enum RawTargets {
    /// The table has none.
    None,
    /// Class of each row (N), an index in [`TargetKind::Classes`].
    Classes(Vec<u32>),
    /// Real numbers (N, T), row-major, all finite.
    Values(Vec<f32>),
    /// 1 for yes and 0 for no (N, T), row-major.
    Labels(Vec<f32>),
}

/// A text for each row, stored as one string.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ids {
    /// The name of their column.
    pub name: String,
    text: String,
    ends: Vec<usize>,
}

impl Ids {
    /// The number of texts, N.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The text of a row, from 0; `None` beyond the last.
    #[must_use]
    pub fn get(&self, row: usize) -> Option<&str> {
        let start = if row == 0 { 0 } else { *self.ends.get(row - 1)? };
        self.text.get(start..*self.ends.get(row)?)
    }

    #[cfg(feature = "tables")]
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
        self.ends.push(self.text.len());
    }

    #[cfg(feature = "tables")]
    fn append(&mut self, other: &Ids) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }
}

/// What the target columns shall be taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// Classes, also if they are numbers.
    Classes,
    /// Real numbers, also if they are few whole ones.
    Values,
    /// Yes or no in each column: 1 or 0, `yes` or `no`, `true` or `false`.
    Labels,
}

/// How to read a table. A column is given by its name, or by its index: from 0, or negative from the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// The target columns. `None`: the column named `label`, `labels`, `class`, `target` or `y`. Empty: none.
    pub target: Option<Vec<String>>,
    /// What the targets are. `None`: texts are classes, and so are whole numbers with at most
    /// [`MOST_NUMBERED_CLASSES`] different values that occur twice on average; other numbers are values.
    pub task: Option<Goal>,
    /// Columns of numbers that name categories. Different texts are different categories: `01` and `1`, `1.0` and `1`.
    pub categorical: Vec<String>,
    /// The column of weights.
    pub weight: Option<String>,
    /// The column of identifiers.
    pub id: Option<String>,
    /// Columns that are not read.
    pub ignore: Vec<String>,
    /// The character between fields. `None`: found in the first lines. A space stands for any number of spaces and tabs.
    pub delimiter: Option<char>,
    /// Whether the first line holds the names of the columns. `None`: found in the first lines.
    pub header: Option<bool>,
}

/// Reads a training file: CSV or TSV (also gzipped), NPY, NPZ, safetensors, or Parquet with the feature `parquet`.
///
/// # Errors
/// [`Error::Data`] if it cannot be read or is not a table, with the line and column of a field that does not fit;
/// [`Error::Setting`] if the options contradict each other.
pub fn read(path: &Path, options: &Options) -> Result<Table, Error> {
    #[cfg(feature = "tables")]
    return rows::read(path, None, options);
    #[cfg(not(feature = "tables"))]
    Err(not_built(path, options))
}

/// Reads a training file for a model that exists: features in the order and with the categories of `header`, and targets of
/// its own, chosen by the options as in [`read`]. Columns that are neither are not used, with a note.
///
/// # Errors
/// As [`read`]; also for a missing column.
pub fn read_anew(path: &Path, header: &Header, options: &Options) -> Result<Table, Error> {
    #[cfg(feature = "tables")]
    return rows::read(path, Some(header), options);
    #[cfg(not(feature = "tables"))]
    Err(not_built(path, (header, options)))
}

/// Reads a file with the columns of another one, such as a test file: features in the order and with the categories of
/// `header`, and targets, which must be there if `header` has them.
///
/// Columns are matched by name, or by position if one of the files has no names. Further columns are ignored with a note.
/// A category that `header` lacks gets the code after its last one. The options `task` and `categorical` have no effect. The
/// option `target` must not name another column.
///
/// # Errors
/// As [`read`]; also for a missing column and for a class that `header` lacks.
pub fn read_like(path: &Path, header: &Header, options: &Options) -> Result<Table, Error> {
    #[cfg(feature = "tables")]
    return rows::read_like(path, header, options);
    #[cfg(not(feature = "tables"))]
    Err(not_built(path, (header, options)))
}

#[cfg(not(feature = "tables"))]
fn not_built<T>(path: &Path, _: T) -> Error {
    let problem = "is a table, and this program was built without the feature `tables`";
    super::bad(path, problem, "build it with that feature, or convert the table to arrays")
}
