//! The kernels, one a page: formula, host call, shapes, CPU twin, bound, cases.
//!
//! The one list below drives the pipelines, the shader test, the parity court and `gpu-mlp parity`. A new kernel is one
//! page here, one file in `shaders/`, one line in the list, and its formula in double precision in `tests/twins/oracle.rs`,
//! for which the compiler asks: see CONTRIBUTING.md.

mod activation;
pub mod adam;
pub mod average;
pub mod clip;
pub mod dead;
pub mod dropout;
mod form;
pub mod gather;
mod gemm;
pub mod half;
pub mod head;
pub mod linear;
pub mod linear_db;
pub mod linear_dw;
pub mod linear_dx;
pub mod momentum;
pub mod rmsprop;
pub mod sgd;
pub mod softmax_xent;
pub mod squares;
pub mod sum;
pub mod tally;
pub mod update;

pub use activation::Activation;
pub use form::Form;
pub use gemm::{Gemm, Operand};

use crate::court::Case;
use crate::kernel::{Kernel, Shader};

macro_rules! kernels {
    ($($(#[$doc:meta])* $page:ident => $kernel:ident,)*) => {
        /// One dispatch of a plan. The set is closed: a kernel without a twin does not compile.
        #[derive(Clone, Debug)]
        pub enum Op {
            $($(#[$doc])* $kernel($page::$kernel),)*
        }
        impl Op {
            /// The kernel behind it.
            pub fn kernel(&self) -> &dyn Kernel {
                match self { $(Op::$kernel(kernel) => kernel,)* }
            }
        }
        $(impl From<$page::$kernel> for Op {
            fn from(kernel: $page::$kernel) -> Op { Op::$kernel(kernel) }
        })*
        /// Every shader, in the order of a training step.
        pub fn shaders() -> Vec<&'static Shader> {
            [$($page::SHADERS,)*].into_iter().flatten().collect()
        }
        /// Every case of every kernel, for the court; one of each shader also with a folded grid.
        pub fn cases() -> Vec<Case> {
            let mut cases: Vec<Case> = [$($page::cases(),)*].into_iter().flatten().collect();
            for shader in shaders() {
                let of = |case: &&Case| case.plan.steps[0].kernel().shader().name == shader.name;
                let folded = cases.iter().filter(of).find_map(Case::folded);
                cases.extend(folded);
            }
            cases
        }
    };
}

impl Op {
    /// The same with a matrix product in another form; a dispatch without forms as it is.
    pub fn in_form(&self, form: Form) -> Op {
        let mut op = self.clone();
        match &mut op {
            Op::Linear(kernel) => kernel.form = form,
            Op::LinearDx(kernel) => kernel.form = form,
            Op::LinearDw(kernel) => kernel.form = form,
            Op::Update(kernel) => kernel.form = form,
            _ => {}
        }
        op
    }
}

kernels! {
    /// Dropout masks.
    dropout => Dropout,
    /// Mini-batch from the data set.
    gather => Gather,
    /// Forward product, bias, activation, dropout.
    linear => Linear,
    /// Loss, hits and the gradient of the logits.
    softmax_xent => SoftmaxXent,
    /// Last layer, loss, and the gradients they start.
    head => Head,
    /// The record of a micro-batch.
    tally => Tally,
    /// Error signal of the layer below.
    linear_dx => LinearDx,
    /// Weight gradient.
    linear_dw => LinearDw,
    /// Bias gradient.
    linear_db => LinearDb,
    /// Sums of squares, in parts.
    squares => Squares,
    /// Sum of the parts.
    sum => Sum,
    /// Gradient clipping.
    clip => Clip,
    /// Gradient descent.
    sgd => Sgd,
    /// Gradient descent with momentum.
    momentum => Momentum,
    /// Adam and AdamW.
    adam => Adam,
    /// RMSprop.
    rmsprop => Rmsprop,
    /// Gradients and optimizer in one.
    update => Update,
    /// Running average of the weights.
    average => Average,
    /// Units that are zero for every sample.
    dead => Dead,
}

/// Distance between neighbouring `f32` values near 1: two evaluations of the same sum of K terms, in any order, differ
/// by at most K·ε times the sum of the terms' magnitudes.
pub(crate) const EPSILON: f32 = f32::EPSILON;
