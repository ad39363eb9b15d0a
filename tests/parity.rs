//! Every kernel × every case × six questions, on every adapter of this machine.
//!
//! Without an adapter the test says so and passes, unless GPU_MLP_REQUIRE_ADAPTER is set: then it fails.

use gpu_mlp::court::judge;
use gpu_mlp::engine::Engine;
use gpu_mlp::gpu::{Gpu, GpuEngine, Wanted, list};
use gpu_mlp::kernels::{cases, shaders};
use std::collections::BTreeSet;

#[test]
fn every_kernel_agrees_with_its_twin_on_every_adapter() {
    let found = pollster::block_on(list(&Wanted::default())).expect("the adapters can be listed");
    if found.is_empty() {
        assert!(
            std::env::var_os("GPU_MLP_REQUIRE_ADAPTER").is_none(),
            "GPU_MLP_REQUIRE_ADAPTER is set and none is here"
        );
        eprintln!("NOT RUN: no wgpu adapter on this machine, so no kernel was compared");
        return;
    }
    for adapter in found {
        let gpu = pollster::block_on(Gpu::open(adapter)).expect("an adapter that is listed can be opened");
        let (mut tried, mut faults) = (BTreeSet::new(), Vec::new());
        let cases = cases();
        assert!(!cases.is_empty());
        for case in &cases {
            let make =
                async |plan: &_, memory| Ok(Box::new(GpuEngine::new(&gpu, plan, memory).await?) as Box<dyn Engine>);
            let verdict = pollster::block_on(judge(case, make)).expect("the adapter answers");
            assert!(verdict.compared > 0, "{} {}: nothing was compared", verdict.kernel, verdict.case);
            tried.insert(verdict.kernel);
            if let Some(fault) = verdict.fault {
                faults.push(format!("{} {}: {fault}", verdict.kernel, verdict.case));
            }
        }
        eprintln!("{}: {} cases of {} kernels", gpu.line(), cases.len(), tried.len());
        let all: BTreeSet<_> = shaders().iter().map(|shader| shader.name).collect();
        assert_eq!(tried, all, "every shader has a case");
        assert!(faults.is_empty(), "{}:\n{}", gpu.line(), faults.join("\n"));
    }
}
