//! Reads one CSV file.

use std::collections::HashSet;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::{ByteRecord, ReaderBuilder};
use flate2::read::MultiGzDecoder;

use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::{AGAIN, foreign_to_text};
use crate::data::idx::Idx;
use crate::data::number::byte;
use crate::data::table::text::sniff::delimiter;

/// Names of the column of labels.
const LABELS: [&str; 5] = ["label", "labels", "class", "target", "y"];
/// Names of columns that number the rows.
const NUMBERS: [&str; 4] = ["", "id", "index", "unnamed: 0"];
/// Rows with this many values or more are square pictures if the number is a square, as with a state dict's inputs.
const SMALLEST_PICTURE: usize = 64;
/// Longest line in bytes. Reading a line takes up to 80 times its length of memory.
const LONGEST_LINE: usize = 1 << 20;

/// The samples of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// The values (N, I), or (N, R, R) if I is a square number from 64.
    pub images: Idx,
    /// The labels (N).
    pub labels: Idx,
    /// The name of the column of labels. `None` without a header; then the label is the first column.
    pub label: Option<String>,
}

pub(super) fn open(path: &Path) -> Result<Table, Error> {
    let file = File::open(path);
    let file = file.map_err(|error| bad(path, format!("cannot be read: {error}"), "check that you may read it"))?;
    parse(path, file)
}

/// Reads a file, gzipped or not; `path` is used in messages.
///
/// # Errors
/// [`Error::Data`] with the line and the column of a value that is not a whole number from 0 to 255, or if it is not known
/// which column holds the labels.
pub fn parse(path: &Path, file: impl Read) -> Result<Table, Error> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    if peek(path, &mut file)?.starts_with(&[0x1f, 0x8b]) {
        rows(path, BufReader::with_capacity(1 << 16, MultiGzDecoder::new(file)))
    } else {
        rows(path, file)
    }
}

fn peek<'a>(path: &Path, file: &'a mut impl BufRead) -> Result<&'a [u8], Error> {
    file.fill_buf().map_err(|error| bad(path, format!("cannot be read: {error}"), AGAIN))
}

fn rows(path: &Path, mut file: impl BufRead) -> Result<Table, Error> {
    let head = peek(path, &mut file)?;
    if let Some((problem, next)) = foreign_to_text(head) {
        return Err(bad(path, problem, next));
    }
    let delimiter = delimiter(head, false);
    let lines = ShortLines { file, length: 0 };
    let mut reader = ReaderBuilder::new().has_headers(false).delimiter(delimiter).from_reader(lines);
    let damaged = |error: csv::Error| bad(path, format!("is not a table: {error}"), "give every row the same columns");
    let mut row = ByteRecord::new();
    if !reader.read_byte_record(&mut row).map_err(damaged)? {
        return Err(bad(path, "is empty", AGAIN));
    }
    let columns = row.len();
    if columns < 2 {
        return Err(bad(path, "has a single column", "put a label and the values of a sample into each row"));
    }
    let mut names = None;
    if row.iter().any(|field| number(field).is_none()) {
        names = Some(row.clone());
        if !reader.read_byte_record(&mut row).map_err(damaged)? {
            return Err(bad(path, "holds no samples", "put at least one row below the header"));
        }
    }
    let label = label_column(path, names.as_ref())?;
    let (mut pixels, mut labels) = (Vec::new(), Vec::new());
    loop {
        for (at, field) in row.iter().enumerate() {
            let Some(value) = number(field).and_then(byte) else {
                let column = names.as_ref().map_or_else(|| format!("{}", at + 1), |names| text(&names[at]));
                return Err(not_a_byte(path, row.position().map_or(0, |at| at.line()), &column, field, at == label));
            };
            if at == label { &mut labels } else { &mut pixels }.push(value);
        }
        if !reader.read_byte_record(&mut row).map_err(damaged)? {
            break;
        }
    }
    let side = (columns - 1).isqrt();
    let square = columns > SMALLEST_PICTURE && side * side == columns - 1;
    let item = if square { vec![side, side] } else { vec![columns - 1] };
    let samples = labels.len();
    Ok(Table {
        images: Idx { shape: [vec![samples], item].concat(), bytes: pixels },
        labels: Idx { shape: vec![samples], bytes: labels },
        label: names.map(|names| text(&names[label])),
    })
}

/// Fails at a line that is longer than [`LONGEST_LINE`], such as a gzip bomb has.
struct ShortLines<R> {
    file: R,
    /// Bytes read of the present line.
    length: usize,
}

impl<R: Read> Read for ShortLines<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(buffer)?;
        let end = buffer[..count].iter().rposition(|&byte| byte == b'\n');
        self.length = end.map_or(self.length + count, |end| count - end - 1);
        if self.length > LONGEST_LINE {
            return Err(io::Error::other(format!("a line has more than {LONGEST_LINE} bytes")));
        }
        Ok(count)
    }
}

/// A value as a number.
fn number(field: &[u8]) -> Option<f64> {
    match *field {
        // Most values are short: no need for the parser of floats.
        [a @ b'0'..=b'9'] => Some(f64::from(a - b'0')),
        [a @ b'0'..=b'9', b @ b'0'..=b'9'] => Some(f64::from(a - b'0') * 10.0 + f64::from(b - b'0')),
        _ => std::str::from_utf8(field).ok()?.trim().parse().ok(),
    }
}

/// The beginning of a field, for messages.
pub(in crate::data) fn text(field: &[u8]) -> String {
    let field = field.trim_ascii();
    String::from_utf8_lossy(&field[..field.len().min(40)]).into_owned()
}

/// Whether a name is one of these words.
fn is(name: &[u8], words: &[&str]) -> bool {
    words.iter().any(|word| name.trim_ascii().eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether this is a usual name of the column of labels.
pub(in crate::data) fn is_label(name: &[u8]) -> bool {
    is(name, &LABELS)
}

/// Whether this is a usual name of a column that numbers the rows.
pub(in crate::data) fn is_row_number(name: &[u8]) -> bool {
    is(name, &NUMBERS)
}

/// The column of the labels.
fn label_column(path: &Path, names: Option<&ByteRecord>) -> Result<usize, Error> {
    let Some(names) = names else { return Ok(0) };
    if let Some(number) = names.iter().find(|name| is_row_number(name)) {
        let problem =
            format!("has a column named {:?}, which looks like a number of the row, not like a value", text(number));
        return Err(bad(path, problem, "remove this column"));
    }
    let found: Vec<usize> = (0..names.len()).filter(|&at| is_label(&names[at])).collect();
    match found[..] {
        [only] => Ok(only),
        [] => {
            let first: Vec<String> = names.iter().take(5).map(text).collect();
            let problem = format!("has no column named label; its first columns are {}", first.join(", "));
            let next = "name the column of the labels so; if there is none, as in the test.csv of Kaggle's Digit \
                        Recognizer, use a part of the training rows as test.csv";
            Err(bad(path, problem, next))
        }
        _ => Err(bad(path, "has several columns of labels", "keep one of them, named label")),
    }
}

/// Refuses a table without a header if the label may be its last column, which then has more than one value, but fewer than
/// the first column has; or if the first column has a single value.
pub(super) fn refuse_label_elsewhere(path: &Path, table: &Table) -> Result<(), Error> {
    if table.label.is_some() {
        return Ok(());
    }
    let (labels, pixels) = (&table.labels.bytes, &table.images.bytes);
    let inputs = pixels.len() / labels.len();
    let distinct = |values: &mut dyn Iterator<Item = &u8>| values.collect::<HashSet<_>>().len();
    let first = distinct(&mut labels.iter());
    let last = distinct(&mut pixels.iter().skip(inputs - 1).step_by(inputs));
    if last < 2 || first > 1 && first <= last {
        return Ok(());
    }
    let problem = format!(
        "has no header, and the label may be the first column, whose number of values is {first}, or the last, where it is {last}"
    );
    Err(bad(path, problem, "add a first line with the names of the columns; name that of the labels label"))
}

fn not_a_byte(path: &Path, line: u64, column: &str, field: &[u8], is_label: bool) -> Error {
    let problem = format!("line {line}, column {column}: {:?} is not a whole number from 0 to 255", text(field));
    let next = match (is_label, number(field)) {
        (true, _) => "number the classes 0, 1, 2, …",
        (false, Some(value)) if value > 0.0 && value < 1.0 => {
            "if the values are from 0 to 1, multiply them by 255 and round"
        }
        (false, Some(_)) => "scale the values to whole numbers from 0 to 255",
        (false, None) => "remove the column, or replace its values by whole numbers from 0 to 255",
    };
    bad(path, problem, next)
}
