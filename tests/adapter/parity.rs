//! Every kernel × every case × six questions, on every adapter of this machine.

use crate::common::{machines, not_run};
use gpu_mlp::engine::parity::compare_case;
use gpu_mlp::kernels::{cases, shaders};
use std::collections::BTreeSet;

#[test]
fn every_kernel_agrees_with_its_twin_on_every_adapter() {
    for machine in machines::adapters() {
        let (mut tried, mut faults) = (BTreeSet::new(), Vec::new());
        let (cases, rest): (Vec<_>, Vec<_>) =
            cases().into_iter().partition(|case| machine.runs(case.plan.steps[0].shader()));
        if let Some(case) = rest.first() {
            let needs = case.plan.steps[0].shader().needs();
            not_run(&format!("{} cases: {} lacks {needs}", rest.len(), machine.description()));
        }
        for case in &cases {
            let make = async |plan: &_, memory| machine.engine_with(plan, memory).await;
            let verdict = pollster::block_on(compare_case(case, make)).expect("the adapter answers");
            assert!(verdict.compared > 0, "{} {}: nothing was compared", verdict.kernel, verdict.case);
            tried.insert(verdict.kernel);
            if let Some(fault) = verdict.fault {
                faults.push(format!("{} {}: {fault}", verdict.kernel, verdict.case));
            }
        }
        eprintln!("{}: {} cases of {} kernels", machine.description(), cases.len(), tried.len());
        let all: BTreeSet<_> =
            shaders().iter().filter(|&shader| machine.runs(shader)).map(|shader| shader.name).collect();
        assert_eq!(tried, all, "every shader has a case");
        assert!(faults.is_empty(), "{}:\n{}", machine.description(), faults.join("\n"));
    }
}
