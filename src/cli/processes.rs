//! The processes of a run that `mpirun` started.

use gpu_mlp::Error;
use gpu_mlp::train::exchange::{Exchange, from_first, odd_one};
use std::sync::OnceLock;

#[cfg(feature = "mpi")]
mod mpi;
#[cfg(feature = "mpi")]
pub use self::mpi::{Guard, exchange};

/// Variables with the number of processes, which `mpirun` or `srun` sets: Open MPI, MPICH and Slurm.
const SIZES: [&str; 3] = ["OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "SLURM_STEP_NUM_TASKS"];

/// Variables with the number of this process, in the same order.
const RANKS: [&str; 3] = ["OMPI_COMM_WORLD_RANK", "PMI_RANK", "SLURM_PROCID"];

/// The number in the first of these variables that has one.
fn variable(names: &[&str]) -> Option<usize> {
    names.iter().find_map(|name| std::env::var(name).ok()?.parse().ok())
}

/// The number of processes by the environment; `None` without a launcher.
fn launched() -> Option<usize> {
    variable(&SIZES)
}

/// The number of this process among several that a launcher started, for a command that does not connect them.
pub fn launched_rank() -> Option<usize> {
    launched().filter(|&size| size > 1).and_then(|_| variable(&RANKS))
}

/// The number of this process, and how many there are.
static PLACE: OnceLock<(usize, usize)> = OnceLock::new();

/// Whether this process writes: it is the first, or the only one.
pub fn is_first() -> bool {
    PLACE.get().is_none_or(|(rank, _)| *rank == 0)
}

/// Waits until all processes call this.
pub fn wait() {
    if let Some(mut exchange) = exchange() {
        let lengths = vec![0; exchange.size()];
        exchange.all_gather(&[], &lengths);
    }
}

/// Checks that all processes have the same `value`.
///
/// # Errors
/// [`Error::Setting`] names a process that has not.
pub fn compare(value: &str) -> Result<(), Error> {
    let Some(mut exchange) = exchange() else { return Ok(()) };
    match odd_one(exchange.as_mut(), value.as_bytes()) {
        None => Ok(()),
        Some(rank) => Err(Error::Setting(format!(
            "process {rank} has other settings, data or checkpoints than process 0, or another engine: all processes need the \
             same options and files, and the same kind of CPU or GPU"
        ))),
    }
}

/// The text of the first process.
///
/// # Errors
/// Those of [`from_first`].
pub fn of_first(text: &str) -> Result<String, Error> {
    exchange().map_or(Ok(text.into()), |mut exchange| from_first(exchange.as_mut(), text))
}

#[cfg(not(feature = "mpi"))]
pub use self::without::{Guard, exchange};

#[cfg(not(feature = "mpi"))]
mod without {
    use super::{Error, Exchange, launched};

    /// Nothing to end.
    pub struct Guard;

    impl Guard {
        /// # Errors
        /// [`Error::Setting`] if there are several processes, which this build cannot connect.
        pub fn start(trains: bool) -> Result<Guard, Error> {
            match launched().filter(|_| trains) {
                Some(2..) => Err(Error::Setting(
                    "this build cannot connect the processes of mpirun: build it with `--features mpi`, or run it without \
                     mpirun"
                        .into(),
                )),
                _ => Ok(Guard),
            }
        }

        /// Prints an error. There are no other processes to end.
        pub fn fail(&self, _: u8, _: bool, print: impl FnOnce()) {
            print();
        }
    }

    pub fn exchange() -> Option<Box<dyn Exchange>> {
        None
    }
}
