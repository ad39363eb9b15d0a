//! Messages of tests that cannot run on this machine.

use std::io::Write;

/// Says what was not tested. The message bypasses the test runner's capture, so a skipped test is visible.
pub fn not_run(why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {why}");
}

/// Says that there is no adapter, or fails if GPU_MLP_REQUIRE_ADAPTER is set.
#[track_caller]
pub fn no_adapter() {
    let required = std::env::var_os("GPU_MLP_REQUIRE_ADAPTER").is_some();
    assert!(!required, "GPU_MLP_REQUIRE_ADAPTER is set, but there is no adapter");
    not_run("no wgpu adapter on this machine");
}
