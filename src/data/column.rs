//! The columns of a table.

use serde::{Deserialize, Serialize};

/// One column of a table of raw values (N, F). A missing value is NaN.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Column {
    /// Its name in the header of the file.
    pub name: String,
    /// `None` for numbers. For categories their names: a raw value is the position of its name in this list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub categories: Option<Vec<String>>,
}

impl Column {
    /// A column of numbers.
    #[must_use]
    pub fn numeric(name: impl Into<String>) -> Column {
        Column { name: name.into(), categories: None }
    }

    /// A column of categories.
    #[must_use]
    pub fn categorical(name: impl Into<String>, categories: Vec<String>) -> Column {
        Column { name: name.into(), categories: Some(categories) }
    }
}
