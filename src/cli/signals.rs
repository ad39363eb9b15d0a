//! SIGINT, SIGTERM, and SIGHUP of a connection that was lost: the first ends the run after the current work, a second ends the program at once.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;
use std::io;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Records signals from its creation on. Clones share the record.
#[derive(Clone)]
pub struct Signals(Arc<AtomicUsize>);

impl Signals {
    pub fn listen() -> io::Result<Signals> {
        let (first, which) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        for signal in caught() {
            // In this order: the signal that sets the flag must not count as the second.
            flag::register_conditional_shutdown(signal, 128 + signal, first.clone())?;
            flag::register(signal, first.clone())?;
            flag::register_usize(signal, which.clone(), signal as usize)?;
        }
        Ok(Signals(which))
    }

    /// The exit code, 128 plus the number of the signal, if one arrived.
    pub fn code(&self) -> Option<ExitCode> {
        let signal = self.0.load(Ordering::Relaxed) as u8;
        (signal > 0).then(|| ExitCode::from(128 + signal))
    }
}

/// The signals that end a run.
fn caught() -> Vec<i32> {
    let mut signals = vec![SIGINT, SIGTERM];
    // A program that was started with nohup outlives its terminal.
    #[cfg(unix)]
    if !gpu_mlp::base::hangup_is_ignored() {
        signals.push(signal_hook::consts::SIGHUP);
    }
    signals
}
