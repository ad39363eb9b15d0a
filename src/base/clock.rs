//! The clock of this platform.

use std::time::Duration;
#[cfg(not(target_family = "wasm"))]
pub use std::time::{Instant, SystemTime, UNIX_EPOCH};
#[cfg(target_family = "wasm")]
pub use web_time::{Instant, SystemTime, UNIX_EPOCH};

/// Sleeps. In a browser it returns at once, because nothing may block there.
pub fn sleep(time: Duration) {
    if cfg!(not(target_family = "wasm")) {
        std::thread::sleep(time);
    }
}
