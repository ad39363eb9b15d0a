//! What the columns of a table hold.

use rayon::prelude::*;

use crate::data::{Column, DataSet, Split};

/// Rows that a thread adds up at a time.
const ROWS: usize = 1 << 12;
/// Columns with up to this many categories are common, also in small tables.
const FEW: usize = 20;
/// What to do with numbers that were read as texts.
pub(super) const AS_NUMBERS: &str = "if these are numbers, write them without units and separators, as 1234.5";

/// Whether so many different texts in so many rows say little about new rows.
pub(super) fn differ(texts: usize, rows: usize) -> bool {
    texts > FEW && 2 * texts > rows
}

/// What one column of a split holds.
#[derive(Clone, Debug, PartialEq)]
pub struct ColumnSurvey {
    /// The name in the header of the table, or `column 3`.
    pub name: String,
    /// The number of rows without a value.
    pub missing: usize,
    /// Whether all rows have the same value, or none has one. False if there are no rows.
    pub constant: bool,
    /// The number of different categories; `None` for numbers.
    pub categories: Option<usize>,
    /// `None` for categories, and if all values are missing.
    pub numbers: Option<Spread>,
}

/// The distribution of numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// The smallest and the largest.
    pub range: [f32; 2],
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation (of the population, not of a sample).
    pub deviation: f64,
}

impl ColumnSurvey {
    /// The kind in words: `number`, `1 category`, `3 categories`.
    #[must_use]
    pub fn kind(&self) -> String {
        match self.categories {
            None => "number".into(),
            Some(1) => "1 category".into(),
            Some(categories) => format!("{categories} categories"),
        }
    }

    /// The note about texts that are different in most rows, such as numbers with a unit.
    pub(super) fn note(&self, rows: usize) -> Option<String> {
        let categories = self.categories.filter(|&categories| differ(categories, rows))?;
        let label = if self.name.starts_with("column ") { "" } else { "column " };
        // A line of text in place of a name would hide the note.
        let name: String = self.name.chars().take(40).collect();
        Some(format!(
            "{label}{name} has {categories} categories in {rows} training rows, so it says little about new rows: leave it out \
             with the setting `ignore`, or, {AS_NUMBERS}"
        ))
    }
}

/// The features of the training split before they are encoded; none if samples are bytes.
pub(super) fn features(data: &DataSet) -> Vec<ColumnSurvey> {
    let Some(values) = data.train.samples.floats() else { return Vec::new() };
    let known = data.header.as_ref().map(|header| &header.columns[..]).filter(|_| data.features.is_none());
    match known {
        Some(columns) => surveyed(columns, values),
        None => {
            let columns: Vec<Column> = (0..data.inputs()).map(|at| Column::numeric(format!("column {at}"))).collect();
            surveyed(&columns, values)
        }
    }
}

/// The real values or labels of a split; none for classes.
pub(super) fn targets(split: &Split, names: &[String]) -> Vec<ColumnSurvey> {
    let columns: Vec<Column> = names.iter().map(Column::numeric).collect();
    split.targets.numbers().map_or_else(Vec::new, |values| surveyed(&columns, values))
}

/// The sums over the values of a column. Values are taken relative to its first value, so that a large mean costs no digits.
#[derive(Clone, Copy)]
struct Sums {
    present: usize,
    range: [f32; 2],
    sum: f64,
    squares: f64,
}

impl Sums {
    const NONE: Sums = Sums { present: 0, range: [f32::INFINITY, f32::NEG_INFINITY], sum: 0.0, squares: 0.0 };

    fn add(&mut self, value: f32, first: f32) {
        if value.is_nan() {
            return;
        }
        let relative = f64::from(value) - f64::from(first);
        self.present += 1;
        self.range = [self.range[0].min(value), self.range[1].max(value)];
        self.sum += relative;
        self.squares += relative * relative;
    }

    fn merge(&mut self, other: &Sums) {
        self.present += other.present;
        self.range = [self.range[0].min(other.range[0]), self.range[1].max(other.range[1])];
        self.sum += other.sum;
        self.squares += other.squares;
    }

    fn spread(&self, first: f32) -> Option<Spread> {
        let count = self.present as f64;
        let mean = self.sum / count;
        let deviation = (self.squares / count - mean * mean).max(0.0).sqrt();
        (self.present > 0).then_some(Spread { range: self.range, mean: mean + f64::from(first), deviation })
    }
}

/// Surveys values (N, F), row-major, on all threads. The sums are added in a fixed order.
fn surveyed(columns: &[Column], values: &[f32]) -> Vec<ColumnSurvey> {
    let width = columns.len().max(1);
    let rows = values.len() / width;
    let of = |at: usize| values.iter().skip(at).step_by(width).copied();
    let first: Vec<f32> =
        (0..columns.len()).map(|at| of(at).find(|value| !value.is_nan()).unwrap_or_default()).collect();
    let parts: Vec<Vec<Sums>> = values
        .par_chunks(width * ROWS)
        .map(|part| {
            let mut sums = vec![Sums::NONE; columns.len()];
            for row in part.chunks_exact(width) {
                sums.iter_mut().zip(row).zip(&first).for_each(|((sums, &value), &first)| sums.add(value, first));
            }
            sums
        })
        .collect();
    let mut sums = vec![Sums::NONE; columns.len()];
    parts.iter().for_each(|part| sums.iter_mut().zip(part).for_each(|(sums, part)| sums.merge(part)));
    let survey = |(at, column): (usize, &Column)| {
        let Sums { present, range: [low, high], .. } = sums[at];
        ColumnSurvey {
            name: column.name.clone(),
            missing: rows - present,
            constant: rows > 0 && (present == 0 || present == rows && low == high),
            categories: column.categories.as_ref().map(|names| different(of(at), names.len())),
            numbers: sums[at].spread(first[at]).filter(|_| column.categories.is_none()),
        }
    };
    columns.par_iter().enumerate().map(survey).collect()
}

/// The number of different codes among `known` categories.
fn different(codes: impl Iterator<Item = f32>, known: usize) -> usize {
    let mut seen = vec![false; known];
    codes.filter(|code| !code.is_nan()).for_each(|code| {
        if let Some(seen) = seen.get_mut(code as usize) {
            *seen = true;
        }
    });
    seen.into_iter().filter(|&seen| seen).count()
}
