//! What is learned from the training rows.

use super::select::Values;
use super::{Encoding, Feature, Features, Number, Scaling};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::column::Column;
use rayon::prelude::*;
use std::collections::BTreeSet;

/// Most values that are copied at a time, unless a single column has more.
const COPIED: usize = 1 << 25;
/// Rows that a thread copies at a time.
const ROWS: usize = 1 << 14;

impl Features {
    /// Learns from the training rows: raw values (N, F), row by row; NaN where a value is missing. `weights` (N): a row of
    /// weight 2 counts twice, one of weight 0 not at all. Columns are copied in groups of up to 128 MB, or one by one.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no values, if they are not whole rows, if one is infinite, or if there is not one
    /// weight per row.
    pub fn fit(columns: &[Column], raw: &[f32], weights: Option<&[f32]>, scaling: Scaling) -> Result<Features, Error> {
        let rows = check_rows(raw, columns.len())?;
        check_weights(weights, rows)?;
        let group = (COPIED / rows).clamp(1, columns.len());
        let mut learned = Vec::with_capacity(columns.len());
        for (first, group) in (0..).step_by(group).zip(columns.chunks(group)) {
            let values = copied(raw, columns.len(), first, group.len());
            learned.par_extend(group.par_iter().zip(values).map(|(column, values)| Feature {
                name: column.name.clone(),
                count: 1,
                encoding: encoding(column, values, weights, scaling),
            }));
        }
        let features = Features { columns: learned };
        refuse_infinite(&features, raw)?;
        Ok(features)
    }

    /// Learns one scaling for all values of samples of shape `item` (N, I), such as the pixels of pictures. Missing values
    /// are filled and have no indicator. Weights (N) count as in [`Features::fit`].
    ///
    /// # Errors
    /// As [`Features::fit`].
    pub fn uniform(item: &[usize], raw: &[f32], weights: Option<&[f32]>, scaling: Scaling) -> Result<Features, Error> {
        let count = item.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(0);
        check_weights(weights, check_rows(raw, count)?)?;
        let number = if raw.par_iter().any(|value| value.is_nan()) {
            let each = weights.map(|weights| weights.iter().flat_map(|&weight| std::iter::repeat_n(weight, count)));
            number_of_present(raw.to_vec(), each, scaling)
        } else {
            number(Values { all: raw, weights, width: count }, scaling)
        };
        let encoding = Encoding::Number(number);
        let features = Features { columns: vec![Feature { name: "pixel".into(), count, encoding }] };
        refuse_infinite(&features, raw)?;
        Ok(features)
    }
}

/// Copies `count` columns from column `first` on, in one pass over the rows of `width` values. Returns a vector per column.
fn copied(raw: &[f32], width: usize, first: usize, count: usize) -> Vec<Vec<f32>> {
    let rows = raw.len() / width;
    let mut columns = vec![vec![0.0; rows]; count];
    let mut parts: Vec<Vec<&mut [f32]>> = (0..rows.div_ceil(ROWS)).map(|_| Vec::with_capacity(count)).collect();
    for column in &mut columns {
        parts.iter_mut().zip(column.chunks_mut(ROWS)).for_each(|(part, own)| part.push(own));
    }
    parts.par_iter_mut().zip(raw.par_chunks(ROWS * width)).for_each(|(columns, rows)| {
        for (at, row) in rows.chunks_exact(width).enumerate() {
            columns.iter_mut().zip(&row[first..]).for_each(|(column, &value)| column[at] = value);
        }
    });
    columns
}

/// What is learned of a column with these values.
fn encoding(column: &Column, values: Vec<f32>, weights: Option<&[f32]>, scaling: Scaling) -> Encoding {
    let counts = |row: usize| weights.is_none_or(|weights| weights[row] > 0.0);
    if let Some(names) = &column.categories {
        let codes = values.into_iter().enumerate().filter(|(row, _)| counts(*row));
        return Encoding::Categories(occurring(names, codes.map(|(_, code)| code)));
    }
    let missing = |(row, value): (usize, &f32)| value.is_nan() && counts(row);
    let indicator = values.iter().enumerate().any(missing);
    let each = weights.map(|weights| weights.iter().copied());
    Encoding::Number(Number { indicator, ..number_of_present(values, each, scaling) })
}

/// The scaling of a number, from the values that are not missing, with a weight for each.
fn number_of_present(mut values: Vec<f32>, weights: Option<impl Iterator<Item = f32>>, scaling: Scaling) -> Number {
    let present = |(value, weight): (&f32, f32)| (!value.is_nan()).then_some(weight);
    let weights: Option<Vec<f32>> = weights.map(|weights| values.iter().zip(weights).filter_map(present).collect());
    values.retain(|value| !value.is_nan());
    number(Values { all: &values, weights: weights.as_deref(), width: 1 }, scaling)
}

/// The scaling of a number, from the values that are present.
fn number(values: Values, scaling: Scaling) -> Number {
    let (low, high) = values.range();
    let [first, median, third] = match scaling {
        Scaling::Robust => values.quantiles([0.25, 0.5, 0.75]),
        _ => [0.0, values.quantiles([0.5])[0], 0.0],
    };
    let (low, high) = (f64::from(low), f64::from(high));
    let (center, size) = match scaling {
        // Weighted sums are rounded, but the deviation of equal values must be 0.
        Scaling::Standard if low == high => (low, 0.0),
        Scaling::Standard => values.moments(),
        Scaling::Robust => (median, if third > first { third - first } else { (high - low) / 2.0 }),
        Scaling::MinMax => (low, high - low),
        Scaling::Unit => (0.0, high.abs().max(low.abs())),
        Scaling::None => (0.0, 1.0),
    };
    // The inverse of the smallest sizes is above the range of single precision.
    let scale = if size > 0.0 { (1.0 / size).min(f64::from(f32::MAX)) } else { 0.0 };
    let clip = scaling == Scaling::Robust;
    Number { fill: median as f32, center: center as f32, scale: scale as f32, clip, indicator: false }
}

/// The names of the categories that occur, sorted.
fn occurring(names: &[String], codes: impl Iterator<Item = f32>) -> Vec<String> {
    let mut found = vec![false; names.len()];
    codes.filter_map(|code| position(code, names.len())).for_each(|code| found[code] = true);
    let found = names.iter().zip(found).filter_map(|(name, found)| found.then_some(name));
    found.cloned().collect::<BTreeSet<_>>().into_iter().collect()
}

/// The position that a raw value stands for in a list of categories; `None` if it is missing or beyond the list.
pub(super) fn position(code: f32, categories: usize) -> Option<usize> {
    // A float that is not a whole number, or is negative, is not equal to its conversion.
    let at = code as usize;
    (at < categories && at as f32 == code).then_some(at)
}

/// Checks that there is at least one whole row of `width` values. Returns the number of rows.
pub(super) fn check_rows(raw: &[f32], width: usize) -> Result<usize, Error> {
    if width == 0 || raw.is_empty() || !raw.len().is_multiple_of(width) {
        return Err(Error::Setting(format!(
            "{} cannot be whole rows of {}: give at least one row, each with a value for every column",
            counted(raw.len(), "value"),
            counted(width, "column")
        )));
    }
    Ok(raw.len() / width)
}

fn check_weights(weights: Option<&[f32]>, rows: usize) -> Result<(), Error> {
    match weights {
        Some(weights) if weights.len() != rows => Err(Error::Setting(format!(
            "{} for {}: give one weight per row, or none at all",
            counted(weights.len(), "weight"),
            counted(rows, "row")
        ))),
        _ => Ok(()),
    }
}

/// Infinite values show in the statistics only as NaN, so they are refused with their place.
fn refuse_infinite(features: &Features, raw: &[f32]) -> Result<(), Error> {
    let Some(at) = raw.par_iter().position_first(|value| value.is_infinite()) else { return Ok(()) };
    let width = features.width();
    let name = match features.columns.get(at % width) {
        Some(feature) => feature.name.clone(),
        None => format!("pixel {}", at % width),
    };
    Err(Error::Setting(format!(
        "row {} of column `{name}` is {}: replace it by a finite number, or by NaN if it is missing",
        at / width,
        raw[at]
    )))
}
