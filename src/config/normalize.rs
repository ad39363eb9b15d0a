//! How samples are normalized.

use crate::base::error::Error;
use crate::data::Scaling;
use crate::kernels::InputMap;
use serde::{Deserialize, Deserializer, Serialize, de};
use std::fmt;
use std::str::FromStr;

/// How samples are normalized: each column of a table by its own training values, all pixels of pictures by one rule. As
/// text: `standard`, `robust`, `minmax`, `unit`, `none`, or for bytes p `MEAN,DEVIATION` of p/255.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Normalize {
    /// Numbers: divided by the largest magnitude. Bytes: p/255.
    Unit,
    /// (x − mean)/deviation.
    Standard,
    /// Numbers: (x − median)/(distance of the quartiles), then a smooth clip of outliers.
    Robust,
    /// (x − smallest)/(largest − smallest).
    Minmax,
    /// As they are.
    None,
    /// Bytes: p·scale + shift.
    #[serde(untagged)]
    Given(InputMap),
}

impl Normalize {
    /// Default for state dicts of other programs, which do not state it; the same as torchvision's `ToTensor`.
    pub const OF_STATE_DICTS: Normalize = Normalize::Unit;

    /// The rule for numbers.
    ///
    /// # Errors
    /// [`Error::Setting`] for mean and deviation, which are for bytes.
    pub fn scaling(&self) -> Result<Scaling, Error> {
        match self {
            Normalize::Unit => Ok(Scaling::Unit),
            Normalize::Standard => Ok(Scaling::Standard),
            Normalize::Robust => Ok(Scaling::Robust),
            Normalize::Minmax => Ok(Scaling::MinMax),
            Normalize::None => Ok(Scaling::None),
            Normalize::Given(map) => Err(Error::Setting(format!(
                "normalize is {map}, which is for bytes, but the samples are numbers: use standard, robust, minmax, unit or none"
            ))),
        }
    }
}

impl fmt::Display for Normalize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Normalize::Unit => "unit".fmt(f),
            Normalize::Standard => "standard".fmt(f),
            Normalize::Robust => "robust".fmt(f),
            Normalize::Minmax => "minmax".fmt(f),
            Normalize::None => "none".fmt(f),
            Normalize::Given(map) => map.fmt(f),
        }
    }
}

/// Also reads the text form.
impl<'de> Deserialize<'de> for Normalize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "expected `standard`, `robust`, `minmax`, `unit`, `none`, \"MEAN,DEVIATION\" or { scale, shift }"
        )]
        enum Either {
            Text(String),
            Given(Given),
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Given {
            scale: f32,
            shift: f32,
        }
        match Either::deserialize(deserializer)? {
            Either::Text(text) => text.parse().map_err(de::Error::custom),
            Either::Given(Given { scale, shift }) => Ok(Normalize::Given(InputMap { scale, shift })),
        }
    }
}

impl FromStr for Normalize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Option<Vec<f64>> = text.split(',').map(|part| part.trim().parse().ok()).collect();
        match (text, parts.as_deref()) {
            ("unit", _) => Ok(Normalize::Unit),
            ("standard", _) => Ok(Normalize::Standard),
            ("robust", _) => Ok(Normalize::Robust),
            ("minmax", _) => Ok(Normalize::Minmax),
            ("none", _) => Ok(Normalize::None),
            // Most likely in bytes.
            (_, Some(&[mean, deviation])) if deviation > 0.0 && is_in_bytes(mean.abs().max(deviation)) => {
                let near = |value: f64| (value / 255.0 * 1e4).round() / 1e4;
                let advice = format!("give {},{}", near(mean), near(deviation));
                Err(format!("pixels are in 0 … 1 here, so mean and deviation are at most 1: {advice}"))
            }
            (_, Some(&[mean, deviation])) if deviation > 0.0 && mean.is_finite() => {
                let scale = (1.0 / (255.0 * deviation)) as f32;
                let shift = (-mean / deviation) as f32;
                Ok(Normalize::Given(InputMap { scale, shift }))
            }
            _ => Err("use `standard`, `robust`, `minmax`, `unit`, `none`, or mean and deviation of p/255, such as 0.1307,0.3081".into()),
        }
    }
}

/// Whether a mean or deviation is most likely one of bytes from 0 to 255.
fn is_in_bytes(value: f64) -> bool {
    value > 1.0 && value <= 255.0
}
