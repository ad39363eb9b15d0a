//! A number of samples: as a count, or as a share of the training split.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A part of the training split.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Amount {
    /// Number of samples.
    Samples(usize),
    /// Share of all samples of the training split, above 0 and below 1.
    Share(f32),
}

impl Amount {
    /// Returns the number of samples, given the size of the training split: a share is rounded, and is at least one
    /// sample.
    pub fn samples(self, of: usize) -> usize {
        match self {
            Amount::Samples(samples) => samples,
            Amount::Share(share) => ((f64::from(share) * of as f64).round() as usize).max(1),
        }
    }
}

impl From<usize> for Amount {
    fn from(samples: usize) -> Amount {
        Amount::Samples(samples)
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Amount::Samples(samples) => samples.fmt(f),
            Amount::Share(share) => share.fmt(f),
        }
    }
}

const EXPECTED: &str = "use a number of samples, or a share of the training split above 0 and below 1, such as 0.1";

fn share(share: f32) -> Result<Amount, String> {
    if share > 0.0 && share < 1.0 { Ok(Amount::Share(share)) } else { Err(EXPECTED.into()) }
}

impl FromStr for Amount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match (text.parse(), text.parse()) {
            (Ok(samples), _) => Ok(Amount::Samples(samples)),
            (_, Ok(number)) => share(number),
            _ => Err(EXPECTED.into()),
        }
    }
}

impl Serialize for Amount {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Amount::Samples(samples) => serializer.serialize_u64(*samples as u64),
            Amount::Share(share) => serializer.serialize_f32(*share),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "use a number of samples, or a share of the training split")]
        enum Either {
            Samples(usize),
            Share(f32),
        }
        match Either::deserialize(deserializer)? {
            Either::Samples(samples) => Ok(Amount::Samples(samples)),
            Either::Share(number) => share(number).map_err(serde::de::Error::custom),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_becomes_a_number_of_samples() {
        let read = |text: &str| text.parse::<Amount>().map(|amount| amount.samples(60_000));
        let numbers = ["10000", "0", "0.1", "0.99999999", "0.00000001"].map(|text| read(text).ok());
        assert_eq!(numbers, [Some(10_000), Some(0), Some(6000), None, Some(1)]);
        for text in ["1.0", "0.0", "-0.1", "-3", "NaN", "inf", "1e3", "many", ""] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_holds_an_amount_exactly() {
        for amount in [Amount::Samples(400), Amount::Share(0.1)] {
            let text = serde_json::to_string(&amount).unwrap();
            assert_eq!((serde_json::from_str::<Amount>(&text).unwrap(), text), (amount, amount.to_string()));
        }
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
    }
}
