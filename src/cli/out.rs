//! Standard output. A closed pipe is not an error: the run continues, and the exit code is unchanged.

use std::io::{ErrorKind, Result, Stdout, Write, stdout};

/// Standard output; output after the pipe is closed is dropped.
pub struct Out(Stdout);

pub fn out() -> Out {
    Out(stdout())
}

impl Write for Out {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        unless_closed(self.0.write(bytes), bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        unless_closed(self.0.flush(), ())
    }
}

fn unless_closed<T>(result: Result<T>, dropped: T) -> Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(dropped),
        result => result,
    }
}
