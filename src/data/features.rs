//! From the raw values of a table to the inputs of a net: scaling, one-hot encoding, missing values.
//!
//! A raw table (N, F) has numbers, category codes and NaN for missing values. [`Features::fit`] learns from the training
//! rows only: means, medians, quartiles, categories. A row of weight 2 counts twice, a row of weight 0 not at all.
//! [`Features::apply`] turns any rows (n, F) into inputs (n, I). The model file holds the features, so every later file is
//! encoded by the same rules.
//!
//! | column | inputs |
//! |---|---|
//! | numbers | (value − center) · scale. A missing value is replaced by the median. If a training row lacks the value, a second input is 1 where the value is missing and 0 elsewhere |
//! | categories | one input per category of the training rows, 1 for the row's own and 0 for the others. A last input, `other`, is 1 for an unknown or missing category |
//!
//! Files number their categories differently. [`Features::recode`] maps the columns and codes of a file to those of the
//! features; call it before `apply`. [`Features::encode`] does both.
//!
//! All statistics are of the values that are present, computed in double precision. They do not depend on the number of
//! threads.

mod apply;
mod fit;
mod recode;
mod select;

pub use apply::CLIP_FROM;
pub use recode::Recode;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

/// How numbers are scaled. Inputs of categories and of missing values are 0 or 1 and are not scaled.
///
/// A feature with the same value in all training rows gives 0, except with `Unit` and `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scaling {
    /// (value − mean) / deviation.
    #[default]
    Standard,
    /// x = (value − median) / (third quartile − first quartile), then x / √(1 + (x/3)²), which limits outliers to ±3
    /// (Holzmüller et al., "Better by Default", NeurIPS 2024). If the quartiles are equal, half the range replaces their
    /// distance.
    Robust,
    /// To 0 … 1: (value − smallest) / (largest − smallest).
    MinMax,
    /// To −1 … 1: divided by the largest magnitude.
    Unit,
    /// As they are.
    None,
}

/// What was learned from the training rows about every column of a table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Features {
    /// The features, in the order of the columns of the training file.
    #[serde(deserialize_with = "checked")]
    pub columns: Vec<Feature>,
}

/// A feature: a column of a table, or all pixels of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Feature {
    /// Name of the column.
    pub name: String,
    /// The number of adjacent columns with this encoding: 1, or all values of a picture.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub count: usize,
    /// How it becomes inputs.
    pub encoding: Encoding,
}

/// How a raw value becomes inputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// A number, scaled.
    Number(Number),
    /// One-hot over these names, in sorted order, and one input for all others. A raw value is a position in this list.
    Categories(Vec<String>),
}

/// How a number is scaled.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Number {
    /// Replaces a missing value: the median of the training rows, in their unit.
    pub fill: f32,
    /// Subtracted from the value.
    pub center: f32,
    /// Multiplies the difference.
    pub scale: f32,
    /// Whether x / √(1 + (x/3)²) follows.
    #[serde(default, skip_serializing_if = "is_false")]
    pub clip: bool,
    /// Whether a second input is 1 where the value is missing.
    #[serde(default, skip_serializing_if = "is_false")]
    pub indicator: bool,
}

impl Features {
    /// The number of raw values in a row, F.
    #[must_use]
    pub fn width(&self) -> usize {
        self.columns.iter().fold(0, |sum, feature| sum.saturating_add(feature.count))
    }

    /// The number of inputs of the net, I.
    #[must_use]
    pub fn inputs(&self) -> usize {
        self.columns.iter().fold(0, |sum, feature| sum.saturating_add(feature.inputs()))
    }

    /// The names of the inputs (I), such as `age`, `age is missing`, `colour=red`, `colour=other`.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.columns.iter().flat_map(Feature::names).collect()
    }
}

impl Feature {
    /// The number of inputs.
    #[must_use]
    pub fn inputs(&self) -> usize {
        let each = match &self.encoding {
            Encoding::Number(number) => 1 + usize::from(number.indicator),
            Encoding::Categories(names) => names.len().saturating_add(1),
        };
        each.saturating_mul(self.count)
    }

    fn names(&self) -> Vec<String> {
        let name = &self.name;
        match &self.encoding {
            Encoding::Number(_) if self.count > 1 => (0..self.count).map(|at| format!("{name} {at}")).collect(),
            Encoding::Number(Number { indicator: false, .. }) => vec![name.clone()],
            Encoding::Number(_) => vec![name.clone(), format!("{name} is missing")],
            Encoding::Categories(names) => {
                let other = if names.iter().any(|one| one == "other") { "(other)" } else { "other" };
                let all = names.iter().map(String::as_str).chain([other]);
                all.map(|one| format!("{name}={one}")).collect()
            }
        }
    }

    /// What contradicts the documentation of the fields, if anything. A model file can hold any values.
    fn fault(&self) -> Option<String> {
        let name = &self.name;
        let with = |problem: &str| Some(format!("feature `{name}` {problem}"));
        match &self.encoding {
            _ if self.count == 0 => with("has no columns"),
            Encoding::Number(number) if self.count > 1 && number.indicator => {
                with("has several columns and an indicator of missing values")
            }
            Encoding::Number(Number { fill, center, scale, .. }) => {
                let finite = [fill, center, scale].iter().all(|value| value.is_finite());
                if finite { None } else { with("has a value that is not finite") }
            }
            Encoding::Categories(_) if self.count > 1 => with("has categories and several columns"),
            Encoding::Categories(names) if !names.is_sorted_by(|a, b| a < b) => {
                with("has categories that are not in sorted order, each once")
            }
            Encoding::Categories(_) => None,
        }
    }
}

/// Reads features and checks them.
fn checked<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Feature>, D::Error> {
    let columns = Vec::<Feature>::deserialize(deserializer)?;
    if columns.is_empty() {
        return Err(D::Error::custom("there are no features"));
    }
    match columns.iter().find_map(Feature::fault) {
        Some(fault) => Err(D::Error::custom(fault)),
        None => Ok(columns),
    }
}

fn one() -> usize {
    1
}

fn is_one(count: &usize) -> bool {
    *count == 1
}

fn is_false(value: &bool) -> bool {
    !value
}
