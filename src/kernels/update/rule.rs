//! The optimizers of an update. Each function below has one line per optimizer, which uses that optimizer's file.

use crate::kernels::adam::{self, Adam};
use crate::kernels::momentum::{self, Momentum};
use crate::kernels::rmsprop::{self, Rmsprop};
use crate::kernels::sgd::{self, Sgd};
use crate::plan::Plan;
use crate::plan::kernel::StepValues;
use crate::plan::tensor::TensorId;

/// How a gradient changes a parameter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// As [`crate::kernels::sgd`].
    Sgd,
    /// As [`crate::kernels::momentum`].
    Momentum {
        /// Nesterov's variant.
        nesterov: bool,
    },
    /// As [`crate::kernels::adam`].
    Adam {
        /// Decay rate of the second moment.
        beta2: f32,
        /// ε, added to the divisor to avoid a division by zero.
        epsilon: f32,
        /// AdamW instead of Adam.
        decoupled: bool,
    },
    /// As [`crate::kernels::rmsprop`].
    Rmsprop {
        /// Decay rate of the mean square.
        rho: f32,
        /// ε, added to the divisor to avoid a division by zero.
        epsilon: f32,
    },
}

impl Rule {
    /// Names of the kernels, in the order of the rules above.
    pub const NAMES: [&'static str; 4] = ["update_sgd", "update_momentum", "update_adam", "update_rmsprop"];

    /// Name of the kernel, regardless of form.
    pub fn name(self) -> &'static str {
        Rule::NAMES[self.number()]
    }

    /// Names of the state tensors of each parameter, in the order of the kernels' tensors.
    pub fn state(self) -> &'static [&'static str] {
        match self {
            Rule::Sgd => sgd::STATE,
            Rule::Momentum { .. } => momentum::STATE,
            Rule::Adam { .. } => adam::STATE,
            Rule::Rmsprop { .. } => rmsprop::STATE,
        }
    }

    /// Adds the optimizer alone to a plan; `dw` holds the gradient of `w`.
    ///
    /// # Panics
    /// If the number of tensors in `state` is not that of the names in [`Rule::state`].
    pub fn push(self, plan: &mut Plan, dw: TensorId, w: TensorId, state: &[TensorId], l2: f32) {
        match (self, state) {
            (Rule::Sgd, []) => plan.push(Sgd { dw, w, l2 }),
            (Rule::Momentum { nesterov }, &[v]) => plan.push(Momentum { dw, w, v, l2, nesterov }),
            (Rule::Adam { beta2, epsilon, decoupled }, &[m, v]) => {
                plan.push(Adam { dw, w, m, v, l2, beta2, epsilon, decoupled });
            }
            (Rule::Rmsprop { rho, epsilon }, &[v, s]) => plan.push(Rmsprop { dw, w, v, s, l2, rho, epsilon }),
            _ => panic!("{self:?} needs the state {:?}, but got {} tensors", self.state(), state.len()),
        }
    }

    /// Position in [`super::SHADERS`], counted in rules.
    pub(super) fn number(self) -> usize {
        match self {
            Rule::Sgd => 0,
            Rule::Momentum { .. } => 1,
            Rule::Adam { .. } => 2,
            Rule::Rmsprop { .. } => 3,
        }
    }

    /// Decay rate of the mean square, and ε; 0 if the rule has none.
    pub(super) fn constants(self) -> (f32, f32) {
        match self {
            Rule::Sgd | Rule::Momentum { .. } => (0.0, 0.0),
            Rule::Adam { beta2: memory, epsilon, .. } | Rule::Rmsprop { rho: memory, epsilon } => (memory, epsilon),
        }
    }

    /// Pipeline constants that differ from the shader's defaults.
    pub(super) fn overrides(self) -> Vec<(&'static str, f64)> {
        match self {
            Rule::Momentum { nesterov: true } => vec![("NESTEROV", 1.0)],
            Rule::Adam { decoupled: true, .. } => vec![("DECOUPLED", 1.0)],
            _ => vec![],
        }
    }

    /// One step of part of a parameter; states that the rule does not have are empty.
    pub(super) fn descend(self, l2: f32, w: &mut [f32], state: [&mut [f32]; 2], g: &[f32], now: &StepValues) {
        let [first, second] = state;
        match self {
            Rule::Sgd => sgd::descend(w, g, now.lr, l2),
            Rule::Momentum { nesterov } => momentum::descend(w, first, g, now, l2, nesterov),
            Rule::Adam { beta2, epsilon, decoupled } => {
                adam::Rule { l2, beta2, epsilon, decoupled }.descend(w, first, second, g, now);
            }
            Rule::Rmsprop { rho, epsilon } => rmsprop::Rule { l2, rho, epsilon }.descend(w, first, second, g, now),
        }
    }

    /// Largest allowed differences of a parameter and of its state, where each gradient may itself be off by `slack`.
    pub(super) fn errors(
        self,
        l2: f32,
        now: &StepValues,
        g: &[f32],
        slack: &[f32],
        w: &[f32],
        state: &[&[f32]],
    ) -> Vec<Vec<f32>> {
        match (self, state) {
            (Rule::Momentum { .. }, [v]) => momentum::errors(l2, now, g, slack, w, v).into(),
            (Rule::Adam { beta2, epsilon, decoupled }, [m, v]) => {
                adam::Rule { l2, beta2, epsilon, decoupled }.errors(now, g, slack, w, m, v).into()
            }
            (Rule::Rmsprop { rho, epsilon }, [v, s]) => {
                rmsprop::Rule { l2, rho, epsilon }.errors(now, g, slack, w, v, s).into()
            }
            _ => vec![sgd::errors(l2, now, g, slack, w)],
        }
    }
}
