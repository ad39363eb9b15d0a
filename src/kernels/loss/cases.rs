//! The cases of the losses.

use super::{Loss, LossKind};
use crate::plan::case::{Case, Fill};

/// Fills of outputs and targets that suit a kind.
fn fills(kind: LossKind) -> (Fill, Fill) {
    match kind {
        LossKind::Mse | LossKind::Mae | LossKind::Huber(_) => (Fill::Reals(3.0), Fill::Reals(3.0)),
        LossKind::Poisson => (Fill::Reals(4.0), Fill::Below(9)),
        LossKind::Bce => (Fill::Reals(4.0), Fill::Below(2)),
    }
}

/// A case of `rows` samples in a micro-batch of `batch`, which is part of a batch of the weight `total`.
fn case(
    label: &str,
    kind: LossKind,
    (z, y): (Fill, Fill),
    (batch, rows, targets): (usize, usize, usize),
    weighted: bool,
    total: f32,
) -> Case {
    let with = if weighted { " weighted" } else { "" };
    let mut case = Case::new(format!("{label} {kind:?} ({rows} of {batch},{targets}){with}"));
    let (z, y) = (case.f32("z", batch, targets, z), case.f32("y", batch, targets, y));
    let weights = case.weights(batch, weighted);
    let (score, dz) = (case.output("score", batch, 2), case.output("dz", batch, targets));
    (case.now.rows, case.now.total) = (rows as u32, total);
    case.push(Loss { z, y, weights, weighted, score, dz, kind });
    case
}

/// Numbers of targets around a vec4 and many, whole and partial batches, with weights and without; whole numbers, equal
/// values, outputs so large that an exponential is 0 or infinite.
pub fn cases() -> Vec<Case> {
    use LossKind::{Bce, Huber, Mae, Mse, Poisson};
    let mut cases = Vec::new();
    for kind in [Mse, Mae, Huber(1.0), Huber(0.3), Poisson, Bce] {
        for sizes in [(1, 1, 1), (7, 5, 3), (64, 64, 4), (65, 65, 1), (200, 140, 10), (9, 9, 257)] {
            for weighted in [false, true] {
                let total = 2.5 * sizes.1 as f32;
                cases.push(case("reals", kind, fills(kind), sizes, weighted, total));
            }
        }
    }
    for kind in [Mse, Mae, Huber(8.0)] {
        // Powers of two, so that means of whole numbers are exact.
        for sizes in [(7, 5, 4), (33, 33, 1), (130, 130, 16)] {
            let fill = Fill::Integers(500);
            cases.push(case("integers", kind, (fill, fill), sizes, false, 64.0).exact());
        }
        let fill = Fill::Integers(1);
        cases.push(case("ties", kind, (fill, fill), (65, 60, 8), false, 64.0).exact());
    }
    for weighted in [false, true] {
        let fills = (Fill::Reals(100.0), Fill::Below(2));
        cases.push(case("±100", Bce, fills, (65, 60, 7), weighted, 100.0));
        // A partial batch, because the tests of the harness need a last value that is finite.
        let fills = (Fill::Far(1), Fill::Below(9));
        cases.push(case("overflow", Poisson, fills, (9, 8, 2), weighted, 10.0));
    }
    cases
}
