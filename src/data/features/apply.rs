//! Raw rows become inputs.

use super::fit::{check_rows, position};
use super::{Encoding, Feature, Features, Number};
use crate::base::error::Error;
use rayon::prelude::*;

/// Rows that a thread encodes at a time.
const ROWS: usize = 1024;

/// The smooth clip is 3 in single precision long before this; the square of a larger value could exceed the range.
pub const CLIP_FROM: f32 = 1e6;

impl Number {
    /// The input for a raw value.
    #[must_use]
    pub fn input(&self, raw: f32) -> f32 {
        let value = if raw.is_nan() { self.fill } else { raw };
        let x = (value - self.center) * self.scale;
        if self.clip {
            let x = x.clamp(-CLIP_FROM, CLIP_FROM);
            let third = x / 3.0;
            x / (1.0 + third * third).sqrt()
        } else {
            x
        }
    }
}

impl Features {
    /// Appends the inputs (n, I) of raw rows (n, F) to `out`. Columns and category codes must be those of the features: see
    /// [`Features::recode`].
    ///
    /// # Errors
    /// [`Error::Setting`] if there is no value, or if the last row is incomplete.
    pub fn apply(&self, raw: &[f32], out: &mut Vec<f32>) -> Result<(), Error> {
        let (width, inputs) = (self.width(), self.inputs());
        check_rows(raw, width)?;
        let start = out.len();
        out.resize(start + raw.len() / width * inputs, 0.0);
        let parts = out[start..].par_chunks_mut(inputs * ROWS).zip(raw.par_chunks(width * ROWS));
        parts.for_each(|(inputs_of, rows)| {
            let pairs = inputs_of.chunks_exact_mut(inputs).zip(rows.chunks_exact(width));
            pairs.for_each(|(inputs, row)| self.encode_row(row, inputs));
        });
        Ok(())
    }

    /// As [`Features::apply`], for a table that is not needed afterwards. If every raw value becomes one input, no second
    /// table is allocated.
    ///
    /// # Errors
    /// As [`Features::apply`].
    pub fn apply_in_place(&self, mut raw: Vec<f32>) -> Result<Vec<f32>, Error> {
        let Some(numbers) = self.plain_numbers() else {
            let mut out = Vec::new();
            self.apply(&raw, &mut out)?;
            return Ok(out);
        };
        let width = self.width();
        check_rows(&raw, width)?;
        raw.par_chunks_mut(width * ROWS).for_each(|rows| {
            for row in rows.chunks_exact_mut(width) {
                let mut rest = row;
                for (number, count) in &numbers {
                    let (own, others) = rest.split_at_mut(*count);
                    own.iter_mut().for_each(|value| *value = number.input(*value));
                    rest = others;
                }
            }
        });
        Ok(raw)
    }

    /// Scalings with their numbers of columns, if every raw value becomes exactly one input.
    fn plain_numbers(&self) -> Option<Vec<(Number, usize)>> {
        let plain = |feature: &Feature| match &feature.encoding {
            Encoding::Number(number) if !number.indicator => Some((*number, feature.count)),
            _ => None,
        };
        self.columns.iter().map(plain).collect()
    }

    /// Writes the inputs (I) of a raw row (F) to `inputs`, which is zero.
    fn encode_row(&self, row: &[f32], inputs: &mut [f32]) {
        let (mut row, mut inputs) = (row, inputs);
        for feature in &self.columns {
            let (raw, others) = row.split_at(feature.count);
            let (own, rest) = inputs.split_at_mut(feature.inputs());
            match &feature.encoding {
                Encoding::Number(number) if number.indicator => {
                    own[0] = number.input(raw[0]);
                    own[1] = f32::from(u8::from(raw[0].is_nan()));
                }
                Encoding::Number(number) => {
                    own.iter_mut().zip(raw).for_each(|(input, &raw)| *input = number.input(raw));
                }
                Encoding::Categories(names) => own[position(raw[0], names.len()).unwrap_or(names.len())] = 1.0,
            }
            (row, inputs) = (others, rest);
        }
    }
}
