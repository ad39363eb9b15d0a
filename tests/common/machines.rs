//! The machines under test: the CPU, and every adapter found.

use super::no_adapter;
use gpu_mlp::engine::gpu::{FoundAdapter, Gpu, Wanted, list};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::plan::kernel::Needs;

/// Every adapter of this machine. If there is none, says so, or fails if GPU_MLP_REQUIRE_ADAPTER is set.
pub fn found() -> Vec<FoundAdapter> {
    let found = pollster::block_on(list(&Wanted::default())).expect("the adapters can be listed");
    if found.is_empty() {
        no_adapter();
    }
    found
}

/// Every adapter, opened with all features that it offers.
pub fn adapters() -> Vec<Machine> {
    let open = |one| pollster::block_on(Gpu::open_for(one, None, Needs::Coop)).expect("a listed adapter can be opened");
    found().into_iter().map(|one| Machine::Gpu(open(one))).collect()
}

/// The CPU and every adapter.
pub fn machines() -> Vec<Machine> {
    [vec![Machine::Cpu], adapters()].concat()
}
