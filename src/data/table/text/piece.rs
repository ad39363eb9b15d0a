//! Reads a piece of a text: whole records, without looking at any other piece.

use std::borrow::Cow;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::blocks::newlines;
use crate::data::table::chunk::{Chunk, Fault};
use crate::data::table::plan::Plan;

/// A reader of the records of a piece.
pub(super) fn reader(piece: &[u8], delimiter: u8) -> Reader<&[u8]> {
    ReaderBuilder::new().has_headers(false).flexible(true).delimiter(delimiter).from_reader(piece)
}

/// The piece with single delimiters, if they are spaces: one space between fields, none at the ends of a line.
pub(super) fn squeezed(piece: &[u8], delimiter: u8) -> Cow<'_, [u8]> {
    if delimiter != b' ' {
        return Cow::Borrowed(piece);
    }
    let mut out: Vec<u8> = Vec::with_capacity(piece.len());
    let mut quoted = false;
    for &byte in piece {
        let at_start = matches!(out.last(), None | Some(b'\n' | b' '));
        match byte {
            b' ' | b'\t' if !quoted => {
                if !at_start {
                    out.push(b' ');
                }
                continue;
            }
            b'\n' | b'\r' if !quoted && out.last() == Some(&b' ') => {
                out.pop();
            }
            // A quote opens a quoted part at the beginning of a field, and any quote inside may close it.
            b'"' if at_start || quoted => quoted = !quoted,
            _ => {}
        }
        out.push(byte);
    }
    if !quoted && out.last() == Some(&b' ') {
        out.pop();
    }
    Cow::Owned(out)
}

/// Whether a record is a blank line.
pub(super) fn is_blank(record: &ByteRecord, columns: usize) -> bool {
    record.len() == 1 && columns > 1 && record[0].trim_ascii().is_empty()
}

/// Reads all records. The place of a fault or misfit is the offset of its record.
pub(super) fn parse(piece: &[u8], delimiter: u8, plan: &Plan) -> Result<Chunk, (Fault, usize)> {
    if is_plain(piece) { parse_plain(piece, delimiter, plan) } else { parse_quoted(piece, delimiter, plan) }
}

/// Whether all line breaks end records: there are no quotes, and no carriage returns but before a line feed.
fn is_plain(piece: &[u8]) -> bool {
    let alone = |(&a, &b): (&u8, &u8)| a == b'\r' && b != b'\n';
    let returns = piece.contains(&b'\r') && (piece.ends_with(b"\r") || piece.iter().zip(&piece[1..]).any(alone));
    !returns && !piece.contains(&b'"')
}

fn wrong_width(fields: usize, columns: usize) -> Fault {
    let problem = format!("the row has {fields} fields, but the first row has {columns}");
    let next = "give every row the same columns; put a field into quotes that holds the delimiter";
    Fault { column: None, problem, next: next.into(), everywhere: false }
}

/// As [`parse`], in half the time.
fn parse_plain(piece: &[u8], delimiter: u8, plan: &Plan) -> Result<Chunk, (Fault, usize)> {
    let columns = plan.uses.len();
    let (mut chunk, mut start) = (Chunk::default(), 0);
    while start < piece.len() {
        let end = piece[start..].iter().position(|&byte| byte == b'\n').map_or(piece.len(), |length| start + length);
        let line = &piece[start..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let at = |fault| (fault, start);
        let blank = line.is_empty() || columns > 1 && !line.contains(&delimiter) && line.trim_ascii().is_empty();
        if !blank {
            chunk.start_row(plan);
            let mut width = 0;
            for field in line.split(|&byte| byte == delimiter) {
                chunk.put(plan, width, field, start).map_err(at)?;
                width += 1;
            }
            if width != columns {
                return Err(at(wrong_width(width, columns)));
            }
        }
        start = end + 1;
    }
    Ok(chunk)
}

/// As [`parse`], by the crate `csv`.
fn parse_quoted(piece: &[u8], delimiter: u8, plan: &Plan) -> Result<Chunk, (Fault, usize)> {
    let columns = plan.uses.len();
    let mut reader = reader(piece, delimiter);
    let (mut record, mut chunk) = (ByteRecord::new(), Chunk::default());
    loop {
        let start = reader.position().byte() as usize;
        let at = |fault: Fault| (fault, start);
        match reader.read_byte_record(&mut record) {
            Ok(true) => {}
            Ok(false) => return Ok(chunk),
            Err(error) => {
                let next = "save the file as UTF-8 text".to_owned();
                return Err(at(Fault { column: None, problem: error.to_string(), next, everywhere: false }));
            }
        }
        if is_blank(&record, columns) {
            continue;
        }
        if record.len() != columns {
            return Err(at(wrong_width(record.len(), columns)));
        }
        chunk.start_row(plan);
        for (column, field) in record.iter().enumerate() {
            chunk.put(plan, column, field, start).map_err(at)?;
        }
    }
}

/// The number of line breaks before the record at an offset. Blank lines before it count.
pub(super) fn lines_before(piece: &[u8], at: usize) -> u64 {
    let rest = piece.get(at..).unwrap_or_default();
    let blank = rest.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    newlines(&piece[..piece.len().min(at + blank)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::table::plan::{Kind, Role, Use};
    use crate::data::table::source::{Columns, Guess};
    use rand::rngs::ChaCha8Rng;
    use rand::{RngExt, SeedableRng};

    /// What was read, or the line of the fault.
    fn shown(text: &[u8], result: Result<Chunk, (Fault, usize)>) -> String {
        match result {
            Ok(mut chunk) => {
                // The place of a misfit may be before blank lines; its line is what counts.
                chunk.misfits.values_mut().for_each(|misfits| misfits.at = lines_before(text, misfits.at) as usize);
                format!("{chunk:?}")
            }
            Err((_, at)) => format!("line {}", lines_before(text, at)),
        }
    }

    #[test]
    fn both_ways_read_the_same() {
        let columns = Columns { names: None, guesses: vec![Guess::default(); 3], targets: 0, weights: 0, unit: "line" };
        let mut plan = Plan::new(&columns);
        for (slot, role) in [Role::Id, Role::Feature, Role::Feature].into_iter().enumerate() {
            plan.set(slot, Use { role, slot: slot.saturating_sub(1), kind: Kind::Number }, None);
        }
        let parts =
            ["1", "2.5", ",", ",", ",", "\n", "\r\n", "x", " ", "\t", "-", "inf", "1,2,3\n", "a,b,\r\n", ",,\n", "é"];
        let mut random = ChaCha8Rng::seed_from_u64(5);
        let mut good = 0;
        for _ in 0..50_000 {
            let count = random.random_range(0..12);
            let text: String = (0..count).map(|_| parts[random.random_range(0..parts.len())]).collect();
            let text = text.as_bytes();
            assert!(is_plain(text));
            let (plain, quoted) = (parse_plain(text, b',', &plan), parse_quoted(text, b',', &plan));
            good += usize::from(plain.is_ok());
            assert_eq!(shown(text, plain), shown(text, quoted), "{:?}", String::from_utf8_lossy(text));
        }
        assert!(good > 3_000, "{good}");
        for text in ["a\rb\n", "\"", "a\r"] {
            assert!(!is_plain(text.as_bytes()));
        }
    }
}
