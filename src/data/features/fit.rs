//! What is learned from the training rows.

use super::select::Values;
use super::{Encoding, Feature, Features, Number, Scaling};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::column::Column;
use rayon::prelude::*;
use std::collections::BTreeSet;

impl Features {
    /// Learns from the training rows: raw values (N, F), row by row; NaN where a value is missing. Each thread copies one
    /// column at a time; nothing else is copied.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are no values, if they are not whole rows, or if one is infinite.
    pub fn fit(columns: &[Column], raw: &[f32], scaling: Scaling) -> Result<Features, Error> {
        check_rows(raw, columns.len())?;
        let rows = raw.len() / columns.len();
        let fit = |(at, column): (usize, &Column)| {
            let values = raw.chunks_exact(columns.len()).map(|row| row[at]);
            let encoding = match &column.categories {
                Some(names) => Encoding::Categories(occurring(names, values)),
                None => {
                    let mut present = Vec::with_capacity(rows);
                    present.extend(values.filter(|value| !value.is_nan()));
                    let indicator = present.len() < rows;
                    Encoding::Number(Number { indicator, ..number(Values { all: &present, parallel: false }, scaling) })
                }
            };
            Feature { name: column.name.clone(), count: 1, encoding }
        };
        let features = Features { columns: columns.par_iter().enumerate().map(fit).collect() };
        refuse_infinite(&features, raw)?;
        Ok(features)
    }

    /// Learns one scaling for all values of samples of shape `item` (N, I), such as the pixels of pictures. Missing values
    /// are filled and have no indicator.
    ///
    /// # Errors
    /// As [`Features::fit`].
    pub fn uniform(item: &[usize], raw: &[f32], scaling: Scaling) -> Result<Features, Error> {
        let count = item.iter().try_fold(1usize, |product, &size| product.checked_mul(size)).unwrap_or(0);
        check_rows(raw, count)?;
        let present: Vec<f32>;
        let all = if raw.par_iter().any(|value| value.is_nan()) {
            present = raw.par_iter().copied().filter(|value| !value.is_nan()).collect();
            &present
        } else {
            raw
        };
        let encoding = Encoding::Number(number(Values { all, parallel: true }, scaling));
        let features = Features { columns: vec![Feature { name: "pixel".into(), count, encoding }] };
        refuse_infinite(&features, raw)?;
        Ok(features)
    }
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

/// Checks that there is at least one whole row of `width` values.
pub(super) fn check_rows(raw: &[f32], width: usize) -> Result<(), Error> {
    if width == 0 || raw.is_empty() || !raw.len().is_multiple_of(width) {
        return Err(Error::Setting(format!(
            "{} cannot be whole rows of {}: give at least one row, each with a value for every column",
            counted(raw.len(), "value"),
            counted(width, "column")
        )));
    }
    Ok(())
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
