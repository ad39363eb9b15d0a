//! Finds the delimiter of a text and whether it has a header.

use std::collections::HashSet;

use crate::data::table::field::{is_missing, number};

/// Lines that are looked at to find the delimiter.
const LINES: usize = 50;
/// Delimiters, those first that rarely occur inside a field.
const DELIMITERS: [u8; 5] = *b"\t;|, ";

/// The delimiter of a text, of its beginning: the first of [`DELIMITERS`] that occurs equally often in each line, or the
/// first one in the first line. A comma if there is none. `whole` is whether this is the whole text.
pub(in crate::data) fn delimiter(head: &[u8], whole: bool) -> u8 {
    let mut lines = lines(head);
    if !whole && lines.len() > 1 {
        lines.pop();
    }
    let counts = |delimiter: u8| lines.iter().map(move |line| count(line, delimiter));
    let even = |&delimiter: &u8| {
        let first = counts(delimiter).next().unwrap_or(0);
        first > 0 && counts(delimiter).all(|count| count == first)
    };
    let there = |&delimiter: &u8| counts(delimiter).next().is_some_and(|count| count > 0);
    let found = DELIMITERS.iter().copied().find(even);
    found.or_else(|| b",;\t| ".iter().copied().find(there)).unwrap_or(b',')
}

/// The first lines that are not blank. A line break inside quotes does not end a line.
fn lines(head: &[u8]) -> Vec<&[u8]> {
    let (mut found, mut quoted, mut start) = (Vec::new(), false, 0);
    for (at, &byte) in head.iter().enumerate() {
        if byte == b'"' {
            quoted = !quoted;
        } else if byte == b'\n' && !quoted {
            found.push(without_return(&head[start..at]));
            start = at + 1;
        }
        if found.len() == LINES {
            break;
        }
    }
    if found.len() < LINES {
        found.push(without_return(&head[start..]));
    }
    found.retain(|line| !line.trim_ascii().is_empty());
    found
}

/// A line without the carriage return at its end. Tabs and spaces there may be delimiters.
fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

/// How often the delimiter occurs outside quotes. Several spaces and tabs count as one.
fn count(line: &[u8], delimiter: u8) -> usize {
    let line = if delimiter == b' ' { line.trim_ascii() } else { line };
    let (mut count, mut quoted, mut before) = (0, false, 0);
    for &byte in line {
        if byte == b'"' {
            quoted = !quoted;
        }
        let is = byte == delimiter || delimiter == b' ' && byte == b'\t';
        let repeated = delimiter == b' ' && (before == b' ' || before == b'\t');
        count += usize::from(is && !quoted && !repeated);
        before = byte;
    }
    count
}

/// Whether the first of these rows holds the names of the columns.
///
/// It does not if it has a number, except if its numbers are the indices of their columns, as pandas writes them. If it has
/// none, it does if some column has numbers below, or if none of its fields occurs again in its column.
pub(super) fn has_header(rows: &[Vec<Vec<u8>>]) -> bool {
    let Some((first, below)) = rows.split_first() else { return false };
    let numbers: Vec<(usize, f64)> =
        (0..).zip(first).filter_map(|(at, field)| Some((at, number::<f64>(field)?))).collect();
    if !numbers.is_empty() {
        return numbers.len() > 2 && numbers.iter().all(|&(at, value)| value == at as f64);
    }
    let column = |at: usize| below.iter().filter_map(move |row| row.get(at));
    let is_number = |field: &Vec<u8>| !is_missing(field) && number::<f64>(field).is_some();
    if (0..first.len()).any(|at| column(at).any(is_number)) {
        return true;
    }
    let again = (0..first.len()).any(|at| !is_missing(&first[at]) && column(at).any(|field| *field == first[at]));
    let all_differ = first.iter().collect::<HashSet<_>>().len() == first.len();
    !again && all_differ
}
