//! The operating-system calls that saving a run needs, as a trait. Tests replace it with a disk whose k-th call fails, for
//! every k.
//!
//! [`Disk::sync`] writes a file's bytes to the disk; [`Disk::sync_folder`] writes its name. [`write_whole`] uses both around
//! a rename, so that after a crash or a power cut the file is either the old one or the new one. On Windows a program cannot
//! sync names; there a power cut may restore the old file.

use crate::base::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// A file system.
pub trait Disk: Send + Sync {
    /// Names of the entries of a folder, sorted. Empty if the folder does not exist.
    fn list(&self, folder: &Path) -> io::Result<Vec<String>>;
    /// All bytes of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;
    /// Creates a folder and its parents. An existing folder is not an error.
    fn make_folder(&self, folder: &Path) -> io::Result<()>;
    /// Writes a file, replacing any file of that name. On failure a part of it may remain.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Appends to a file; creates it if it does not exist.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;
    /// Truncates a file to its first `bytes` bytes.
    fn cut(&self, path: &Path, bytes: u64) -> io::Result<()>;
    /// Returns when the bytes of a file are on the disk (fsync).
    fn sync(&self, path: &Path) -> io::Result<()>;
    /// Returns when the names in a folder are on the disk, on systems that support it.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;
    /// Renames a file within its folder, atomically; replaces any file of the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
}

/// The operating system's file system.
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
        // Any handle syncs the whole file; on Windows it must be writable.
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

/// Suffix of a file that is not yet complete.
pub const PART: &str = ".part";

/// Replaces a file atomically: writes a temporary file beside it, syncs it, and renames it.
///
/// # Errors
/// [`Error::File`] with the operating system's message. The old file then remains, or the new one if only the last sync
/// failed.
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
        // The partial file does no harm, but it takes disk space.
        let _ = disk.remove(&part);
        return Err(Error::file(path)(error));
    }
    disk.sync_folder(folder_of(path)).map_err(Error::file(path))
}

/// Writes to a path that the user gave: atomically, as [`write_whole`] does, to the file behind any links. A path that is not
/// a regular file, such as a pipe, is written directly.
///
/// # Errors
/// [`Error::File`] with the operating system's message.
pub fn write_out(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_file() => write_whole(&Os, &path.canonicalize().map_err(Error::file(path))?, bytes),
        Err(_) if !path.is_symlink() => write_whole(&Os, path, bytes),
        // A dangling link is followed too.
        _ => Os.write(path, bytes).map_err(Error::file(path)),
    }
}

/// A file that is written piece by piece, for output that does not fit in memory. As [`write_out`] does, it replaces the file
/// at the path only when it is complete; a path that is not a regular file is written directly.
pub struct Growing {
    file: File,
    path: PathBuf,
    /// The temporary file, until the file is complete.
    part: Option<PathBuf>,
}

impl Growing {
    /// Starts a file.
    ///
    /// # Errors
    /// [`Error::File`] with the operating system's message.
    pub fn create(path: &Path) -> Result<Growing, Error> {
        let path = match std::fs::metadata(path) {
            Ok(found) if found.is_file() => path.canonicalize().map_err(Error::file(path))?,
            Err(_) if !path.is_symlink() => path.to_owned(),
            _ => {
                let file = File::options().write(true).open(path).map_err(Error::file(path))?;
                return Ok(Growing { file, path: path.to_owned(), part: None });
            }
        };
        let mut part = path.as_os_str().to_owned();
        part.push(PART);
        let part = PathBuf::from(part);
        let file = File::create(&part).map_err(Error::file(&path))?;
        Ok(Growing { file, path, part: Some(part) })
    }

    /// Completes the file. Without this call, nothing is replaced and the temporary file is removed.
    ///
    /// # Errors
    /// [`Error::File`] with the operating system's message; the old file then remains.
    pub fn keep(mut self) -> Result<(), Error> {
        let Some(part) = &self.part else { return Ok(()) };
        let kept = self.file.sync_all().and_then(|()| Os.rename(part, &self.path));
        kept.map_err(Error::file(&self.path))?;
        self.part = None;
        Os.sync_folder(folder_of(&self.path)).map_err(Error::file(&self.path))
    }
}

impl io::Write for Growing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Growing {
    fn drop(&mut self) {
        // The partial file does no harm, but it takes disk space.
        self.part.iter().for_each(|part| _ = std::fs::remove_file(part));
    }
}

/// The folder of a file.
pub fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}
