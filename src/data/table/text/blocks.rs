//! Cuts a stream of text into blocks of whole records, and each block into pieces that threads can read at the same time.

use std::io::Read;
use std::path::Path;

use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::broken;

/// Bytes of a block, and the longest record.
pub(super) const BLOCK: usize = 1 << 22;
/// Fewest bytes of a piece. Starting a shorter one costs more than it saves.
const PIECE: usize = 1 << 15;

/// Whole records.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) bytes: Vec<u8>,
    /// Where the pieces end; the last one is the length.
    pub(super) cuts: Vec<usize>,
    /// The line of the first byte, from 1.
    pub(super) line: u64,
}

/// A text that is read block by block.
pub(super) struct Blocks {
    stream: Box<dyn Read + Send>,
    /// Bytes that were read and not yet handed out. They begin with a record.
    rest: Vec<u8>,
    line: u64,
    started: bool,
    ended: bool,
}

impl Blocks {
    pub(super) fn new(stream: Box<dyn Read + Send>) -> Blocks {
        Blocks { stream, rest: Vec::new(), line: 1, started: false, ended: false }
    }

    /// The next bytes: a block's length, or fewer if the text ends before, and whether it does.
    pub(super) fn peek(&mut self, path: &Path) -> Result<(&[u8], bool), Error> {
        self.fill(path)?;
        Ok((&self.rest, self.ended))
    }

    /// Passes over bytes that [`Blocks::peek`] has shown.
    pub(super) fn skip(&mut self, bytes: usize) {
        let bytes = bytes.min(self.rest.len());
        self.line += newlines(&self.rest[..bytes]);
        self.rest.drain(..bytes);
    }

    fn fill(&mut self, path: &Path) -> Result<(), Error> {
        while !self.ended && self.rest.len() < BLOCK {
            let missing = BLOCK - self.rest.len();
            // A small file needs less than a block, so the first one grows as it is read.
            self.rest.reserve(if self.started { missing } else { 0 });
            let read = self.stream.by_ref().take(missing as u64).read_to_end(&mut self.rest);
            let read = read.map_err(|error| broken(path, &error, &format!("after line {}", self.line)))?;
            self.ended = read == 0;
        }
        self.started = true;
        Ok(())
    }

    /// The next block; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Data`] if the stream fails or a record is longer than a block.
    pub(super) fn next(&mut self, path: &Path, delimiter: u8) -> Result<Option<Block>, Error> {
        self.fill(path)?;
        if self.rest.is_empty() {
            return Ok(None);
        }
        let parts = (self.rest.len() / PIECE).clamp(1, 2 * rayon::current_num_threads());
        let mut cuts = ends(&self.rest, delimiter, parts);
        if self.ended {
            cuts.push(self.rest.len());
            cuts.dedup();
        }
        let Some(&length) = cuts.last() else {
            let problem = format!("the row that begins in line {} has more than {BLOCK} bytes", self.line);
            return Err(bad(path, problem, "look for a quote that is not closed, or for line ends that are missing"));
        };
        let tail = self.rest.split_off(length);
        let bytes = std::mem::replace(&mut self.rest, tail);
        let line = self.line;
        self.line += newlines(&bytes);
        Ok(Some(Block { bytes, cuts, line }))
    }
}

/// The number of line breaks.
pub(super) fn newlines(bytes: &[u8]) -> u64 {
    bytes.iter().filter(|&&byte| byte == b'\n').count() as u64
}

/// Ends of records that divide the bytes into about `parts` equal pieces. The last one is the last end there is. Empty if
/// no record ends.
pub(super) fn ends(bytes: &[u8], delimiter: u8, parts: usize) -> Vec<usize> {
    let goals = (1..parts).map(|part| bytes.len() / parts * part);
    let mut found = if bytes.contains(&b'"') {
        quoted_ends(bytes, delimiter, &goals.collect::<Vec<_>>())
    } else {
        let end_after = |goal: usize| Some(goal + bytes[goal..].iter().position(|&byte| byte == b'\n')? + 1);
        let last = bytes.iter().rposition(|&byte| byte == b'\n').map(|at| at + 1);
        goals.filter_map(end_after).chain(last).collect()
    };
    found.dedup();
    found
}

/// The end of the first record, if it ends.
pub(super) fn first_end(bytes: &[u8], delimiter: u8) -> Option<usize> {
    quoted_ends(bytes, delimiter, &[0]).first().copied()
}

/// As [`ends`], for bytes with quotes, in which a line break need not end a record. The rules are those of the crate `csv`:
/// a quote opens a quoted part only at the beginning of a field, and two quotes inside it stand for one.
fn quoted_ends(bytes: &[u8], delimiter: u8, goals: &[usize]) -> Vec<usize> {
    #[derive(Clone, Copy, PartialEq)]
    enum State {
        Start,
        Plain,
        Quoted,
        /// After a quote inside a quoted part, which ends it unless another follows.
        Quote,
    }
    let spaces = delimiter == b' ';
    let (mut state, mut found, mut last) = (State::Start, Vec::new(), None);
    let mut goals = goals.iter().copied().peekable();
    for (at, &byte) in bytes.iter().enumerate() {
        state = match (state, byte) {
            (State::Start | State::Quote, b'"') | (State::Quoted, _) => match byte {
                b'"' if state == State::Quoted => State::Quote,
                _ => State::Quoted,
            },
            (_, b'\n' | b'\r') => {
                if byte == b'\n' {
                    last = Some(at + 1);
                    if goals.next_if(|&goal| goal <= at).is_some() {
                        found.push(at + 1);
                        while goals.next_if(|&goal| goal <= at).is_some() {}
                    }
                }
                State::Start
            }
            _ if byte == delimiter || spaces && byte == b'\t' => State::Start,
            _ => State::Plain,
        };
    }
    found.extend(last);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The records of a text, read by the crate `csv` in the pieces that [`ends`] cuts.
    fn records(text: &[u8], cuts: &[usize]) -> Vec<Vec<Vec<u8>>> {
        let mut start = 0;
        let mut found = Vec::new();
        for &end in cuts {
            let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(&text[start..end]);
            for record in reader.byte_records() {
                found.push(record.expect("memory can be read").iter().map(<[u8]>::to_vec).collect());
            }
            start = end;
        }
        found
    }

    #[test]
    fn pieces_hold_the_same_records_as_the_whole() {
        let texts = [
            "a,b\n1,2\n3,4\n5,6\n",
            "a,b\r\n\"1\n\n\",2\r\n3,\"4\n\"\"\n\"\r\n5,6\r\n",
            "5\" pipe,1\n\"a\nb\",2\n\"c\"d\n,3\n\"\",\"\"\n\n\n7,8\n",
            "a,\"b\"x\ny\"\n\"1\",2\n\"\"\"\n\"\"\n\",3\n",
            "\"open,\n1,2\n",
        ];
        for text in texts {
            let text = text.as_bytes();
            let whole = records(text, &[text.len()]);
            for parts in 1..12 {
                let mut cuts = ends(text, b',', parts);
                cuts.push(text.len());
                assert_eq!(records(text, &cuts), whole, "{} in {parts} parts", String::from_utf8_lossy(text));
            }
        }
    }
}
