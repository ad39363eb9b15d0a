//! A number of samples: as a count, as a share of the training split, or as one of its folds.

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
    /// One of several folds of nearly equal size, which together are the training split.
    Fold {
        /// Number of the fold, from 1.
        number: u32,
        /// Number of folds, at least 2.
        of: u32,
    },
}

/// Largest number of folds.
pub const MOST_FOLDS: u32 = 1000;

impl Amount {
    /// Returns the number of samples, given the size of the training split: a share is rounded, and is at least one
    /// sample.
    pub fn samples(self, of: usize) -> usize {
        match self {
            Amount::Samples(samples) => samples,
            Amount::Fold { number, of: folds } => (of + folds.saturating_sub(number) as usize) / folds.max(1) as usize,
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
            Amount::Fold { number, of } => write!(f, "{number}/{of}"),
        }
    }
}

const EXPECTED: &str = "use a number of samples, a share of the training split above 0 and below 1, such as 0.1, or a fold, such as 2/5 for the second of five";

fn share(share: f32) -> Result<Amount, String> {
    if share > 0.0 && share < 1.0 { Ok(Amount::Share(share)) } else { Err(EXPECTED.into()) }
}

fn fold(text: &str) -> Result<Amount, String> {
    let fold = text.split_once('/').and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
    match fold {
        Some((number, of)) if (1..=of).contains(&number) && (2..=MOST_FOLDS).contains(&of) => {
            Ok(Amount::Fold { number, of })
        }
        _ => Err(EXPECTED.into()),
    }
}

impl FromStr for Amount {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('/') {
            return fold(text);
        }
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
            fold @ Amount::Fold { .. } => serializer.collect_str(fold),
        }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "use a number of samples, a share of the training split, or a fold such as \"2/5\""
        )]
        enum Either {
            Samples(usize),
            Share(f32),
            Fold(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Samples(samples) => Ok(Amount::Samples(samples)),
            Either::Share(number) => share(number).map_err(serde::de::Error::custom),
            Either::Fold(text) => fold(&text).map_err(serde::de::Error::custom),
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
    fn folds_are_together_the_whole_split() {
        for (samples, folds) in [(10, 3), (60_000, 7), (5, 5), (101, 2)] {
            let fold = |number| Amount::Fold { number, of: folds }.samples(samples);
            assert_eq!((1..=folds).map(fold).sum::<usize>(), samples);
            assert!((1..=folds).all(|number| fold(1) - fold(number) <= 1));
        }
        assert_eq!("2/5".parse(), Ok(Amount::Fold { number: 2, of: 5 }));
        for text in ["0/5", "6/5", "1/1", "1/0", "1/", "/5", "1/2/3", "-1/5", "0.5/2", "1/1001"] {
            assert!(text.parse::<Amount>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_holds_an_amount_exactly() {
        for amount in [Amount::Samples(400), Amount::Share(0.1), Amount::Fold { number: 2, of: 5 }] {
            let text = serde_json::to_string(&amount).unwrap();
            let back = serde_json::from_str::<Amount>(&text).unwrap();
            assert_eq!((back, text.trim_matches('"')), (amount, amount.to_string().as_str()));
        }
        assert!(serde_json::from_str::<Amount>("1.5").is_err());
    }
}
