//! Options of a table: which column is what, and where the test rows are.

use super::resume::Said;
use clap::{Args, ValueEnum};
use gpu_mlp::data::TestRows;
use gpu_mlp::data::table::{Goal, Options};
use gpu_mlp::run::settings::{TableSettings, from_root};

/// The columns of a table.
#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Table")]
pub struct TableOptions {
    /// For a table: the column to predict, or several, by name or number (from 0; -1 is the last) [default: the column named
    /// label, class, target or y]
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', allow_hyphen_values = true)]
    target: Option<Vec<String>>,
    /// For a table: what the target is: one of several classes, real values, or yes/no labels (one column each)
    /// [default: text and few whole numbers are classes, other numbers are values]. Different texts are different classes,
    /// such as 01 and 1; but if all are plain numbers, 1 and 1.0 are the same class
    #[arg(long, value_enum, value_name = "classes|values|labels")]
    task: Option<TaskName>,
    /// Test rows of a table: another file with the same columns, a number of rows, or a share of them, such as 0.2
    #[arg(long, value_name = "FILE|N|SHARE")]
    test: Option<TestRows>,
    /// Columns of numbers that name categories. Different texts are different categories: 01 and 1, 1.0 and 1
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', allow_hyphen_values = true)]
    categorical: Option<Vec<String>>,
    /// Columns that are not used
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',', allow_hyphen_values = true)]
    ignore: Option<Vec<String>>,
    /// The column of the weights of the rows: 2 counts a row twice, 0 leaves it out
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    weight_column: Option<String>,
    /// The column that names the rows; `predict` repeats it
    #[arg(long, value_name = "COLUMN", allow_hyphen_values = true)]
    id_column: Option<String>,
    /// The character between the fields of a CSV file; `tab` and `space` are words for theirs [default: found in the file]
    #[arg(long, value_name = "CHARACTER", value_parser = delimiter)]
    delimiter: Option<char>,
    /// Whether the first line of a CSV file holds the names of the columns [default: found in the file]
    #[arg(long, value_name = "true|false")]
    header: Option<bool>,
}

/// What the target is.
#[derive(Clone, Copy, ValueEnum)]
enum TaskName {
    Classes,
    Values,
    Labels,
}

/// Reads a delimiter.
fn delimiter(text: &str) -> Result<char, String> {
    match text {
        "tab" | "\\t" => Ok('\t'),
        "space" => Ok(' '),
        "comma" => Ok(','),
        "semicolon" => Ok(';'),
        _ => {
            let mut characters = text.chars();
            match (characters.next(), characters.next()) {
                (Some(one), None) if one.is_ascii() => Ok(one),
                _ => Err("expected one ASCII character, `tab` or `space`".into()),
            }
        }
    }
}

impl TableOptions {
    /// How to read the table.
    pub fn options(&self) -> Options {
        let task = self.task.map(|task| match task {
            TaskName::Classes => Goal::Classes,
            TaskName::Values => Goal::Values,
            TaskName::Labels => Goal::Labels,
        });
        Options {
            target: self.target.clone(),
            task,
            categorical: self.categorical.clone().unwrap_or_default(),
            weight: self.weight_column.clone(),
            id: self.id_column.clone(),
            ignore: self.ignore.clone().unwrap_or_default(),
            delimiter: self.delimiter,
            header: self.header,
        }
    }

    /// Where the test rows are.
    pub fn test(&self) -> Option<&TestRows> {
        self.test.as_ref()
    }

    /// The names of the options that were given.
    pub fn given(&self) -> Vec<&'static str> {
        let given = [
            ("--target", self.target.is_some()),
            ("--task", self.task.is_some()),
            ("--test", self.test.is_some()),
            ("--categorical", self.categorical.is_some()),
            ("--ignore", self.ignore.is_some()),
            ("--weight-column", self.weight_column.is_some()),
            ("--id-column", self.id_column.is_some()),
            ("--delimiter", self.delimiter.is_some()),
            ("--header", self.header.is_some()),
        ];
        given.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// The settings of the table, as a run records them.
    pub fn settings(&self) -> TableSettings {
        let test = self.test.as_ref().map(|test| match test {
            TestRows::File(path) => from_root(path),
            rows => rows.to_string(),
        });
        TableSettings {
            target: self.target.clone(),
            task: self.task.as_ref().map(super::settings::word),
            test,
            categorical: self.categorical.clone(),
            ignore: self.ignore.clone(),
            weight_column: self.weight_column.clone(),
            id_column: self.id_column.clone(),
            delimiter: self.delimiter.map(String::from),
            header: self.header,
        }
    }

    /// Uses recorded settings for options that were not given. `said`: options that the command line gave, if it counts only
    /// those.
    ///
    /// # Errors
    /// Names the setting whose value cannot be read.
    pub fn take(&mut self, saved: &TableSettings, said: Option<&Said>) -> Result<(), String> {
        let keeps = |name: &str, given: bool| said.map_or(given, |said| said.has(name));
        let task = saved.task.as_deref().map(|task| TaskName::from_str(task, true)).transpose()?;
        let test = saved.test.as_deref().map(str::parse).transpose()?;
        let delimiter = saved.delimiter.as_deref().map(delimiter).transpose()?;
        macro_rules! fill {
            ($($field:ident = $value:expr;)*) => { $(
                if !keeps(stringify!($field), self.$field.is_some()) {
                    self.$field = $value;
                }
            )* };
        }
        fill! {
            target = saved.target.clone();
            task = task;
            test = test;
            categorical = saved.categorical.clone();
            ignore = saved.ignore.clone();
            weight_column = saved.weight_column.clone();
            id_column = saved.id_column.clone();
            delimiter = delimiter;
            header = saved.header;
        }
        Ok(())
    }
}
