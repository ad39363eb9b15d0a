//! The processes are connected by MPI.

use super::{Error, Exchange, PLACE, is_first, launched};
use gpu_mlp::train::exchange::mpi::{Runtime, connected};
use std::thread::sleep;
use std::time::Duration;

/// An error of all processes is printed by the first, so the others wait this long before they print.
const FIRST_PRINTS: Duration = Duration::from_secs(2);

/// MPI, if `mpirun` started this process.
pub struct Guard(Option<Runtime>);

impl Guard {
    /// Starts MPI, for a command that trains under `mpirun`.
    ///
    /// # Errors
    /// [`Error::Setting`] if MPI does not see the processes that were started.
    pub fn start(trains: bool) -> Result<Guard, Error> {
        let Some(launched) = launched().filter(|_| trains) else { return Ok(Guard(None)) };
        let refuse = |problem: String| Error::Setting(problem);
        let runtime = Runtime::start().ok_or_else(|| refuse("MPI was started twice".into()))?;
        let exchange = connected().ok_or_else(|| refuse("MPI did not start".into()))?;
        let (rank, size) = (exchange.rank(), exchange.size());
        if size != launched {
            return Err(refuse(format!(
                "{launched} processes were started, but MPI connects {size}: use the mpirun of the MPI library that the program \
                 was built with (with srun, also its --mpi option)"
            )));
        }
        _ = PLACE.set((rank, size));
        Ok(Guard(Some(runtime)))
    }

    /// Prints an error and ends all processes. With `all`, every process has met the error and ends by itself, so only the
    /// first prints it.
    pub fn fail(&self, code: u8, all: bool, print: impl FnOnce()) {
        let Some(runtime) = &self.0 else { return print() };
        match (all, is_first()) {
            (true, true) => print(),
            (true, false) => {}
            (false, first) => {
                if !first {
                    sleep(FIRST_PRINTS);
                }
                print();
                runtime.abort(code.into());
            }
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // The end of MPI waits for all processes, so a panic must not reach it.
        if let Some(runtime) = self.0.as_ref().filter(|_| std::thread::panicking()) {
            runtime.abort(101);
        }
    }
}

pub fn exchange() -> Option<Box<dyn Exchange>> {
    PLACE.get()?;
    connected().map(|exchange| Box::new(exchange) as Box<dyn Exchange>)
}
