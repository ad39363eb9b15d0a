//! Standard output. A closed pipe or a lost terminal is not an error: the run continues, and the exit code is unchanged.

use std::io::{Error, ErrorKind, Result, Stdout, Write, stdout};
use std::sync::atomic::{AtomicBool, Ordering};

/// Standard output; output that nobody can read any more is dropped.
pub struct Out(Stdout);

static SILENT: AtomicBool = AtomicBool::new(false);

/// Drops all output from now on.
pub fn silence() {
    SILENT.store(true, Ordering::Relaxed);
}

pub fn out() -> Out {
    Out(stdout())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        if SILENT.load(Ordering::Relaxed) {
            return Ok(bytes.len());
        }
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(result: Result<T>, dropped: T) -> Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe || terminal_is_lost(&error) => Ok(dropped),
        result => result,
    }
}

/// Whether the error is that of a terminal whose connection was lost.
#[cfg(unix)]
fn terminal_is_lost(error: &Error) -> bool {
    use std::os::fd::AsFd;
    use std::os::unix::fs::FileTypeExt;
    let file = || stdout().as_fd().try_clone_to_owned().map(std::fs::File::from);
    let device = || file().and_then(|file| file.metadata()).is_ok_and(|found| found.file_type().is_char_device());
    error.raw_os_error() == Some(libc::EIO) && device()
}

#[cfg(not(unix))]
fn terminal_is_lost(_: &Error) -> bool {
    false
}
