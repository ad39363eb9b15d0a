//! The batch size, as a number or as a word.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Samples per batch: a number, or the whole training split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// Number of samples, at least 1; 1 is strict stochastic gradient descent.
    Samples(usize),
    /// The whole training split: full-batch gradient descent.
    Full,
}

impl BatchSize {
    /// Returns the number of samples, given the size of the training split.
    pub fn samples(self, of: usize) -> usize {
        match self {
            BatchSize::Samples(samples) => samples,
            BatchSize::Full => of,
        }
    }
}

impl fmt::Display for BatchSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BatchSize::Samples(samples) => samples.fmt(f),
            BatchSize::Full => "full".fmt(f),
        }
    }
}

impl FromStr for BatchSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.parse()) {
            ("full", _) => Ok(BatchSize::Full),
            (_, Ok(samples)) if samples > 0 => Ok(BatchSize::Samples(samples)),
            _ => Err("a batch size is a number of samples, at least 1, or `full`".into()),
        }
    }
}

impl Serialize for BatchSize {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            BatchSize::Samples(samples) => serializer.serialize_u64(*samples as u64),
            BatchSize::Full => serializer.serialize_str("full"),
        }
    }
}

impl<'de> Deserialize<'de> for BatchSize {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(u64),
            Word(String),
        }
        let text = match Either::deserialize(deserializer)? {
            Either::Number(number) => number.to_string(),
            Either::Word(word) => word,
        };
        text.parse().map_err(serde::de::Error::custom)
    }
}
