//! Yes or no in a settings file, in the words that flags and the environment accept too.

use serde::{Deserialize, Deserializer, de::Error};

/// Reads `true` or `false`, 1 or 0, or one of the words yes, no, on, off.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected true or false")]
    enum Either {
        Truth(bool),
        Number(u64),
        Word(String),
    }
    let word = match Either::deserialize(deserializer)? {
        Either::Truth(truth) => return Ok(truth),
        Either::Number(number) => number.to_string(),
        Either::Word(word) => word.to_lowercase(),
    };
    match word.as_str() {
        "1" | "true" | "t" | "yes" | "y" | "on" => Ok(true),
        "0" | "false" | "f" | "no" | "n" | "off" => Ok(false),
        _ => Err(D::Error::custom("expected true or false")),
    }
}
