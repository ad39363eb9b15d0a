//! Test cases of an update.

use super::shaders::FORMS;
use super::{Rule, Update};
use crate::kernels::linear::SIZES;
use crate::plan::case::{Case, Fill};

/// Every rule in every form of an update, at the sizes of products, with and without penalty.
pub fn cases() -> Vec<Case> {
    let adam = |decoupled| Rule::Adam { beta2: 0.999, epsilon: 1e-8, decoupled };
    let rules = [
        Rule::Sgd,
        Rule::Momentum { nesterov: false },
        Rule::Momentum { nesterov: true },
        adam(false),
        adam(true),
        Rule::Rmsprop { rho: 0.99, epsilon: 1e-8 },
    ];
    let mut cases = Vec::new();
    for form in FORMS {
        for rule in rules {
            for (batch, inputs, outputs) in SIZES {
                for l2 in [0.0, 0.01] {
                    let mut case = Case::new(format!("{rule:?} l2 {l2} ({batch},{inputs},{outputs})"));
                    let dy = case.f32("dy", batch, outputs, Fill::Reals(1.0 / batch as f32));
                    let x = case.f32("x", batch, inputs, Fill::Reals(1.0));
                    let w = case.f32("w", outputs, inputs, Fill::Reals(1.0));
                    let b = case.f32("b", 1, outputs, Fill::Reals(1.0));
                    let mut state = Vec::new();
                    for (of, id) in [("w", w), ("b", b)] {
                        for (place, kind) in rule.state().iter().enumerate() {
                            // The second state is a mean of squares.
                            let fill = if place == 1 { Fill::Positive(1.0) } else { Fill::Reals(1.0) };
                            state.push(case.f32(&format!("{kind}_{of}"), id.rows, id.cols, fill));
                        }
                    }
                    (case.now.lr, case.now.momentum) = (0.05, 0.9);
                    (case.now.bias1, case.now.bias2) = (1.0 - 0.9f32.powi(7), 1.0 - 0.999f32.powi(7));
                    case.push(Update { dy, x, w, b, state, l2, rule, form });
                    cases.push(case);
                }
            }
        }
    }
    // Whole numbers stay exact: without penalty and with lr 1/2, SGD only adds, multiplies whole numbers, and halves.
    for form in FORMS {
        let mut case = Case::new("integers (33,36,31)".into());
        let dy = case.f32("dy", 33, 31, Fill::Integers(4));
        let x = case.f32("x", 33, 36, Fill::Integers(4095));
        let (w, b) = (case.f32("w", 31, 36, Fill::Integers(4095)), case.f32("b", 1, 31, Fill::Integers(4095)));
        case.now.lr = 0.5;
        case.push(Update { dy, x, w, b, state: vec![], l2: 0.0, rule: Rule::Sgd, form });
        cases.push(case.exact());
    }
    cases
}
