//! How many threads the program may use.

use super::error::Error;
use std::sync::atomic::{AtomicBool, Ordering};

/// Most threads of the CPU engine.
pub const LIMIT: usize = 256;

static FIXED: AtomicBool = AtomicBool::new(false);

/// Uses exactly this number of threads from now on. Call it before any other work: the number cannot be changed later.
///
/// # Errors
/// [`Error::Setting`] if the system does not give so many threads, or if threads have been started already.
pub fn fix(threads: usize) -> Result<(), Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    pool.map_err(|error| Error::Setting(format!("{threads} threads cannot be started: {error}")))?;
    FIXED.store(true, Ordering::Relaxed);
    Ok(())
}

/// Whether [`fix`] has set the number. Otherwise the CPU engine may use fewer threads than [`most`].
pub fn is_fixed() -> bool {
    FIXED.load(Ordering::Relaxed)
}

/// Most threads of a loop: the fixed number; else `RAYON_NUM_THREADS`; else the CPUs that the system gives this process by
/// affinity and control groups. Within a pool of rayon, the threads of the pool.
pub fn most() -> usize {
    rayon::current_num_threads()
}

/// Runs `work` on a thread of its own, whose loops use that thread alone: see [`most`].
///
/// # Errors
/// [`Error::Setting`] if the system does not give a thread.
pub fn alone<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Error> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
    let pool = pool.map_err(|error| Error::Setting(format!("a thread cannot be started: {error}")))?;
    Ok(pool.install(work))
}
