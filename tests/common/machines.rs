//! The machines at hand: the CPU always, and every adapter there is.

use super::no_adapter;
use gpu_mlp::engine::gpu::{FoundAdapter, Gpu, Wanted, list};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::plan::kernel::Needs;

/// Every adapter of this machine. Without one the caller has nothing to do: that is said, and is a failure if
/// GPU_MLP_REQUIRE_ADAPTER is set.
pub fn found() -> Vec<FoundAdapter> {
    let found = pollster::block_on(list(&Wanted::default())).expect("the adapters can be listed");
    if found.is_empty() {
        no_adapter();
    }
    found
}

/// The same, opened with all that they offer.
pub fn adapters() -> Vec<Machine> {
    let open = |one| pollster::block_on(Gpu::open_for(one, None, Needs::Coop)).expect("a listed adapter can be opened");
    found().into_iter().map(|one| Machine::Gpu(open(one))).collect()
}

/// The CPU and every adapter.
pub fn machines() -> Vec<Machine> {
    [vec![Machine::Cpu], adapters()].concat()
}
