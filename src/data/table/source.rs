//! A file that yields the rows of a table chunk by chunk, whatever its format.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::chunk::Chunk;
use super::plan::Plan;
use super::{Options, arrays, text};
use crate::base::error::Error;
use crate::data::bad;

/// The columns of a file.
#[derive(Clone, Debug)]
pub(super) struct Columns {
    /// The names, all different; `None` if the file has none.
    pub(super) names: Option<Vec<String>>,
    /// What the first rows show, per column.
    pub(super) guesses: Vec<Guess>,
    /// The number of columns that are known to be targets, because they come from an array of their own. They are the last
    /// columns before those of the weights.
    pub(super) targets: usize,
    /// The number of columns that are known to be weights, 0 or 1. They are the last columns.
    pub(super) weights: usize,
    /// What a row is called in messages: `line`, from 1, or `row`, from 0.
    pub(super) unit: &'static str,
}

/// What the first rows show about a column. Missing values are not counted.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Guess {
    pub(super) numbers: u32,
    pub(super) texts: u32,
    /// Texts that look like numbers with a decimal comma.
    pub(super) commas: u32,
}

impl Guess {
    /// Whether there are more texts than numbers.
    pub(super) fn is_text(self) -> bool {
        self.texts > self.numbers
    }
}

impl Columns {
    /// The number of columns.
    pub(super) fn width(&self) -> usize {
        self.guesses.len()
    }

    /// The name of a column; a text that shows its place if the file has no names.
    pub(super) fn name(&self, at: usize) -> String {
        self.names.as_ref().and_then(|names| names.get(at)).cloned().unwrap_or_else(|| unnamed(at))
    }
}

/// The name of a column that has none.
pub(super) fn unnamed(at: usize) -> String {
    format!("column {at}")
}

/// A file that is being read.
pub(super) trait Source: Send {
    fn columns(&self) -> &Columns;

    /// About how many rows the file has, if that is known.
    fn likely_rows(&self) -> Option<u64>;

    /// The next rows; `None` after the last. The words of the chunk are settled.
    fn next(&mut self, plan: &mut Plan) -> Result<Option<Chunk>, Error>;
}

/// Opens a file with the reader of its format.
pub(super) fn open(path: &Path, options: &Options) -> Result<Box<dyn Source>, Error> {
    let unreadable =
        |error| bad(path, format!("cannot be read: {error}"), "check that the file exists and that you may read it");
    if path.is_dir() {
        return Err(bad(path, "is a folder", "name a file inside it"));
    }
    // A pipe can be read only once, and it holds a text.
    if path.metadata().map_err(unreadable)?.is_file() {
        let mut head = Vec::new();
        let file = File::open(path).and_then(|file| file.take(8).read_to_end(&mut head));
        file.map_err(unreadable)?;
        if head.starts_with(b"PAR1") {
            return row_groups(path);
        }
        if let Some(source) = arrays::open(path, &head)? {
            return Ok(source);
        }
    }
    Ok(Box::new(text::Text::open(path, options)?))
}

#[cfg(feature = "parquet")]
fn row_groups(path: &Path) -> Result<Box<dyn Source>, Error> {
    Ok(Box::new(super::columnar::open(path)?))
}

#[cfg(not(feature = "parquet"))]
fn row_groups(path: &Path) -> Result<Box<dyn Source>, Error> {
    let problem = "is a Parquet file, and this program was built without the feature `parquet`";
    Err(bad(path, problem, "build it with the feature `parquet`, or write the table as CSV"))
}
