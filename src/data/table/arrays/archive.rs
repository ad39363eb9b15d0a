//! The arrays of an NPZ archive.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;
use zip::{CompressionMethod, ZipArchive};

use super::matrix::{Body, Matrix};
use super::{Parts, Targets, texts};
use crate::base::error::Error;
use crate::data::bad;
use crate::data::diagnose::AGAIN;
use crate::data::npz::npy::Declared;
use crate::data::npz::{NAMES, npy};

/// The samples, the targets and the weights.
pub(super) fn open(path: &Path) -> Result<Parts, Error> {
    let unreadable = |error: io::Error| bad(path, format!("cannot be read: {error}"), "check that you may read it");
    let damaged = |error: zip::result::ZipError| bad(path, format!("is a damaged archive: {error}"), AGAIN);
    let file = File::open(path).map_err(unreadable)?;
    let length = file.metadata().map_err(unreadable)?.len();
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(damaged)?;
    let entries = archive.file_names().map(|name| name.map(|name| name.into_owned()));
    let entries = entries.collect::<Result<Vec<String>, _>>().map_err(damaged)?;
    let names: Vec<String> = entries.iter().map(|entry| entry.trim_end_matches(".npy").to_owned()).collect();
    if NAMES.iter().any(|split| names.iter().any(|name| name.eq_ignore_ascii_case(split[0]))) {
        let problem = "holds a training and a test split, not a single table";
        return Err(bad(
            path,
            problem,
            "open it as a data set of its own, or store the samples as x and the targets as y",
        ));
    }
    let mut open = |at: usize| {
        let entry = archive.by_name(&entries[at]).map_err(damaged)?;
        let start = entry.data_start().ok_or_else(|| bad(path, "is a damaged archive", AGAIN))?;
        let (method, sum) = (entry.compression(), entry.crc32());
        let packed = entry.compressed_size().min(length.saturating_sub(start));
        drop(entry);
        // A reader of its own: samples and targets are read by turns.
        let mut file = File::open(path).map_err(unreadable)?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let raw = file.take(packed);
        let stream: Box<dyn Read + Send> = match method {
            CompressionMethod::Stored => Box::new(raw),
            _ => Box::new(DeflateDecoder::new(raw)),
        };
        let mut stream = Checked { stream, crc: Crc::new(), sum };
        let path = super::inside(path, &entries[at]);
        match npy::declared(&path, &mut stream)? {
            Declared::Numbers(head) => {
                Matrix::new(&path, &head, Body::Stream(Box::new(stream)), packed).map(Array::Numbers)
            }
            Declared::Texts(head) => Ok(Array::Texts(texts::read(&path, &head, stream, packed)?)),
        }
    };
    let [samples, targets, weights] = super::find(path, &names)?.map(|at| at.map(&mut open).transpose());
    let numbers = |array: Option<Array>| match array {
        None => Ok(None),
        Some(Array::Numbers(matrix)) => Ok(Some(matrix)),
        Some(Array::Texts(_)) => Err(bad(path, "holds texts as samples or weights", "save them as numbers")),
    };
    let targets = match targets? {
        None => None,
        Some(Array::Numbers(matrix)) => Some(Targets::numbers(path, matrix)?),
        Some(Array::Texts(texts)) => Some(texts),
    };
    Ok((numbers(samples?)?, targets, numbers(weights?)?))
}

/// An array of the archive.
enum Array {
    Numbers(Matrix),
    Texts(Targets),
}

/// A stream that fails at its end if its checksum is wrong.
struct Checked<R> {
    stream: R,
    crc: Crc,
    sum: u32,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        self.crc.update(&buffer[..count]);
        if count == 0 && !buffer.is_empty() && self.crc.sum() != self.sum {
            return Err(io::Error::other("its checksum is wrong"));
        }
        Ok(count)
    }
}
