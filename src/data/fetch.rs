//! Downloads one file atomically: afterwards the file is either absent, or complete and correct.
//!
//! The download goes to a temporary file in the target folder. It is parsed and hashed there, synced to disk, and only then
//! renamed. A rename within a folder is atomic: if two programs fetch at the same time, or one is killed, the folder has a
//! correct file or none.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Event;
use super::idx::Idx;
use crate::base::error::Error;
use crate::base::text::counted;

/// Attempts per address, including the first.
const ATTEMPTS: usize = 2;
/// Pause before the second attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// Upper bound of the bytes that gzip adds to incompressible data.
const SLACK: u64 = 1 << 20;

/// A file whose bytes are known in advance.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a> {
    /// Name of the file, without `.gz`.
    pub name: &'a str,
    /// The length of the raw file in bytes.
    pub raw_bytes: u64,
    /// SHA-256 of its raw bytes, in hex.
    pub raw_sha256: &'a str,
}

impl Pinned<'_> {
    /// Reads the file's bytes, gzipped or not; no more than it has.
    ///
    /// # Errors
    /// [`Error::Data`] if they are not IDX, or too many.
    pub fn parse(&self, bytes: impl Read) -> Result<Idx, Error> {
        // The messages use the name of the file, wherever its bytes come from.
        Idx::parse_at_most(self.raw_bytes, Path::new(self.name), bytes)
    }

    /// Compares the hash of what was read.
    ///
    /// # Errors
    /// What a server did wrong.
    pub fn check(&self, idx: &Idx) -> Result<(), String> {
        let (found, expected) = (idx.raw_sha256(), self.raw_sha256);
        if found == expected {
            return Ok(());
        }
        Err(format!("sent other bytes: SHA-256 of the raw file is {found}, expected {expected}"))
    }
}

/// A folder or an address that was tried without success, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The folder or address.
    pub place: String,
    /// Why it failed.
    pub reason: String,
}

impl Tried {
    pub(super) fn new(place: impl fmt::Display, reason: impl fmt::Display) -> Tried {
        Tried { place: place.to_string(), reason: reason.to_string() }
    }

    /// As text, with only the host of an address.
    pub(super) fn brief(&self) -> String {
        let host = self.place.split_once("://").and_then(|(_, rest)| rest.split('/').next());
        format!("{}: {}", host.unwrap_or(&self.place), self.reason)
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.reason)
    }
}

/// Why an attempt failed, and whether to try the same address again.
struct Failure {
    reason: String,
    retry: bool,
}

impl Failure {
    fn transient(reason: impl fmt::Display) -> Failure {
        Failure { reason: reason.to_string(), retry: true }
    }

    fn permanent(reason: impl fmt::Display) -> Failure {
        Failure { reason: reason.to_string(), retry: false }
    }
}

/// Fetches `<mirror><name>.gz` from the first mirror that gives the right bytes, and stores it in `folder`, which is created
/// if it does not exist. Returns the path of the file.
///
/// # Errors
/// All addresses tried, each with its failure.
pub fn fetch(
    file: &Pinned<'_>,
    mirrors: &[String],
    folder: &Path,
    watch: &mut dyn FnMut(Event),
) -> Result<PathBuf, Vec<Tried>> {
    fs::create_dir_all(folder).map_err(|error| vec![Tried::new(folder.display(), error)])?;
    let mut failed = Vec::new();
    for mirror in mirrors {
        let url = format!("{mirror}{}.gz", file.name);
        for attempt in 1..=ATTEMPTS {
            match fetch_once(file, &url, folder, watch) {
                Ok(path) => return Ok(path),
                Err(Failure { retry: true, .. }) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(failure) => {
                    failed.push(Tried::new(&url, failure.reason));
                    break;
                }
            }
        }
    }
    Err(failed)
}

fn fetch_once(file: &Pinned<'_>, url: &str, folder: &Path, watch: &mut dyn FnMut(Event)) -> Result<PathBuf, Failure> {
    let cap = file.raw_bytes + SLACK;
    let too_long = || Failure::permanent(format!("is longer than {cap} bytes, so it cannot be {}", file.name));
    let (total, mut body) = get(url)?;
    if total.is_some_and(|total| total > cap) {
        return Err(too_long());
    }
    let here = |error| Failure::permanent(format!("cannot be stored in {}: {error}", folder.display()));
    let mut part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(here)?;
    let mut buffer = vec![0; 1 << 16];
    let mut done = 0;
    loop {
        watch(Event::Fetch { file: format!("{}.gz", file.name), done, total });
        let broken =
            |error| Failure::transient(format!("the connection broke after {}: {error}", counted(done, "byte")));
        let count = body.read(&mut buffer).map_err(broken)?;
        if count == 0 {
            break;
        }
        done += count as u64;
        if done > cap {
            return Err(too_long());
        }
        part.write_all(&buffer[..count]).map_err(here)?;
    }
    verify(file, part.path())?;
    part.as_file().sync_all().map_err(here)?;
    let path = folder.join(format!("{}.gz", file.name));
    match part.persist(&path) {
        Ok(_) => Ok(path),
        // Windows does not replace a file that another program is reading. Such a file was fetched in the same way; it is
        // used if it is correct.
        Err(_) if verify(file, &path).is_ok() => Ok(path),
        Err(error) => Err(here(error.error)),
    }
}

fn verify(file: &Pinned<'_>, path: &Path) -> Result<(), Failure> {
    let raw = File::open(path).map_err(Failure::permanent)?;
    let idx = file.parse(raw).map_err(Failure::transient)?;
    file.check(&idx).map_err(Failure::permanent)
}

/// Requests an address. Returns the body, and its length if the server gives it.
#[cfg(feature = "download")]
fn get(url: &str) -> Result<(Option<u64>, impl Read + use<>), Failure> {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    use ureq::{Agent, Error};

    let mut config = Agent::config_builder()
        .user_agent(concat!("gpu-mlp/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(20)))
        .timeout_per_read(Some(Duration::from_secs(20)))
        .timeout_global(Some(Duration::from_secs(600)));
    // ureq uses the proxy of ALL_PROXY, HTTPS_PROXY or HTTP_PROXY. A proxy cannot reach a server on this machine.
    if url.starts_with("http://127.0.0.1:") {
        config = config.proxy(None);
    }
    let response = Agent::new_with_config(config.build()).get(url).call();
    let response = response.map_err(|error| match error {
        Error::StatusCode(status @ (429 | 500..)) => Failure::transient(format!("answered with status {status}")),
        Error::StatusCode(status) => Failure::permanent(format!("answered with status {status}")),
        Error::Io(io) if matches!(io.kind(), ConnectionReset | ConnectionAborted | UnexpectedEof) => {
            Failure::transient(io)
        }
        // No such host, no route or no answer. A second attempt would only wait as long again.
        Error::Io(io) => Failure::permanent(io),
        _ => Failure::permanent(error),
    })?;
    let body = response.into_body();
    Ok((body.content_length(), body.into_reader()))
}

#[cfg(not(feature = "download"))]
fn get(_url: &str) -> Result<(Option<u64>, std::io::Empty), Failure> {
    Err(Failure::permanent("cannot be reached: this program was built without the feature `download`"))
}
