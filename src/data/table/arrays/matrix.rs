//! An array of numbers as a matrix, read some rows at a time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use super::wrong_length;
use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::broken;
use crate::data::npz::npy::{self, Head};
use crate::data::number::{Kind, Order};

/// Bytes that are read at a time, at least one row.
const CHUNK: usize = 1 << 22;
/// Largest possible compression ratio of DEFLATE.
pub(super) const MOST_EXPANSION: u64 = 1032;

/// Where the values are.
pub(super) enum Body {
    /// They follow in a stream.
    Stream(Box<dyn Read + Send>),
    /// They are in a file, from this byte on. Needed to read Fortran's order at a small memory.
    File(File, u64),
    /// They are in memory.
    Memory(Vec<u8>),
}

/// An array of numbers (N, …) as a matrix (N, F).
pub(super) struct Matrix {
    kind: Kind,
    order: Order,
    by_columns: bool,
    rows: usize,
    columns: usize,
    body: Body,
    /// Rows read so far.
    row: usize,
    /// Length in bytes of what holds the values, perhaps packed.
    length: u64,
}

/// Rows as they are stored.
pub(super) struct Rows {
    kind: Kind,
    order: Order,
    by_columns: bool,
    raw: Vec<u8>,
    /// The number of rows.
    pub(super) rows: usize,
    columns: usize,
}

impl Rows {
    /// A value. The indices must be in bounds.
    pub(super) fn value(&self, row: usize, column: usize) -> f64 {
        self.kind.value(self.stored(row, column), self.order)
    }

    /// A value that a double may not hold: a 64-bit integer. `None` for other types. The indices must be in bounds.
    pub(super) fn long(&self, row: usize, column: usize) -> Option<i128> {
        self.kind.long(self.stored(row, column), self.order)
    }

    fn stored(&self, row: usize, column: usize) -> &[u8] {
        let at = if self.by_columns { column * self.rows + row } else { row * self.columns + column };
        let size = self.kind.size();
        &self.raw[at * size..][..size]
    }

    /// Puts all values into an empty vector, row-major.
    pub(super) fn floats(&self, floats: &mut Vec<f32>) {
        if !self.by_columns {
            return self.kind.floats(&self.raw, self.order, floats);
        }
        let mut stored = Vec::new();
        self.kind.floats(&self.raw, self.order, &mut stored);
        floats.resize(stored.len(), 0.0);
        for (column, values) in stored.chunks_exact(self.rows).enumerate() {
            floats.iter_mut().skip(column).step_by(self.columns).zip(values).for_each(|(float, value)| *float = *value);
        }
    }
}

impl Matrix {
    /// A matrix of an array with this header; `length` is the length in bytes of what holds its values.
    pub(super) fn new(path: &Path, head: &Head, body: Body, length: u64) -> Result<Matrix, Error> {
        let Head { kind, order, ref shape, by_columns, .. } = *head;
        let rows = shape.first().copied().unwrap_or(0);
        let columns = shape.iter().skip(1).product();
        if by_columns && shape.len() > 2 {
            let problem = format!("has the shape {shape:?} and is stored in Fortran's order, column by column");
            return Err(bad(path, problem, "save it in C order, as numpy.ascontiguousarray(x) returns it"));
        }
        let packed = match body {
            Body::File(..) => length,
            _ => length.saturating_mul(MOST_EXPANSION),
        };
        if head.values.saturating_mul(kind.size() as u64) > packed {
            return Err(wrong_length(path));
        }
        let mut matrix = Matrix { kind, order, by_columns, rows, columns, body, row: 0, length };
        if by_columns && let Body::Stream(stream) = &mut matrix.body {
            // A stream has all of a column before the next, so all of it is needed.
            let bytes = rows.saturating_mul(columns).saturating_mul(kind.size());
            let mut all = Vec::new();
            read(path, stream, bytes as u64, &mut all)?;
            if all.len() != bytes || read(path, stream, 1, &mut Vec::new())? > 0 {
                return Err(wrong_length(path));
            }
            matrix.body = Body::Memory(all);
        }
        Ok(matrix)
    }

    /// The array of an NPY file.
    pub(super) fn of_file(path: &Path) -> Result<Matrix, Error> {
        let unreadable = |error| bad(path, format!("cannot be read: {error}"), "check that you may read it");
        let mut file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let head = npy::head(path, &mut file)?;
        let start = file.stream_position().map_err(unreadable)?;
        if head.values.saturating_mul(head.kind.size() as u64) != length.saturating_sub(start) {
            return Err(wrong_length(path));
        }
        let body = if head.by_columns { Body::File(file, start) } else { Body::Stream(Box::new(file)) };
        Matrix::new(path, &head, body, length)
    }

    /// N.
    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    /// F.
    pub(super) fn columns(&self) -> usize {
        self.columns
    }

    /// About how many rows there are: N, unless the file is much too short for them.
    pub(super) fn likely_rows(&self) -> u64 {
        /// Real data are not packed better.
        const LIKELY_EXPANSION: u64 = 16;
        let row = (self.columns * self.kind.size()).max(1) as u64;
        (self.rows as u64).min(self.length.saturating_mul(LIKELY_EXPANSION) / row)
    }

    /// The next rows; `None` after the last.
    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Rows>, Error> {
        let size = self.kind.size();
        let bytes = self.columns.saturating_mul(size);
        let rows = (CHUNK / bytes.max(1)).max(1).min(self.rows - self.row);
        if rows == 0 {
            return Ok(None);
        }
        let mut raw = Vec::new();
        let whole = rows.saturating_mul(bytes);
        match &mut self.body {
            Body::Stream(stream) => {
                raw.reserve(whole.min(CHUNK));
                read(path, stream, whole as u64, &mut raw)?;
                if self.row + rows == self.rows && read(path, stream, 1, &mut Vec::new())? > 0 {
                    return Err(wrong_length(path));
                }
            }
            Body::File(file, start) => {
                for column in 0..self.columns {
                    let at = *start + ((column * self.rows + self.row) * size) as u64;
                    file.seek(SeekFrom::Start(at)).map_err(|error| broken(path, &error, "within its values"))?;
                    read(path, file, (rows * size) as u64, &mut raw)?;
                }
            }
            Body::Memory(all) => {
                for column in 0..self.columns {
                    let at = (column * self.rows + self.row) * size;
                    raw.extend(all.get(at..at + rows * size).unwrap_or_default());
                }
            }
        }
        if raw.len() != whole {
            return Err(wrong_length(path));
        }
        self.row += rows;
        let Matrix { kind, order, by_columns, columns, .. } = *self;
        Ok(Some(Rows { kind, order, by_columns, raw, rows, columns }))
    }

    /// All values, row-major, and once more as [`Rows::long`] if they are 64-bit integers.
    pub(super) fn all(mut self, path: &Path) -> Result<(Vec<f64>, Vec<i128>), Error> {
        let (mut all, mut long) = (Vec::new(), Vec::new());
        while let Some(rows) = self.next(path)? {
            for row in 0..rows.rows {
                all.extend((0..rows.columns).map(|column| rows.value(row, column)));
                long.extend((0..rows.columns).filter_map(|column| rows.long(row, column)));
            }
        }
        Ok((all, long))
    }
}

/// Reads up to this many bytes.
fn read(path: &Path, stream: &mut impl Read, bytes: u64, raw: &mut Vec<u8>) -> Result<usize, Error> {
    let got = stream.by_ref().take(bytes).read_to_end(raw);
    got.map_err(|error| broken(path, &error, "within its values"))
}
