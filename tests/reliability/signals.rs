//! A signal ends a run, which can then be resumed.
#![cfg(unix)]

use crate::common::program::away;
use crate::common::runs::{
    complete, facts, generations, metrics, newest, same, signal, small, start, train, wait_for_a_checkpoint,
};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};
use tempfile::TempDir;

#[test]
fn sigint_sigterm_and_sighup_save_and_say_how_to_resume() {
    let folder = TempDir::new().unwrap();
    let at = folder.path();
    // Too many epochs to end before the signal, even if this program is suspended for a while.
    let args = small(&["--epochs", "100000"]);
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        let mut child = start(train(at, &args).args(["--out", name]));
        let run = at.join(name);
        wait_for_a_checkpoint(&mut child, &run);
        signal(&child, name);
        let output = child.wait_with_output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(&format!("resume with `gpu-mlp train --resume {name}`")), "{stderr}");
        assert_eq!(metrics(&run).last().unwrap()["reason"], "interrupted");
        let limit = (newest(&run).unwrap() + 100).to_string();
        complete(train(at, &["--resume", name, "--max-steps", &limit]));
        let whole = format!("whole {name}");
        complete(train(at, &args).args(["--out", &whole, "--max-steps", &limit]));
        same(&facts(&run), &facts(&at.join(whole)), name);
    }
}

#[test]
fn a_run_under_nohup_outlives_a_lost_connection() {
    let folder = TempDir::new().unwrap();
    let program = train(folder.path(), &small(&["--epochs", "100000", "--out", "run"]));
    let mut shell = away(Command::new("sh"), folder.path());
    shell.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).arg(program.get_program()).args(program.get_args());
    let mut child = start(&mut shell);
    let run = folder.path().join("run");
    wait_for_a_checkpoint(&mut child, &run);
    signal(&child, "HUP");
    let before = newest(&run);
    let deadline = Instant::now() + Duration::from_secs(60);
    while newest(&run) == before && Instant::now() < deadline {
        assert!(child.try_wait().unwrap().is_none(), "the signal ended the run");
        std::thread::sleep(Duration::from_millis(5));
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(143));
    assert!(newest(&run) > before, "the run went on");
}

/// Waits until the program has installed its signal handlers.
fn wait_for_signal_handlers(child: &mut Child, run: &Path) {
    while !run.join("metrics.jsonl").exists() {
        assert!(child.try_wait().unwrap().is_none(), "the program ended");
        std::thread::sleep(Duration::from_millis(10));
    }
    // The record is created just before the handlers. On Linux, /proc lists the caught signals; SIGTERM is the last.
    let status = format!("/proc/{}/status", child.id());
    let listens = |status: String| {
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:")).expect("a line of signals");
        u64::from_str_radix(caught.trim(), 16).expect("a mask") >> (15 - 1) & 1 == 1
    };
    while cfg!(target_os = "linux") && !listens(std::fs::read_to_string(&status).expect("it runs")) {
        std::thread::sleep(Duration::from_millis(10));
    }
    if !cfg!(target_os = "linux") {
        std::thread::sleep(Duration::from_secs(1));
    }
}

#[test]
fn a_second_sigint_ends_the_program_in_the_middle_of_a_step() {
    let folder = TempDir::new().unwrap();
    // One update takes many seconds.
    let slow = ["--engine", "cpu", "--data", "digits", "--digits-train", "4000", "--digits-test", "100"];
    let slow = [&slow[..], &["--hidden", "4000,4000,4000", "--batch-size", "full", "--out", "run"]].concat();
    let mut child = start(&mut train(folder.path(), &slow));
    let run = folder.path().join("run");
    wait_for_signal_handlers(&mut child, &run);
    signal(&child, "INT");
    std::thread::sleep(Duration::from_millis(300));
    assert!(child.try_wait().unwrap().is_none(), "the first signal waits for the step");
    signal(&child, "INT");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    // After the step, it would have saved a checkpoint and recorded why it ended.
    assert!(generations(&run).is_empty(), "the program ended after the step");
    assert!(metrics(&run).iter().all(|record| record["type"] != "end"), "the program ended after the step");
}
