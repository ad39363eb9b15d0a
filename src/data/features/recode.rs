//! From the columns and category codes of any file to those of the features.

use super::fit::{check_rows, position};
use super::{Encoding, Feature, Features};
use crate::base::error::Error;
use crate::base::text::{counted, nearest};
use crate::data::bad;
use crate::data::column::Column;
use crate::data::folder::few;
use rayon::prelude::*;
use std::collections::HashMap;
use std::path::Path;

/// Rows that a thread maps at a time.
const ROWS: usize = 1024;

/// Maps raw rows of a file (n, G) to raw rows of the features (n, F).
#[derive(Clone, Debug, PartialEq)]
pub struct Recode {
    /// The number of columns of the file, G.
    width: usize,
    /// Where each column of the features comes from (F); empty if rows need no change.
    sources: Vec<Source>,
}

/// Where a column of the features comes from.
#[derive(Clone, Debug, PartialEq)]
struct Source {
    /// Position among the columns of the file.
    column: usize,
    /// For categories: the code of the features for each code of the file.
    codes: Option<Vec<f32>>,
}

impl Source {
    /// The raw value of the features.
    fn value(&self, raw: f32) -> f32 {
        match &self.codes {
            None => raw,
            // Codes beyond the list stay beyond every list: NaN and they are encoded as `other`.
            Some(codes) => position(raw, codes.len()).map_or(f32::NAN, |code| codes[code]),
        }
    }

    /// Whether this is column `at` unchanged. A category of the file that the features do not have is not unchanged.
    fn is_same(&self, at: usize, names: usize) -> bool {
        let same =
            |codes: &Vec<f32>| codes.len() <= names && codes.iter().enumerate().all(|(code, &own)| own == code as f32);
        self.column == at && self.codes.as_ref().is_none_or(same)
    }
}

impl Recode {
    /// Maps raw rows of the file. Rows that need no change are returned without a copy.
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no value, or if the last row is incomplete.
    pub fn rows(&self, raw: Vec<f32>) -> Result<Vec<f32>, Error> {
        check_rows(&raw, self.width)?;
        if self.sources.is_empty() {
            return Ok(raw);
        }
        let width = self.sources.len();
        let mut rows = vec![0.0; raw.len() / self.width * width];
        let parts = rows.par_chunks_mut(width * ROWS).zip(raw.par_chunks(self.width * ROWS));
        parts.for_each(|(own, file)| {
            for (own, file) in own.chunks_exact_mut(width).zip(file.chunks_exact(self.width)) {
                own.iter_mut()
                    .zip(&self.sources)
                    .for_each(|(value, source)| *value = source.value(file[source.column]));
            }
        });
        Ok(rows)
    }

    /// Whether the file has the columns and codes of the features already.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        self.sources.is_empty()
    }
}

impl Features {
    /// How to map the rows of a file with these columns. Columns are found by name, in any order; other columns are not
    /// used. Categories that did not occur in training count as `other`. `path` is the file, for errors.
    ///
    /// Pictures have no names: their columns must be as many numbers as the features have.
    ///
    /// # Errors
    /// [`Error::Data`] if a column is missing, occurs twice, or has numbers for categories or categories for numbers.
    pub fn recode(&self, path: &Path, columns: &[Column]) -> Result<Recode, Error> {
        if let [Feature { count: count @ 2.., .. }] = self.columns[..] {
            return picture(path, columns, count);
        }
        let mut places: HashMap<&str, usize> = HashMap::with_capacity(columns.len());
        for (at, column) in columns.iter().enumerate() {
            let needed = || self.columns.iter().any(|feature| feature.name == column.name);
            if places.insert(&column.name, at).is_some() && needed() {
                let problem = format!("has two columns `{}`", column.name);
                return Err(bad(path, problem, "give each column another name"));
            }
        }
        let source = |feature: &Feature| {
            let at = places.get(feature.name.as_str()).copied().ok_or_else(|| missing(path, &feature.name, columns))?;
            source(path, feature, at, &columns[at])
        };
        let sources = self.columns.iter().map(source).collect::<Result<Vec<_>, Error>>()?;
        let width = columns.len();
        let same = |(at, (source, feature)): (usize, (&Source, &Feature))| match &feature.encoding {
            Encoding::Categories(names) => source.is_same(at, names.len()),
            Encoding::Number(_) => source.is_same(at, 0),
        };
        let identity = width == sources.len() && sources.iter().zip(&self.columns).enumerate().all(same);
        Ok(Recode { width, sources: if identity { Vec::new() } else { sources } })
    }

    /// The inputs (n, I) for the raw rows (n, G) of a file with these columns: [`Features::recode`], then
    /// [`Features::apply_in_place`].
    ///
    /// # Errors
    /// Those of both.
    pub fn encode(&self, path: &Path, columns: &[Column], raw: Vec<f32>) -> Result<Vec<f32>, Error> {
        self.apply_in_place(self.recode(path, columns)?.rows(raw)?)
    }
}

/// The source of a feature in column `at` of the file.
fn source(path: &Path, feature: &Feature, at: usize, column: &Column) -> Result<Source, Error> {
    let name = &feature.name;
    let codes = match (&feature.encoding, &column.categories) {
        (Encoding::Number(_), None) => None,
        (Encoding::Categories(names), Some(own)) => {
            // The names are sorted.
            let code = |one: &String| names.binary_search(one).unwrap_or(names.len()) as f32;
            Some(own.iter().map(code).collect())
        }
        (Encoding::Number(_), Some(own)) => {
            let such = own.first().map_or(String::new(), |one| format!(", such as `{one}`"));
            let problem = format!("has text in column `{name}`{such}, but the model was trained with numbers there");
            return Err(bad(
                path,
                problem,
                "replace the text by numbers, or leave the fields empty if they are missing",
            ));
        }
        (Encoding::Categories(names), None) => {
            let problem = format!("has numbers in column `{name}`, but the model was trained with categories there");
            let known = few(names);
            return Err(bad(path, problem, format!("read the column as categories; the model knows {known}")));
        }
    };
    Ok(Source { column: at, codes })
}

/// The error of a file without the column `name`.
fn missing(path: &Path, name: &str, columns: &[Column]) -> Error {
    let names: Vec<String> = columns.iter().map(|column| format!("`{}`", column.name)).collect();
    let problem = format!("has no column `{name}`, which the model needs; it has {}", few(&names));
    let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    let next = match nearest(name, &known) {
        Some(near) => format!("if `{near}` is this column, name it `{name}`; otherwise add the column"),
        None => "add the column, with empty fields if its values are missing".to_owned(),
    };
    bad(path, problem, next)
}

/// Pictures are mapped by position.
fn picture(path: &Path, columns: &[Column], count: usize) -> Result<Recode, Error> {
    if let Some(column) = columns.iter().find(|column| column.categories.is_some()) {
        let problem = format!("has text in column `{}`, but the model was trained with pictures", column.name);
        return Err(bad(path, problem, "give a file with only numbers"));
    }
    if columns.len() != count {
        let problem = format!(
            "has {}, but the model was trained with pictures of {}",
            counted(columns.len(), "column"),
            counted(count, "value")
        );
        return Err(bad(path, problem, "give a file with a column for each value of a picture"));
    }
    Ok(Recode { width: count, sources: Vec::new() })
}
