//! The machines at hand: the CPU always, and every adapter there is.

use gpu_mlp::gpu::{Gpu, Wanted, list};
use gpu_mlp::kernel::Needs;
use gpu_mlp::machine::Machine;

/// Every adapter of this machine, opened with all that it offers.
///
/// Without one the caller has nothing to do: that is said on stderr, and is a failure if GPU_MLP_REQUIRE_ADAPTER is set.
pub fn adapters() -> Vec<Machine> {
    let found = pollster::block_on(list(&Wanted::default())).expect("the adapters can be listed");
    if found.is_empty() {
        assert!(
            std::env::var_os("GPU_MLP_REQUIRE_ADAPTER").is_none(),
            "GPU_MLP_REQUIRE_ADAPTER is set, but there is no adapter"
        );
        not_run("no wgpu adapter on this machine");
    }
    let open = |one| pollster::block_on(Gpu::open_for(one, None, Needs::Coop)).expect("a listed adapter can be opened");
    found.into_iter().map(|one| Machine::Gpu(open(one))).collect()
}

/// The CPU and every adapter.
#[allow(dead_code, reason = "not every test file that shares this module wants the CPU too")]
pub fn machines() -> Vec<Machine> {
    [vec![Machine::Cpu], adapters()].concat()
}

/// Says what was not tested, past the capture of the test runner: a test that did nothing must not look like one that passed.
#[allow(dead_code, reason = "not every test file that shares this module has something to leave out")]
pub fn not_run(why: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "NOT RUN: {why}");
}
