//! The widths of the hidden layers as text.

use serde::{Deserialize, Deserializer, de::Error};

/// Reads comma-separated widths, or `none`.
///
/// # Errors
/// A message about the first word that is not a width.
pub fn widths(text: &str) -> Result<Vec<usize>, String> {
    let width = |word: &str| word.trim().parse().map_err(|_| format!("{word:?} is not a width; try 128 or 512,512"));
    if text == "none" { Ok(Vec::new()) } else { text.split(',').map(width).collect() }
}

/// Reads a list, or the text form.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<usize>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "expected widths, such as [512, 512] or \"512,512\"")]
    enum Either {
        List(Vec<usize>),
        Text(String),
    }
    match Either::deserialize(deserializer)? {
        Either::List(list) => Ok(list),
        Either::Text(text) => widths(&text).map_err(D::Error::custom),
    }
}
