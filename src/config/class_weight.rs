//! Weights of classes.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::str::FromStr;

/// How much the training samples of each class count. As text: `balanced`, or pairs such as `spam=5,3=0.5`; a class without a
/// pair keeps the weight 1.
#[derive(Clone, Debug, PartialEq)]
pub enum ClassWeight {
    /// All classes count the same: a sample of a class with n of N samples and C classes has the weight N/(C·n).
    Balanced,
    /// Weights by the names of the classes.
    Given(Vec<(String, f32)>),
}

impl FromStr for ClassWeight {
    type Err = String;

    fn from_str(text: &str) -> Result<ClassWeight, String> {
        if text == "balanced" {
            return Ok(ClassWeight::Balanced);
        }
        let pair = |pair: &str| {
            let (class, weight) = pair.rsplit_once('=')?;
            let weight: f32 = weight.trim().parse().ok().filter(|weight| *weight >= 0.0 && f32::is_finite(*weight))?;
            Some((class.trim().to_owned(), weight))
        };
        let pairs: Option<Vec<_>> = text.split(',').map(pair).collect();
        let pairs = pairs.ok_or("use `balanced`, or pairs of class and weight from 0, such as spam=5,ham=1")?;
        match pairs.iter().enumerate().find(|(at, (class, _))| pairs[..*at].iter().any(|(other, _)| other == class)) {
            Some((_, (class, _))) => Err(format!("class {class} has two weights")),
            None => Ok(ClassWeight::Given(pairs)),
        }
    }
}

impl fmt::Display for ClassWeight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClassWeight::Balanced => f.write_str("balanced"),
            ClassWeight::Given(pairs) => {
                let pairs: Vec<String> = pairs.iter().map(|(class, weight)| format!("{class}={weight}")).collect();
                f.write_str(&pairs.join(","))
            }
        }
    }
}

impl Serialize for ClassWeight {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ClassWeight {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
