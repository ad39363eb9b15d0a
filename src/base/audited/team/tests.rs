//! The team does every piece once, whatever the number of threads, and rests without work.

use super::super::parts::for_each_part;
use super::*;
use std::sync::MutexGuard;
use std::sync::atomic::AtomicU64;

/// The team for a test; other tests wait. Bind both, in this order: the team must be free before the next test begins.
pub fn team(most: usize) -> (MutexGuard<'static, ()>, Owned) {
    static ONE_TEST: Mutex<()> = Mutex::new(());
    let alone = ONE_TEST.lock().unwrap_or_else(PoisonError::into_inner);
    let team = Owned::take(most);
    assert_eq!(team.most(), most);
    (alone, team)
}

#[test]
fn every_piece_is_done_once_by_any_number_of_threads() {
    let (_alone, team) = team(5);
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
        if round.is_multiple_of(1000) {
            // Long enough for the others to sleep.
            thread::sleep(4 * SPIN);
        }
    }
}

#[test]
fn others_and_loops_within_loops_run_on_their_own_thread() {
    let (_alone, team) = team(3);
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
    let (_alone, _team) = team(4);
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

/// Whether the threads use no CPU for a while, at the latest in some seconds.
#[cfg(target_os = "linux")]
fn rests() -> bool {
    (0..20).any(|_| {
        let before = used();
        thread::sleep(Duration::from_millis(300));
        used() == before
    })
}

#[test]
#[cfg(target_os = "linux")]
fn a_team_without_work_uses_no_cpu() {
    let (_alone, team) = team(4);
    let work = || for_each(100, &|_| thread::sleep(Duration::from_micros(100)));
    work();
    assert!(rests(), "between loops");
    let before = used();
    team.use_threads(1);
    work();
    assert_eq!(used(), before, "beside a loop on one thread");
    team.use_threads(4);
    work();
    assert!(used() > before, "the threads work");
    drop(team);
    assert!(rests(), "without an owner");
}
