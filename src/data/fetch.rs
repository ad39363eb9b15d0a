//! Downloads one file, so that it is either absent or whole and right.
//!
//! What arrives goes to a temporary file in the folder where it shall stay, is parsed and hashed
//! there, brought to the disk, and only then renamed to its name. A rename within a folder is
//! atomic: two programs that fetch at once, or one that is killed, leave a good file or none.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::Event;
use super::idx::Idx;

/// Attempts per address, the first included.
const ATTEMPTS: usize = 2;
/// Before the second attempt.
const PAUSE: Duration = Duration::from_millis(500);
/// What gzip may add to bytes that do not compress, generously.
const SLACK: u64 = 1 << 20;

/// A file whose bytes are known in advance.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a> {
    /// Its name, without `.gz`.
    pub name: &'a str,
    /// Its length in bytes when raw.
    pub raw_bytes: u64,
    /// SHA-256 of its raw bytes, in hex.
    pub raw_sha256: &'a str,
}

/// A folder or an address that did not help, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tried {
    /// The folder or address.
    pub place: String,
    /// What was amiss.
    pub reason: String,
}

impl Tried {
    pub(super) fn new(place: impl fmt::Display, reason: impl fmt::Display) -> Tried {
        Tried { place: place.to_string(), reason: reason.to_string() }
    }

    /// With the host in place of an address.
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

/// Why an attempt failed, and whether the same address is worth another.
struct Refusal {
    reason: String,
    again: bool,
}

impl Refusal {
    fn again(reason: impl fmt::Display) -> Refusal {
        Refusal { reason: reason.to_string(), again: true }
    }

    fn for_good(reason: impl fmt::Display) -> Refusal {
        Refusal { reason: reason.to_string(), again: false }
    }
}

/// Fetches `<mirror><name>.gz` from the first mirror that gives the right bytes, and puts it into
/// `folder`, which is made if need be. Returns its path there.
///
/// # Errors
/// Every address, with how it failed.
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
                Err(Refusal { again: true, .. }) if attempt < ATTEMPTS => thread::sleep(PAUSE),
                Err(refusal) => {
                    failed.push(Tried::new(&url, refusal.reason));
                    break;
                }
            }
        }
    }
    Err(failed)
}

fn fetch_once(file: &Pinned<'_>, url: &str, folder: &Path, watch: &mut dyn FnMut(Event)) -> Result<PathBuf, Refusal> {
    let cap = file.raw_bytes + SLACK;
    let too_long = || Refusal::for_good(format!("is longer than {cap} bytes, so it cannot be {}", file.name));
    let (total, mut body) = get(url)?;
    if total.is_some_and(|total| total > cap) {
        return Err(too_long());
    }
    let here = |error| Refusal::for_good(format!("cannot be stored in {}: {error}", folder.display()));
    let mut part = tempfile::Builder::new().prefix(".part-").tempfile_in(folder).map_err(here)?;
    let mut buffer = vec![0; 1 << 16];
    let mut done = 0;
    loop {
        watch(Event::Fetch { file: format!("{}.gz", file.name), done, total });
        let broken = |error| Refusal::again(format!("broke off after {done} bytes: {error}"));
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
        // Windows does not rename onto a file that another program is reading. That one came the
        // same way.
        Err(_) if verify(file, &path).is_ok() => Ok(path),
        Err(error) => Err(here(error.error)),
    }
}

fn verify(file: &Pinned<'_>, path: &Path) -> Result<(), Refusal> {
    let raw = File::open(path).map_err(Refusal::for_good)?;
    // Under its own name in messages, not that of the temporary file.
    let idx = Idx::parse_at_most(file.raw_bytes, Path::new(file.name), raw).map_err(Refusal::again)?;
    let (found, expected) = (idx.raw_sha256(), file.raw_sha256);
    if found == expected {
        return Ok(());
    }
    Err(Refusal::for_good(format!("gave other bytes: SHA-256 of the raw file is {found}, expected {expected}")))
}

/// The length of the body, if the server says, and the body.
#[cfg(feature = "download")]
fn get(url: &str) -> Result<(Option<u64>, impl Read + use<>), Refusal> {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionReset, UnexpectedEof};
    use ureq::{Agent, Error};

    let mut config = Agent::config_builder()
        .user_agent(concat!("gpu-mlp/", env!("CARGO_PKG_VERSION")))
        .timeout_resolve(Some(Duration::from_secs(5)))
        .timeout_connect(Some(Duration::from_secs(10)))
        .timeout_recv_response(Some(Duration::from_secs(20)))
        .timeout_per_read(Some(Duration::from_secs(20)))
        .timeout_global(Some(Duration::from_secs(600)));
    // Otherwise the proxy that ALL_PROXY, HTTPS_PROXY or HTTP_PROXY names; none of them can reach
    // this machine's own.
    if url.starts_with("http://127.0.0.1:") {
        config = config.proxy(None);
    }
    let response = Agent::new_with_config(config.build()).get(url).call();
    let response = response.map_err(|error| match error {
        Error::StatusCode(status @ (429 | 500..)) => Refusal::again(format!("answered with status {status}")),
        Error::StatusCode(status) => Refusal::for_good(format!("answered with status {status}")),
        Error::Io(io) if matches!(io.kind(), ConnectionReset | ConnectionAborted | UnexpectedEof) => Refusal::again(io),
        // No such host, no route, no answer: to wait again would only take as long again.
        Error::Io(io) => Refusal::for_good(io),
        _ => Refusal::for_good(error),
    })?;
    let body = response.into_body();
    Ok((body.content_length(), body.into_reader()))
}

#[cfg(not(feature = "download"))]
fn get(_url: &str) -> Result<(Option<u64>, std::io::Empty), Refusal> {
    Err(Refusal::for_good("cannot be asked: this program was built without the feature `download`"))
}
