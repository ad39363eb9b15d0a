//! What a test says that has nothing to do here.

use std::io::Write;

/// Says what was not tested, past the capture of the test runner: a test that did nothing must not look like one that passed.
pub fn not_run(why: &str) {
    let _ = writeln!(std::io::stderr(), "NOT RUN: {why}");
}

/// Without an adapter there is nothing to do: that is said, and is a failure if GPU_MLP_REQUIRE_ADAPTER is set.
#[track_caller]
pub fn no_adapter() {
    let required = std::env::var_os("GPU_MLP_REQUIRE_ADAPTER").is_some();
    assert!(!required, "GPU_MLP_REQUIRE_ADAPTER is set, but there is no adapter");
    not_run("no wgpu adapter on this machine");
}
