//! Compares the tensors that a case left with the oracle.

use super::oracle::{Matrix, oracle, per_word};
use gpu_mlp::kernels::Op;
use gpu_mlp::plan::case::Case;
use gpu_mlp::plan::kernel::Witness;
use gpu_mlp::plan::tensor::DType;

/// Largest difference between a twin's values and the oracle's, as a share of its bound; or a description of the fault.
pub fn compare(case: &Case, before: &[Vec<u32>], after: &[Vec<u32>]) -> Result<f64, String> {
    let kernel = &case.plan.steps[0];
    let ids = kernel.tensors();
    let bounds = kernel.bounds(&case.now, &Witness { before, after });
    // Any difference would be within an infinite bound, so there must be none.
    let mut limits = bounds.iter().flatten().flatten();
    if !limits.all(|limit| limit.is_finite() && *limit >= 0.0) {
        return Err("a bound is not finite or is negative".into());
    }
    let pair = |(&id, words)| Matrix(id, words);
    let inputs: Vec<_> = ids.iter().zip(before.iter().map(Vec::as_slice)).map(pair).collect();
    let mut formulas = oracle(Op::of(kernel.as_ref()).expect("a kernel of the list"), &case.now, &inputs);
    let mut worst = 0.0f64;
    for (arg, &id) in ids.iter().enumerate() {
        let Some(at) = formulas.iter().position(|(of, _)| *of == arg) else {
            if before[arg] != after[arg] {
                return Err(format!("{} changed", case.plan.name(id)));
            }
            continue;
        };
        let (_, formula) = formulas.remove(at);
        let bound = bounds[arg].as_ref().filter(|_| !case.exact);
        // Padding follows the last column and must be zero.
        for (row, col) in (0..id.rows).flat_map(|row| (0..id.stride() * per_word(id)).map(move |col| (row, col))) {
            let inside = col < id.cols;
            let truth = if inside { formula(row, col) } else { 0.0 };
            let found = Matrix(id, &after[arg]).at(row, col);
            if found == truth || id.dtype == DType::F32 && found == f64::from(truth as f32) {
                continue;
            }
            let bound = match bound {
                Some(bound) if inside => f64::from(bound[row * id.stride() + col]),
                _ => 0.0,
            };
            let difference = (found - truth).abs();
            // Written as `<=`, so that a NaN never passes.
            if difference <= bound {
                worst = worst.max(difference / bound);
                continue;
            }
            let place = format!("{}{}[{row},{col}]", case.plan.name(id), id.shape());
            return Err(format!("{place} is {found:e}, must be {truth:e} ± {bound:e}"));
        }
    }
    Ok(worst)
}
