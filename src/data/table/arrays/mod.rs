//! Reads arrays of numbers as tables: NPY, NPZ and safetensors.
//!
//! An array has no names of columns. An NPY file is one array, and the target is one of its columns. An archive has the
//! samples `x` and the targets `y`, and perhaps `weights`; the columns of `y` follow those of `x`, and the weights come
//! last. Samples of more than two dimensions are flattened, so a picture of 28 × 28 is 784 columns. The targets of an NPZ
//! archive may be texts, the names of classes.

use std::path::{Path, PathBuf};

use super::MOST_COLUMNS;
use super::chunk::{Chunk, Fault, infinite};
use super::field::short;
use super::plan::{Kind, Plan, Role, Use};
use super::source::{Columns, Guess, Source};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::bad;
use crate::data::diagnose::AGAIN;
use matrix::Matrix;

mod archive;
mod matrix;
mod tensors;
mod texts;

/// Opens a file whose first bytes are `head`. `None` if it is not an array or archive.
pub(super) fn open(path: &Path, head: &[u8]) -> Result<Option<Box<dyn Source>>, Error> {
    let is = |extension: &str| path.extension().is_some_and(|found| found.eq_ignore_ascii_case(extension));
    let arrays = if head.starts_with(b"\x93NUMPY") {
        Arrays::new(path, Matrix::of_file(path)?, None, None)?
    } else if head.starts_with(b"PK\x03\x04") && is("npz") {
        let (samples, targets, weights) = archive::open(path)?;
        Arrays::new(path, samples.ok_or_else(|| lacks_samples(path))?, targets, weights)?
    } else if is("safetensors") {
        let [samples, targets, weights] = tensors::open(path)?;
        let targets = targets.map(|targets| Targets::numbers(path, targets)).transpose()?;
        Arrays::new(path, samples.ok_or_else(|| lacks_samples(path))?, targets, weights)?
    } else {
        return Ok(None);
    };
    Ok(Some(Box::new(arrays)))
}

fn lacks_samples(path: &Path) -> Error {
    bad(path, "has no samples", "store them under the name x, and the targets as y")
}

/// The path of an array in a file, for messages.
fn inside(path: &Path, name: &str) -> PathBuf {
    path.join(short(name).trim_start_matches('/'))
}

/// The names of the array of samples.
const SAMPLES: [&str; 2] = ["x", "data"];
/// The names of the array of targets.
const TARGETS: [&str; 2] = ["y", "target"];

/// The names of the array of weights.
const WEIGHTS: [&str; 3] = ["weights", "weight", "sample_weight"];

/// The places of the samples, targets and weights among the names of arrays. A single array holds samples.
fn find(path: &Path, names: &[String]) -> Result<[Option<usize>; 3], Error> {
    let place =
        |known: &[&str]| known.iter().find_map(|known| names.iter().position(|name| name.eq_ignore_ascii_case(known)));
    if let (None, [_]) = (place(&SAMPLES), names) {
        return Ok([Some(0), None, None]);
    }
    let Some(samples) = place(&SAMPLES) else {
        let shown: Vec<String> = names.iter().map(|name| short(name)).collect();
        let problem = format!("holds the arrays {}, and none is named x or data", crate::data::folder::few(&shown));
        return Err(bad(path, problem, "store the samples as x and the targets as y"));
    };
    Ok([Some(samples), place(&TARGETS), place(&WEIGHTS)])
}

/// Targets of N rows that have an array of their own.
enum Targets {
    Numbers {
        /// The number of columns, T.
        columns: usize,
        /// The values (N, T), row-major.
        values: Vec<f64>,
        /// The same if they are one column of 64-bit integers, some of which a double does not hold. Else empty.
        long: Vec<i128>,
    },
    /// The names of classes, and the one of each row (N).
    Texts { names: Vec<String>, codes: Vec<u32> },
}

impl Targets {
    fn numbers(path: &Path, matrix: Matrix) -> Result<Targets, Error> {
        let columns = matrix.columns();
        let (values, mut long) = matrix.all(path)?;
        if columns > 1 || values.iter().zip(&long).all(|(&value, &long)| value as i128 == long) {
            long = Vec::new();
        }
        Ok(Targets::Numbers { columns, values, long })
    }

    /// The number of columns, T.
    fn columns(&self) -> usize {
        if let Targets::Numbers { columns, .. } = self { *columns } else { 1 }
    }

    /// The number of rows, N.
    fn rows(&self) -> usize {
        match self {
            Targets::Numbers { columns, values, .. } => values.len() / (*columns).max(1),
            Targets::Texts { codes, .. } => codes.len(),
        }
    }
}

/// Samples, targets and weights.
type Parts = (Option<Matrix>, Option<Targets>, Option<Matrix>);

/// Samples, and targets and weights if they have arrays of their own.
struct Arrays {
    path: PathBuf,
    columns: Columns,
    samples: Matrix,
    targets: Option<Targets>,
    /// Weights (N).
    weights: Option<Vec<f64>>,
    /// Rows read so far.
    row: usize,
}

impl Arrays {
    fn new(path: &Path, samples: Matrix, targets: Option<Targets>, weights: Option<Matrix>) -> Result<Arrays, Error> {
        let check = |what: &str, rows: usize| {
            if rows == samples.rows() {
                return Ok(());
            }
            let [samples, others] = [samples.rows(), rows].map(|rows| counted(rows, "sample"));
            let problem = format!("holds {samples}, but {what} for {others}");
            Err(bad(path, problem, format!("give each sample one row of {what}")))
        };
        targets.iter().try_for_each(|targets| check("targets", targets.rows()))?;
        if let Some(weights) = &weights {
            check("weights", weights.rows())?;
            if weights.columns() != 1 {
                let problem = format!("holds {} per sample", counted(weights.columns(), "weight"));
                return Err(bad(path, problem, "give each sample one weight"));
            }
        }
        let targets_width = targets.as_ref().map_or(0, Targets::columns);
        let width = samples.columns().saturating_add(targets_width).saturating_add(usize::from(weights.is_some()));
        if width > MOST_COLUMNS {
            let problem = format!("has {width} columns, more than {MOST_COLUMNS}");
            return Err(bad(path, problem, "check that the first index is that of the sample"));
        }
        let mut guesses = vec![Guess::default(); width];
        if matches!(targets, Some(Targets::Texts { .. })) {
            guesses[samples.columns()].texts = 1;
        }
        let weights = weights.map(|weights| weights.all(path)).transpose()?.map(|(weights, _)| weights);
        let attached = usize::from(weights.is_some());
        let columns = Columns { names: None, guesses, targets: targets_width, weights: attached, unit: "row" };
        Ok(Arrays { path: path.to_owned(), columns, samples, targets, weights, row: 0 })
    }

    fn fill(&self, raw: &matrix::Rows, plan: &Plan) -> Result<Chunk, (Fault, usize)> {
        let mut chunk = Chunk::default();
        let width = self.samples.columns();
        // Features that are numbers are copied as they are; only the other columns need a look at each value.
        let is_number = |used: &Use| used.role == Role::Feature && used.kind == Kind::Number;
        let used = || (0..width).filter_map(|at| Some((at, plan.uses.get(at).copied().flatten()?)));
        let numbers: Vec<(usize, usize)> =
            used().filter(|(_, used)| is_number(used)).map(|(at, used)| (at, used.slot)).collect();
        let others: Vec<usize> = used().filter(|(_, used)| !is_number(used)).map(|(at, _)| at).collect();
        let mut stored = Vec::new();
        raw.floats(&mut stored);
        let as_stored = plan.features == width && numbers.iter().copied().eq((0..width).map(|at| (at, at)));
        if as_stored {
            chunk.values = std::mem::take(&mut stored);
        }
        let targets = self.targets.as_ref();
        let last = width + targets.map_or(0, Targets::columns);
        for row in 0..raw.rows {
            let at = |fault| (fault, row);
            chunk.start_row(plan);
            if let Some(stored) = stored.get(row * width..(row + 1) * width) {
                let features = &mut chunk.values[row * plan.features..];
                numbers.iter().for_each(|&(at, slot)| features[slot] = stored[at]);
            }
            for &column in &others {
                let put = match raw.long(row, column) {
                    // Names and identifiers keep all digits.
                    Some(long) => chunk.put(plan, column, long.to_string().as_bytes(), row),
                    None => chunk.put_number(plan, column, raw.value(row, column)),
                };
                put.map_err(at)?;
            }
            let row = self.row + row;
            match targets {
                None => {}
                Some(Targets::Numbers { long, .. }) if !long.is_empty() => {
                    let digits = long.get(row).map(i128::to_string).unwrap_or_default();
                    chunk.put(plan, width, digits.as_bytes(), row).map_err(at)?;
                }
                Some(Targets::Numbers { columns, values, .. }) => {
                    let values = values.get(row * columns..(row + 1) * columns).unwrap_or_default();
                    for (column, &value) in (width..).zip(values) {
                        chunk.put_number(plan, column, value).map_err(at)?;
                    }
                }
                Some(Targets::Texts { names, codes }) => {
                    let name = codes.get(row).and_then(|&code| names.get(code as usize)).map_or("", String::as_str);
                    chunk.put(plan, width, name.as_bytes(), row).map_err(at)?;
                }
            }
            if let Some(&weight) = self.weights.as_ref().and_then(|weights| weights.get(row)) {
                chunk.put_number(plan, last, weight).map_err(at)?;
            }
        }
        match chunk.values.iter().position(|value| value.is_infinite()) {
            None => Ok(chunk),
            Some(at) => {
                let slot = at % plan.features;
                let column = numbers.iter().find(|number| number.1 == slot).map_or(0, |number| number.0);
                Err((infinite(column, chunk.values[at].to_string().as_bytes()), at / plan.features))
            }
        }
    }
}

impl Source for Arrays {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn likely_rows(&self) -> Option<u64> {
        Some(self.samples.likely_rows())
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Chunk>, Error> {
        let Some(raw) = self.samples.next(&self.path)? else { return Ok(None) };
        let path = &self.path;
        let error =
            |(fault, row): (Fault, usize), plan: &Plan| fault.error(path, plan, &format!("row {}", self.row + row));
        let mut chunk = self.fill(&raw, plan).map_err(|fault| error(fault, plan))?;
        chunk.settle(plan).map_err(|fault| error((fault, 0), plan))?;
        self.row += raw.rows;
        Ok(Some(chunk))
    }
}

/// The error of an array that is shorter or longer than its header says.
fn wrong_length(path: &Path) -> Error {
    bad(path, "does not hold the values that its header declares", AGAIN)
}
