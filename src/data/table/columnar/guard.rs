//! Pages of a Parquet file, checked before the crate `parquet` reserves memory for what they declare.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use parquet::basic::Encoding;
use parquet::column::page::{Page, PageMetadata, PageReader};
use parquet::errors::{ParquetError, Result};
use parquet::file::reader::{ChunkReader, Length};

use super::footer::sizes;

/// Size of the blocks in which the header of a page is read, in bytes. Most headers fit in one.
const HEADER: usize = 512;
/// Unpacked size in bytes above which a page is checked by [`MOST_EXPANSION`].
const LARGE: i64 = 1 << 24;
/// Maximum ratio of the unpacked to the packed size of a large page.
const MOST_EXPANSION: i64 = 1032;

/// The file, shared by the readers of several columns.
pub(super) struct Shared {
    file: Mutex<File>,
    length: u64,
}

impl Shared {
    pub(super) fn new(file: File, length: u64) -> Shared {
        Shared { file: Mutex::new(file), length }
    }

    /// Reads from `start` on until the buffer is full or the file ends. Returns the number of bytes.
    fn read(&self, start: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.seek(SeekFrom::Start(start))?;
        let mut got = 0;
        while got < buffer.len() {
            match file.read(&mut buffer[got..])? {
                0 => break,
                count => got += count,
            }
        }
        Ok(got)
    }
}

impl Length for Shared {
    fn len(&self) -> u64 {
        self.length
    }
}

impl ChunkReader for Source {
    type T = Header;

    /// The header of the page that starts here.
    fn get_read(&self, start: u64) -> Result<Header> {
        let mut header = Header { shared: self.0.clone(), next: start, block: Vec::new(), at: 0 };
        header.fill()?;
        let sound = |[packed, unpacked]: [i64; 2]| {
            (0..=LARGE.max(packed.saturating_mul(MOST_EXPANSION))).contains(&unpacked) && packed >= 0
        };
        match sizes(&header.block) {
            Some(sizes) if sound(sizes) => Ok(header),
            _ => Err(ParquetError::General("a page declares an impossible size".into())),
        }
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|&end| end <= self.0.length);
        let mut bytes = vec![0; end.map_or(0, |_| length)];
        if end.is_none() || self.0.read(start, &mut bytes)? < length {
            return Err(ParquetError::EOF("a page goes beyond the end of the file".into()));
        }
        Ok(bytes.into())
    }
}

/// The file as the pages of one column see it.
pub(super) struct Source(pub(super) Arc<Shared>);

impl Length for Source {
    fn len(&self) -> u64 {
        self.0.length
    }
}

/// The header of a page, read block by block.
pub(super) struct Header {
    shared: Arc<Shared>,
    /// Where the next block starts.
    next: u64,
    block: Vec<u8>,
    /// Bytes of the block that were handed out.
    at: usize,
}

impl Header {
    fn fill(&mut self) -> io::Result<()> {
        self.block.resize(HEADER, 0);
        let got = self.shared.read(self.next, &mut self.block)?;
        self.block.truncate(got);
        (self.next, self.at) = (self.next + got as u64, 0);
        Ok(())
    }
}

impl Read for Header {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.block.len() {
            self.fill()?;
        }
        let count = buffer.len().min(self.block.len() - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

/// The pages of a column. Values that a page declares must fit into it, and its encoding must be one that the crate decodes
/// without trust in the file.
pub(super) struct Checked<R> {
    pub(super) pages: R,
    /// The number of rows of the row group.
    pub(super) rows: usize,
    /// Whether a page was a dictionary.
    pub(super) dictionary: bool,
}

/// Calls the crate `parquet`. It panics on some damaged files; a panic becomes an error.
pub(super) fn caught<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(f));
    result.unwrap_or_else(|_| Err(ParquetError::General("its values cannot be decoded".into())))
}

impl<R: PageReader> Checked<R> {
    fn check(&mut self, page: Page) -> Result<Page> {
        let refuse = |problem: String| Err(ParquetError::General(problem));
        let (values, most) = match &page {
            // A value of a dictionary has at least one byte. Truth values have no dictionary.
            Page::DictionaryPage { buf, num_values, .. } => (*num_values as usize, buf.len()),
            Page::DataPage { num_values, .. } | Page::DataPageV2 { num_values, .. } => {
                (*num_values as usize, self.rows)
            }
        };
        if values > most {
            return refuse(format!("a page declares {values} values, and {most} at most can be there"));
        }
        let is_dictionary = page.is_dictionary_page();
        let uses_one = matches!(page.encoding(), Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY);
        if is_dictionary && self.dictionary || uses_one && !is_dictionary && !self.dictionary {
            return refuse("a page has no dictionary, or a second one".into());
        }
        self.dictionary |= is_dictionary;
        match page.encoding() {
            Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY | Encoding::RLE => Ok(page),
            other => refuse(format!(
                "a page has the encoding {other}, which is not supported: write it with PLAIN or a dictionary"
            )),
        }
    }
}

impl<R: PageReader> Iterator for Checked<R> {
    type Item = Result<Page>;

    fn next(&mut self) -> Option<Result<Page>> {
        self.get_next_page().transpose()
    }
}

impl<R: PageReader> PageReader for Checked<R> {
    fn get_next_page(&mut self) -> Result<Option<Page>> {
        let page = self.pages.get_next_page()?;
        page.map(|page| self.check(page)).transpose()
    }

    fn peek_next_page(&mut self) -> Result<Option<PageMetadata>> {
        self.pages.peek_next_page()
    }

    fn skip_next_page(&mut self) -> Result<()> {
        self.pages.skip_next_page()
    }
}
