//! A team of threads that divide a loop among them.
//!
//! The thread that owns the team takes part in every loop. The others spin for a short time after a loop, because the
//! next one usually follows within microseconds, and then sleep. A loop does not wait for a thread that has not joined:
//! whoever is there does the work. It waits only for pieces that a thread has begun.

use crate::base::threads::LIMIT;
use std::any::Any;
use std::cell::{Cell, UnsafeCell};
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

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

/// Divides each output into parts of a given length, and calls `work` with the number of a part and that part of each
/// output, as [`for_each`] does.
///
/// # Panics
/// If the outputs do not have the same number of parts: a bug in a twin.
pub fn for_each_part<T: Send, const N: usize>(
    outputs: [(&mut [T], usize); N],
    work: impl Fn(usize, [&mut [T]; N]) + Sync,
) {
    let outputs = outputs.map(|(values, part)| (Shared::of(values), part));
    let counts = outputs.map(|(values, part)| values.len.div_ceil(part));
    assert!(counts.iter().all(|&count| count == counts[0]), "outputs are divided into {counts:?} parts");
    for_each(counts[0], &|number| {
        let parts = outputs.map(|(values, part)| {
            let first = number * part;
            // SAFETY: each number comes once, so the parts are disjoint.
            #[expect(unsafe_code, reason = "a slice cannot be lent in parts to a shared closure otherwise")]
            unsafe {
                values.part(first, part.min(values.len - first))
            }
        });
        work(number, parts);
    });
}

/// A slice that several threads write, each its own part.
pub(super) struct Shared<'a, T> {
    pub values: *mut T,
    pub len: usize,
    _slice: PhantomData<&'a mut [T]>,
}

impl<T> Clone for Shared<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Shared<'_, T> {}

// SAFETY: a `Shared` is made from a `&mut [T]`, and `part` hands out disjoint places only.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
#[expect(unsafe_code, reason = "see above")]
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    pub fn of(values: &'a mut [T]) -> Self {
        Shared { values: values.as_mut_ptr(), len: values.len(), _slice: PhantomData }
    }

    /// A part of the slice.
    ///
    /// # Safety
    /// Parts that are alive at the same time must be disjoint.
    #[expect(unsafe_code, reason = "see Safety")]
    pub unsafe fn part(self, first: usize, len: usize) -> &'a mut [T] {
        assert!(first + len <= self.len, "{len} values from {first} of {}", self.len);
        // SAFETY: within the slice by the assertion; disjoint by the contract.
        unsafe { std::slice::from_raw_parts_mut(self.values.add(first), len) }
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
        let closed = self.state.load(Relaxed) + STATES;
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
pub mod tests {
    use super::*;
    use std::sync::MutexGuard;
    use std::sync::atomic::AtomicU64;

    /// The team for a test; other tests wait.
    pub fn team(most: usize) -> (Owned, MutexGuard<'static, ()>) {
        static ONE_TEST: Mutex<()> = Mutex::new(());
        let alone = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
        let team = Owned::take(most);
        assert_eq!(team.most(), most);
        (team, alone)
    }

    #[test]
    fn every_piece_is_done_once_by_any_number_of_threads() {
        let (team, _alone) = team(5);
        let mut state = 1u64;
        let mut random = |below: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for round in 0..20_000u64 {
            team.use_threads(1 + random(5) as usize);
            let mut pieces = vec![0; random(40) as usize];
            let size = 1 + random(4) as usize;
            for_each_part([(&mut pieces, size)], |number, [part]| {
                part.iter_mut().for_each(|piece| *piece += round + number as u64);
            });
            for (place, piece) in pieces.iter().enumerate() {
                assert_eq!(*piece, round + (place / size) as u64, "round {round}");
            }
            if round % 1000 == 0 {
                // Long enough for the others to sleep.
                thread::sleep(4 * SPIN);
            }
        }
    }

    #[test]
    fn others_and_loops_within_loops_run_on_their_own_thread() {
        let (team, _alone) = team(3);
        thread::scope(|scope| _ = scope.spawn(|| assert_eq!((Owned::take(3).most(), threads()), (1, 1))));
        let calls = AtomicU64::new(0);
        for_each(8, &|_| {
            let this = thread::current().id();
            assert_eq!(Owned::take(3).most(), 1);
            for_each(8, &|_| {
                assert_eq!(thread::current().id(), this);
                calls.fetch_add(1, SeqCst);
            });
        });
        assert_eq!((calls.into_inner(), threads()), (64, 3));
        drop(team);
        assert_eq!(threads(), 1);
        assert_eq!(Owned::take(2).most(), 2, "the team is free again");
    }

    #[test]
    fn a_panic_in_a_piece_reaches_the_owner_after_all_threads_have_left() {
        let (_team, _alone) = team(4);
        for broken in 0..16 {
            let result = catch_unwind(|| for_each(16, &|piece| assert_ne!(piece, broken, "a broken piece")));
            let text = result.expect_err("the panic arrives");
            assert!(text.downcast_ref::<String>().is_some_and(|text| text.contains("a broken piece")));
            assert_eq!(TEAM.inside.load(SeqCst), 0);
        }
        let done = AtomicU64::new(0);
        for_each(16, &|_| _ = done.fetch_add(1, SeqCst));
        assert_eq!(done.into_inner(), 16);
    }

    /// CPU time in nanoseconds of the team's threads but the owner.
    #[cfg(target_os = "linux")]
    fn used() -> u64 {
        let read = |path: std::path::PathBuf| std::fs::read_to_string(path).unwrap_or_default();
        let tasks = std::fs::read_dir("/proc/self/task").expect("Linux lists threads");
        let tasks = tasks.map(|task| task.expect("an entry").path());
        let team: Vec<_> = tasks.filter(|task| read(task.join("comm")).starts_with("cpu-")).collect();
        assert!(team.len() >= 3, "{team:?}");
        let time = |task: &std::path::PathBuf| read(task.join("schedstat")).split(' ').next()?.parse::<u64>().ok();
        team.iter().filter_map(time).sum()
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_team_without_work_uses_no_cpu() {
        let (team, _alone) = team(4);
        for_each(100, &|_| thread::sleep(Duration::from_micros(100)));
        for owned in [true, false] {
            thread::sleep(20 * SPIN);
            let before = used();
            thread::sleep(Duration::from_millis(300));
            assert_eq!(used(), before, "while the team is owned: {owned}");
            if owned {
                // Threads that are not used stay asleep while others work.
                team.use_threads(1);
                for_each(100, &|_| thread::sleep(Duration::from_micros(100)));
                assert_eq!(used(), before);
            }
        }
    }
}
