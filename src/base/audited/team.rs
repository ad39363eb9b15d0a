//! A team of threads that divide a loop among them.
//!
//! The thread that owns the team takes part in every loop. The others spin for a short time after a loop, because the
//! next one usually follows within microseconds, and then sleep. A loop does not wait for a thread that has not joined:
//! whoever is there does the work. It waits only for pieces that a thread has begun.

use crate::base::clock::Instant;
use crate::base::threads::LIMIT;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::Duration;

/// How long a thread spins before it sleeps. Waking a thread costs both sides a few microseconds, and on a virtual
/// machine much more.
const SPIN: Duration = Duration::from_micros(50);

static TEAM: Team = Team {
    owned: AtomicBool::new(false),
    owner: Mutex::new(None),
    state: AtomicUsize::new(0),
    inside: AtomicUsize::new(0),
    owner_sleeps: AtomicBool::new(false),
    panic: Mutex::new(None),
    task: UnsafeCell::new(Task { work: &|_| {}, count: 0, threads: 0 }),
    members: [const { Member { next: AtomicUsize::new(0), sleeps: AtomicBool::new(false), thread: OnceLock::new() } };
        LIMIT],
};

thread_local! {
    /// How many threads a loop of this thread may use; at most one if it does not own the team.
    static THREADS: Cell<usize> = const { Cell::new(0) };
}

struct Team {
    owned: AtomicBool,
    owner: Mutex<Option<Thread>>,
    /// Number of the loop times `STATES`, plus its number of threads; plus 0 between loops.
    state: AtomicUsize,
    /// How many threads besides the owner may be reading `task`.
    inside: AtomicUsize,
    owner_sleeps: AtomicBool,
    /// From a piece that panicked on another thread.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    task: UnsafeCell<Task>,
    /// The owner is the first.
    members: [Member; LIMIT],
}

const STATES: usize = LIMIT.next_power_of_two() * 2;

/// On cache lines of its own, since each thread counts its own pieces.
#[repr(align(128))]
struct Member {
    /// The next piece of this member's share.
    next: AtomicUsize,
    sleeps: AtomicBool,
    /// Unset until the thread is needed for the first time, and for the owner.
    thread: OnceLock<Thread>,
}

/// A loop.
#[derive(Clone, Copy)]
struct Task {
    work: *const (dyn Fn(usize) + Sync),
    count: usize,
    threads: usize,
}

// SAFETY: only the owner writes `task`, while no loop is open and no other thread is inside; see `Team::share`. Others
// read it only while they are inside and the loop is open. What `work` points to is `Sync` and lives until the owner has
// seen that nobody is inside.
#[expect(unsafe_code, reason = "see above")]
unsafe impl Sync for Team {}

/// The team, as long as this lives and if no other thread owned it. Otherwise loops run on this thread alone.
pub struct Owned {
    most: usize,
    /// Belongs to its thread.
    _thread: PhantomData<*const ()>,
}

impl Owned {
    /// Takes the team, with as many threads as `most` if the system has them.
    pub fn take(most: usize) -> Owned {
        let most = most.min(LIMIT);
        if most < 2 || THREADS.get() > 0 || TEAM.owned.swap(true, SeqCst) {
            return Owned { most: 1, _thread: PhantomData };
        }
        *TEAM.owner.lock().unwrap_or_else(PoisonError::into_inner) = Some(thread::current());
        let others = (1..most).take_while(|&number| TEAM.members[number].is_there(number)).count();
        if others == 0 {
            TEAM.owned.store(false, SeqCst);
        }
        let owned = Owned { most: 1 + others, _thread: PhantomData };
        owned.use_threads(owned.most);
        owned
    }

    /// Most threads of a loop; 1 if another thread owns the team.
    pub fn most(&self) -> usize {
        self.most
    }

    /// Sets the number of threads for the next loops.
    pub fn use_threads(&self, threads: usize) {
        if self.most > 1 {
            THREADS.set(threads.clamp(1, self.most));
        }
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        if self.most > 1 {
            THREADS.set(0);
            TEAM.owned.store(false, SeqCst);
        }
    }
}

/// How many threads a loop of this thread may use.
pub fn threads() -> usize {
    THREADS.get().max(1)
}

/// Calls `work` with every number below `count`, on several threads if this thread owns the team. Each thread begins with
/// a share of its own, always the same one, and then takes over what others have not begun.
///
/// # Panics
/// If `work` does.
pub fn for_each(count: usize, work: &(dyn Fn(usize) + Sync)) {
    let threads = threads().min(count);
    if threads < 2 {
        return (0..count).for_each(work);
    }
    // A loop within a loop runs on its own thread.
    let before = THREADS.replace(1);
    let result = TEAM.share(count, threads, work);
    THREADS.set(before);
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl Member {
    /// Starts the thread if it has not been started. Whether it is there.
    fn is_there(&self, number: usize) -> bool {
        if self.thread.get().is_none() {
            let thread = thread::Builder::new().name(format!("cpu-{number}")).spawn(move || TEAM.help(number));
            // Without the thread the loops have fewer threads.
            thread.into_iter().for_each(|thread| _ = self.thread.set(thread.thread().clone()));
        }
        self.thread.get().is_some()
    }
}

impl Team {
    /// A loop of the owner. Returns the panic of a piece, if there was one.
    fn share(&self, count: usize, threads: usize, work: &(dyn Fn(usize) + Sync)) -> thread::Result<()> {
        for (number, member) in self.members[..threads].iter().enumerate() {
            member.next.store(number * count / threads, Relaxed);
        }
        // SAFETY: this only extends the lifetime; the pointer is not used after this function.
        #[expect(unsafe_code, reason = "threads that outlive the loop borrow its closure")]
        let work = unsafe { std::mem::transmute::<&(dyn Fn(usize) + Sync), &'static (dyn Fn(usize) + Sync)>(work) };
        let task = Task { work, count, threads };
        // SAFETY: this thread owns the team. No loop is open and nobody is inside, because the last call waited for that.
        // A thread that enters now leaves without reading, because `state` is closed or another.
        #[expect(unsafe_code, reason = "see above")]
        unsafe {
            *self.task.get() = task;
        }
        let closed = self.state.load(Relaxed).wrapping_add(STATES);
        self.state.store(closed + threads, SeqCst);
        for member in &self.members[1..threads] {
            if member.sleeps.swap(false, SeqCst) {
                member.thread.get().iter().for_each(|thread| thread.unpark());
            }
        }
        let mine = catch_unwind(AssertUnwindSafe(|| self.work(0, task)));
        // All operations on `state` and `inside` have one order. A thread that entered before this store is counted
        // when `inside` is read; one that enters later finds the loop closed.
        self.state.store(closed, SeqCst);
        self.wait_until_alone();
        let others = self.panic.lock().unwrap_or_else(PoisonError::into_inner).take();
        mine.and(others.map_or(Ok(()), Err))
    }

    /// Waits until the other threads have finished the pieces that they have begun.
    fn wait_until_alone(&self) {
        let done = || self.inside.load(SeqCst) == 0;
        while !spin_until(done) {
            self.owner_sleeps.store(true, SeqCst);
            if !done() {
                thread::park();
            }
            self.owner_sleeps.store(false, SeqCst);
        }
    }

    /// Works on a loop until no piece is left.
    fn work(&self, number: usize, task: Task) {
        // SAFETY: the owner keeps the closure alive until nobody is inside.
        #[expect(unsafe_code, reason = "see above")]
        let work = unsafe { &*task.work };
        for turn in 0..task.threads {
            let share = (number + turn) % task.threads;
            let end = (share + 1) * task.count / task.threads;
            loop {
                let piece = self.members[share].next.fetch_add(1, Relaxed);
                if piece >= end {
                    break;
                }
                work(piece);
            }
        }
    }

    /// The life of a thread other than the owner.
    fn help(&self, number: usize) {
        let me = &self.members[number];
        let mut last = 0;
        loop {
            let mut state = last;
            let mut called = || {
                state = self.state.load(SeqCst);
                state != last && state % STATES > number
            };
            while !spin_until(&mut called) {
                me.sleeps.store(true, SeqCst);
                if !called() {
                    thread::park();
                }
                me.sleeps.store(false, SeqCst);
            }
            last = state;
            self.inside.fetch_add(1, SeqCst);
            if self.state.load(SeqCst) == state {
                // SAFETY: this thread is inside and the loop is open: see `share`.
                #[expect(unsafe_code, reason = "see above")]
                let task = unsafe { *self.task.get() };
                if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.work(number, task))) {
                    *self.panic.lock().unwrap_or_else(PoisonError::into_inner) = Some(panic);
                }
            }
            if self.inside.fetch_sub(1, SeqCst) == 1 && self.owner_sleeps.load(SeqCst) {
                let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner);
                owner.iter().for_each(Thread::unpark);
            }
        }
    }
}

/// Spins until `done`. Returns `false` if the time is up.
fn spin_until(mut done: impl FnMut() -> bool) -> bool {
    let begin = Instant::now();
    loop {
        for _ in 0..32 {
            if done() {
                return true;
            }
            std::hint::spin_loop();
        }
        if begin.elapsed() >= SPIN {
            return done();
        }
    }
}

#[cfg(test)]
pub mod tests;
