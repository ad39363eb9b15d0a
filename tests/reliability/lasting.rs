//! A checkpoint holds every tensor that one step passes on to the next, as derived from the plan.

use gpu_mlp::config::{BatchSize, Config, Optimizer, PlanKind};
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::kernel::Access;
use std::collections::BTreeSet;

/// Names of the tensors that the training part of a plan writes, and reads before it writes them.
fn passed_on(net: &Net) -> BTreeSet<String> {
    let (mut seen, mut read_first, mut written) = <(BTreeSet<usize>, BTreeSet<usize>, BTreeSet<usize>)>::default();
    for op in &net.plan.steps[..net.evaluation.steps.start] {
        let kernel = &op;
        for (id, arg) in kernel.tensors().into_iter().zip(kernel.shader().args) {
            if seen.insert(id.index) && arg.access != Access::Write {
                read_first.insert(id.index);
            }
            if arg.access != Access::Read {
                written.insert(id.index);
            }
        }
    }
    read_first.intersection(&written).map(|&index| net.plan.tensors[index].name.clone()).collect()
}

#[test]
fn a_checkpoint_holds_all_that_one_step_passes_on_to_the_next() {
    let sizes = Sizes {
        inputs: 12,
        outputs: 3,
        floats: false,
        weighted: false,
        loss: None,
        train: 100,
        test: 10,
        validation: 0,
        forms: Form::Plain.into(),
        limit: u64::MAX,
    };
    for optimizer in Optimizer::ALL {
        for plan in [PlanKind::Fused, PlanKind::Plain] {
            for momentum in [0.0, optimizer.default_momentum().max(0.5)] {
                let batch_size = BatchSize::Samples(20);
                let config = Config {
                    hidden: vec![8, 8],
                    optimizer,
                    plan,
                    momentum,
                    batch_size,
                    keep_prob: 0.8,
                    ema: 0.9,
                    ..Config::default()
                };
                let net = Net::for_training(&config, sizes.clone(), &InputMap::RAW);
                let mut needed = passed_on(&net);
                // The losses are read back before a checkpoint is made, and each batch restarts the sums of gradients.
                needed.retain(|name| name != "tally" && !name.starts_with("dw") && !name.starts_with("db"));
                // Each measurement is written before it is read.
                let measured = |name: &str| ["health", "parts", "totals"].contains(&name) || name.starts_with("old_");
                needed.retain(|name| !measured(name));
                let saved: BTreeSet<String> = net.lasting().iter().map(|&id| net.plan.name(id).to_string()).collect();
                assert!(needed.contains("w1") && needed.is_subset(&saved), "{needed:?} is not all in {saved:?}");
            }
        }
    }
}
