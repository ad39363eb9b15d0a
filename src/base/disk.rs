//! The few calls that keeping a run makes of the operating system, as a trait: the tests put a disk in its place whose
//! k-th call fails, for every k.
//!
//! What is promised, and by which call: [`Disk::sync`] brings a file's bytes to the disk, [`Disk::sync_folder`] its name.
//! [`write_whole`] uses both around a rename, so that after a crash or a power cut the file is the old one or the new
//! one. On Windows names cannot be synced by a program; there a power cut may bring the old file back.

use crate::base::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file system.
pub trait Disk: Send + Sync {
    /// Names of what is in a folder, sorted; none if there is no such folder.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Makes a folder, and those above it; that it exists is no error.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// Makes a file of these bytes, in place of any of that name. Fails or stops half-way without mending anything.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Writes at the end of a file, which is made if need be.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Cuts a file to its first `bytes` bytes.
    fn cut(&self, path: &Path, bytes: u64) -> io::Result<()>;
    /// Returns when the bytes of a file are on the disk.
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a folder are on the disk, where the system can say so.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Gives a file another name in its folder, in place of any file of that name: at once, or not at all.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's.
#[derive(Clone, Copy, Debug, Default)]
pub struct Os;

impl Disk for Os {
    fn list(&self, folder: &Path) -> io::Result<Vec<String>> {
        let entries = match std::fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        let name = |entry: io::Result<std::fs::DirEntry>| Ok(entry?.file_name().to_string_lossy().into_owned());
        let mut names = entries.map(name).collect::<io::Result<Vec<String>>>()?;
        names.sort();
        Ok(names)
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(path)
    }

    fn make_folder(&self, folder: &Path) -> io::Result<()> {
        std::fs::create_dir_all(folder)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create(path)?.write_all(bytes)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        OpenOptions::new().append(true).create(true).open(path)?.write_all(bytes)
    }

    fn cut(&self, path: &Path, bytes: u64) -> io::Result<()> {
        OpenOptions::new().write(true).open(path)?.set_len(bytes)
    }

    fn sync(&self, path: &Path) -> io::Result<()> {
        // Any handle brings all of a file's bytes to the disk; on Windows it must be one that may write.
        OpenOptions::new().write(true).open(path)?.sync_all()
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if cfg!(windows) {
            return Ok(());
        }
        match File::open(folder)?.sync_all() {
            // Some network file systems have no such call.
            Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            result => result,
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Windows refuses while another program, a virus scanner for instance, has the file open.
        let patience = if cfg!(windows) { 8 } else { 0 };
        for attempt in 0..patience {
            match std::fs::rename(from, to) {
                Err(error) if error.kind() == ErrorKind::PermissionDenied => {
                    std::thread::sleep(std::time::Duration::from_millis(5 << attempt));
                }
                result => return result,
            }
        }
        std::fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        std::fs::remove_file(path)
    }
}

/// What the name of a file that is not yet whole ends in.
pub const PART: &str = ".part";

/// Writes bytes so that the file is either the old one or whole: beside it, to disk, then renamed into place.
///
/// # Errors
/// [`Error::File`] with what the operating system said. The old file is then still there, or the new one where only the
/// last sync failed.
pub fn write_whole(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let mut part = path.as_os_str().to_owned();
    part.push(PART);
    let part = PathBuf::from(part);
    let written = (|| {
        disk.write(&part, bytes)?;
        disk.sync(&part)?;
        disk.rename(&part, path)
    })();
    if let Err(error) = written {
        // What is half written is in nobody's way, but its room may be wanted.
        let _ = disk.remove(&part);
        return Err(Error::file(path)(error));
    }
    disk.sync_folder(folder_of(path)).map_err(Error::file(path))
}

/// Writes where somebody pointed: whole, as [`write_whole`] does, to the file behind any links; and straight into what is no
/// plain file, such as a pipe.
///
/// # Errors
/// [`Error::File`] with what the operating system said.
pub fn write_out(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => write_whole(&Os, &path.canonicalize().map_err(Error::file(path))?, bytes),
        Err(_) if !path.is_symlink() => write_whole(&Os, path, bytes),
        // A link to nothing is followed too.
        _ => Os.write(path, bytes).map_err(Error::file(path)),
    }
}

/// The folder that a file is in.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
