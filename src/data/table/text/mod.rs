//! Reads CSV, TSV and other texts with delimiters, gzipped or not, block by block.
//!
//! A block has whole records and is cut into pieces, which threads read at the same time; meanwhile the next block is read
//! from the disk. `sniff` finds the delimiter and the header in the first block.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::{Path, PathBuf};

use csv::ByteRecord;
use flate2::read::MultiGzDecoder;
use rayon::prelude::*;

use super::chunk::{Chunk, Fault};
use super::field::{has_decimal_comma, is_missing, number, short, shown};
use super::plan::Plan;
use super::source::{Columns, Guess, Source, unnamed};
use super::{MOST_COLUMNS, Options};
use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::{AGAIN, foreign_to_text};
use blocks::{Block, Blocks, ends, first_end};

mod blocks;
mod piece;
pub(in crate::data) mod sniff;

/// Fields of the rows that are looked at to find out whether there is a header.
const SAMPLE: usize = 1 << 16;

/// A text that is being read.
pub(super) struct Text {
    path: PathBuf,
    blocks: Blocks,
    /// The next block, if it was read already.
    ahead: Option<Result<Option<Block>, Error>>,
    delimiter: u8,
    columns: Columns,
    /// Length of the file in bytes, if it is known and not packed.
    length: Option<u64>,
    /// Bytes and rows read so far.
    read: (u64, u64),
}

impl Text {
    /// Opens a file and reads its first block.
    pub(super) fn open(path: &Path, options: &Options) -> Result<Text, Error> {
        let unreadable = |error| {
            bad(path, format!("cannot be read: {error}"), "check that the file exists and that you may read it")
        };
        let mut file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        let mut head = Vec::new();
        file.by_ref().take(2).read_to_end(&mut head).map_err(unreadable)?;
        let gzipped = head == [0x1f, 0x8b];
        let length = (about.is_file() && !gzipped).then_some(about.len());
        let whole = Cursor::new(head).chain(file);
        let stream: Box<dyn Read + Send> = if gzipped { Box::new(MultiGzDecoder::new(whole)) } else { Box::new(whole) };
        Text::new(path, stream, length, options)
    }

    /// Reads the first block of a stream, without gzip.
    fn new(path: &Path, stream: Box<dyn Read + Send>, length: Option<u64>, options: &Options) -> Result<Text, Error> {
        let mut blocks = Blocks::new(stream);
        if blocks.peek(path)?.0.starts_with(b"\xef\xbb\xbf") {
            blocks.skip(3);
        }
        let (head, whole) = blocks.peek(path)?;
        refuse_other(path, head)?;
        let delimiter = match options.delimiter {
            None => sniff::delimiter(&head[..head.len().min(1 << 16)], whole && head.len() <= 1 << 16),
            Some(delimiter) => u8::try_from(delimiter).map_err(|_| {
                Error::Setting(format!("the delimiter {delimiter:?} is not a single byte, such as a comma or a tab"))
            })?,
        };
        let head = if whole { head } else { &head[..ends(head, delimiter, 1).last().copied().unwrap_or(0)] };
        // A block without the end of a record is an error, which reading it reports.
        let sample = sample(head, delimiter);
        let width = sample.first().map_or(0, Vec::len);
        if width == 0 {
            // Either there are only blank lines, or the first row does not end within the block, which is an error.
            return match blocks.next(path, delimiter) {
                Err(error) => Err(error),
                Ok(_) => Err(bad(path, "holds no rows", "put at least one row into it")),
            };
        }
        if width > MOST_COLUMNS {
            let problem = format!("has {width} columns, more than {MOST_COLUMNS}");
            return Err(bad(path, problem, "check that each row has a line of its own"));
        }
        let named = options.header.unwrap_or_else(|| sniff::has_header(&sample));
        let names = if named { sample.first().map(|row| names(path, row)).transpose()? } else { None };
        let mut skipped = 0;
        if named {
            let blank = head.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
            // Only whole blank lines are before the header: it may begin with a tab, if its first name is empty.
            let blank = head[..blank].iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
            skipped = blank + first_end(&head[blank..], delimiter).unwrap_or(head.len() - blank);
        }
        let guesses = guesses(&head[skipped..], delimiter, width);
        blocks.skip(skipped);
        let columns = Columns { names, guesses, targets: 0, weights: 0, unit: "line" };
        Ok(Text { path: path.to_owned(), blocks, ahead: None, delimiter, columns, length, read: (0, 0) })
    }
}

impl Source for Text {
    fn columns(&self) -> &Columns {
        &self.columns
    }

    fn likely_rows(&self) -> Option<u64> {
        let (bytes, rows) = self.read;
        let length = self.length.filter(|_| bytes > 0)?;
        // A little more, since rows differ in length.
        let rows = u128::from(length) * u128::from(rows) / u128::from(bytes);
        u64::try_from(rows + rows / 50 + 1).ok()
    }

    fn next(&mut self, plan: &mut Plan) -> Result<Option<Chunk>, Error> {
        let Text { path, blocks, delimiter, .. } = self;
        let (path, delimiter) = (path.as_path(), *delimiter);
        let block = self.ahead.take().unwrap_or_else(|| blocks.next(path, delimiter))?;
        let Some(block) = block else { return Ok(None) };
        let starts = std::iter::once(0).chain(block.cuts.iter().copied());
        let pieces: Vec<_> = starts.zip(&block.cuts).map(|(start, &end)| (start, &block.bytes[start..end])).collect();
        let parse = |&(start, bytes): &(usize, &[u8])| {
            let piece = piece::squeezed(bytes, delimiter);
            let chunk = piece::parse(&piece, delimiter, plan);
            let line = |at: usize| {
                let before = blocks::newlines(&block.bytes[..start]) + piece::lines_before(&piece, at);
                block.line + before
            };
            chunk.map_err(|(fault, at)| (fault, line(at))).map(|mut chunk| {
                chunk.misfits.values_mut().for_each(|misfits| misfits.at = line(misfits.at) as usize);
                chunk
            })
        };
        let parse_all = || pieces.par_iter().map(parse).collect::<Vec<_>>();
        let (chunks, ahead) = rayon::join(parse_all, || blocks.next(path, delimiter));
        self.ahead = Some(ahead);
        let mut whole: Option<Chunk> = None;
        for chunk in chunks {
            let error = |(fault, line): (Fault, u64), plan: &Plan| fault.error(path, plan, &format!("line {line}"));
            let mut chunk = chunk.map_err(|fault| error(fault, plan))?;
            chunk.settle(plan).map_err(|fault| error((fault, block.line), plan))?;
            match &mut whole {
                None => whole = Some(chunk),
                Some(whole) => whole.append(chunk),
            }
        }
        let whole = whole.unwrap_or_default();
        self.read = (self.read.0 + block.bytes.len() as u64, self.read.1 + whole.rows as u64);
        Ok(Some(whole))
    }
}

/// Refuses a text that is empty, and a file that is not a text.
fn refuse_other(path: &Path, head: &[u8]) -> Result<(), Error> {
    if head.trim_ascii().is_empty() {
        return Err(bad(path, "is empty", AGAIN));
    }
    if let Some((problem, next)) = foreign_to_text(head) {
        return Err(bad(path, problem, next));
    }
    if head[..head.len().min(1 << 12)].contains(&0) {
        let next = "save it as CSV, as NPZ with x and y, or as safetensors with x and y";
        return Err(bad(path, "is not text, and not a kind of table that is known", next));
    }
    Ok(())
}

/// The first rows.
fn sample(head: &[u8], delimiter: u8) -> Vec<Vec<Vec<u8>>> {
    // Longer lines than this are not needed in full, but the first row is: it has the names.
    let text = piece::squeezed(head, delimiter);
    let mut reader = piece::reader(&text, delimiter);
    let (mut rows, mut fields, mut record) = (Vec::<Vec<Vec<u8>>>::new(), 0, ByteRecord::new());
    while (rows.is_empty() || fields < SAMPLE) && matches!(reader.read_byte_record(&mut record), Ok(true)) {
        if record.len() == 1 && record[0].trim_ascii().is_empty() {
            continue;
        }
        fields += record.len();
        rows.push(record.iter().map(|field| field.trim_ascii().to_vec()).collect());
        if record.len() > MOST_COLUMNS {
            break;
        }
    }
    rows
}

/// The names of the columns. A column without one is named by its place.
fn names(path: &Path, row: &[Vec<u8>]) -> Result<Vec<String>, Error> {
    let name = |(at, field): (usize, &Vec<u8>)| match std::str::from_utf8(field) {
        Ok("") => Ok(unnamed(at)),
        Ok(name) => Ok(name.to_owned()),
        Err(_) => {
            let problem = format!("the name of column {at}, {:?}, is not UTF-8 text", shown(field));
            Err(bad(path, problem, "save the file as UTF-8 text"))
        }
    };
    let names = row.iter().enumerate().map(name).collect::<Result<Vec<_>, _>>()?;
    let mut seen = std::collections::HashMap::new();
    for (at, name) in names.iter().enumerate() {
        if let Some(before) = seen.insert(name, at) {
            let problem = format!("columns {before} and {at} (from 0) have the same name, {}", short(name));
            return Err(bad(path, problem, "rename one of them; names tell columns apart"));
        }
    }
    Ok(names)
}

/// What the first block shows about each column.
fn guesses(rows: &[u8], delimiter: u8, width: usize) -> Vec<Guess> {
    let text = piece::squeezed(rows, delimiter);
    let mut reader = piece::reader(&text, delimiter);
    let mut guesses = vec![Guess::default(); width];
    let mut record = ByteRecord::new();
    while matches!(reader.read_byte_record(&mut record), Ok(true)) {
        for (field, guess) in record.iter().zip(&mut guesses) {
            let field = field.trim_ascii();
            if is_missing(field) {
                continue;
            }
            if number::<f32>(field).is_some() {
                guess.numbers += 1;
            } else {
                guess.texts += 1;
                guess.commas += u32::from(std::str::from_utf8(field).is_ok_and(has_decimal_comma));
            }
        }
    }
    guesses
}
