//! Reads Parquet files, some rows of a row group at a time.
//!
//! The crate `parquet` decodes the pages, without its Arrow part. It does not check some lengths in a file, so `footer` and
//! `guard` check them first. `column` turns the values of a column into numbers or texts.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parquet::column::reader::get_column_reader;
use parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::serialized_reader::SerializedPageReader;
use rayon::prelude::*;

use super::MOST_COLUMNS;
use super::chunk::{Chunk, Fault, infinite};
use super::field::{labelled, short};
use super::plan::{Kind, Plan, Role};
use super::source::{Columns, Guess, Source, unnamed};
use crate::base::error::Error;
use crate::base::text::counted;
use crate::data::bad;
use crate::data::diagnose::AGAIN;
use column::{Column, Values};
use guard::{Checked, Shared, caught};

mod column;
mod footer;
mod guard;

/// The first and the last bytes of a file.
pub(super) const MAGIC: &[u8] = b"PAR1";
/// Bytes of values that are read at a time. A row may be larger.
const BATCH: usize = 1 << 22;
/// Maximum number of values per byte of a file. Columns of equal values can exceed it, but nothing can be learned from them.
const MOST_EXPANSION: u64 = 1032;

/// A file that is being read.
pub(super) struct RowGroups {
    path: PathBuf,
    columns: Columns,
    file: Arc<Shared>,
    metadata: ParquetMetaData,
    /// The next row group.
    group: usize,
    /// The columns of the row group that is being read, and its rows that are left.
    open: Vec<Option<Column>>,
    left: usize,
    /// Rows read so far.
    row: usize,
}

/// Opens a file.
pub(super) fn open(path: &Path) -> Result<RowGroups, Error> {
    let unreadable = |error| bad(path, format!("cannot be read: {error}"), "check that you may read it");
    let damaged = |problem: &str| bad(path, format!("is a damaged Parquet file: {problem}"), AGAIN);
    let mut file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    if length < 12 {
        return Err(damaged("it is too short"));
    }
    let mut end = [0; 8];
    file.seek(SeekFrom::Start(length - 8)).and_then(|_| file.read_exact(&mut end)).map_err(unreadable)?;
    let [a, b, c, d, magic @ ..] = end;
    let size = u64::from(u32::from_le_bytes([a, b, c, d]));
    let start = (length - 8).checked_sub(size).filter(|_| magic == MAGIC);
    let start = start.ok_or_else(|| {
        damaged("its last bytes are not those of a Parquet file, so it may be truncated or encrypted")
    })?;
    let mut footer = Vec::new();
    file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
    file.by_ref().take(size).read_to_end(&mut footer).map_err(unreadable)?;
    match footer::schema(&footer) {
        footer::Schema::Flat => {}
        footer::Schema::Damaged => return Err(damaged("its footer cannot be read")),
        footer::Schema::Nested => {
            let problem = "has columns inside columns, such as lists";
            return Err(bad(path, problem, "write each value into a column of its own"));
        }
    }
    let metadata =
        caught(|| ParquetMetaDataReader::decode_metadata(&footer)).map_err(|error| damaged(&error.to_string()))?;
    let columns = columns(path, &metadata)?;
    check_sizes(&metadata, length).map_err(|problem| damaged(&problem))?;
    let (file, path) = (Arc::new(Shared::new(file, length)), path.to_owned());
    Ok(RowGroups { path, columns, file, metadata, group: 0, open: Vec::new(), left: 0, row: 0 })
}

/// The columns, with their names.
fn columns(path: &Path, metadata: &ParquetMetaData) -> Result<Columns, Error> {
    let schema = metadata.file_metadata().schema_descr();
    let width = schema.num_columns();
    if width > MOST_COLUMNS {
        let problem = format!("has {width} columns, more than {MOST_COLUMNS}");
        return Err(bad(path, problem, "check that each row is a sample"));
    }
    let name = |at: usize| match schema.column(at).name() {
        "" => unnamed(at),
        name => name.to_owned(),
    };
    let names: Vec<String> = (0..width).map(name).collect();
    let mut seen = std::collections::HashSet::new();
    if let Some(name) = names.iter().find(|name| !seen.insert(*name)) {
        let problem = format!("has two columns with the name {}", short(name));
        return Err(bad(path, problem, "rename one of them; names tell columns apart"));
    }
    if let Some(at) = (0..width).find(|&at| schema.column(at).max_rep_level() > 0) {
        let problem = format!("has several values per row in {}", labelled(&names[at]));
        return Err(bad(path, problem, "write each value into a column of its own"));
    }
    let guess = |at: usize| {
        let text = column::is_text(&schema.column(at));
        Guess { numbers: u32::from(!text), texts: u32::from(text), commas: 0 }
    };
    Ok(Columns { names: Some(names), guesses: (0..width).map(guess).collect(), targets: 0, weights: 0, unit: "row" })
}

/// Checks what the footer says about sizes and places. Returns the problem.
fn check_sizes(metadata: &ParquetMetaData, length: u64) -> Result<(), String> {
    let width = metadata.file_metadata().schema_descr().num_columns();
    let mut rows = 0_u64;
    for group in metadata.row_groups() {
        let own = u64::try_from(group.num_rows()).map_err(|_| "a row group has a negative number of rows")?;
        rows = rows.saturating_add(own);
        if group.columns().len() != width {
            return Err(format!("a row group has {}, not {width}", counted(group.columns().len(), "column")));
        }
        let inside = |column: &ColumnChunkMetaData| {
            let start = column.dictionary_page_offset().unwrap_or(column.data_page_offset());
            let end = start.checked_add(column.compressed_size());
            start >= 0 && column.compressed_size() >= 0 && end.is_some_and(|end| end as u64 <= length)
        };
        if !group.columns().iter().all(inside) {
            return Err("a column lies outside the file".into());
        }
    }
    if rows.saturating_mul(width as u64) > length.saturating_mul(MOST_EXPANSION) {
        return Err(format!("it declares {rows} rows, more than it can hold"));
    }
    Ok(())
}

impl RowGroups {
    /// Opens the columns of the next row group that the plan uses. False after the last row group.
    fn next_group(&mut self, plan: &Plan) -> Result<bool, Error> {
        let Some(group) = self.metadata.row_groups().get(self.group) else { return Ok(false) };
        let rows = usize::try_from(group.num_rows()).unwrap_or(0);
        let schema = self.metadata.file_metadata().schema_descr();
        let open = |at: usize| {
            if plan.uses[at].is_none() {
                return Ok(None);
            }
            let descriptor = schema.column(at);
            let source = Arc::new(guard::Source(self.file.clone()));
            let pages = SerializedPageReader::new(source, group.column(at), rows, None)
                .map_err(|error| self.broken(at, &error))?;
            let pages = Box::new(Checked { pages, rows, dictionary: false });
            let reader = get_column_reader(descriptor.clone(), pages);
            Column::new(&descriptor, reader).map(Some).map_err(|(problem, next)| {
                let problem = format!("{}: {problem}", labelled(&self.columns.name(at)));
                bad(&self.path, problem, next)
            })
        };
        self.open = (0..self.columns.width()).map(open).collect::<Result<_, Error>>()?;
        (self.group, self.left) = (self.group + 1, rows);
        Ok(true)
    }

    /// The error of a column that the crate cannot read.
    fn broken(&self, column: usize, error: &parquet::errors::ParquetError) -> Error {
        let name = labelled(&self.columns.name(column));
        let text = error.to_string();
        if text.contains("feature") {
            return bad(
                &self.path,
                format!("{name} is packed in a way that is not read: {text}"),
                "write the file with the compression snappy, zstd, gzip, lz4, or none",
            );
        }
        bad(&self.path, format!("{name} after row {}: {text}", self.row), AGAIN)
    }
}

impl Source for RowGroups {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn likely_rows(&self) -> Option<u64> {
        self.metadata
            .row_groups()
            .iter()
            .try_fold(0, |sum, group| u64::try_from(group.num_rows()).ok().map(|rows| sum + rows))
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Chunk>, Error> {
        while self.left == 0 {
            if !self.next_group(plan)? {
                return Ok(None);
            }
        }
        let rows = (BATCH / (8 * self.columns.width().max(1))).clamp(1, self.left);
        let mut open = std::mem::take(&mut self.open);
        let read = |column: &mut Option<Column>| column.as_mut().map(|column| caught(|| column.read(rows))).transpose();
        let values: Vec<Result<Option<Values>, _>> = open.par_iter_mut().map(read).collect();
        self.open = open;
        let mut columns = Vec::with_capacity(values.len());
        for (at, values) in values.into_iter().enumerate() {
            columns.push(values.map_err(|error| self.broken(at, &error))?);
        }
        let error = |(fault, row): (Fault, usize), plan: &Plan| {
            fault.error(&self.path, plan, &format!("row {}", self.row + row))
        };
        let mut chunk = fill(&columns, rows, self.row, plan).map_err(|fault| error(fault, plan))?;
        chunk.settle(plan).map_err(|fault| error((fault, 0), plan))?;
        (self.left, self.row) = (self.left - rows, self.row + rows);
        Ok(Some(chunk))
    }
}

/// A chunk of values, column by column; the first row is number `first` of the file.
fn fill(columns: &[Option<Values>], rows: usize, first: usize, plan: &Plan) -> Result<Chunk, (Fault, usize)> {
    let mut chunk = Chunk { values: vec![f32::NAN; rows * plan.features], ..Chunk::default() };
    let used = |at: usize| Some((at, plan.uses.get(at).copied().flatten()?, columns[at].as_ref()?));
    // Features that are numbers are copied as they are; only the other columns need a look at each value.
    let mut others = Vec::new();
    for (at, used, values) in (0..columns.len()).filter_map(used) {
        let numbers = values.numbers().filter(|_| used.role == Role::Feature && used.kind == Kind::Number);
        let Some(numbers) = numbers else {
            others.push((at, used, values));
            continue;
        };
        let places = chunk.values.iter_mut().skip(used.slot).step_by(plan.features);
        for (row, (place, number)) in places.zip(numbers).enumerate() {
            *place = number as f32;
            if place.is_infinite() {
                return Err((infinite(at, number.to_string().as_bytes()), row));
            }
        }
    }
    for row in 0..rows {
        chunk.start_row(plan);
        for (at, used, values) in &others {
            let put = match values {
                Values::Texts(texts) => match &texts[row] {
                    Some(text) => chunk.put(plan, *at, text.data(), first + row),
                    None => chunk.put_number(plan, *at, f64::NAN),
                },
                Values::Numbers(numbers) => chunk.put_number(plan, *at, numbers[row]),
                // Names and identifiers keep all digits.
                Values::Integers(integers) => match (integers[row], used.kind, used.role) {
                    (None, ..) => chunk.put_number(plan, *at, f64::NAN),
                    (Some(value), Kind::Word, _) | (Some(value), _, Role::Id) => {
                        chunk.put(plan, *at, value.to_string().as_bytes(), first + row)
                    }
                    (Some(value), ..) => chunk.put_number(plan, *at, value as f64),
                },
            };
            put.map_err(|fault| (fault, row))?;
        }
    }
    Ok(chunk)
}
