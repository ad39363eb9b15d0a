//! The exchange over MPI.

use super::Exchange;
use mpi::Threading;
use mpi::collective::SystemOperation;
use mpi::datatype::{Partition, PartitionMut};
use mpi::environment::Universe;
use mpi::topology::SimpleCommunicator;
use mpi::traits::{Communicator, CommunicatorCollectives};

/// MPI, from its start to its end. Only the thread that made it may use MPI.
pub struct Runtime {
    // Ends MPI when it is dropped.
    _universe: Universe,
    world: SimpleCommunicator,
}

impl Runtime {
    /// Starts MPI; `None` if it was started before.
    pub fn start() -> Option<Runtime> {
        let (universe, _) = mpi::initialize_with_threading(Threading::Funneled)?;
        let world = universe.world();
        Some(Runtime { _universe: universe, world })
    }

    /// Ends all processes of the run at once.
    pub fn abort(&self, code: i32) -> ! {
        self.world.abort(code)
    }
}

/// The exchange of all processes that `mpirun` started. A fault of the connection ends the run: MPI ends all processes.
pub struct Mpi(SimpleCommunicator);

/// The exchange, while MPI is running.
pub fn connected() -> Option<Mpi> {
    let running = mpi::environment::is_initialized() && !mpi::environment::is_finalized();
    running.then(|| Mpi(SimpleCommunicator::world()))
}

/// Lengths and starts of parts. A gradient has fewer than 2³¹ words: see [`super::super::Trainer::share`].
fn parts(lengths: &[usize]) -> (Vec<i32>, Vec<i32>) {
    let starts = lengths.iter().scan(0, |next, length| {
        let start = *next as i32;
        *next += length;
        Some(start)
    });
    (lengths.iter().map(|length| *length as i32).collect(), starts.collect())
}

impl Exchange for Mpi {
    fn rank(&self) -> usize {
        self.0.rank() as usize
    }

    fn size(&self) -> usize {
        self.0.size() as usize
    }

    fn all_to_all(&mut self, words: &[u32], sent: &[usize], received: &[usize]) -> Vec<u32> {
        let mut all = vec![0; received.iter().sum()];
        let ((counts, starts), (to_counts, to_starts)) = (parts(sent), parts(received));
        let from = Partition::new(words, counts, starts);
        let mut to = PartitionMut::new(&mut all[..], to_counts, to_starts);
        self.0.all_to_all_varcount_into(&from, &mut to);
        all
    }

    fn all_gather(&mut self, words: &[u32], lengths: &[usize]) -> Vec<u32> {
        let mut all = vec![0; lengths.iter().sum()];
        let (counts, starts) = parts(lengths);
        let mut to = PartitionMut::new(&mut all[..], counts, starts);
        self.0.all_gather_varcount_into(words, &mut to);
        all
    }

    fn sum(&mut self, words: &mut [u32]) {
        let mine = words.to_vec();
        self.0.all_reduce_into(&mine[..], words, SystemOperation::sum());
    }
}
