//! Tables: how a file becomes features, targets, weights and identifiers, and what is refused.

mod arrays;
mod columns;
mod formats;
mod hostile;
mod like;
#[cfg(feature = "parquet")]
mod parquet;
mod speed;
mod targets;

use gpu_mlp::Error;
use gpu_mlp::data::table::{Header, Options, RawTargets, Rows, Table, TargetKind, read, read_like};
use std::path::PathBuf;
use tempfile::TempDir;

/// A file with these bytes, in a folder that lasts as long as the first value.
fn file(name: &str, bytes: impl AsRef<[u8]>) -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join(name);
    std::fs::write(&path, bytes).expect("a file");
    (dir, path)
}

/// The table of a CSV file with the target in the last column, unless the options name it.
fn table_with(text: impl AsRef<[u8]>, options: &Options) -> Result<Table, Error> {
    let (_dir, path) = file("t.csv", text);
    read(&path, options)
}

fn table(text: &str) -> Table {
    table_with(text, &Options::default()).unwrap_or_else(|error| panic!("{text:?}: {}", said(&error)))
}

/// The target is the last column.
fn last() -> Options {
    target("-1")
}

fn target(name: &str) -> Options {
    Options { target: Some(vec![name.into()]), ..Options::default() }
}

/// The message and the advice of an error.
fn said(error: &Error) -> String {
    match error {
        Error::Data { next, .. } => format!("{error}. {next}"),
        other => other.to_string(),
    }
}

/// Asserts that a text is refused with these words.
#[track_caller]
fn refused(text: impl AsRef<[u8]>, options: &Options, words: &[&str]) {
    let error = table_with(text, options).expect_err("it is refused");
    let said = said(&error);
    assert!(words.iter().all(|word| said.contains(word)), "{said:?} lacks one of {words:?}");
}

fn names(table: &Table) -> Vec<&str> {
    table.header.columns.iter().map(|column| column.name.as_str()).collect()
}

fn classes(header: &Header) -> &[String] {
    match header.target.as_ref().map(|target| &target.kind) {
        Some(TargetKind::Classes { names }) => names,
        other => panic!("not classes: {other:?}"),
    }
}

/// Values with -1 in place of missing ones, which are not equal to themselves.
fn filled(values: &[f32]) -> Vec<f32> {
    values.iter().map(|&value| if value.is_nan() { -1.0 } else { value }).collect()
}
