//! Targets that are the names of classes, as NumPy stores texts.

use std::collections::HashMap;
use std::io::{BufReader, Read};
use std::path::Path;

use super::matrix::MOST_EXPANSION;
use super::{Targets, wrong_length};
use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::broken;
use crate::data::npz::npy::TextHead;
use crate::data::number::{Kind, Order};

/// Reads texts; `packed` is the length of what holds them.
pub(super) fn read(path: &Path, head: &TextHead, stream: impl Read, packed: u64) -> Result<Targets, Error> {
    let TextHead { wide, order, length, count, .. } = *head;
    let size = length.saturating_mul(if wide { 4 } else { 1 });
    if size == 0 || (count as u64).saturating_mul(size as u64) > packed.saturating_mul(MOST_EXPANSION) {
        return Err(wrong_length(path));
    }
    let mut stream = BufReader::new(stream);
    let (mut names, mut known, mut codes) = (Vec::new(), HashMap::new(), Vec::new());
    let mut raw = Vec::new();
    for row in 0..count {
        raw.clear();
        let got = stream.by_ref().take(size as u64).read_to_end(&mut raw);
        if got.map_err(|error| broken(path, &error, "within its texts"))? < size {
            return Err(wrong_length(path));
        }
        let name = if wide { characters(&raw, order) } else { String::from_utf8(raw.clone()).ok() };
        let Some(name) = name else {
            return Err(bad(path, format!("the text of sample {row} is damaged"), "save the texts with y.astype(str)"));
        };
        let name = name.trim_end_matches('\0').to_owned();
        let code = *known.entry(name).or_insert_with_key(|name| {
            names.push(name.clone());
            names.len() as u32 - 1
        });
        codes.push(code);
    }
    // A wrong checksum is found only when the end is read.
    let rest = stream.take(1).read_to_end(&mut raw).map_err(|error| broken(path, &error, "after its texts"))?;
    if rest > 0 { Err(wrong_length(path)) } else { Ok(Targets::Texts { names, codes }) }
}

/// Characters of four bytes each.
fn characters(raw: &[u8], order: Order) -> Option<String> {
    raw.chunks_exact(4).map(|raw| char::from_u32(Kind::U32.value(raw, order) as u32)).collect()
}
