//! The kernels, one per file: formula, host call, shapes, CPU twin, bound, cases.
//!
//! The one list below drives the pipelines, the shader test, the parity tests and `gpu-mlp parity`. A new kernel is one
//! file here, one file in `shaders/`, one line in the list, and its formula in double precision in
//! `tests/pure/twins/oracle.rs`, for which the compiler asks: see CONTRIBUTING.md.

pub mod activate;
pub mod activate_dx;
mod activation;
pub mod adam;
pub mod average;
pub mod clip;
pub mod dead;
pub mod dropout;
pub mod fixed;
pub mod form;
pub mod forms;
pub mod gather;
pub mod half;
pub mod head;
mod input_map;
pub mod int_gather;
pub mod int_gradient;
pub mod int_levels;
pub mod int_linear;
pub mod int_linear_dx;
pub mod int_quantise;
pub mod int_softmax;
pub mod int_step;
pub mod int_update;
pub mod linear;
pub mod linear_db;
pub mod linear_dw;
pub mod linear_dx;
pub mod loss;
pub mod momentum;
pub mod pick;
pub mod rmsprop;
pub mod sgd;
pub mod softmax_xent;
pub mod squares;
pub mod sum;
pub mod tally;
pub mod update;

pub use activation::Activation;
pub use form::{Form, Precision};
pub use input_map::InputMap;

use crate::plan::case::Case;
use crate::plan::kernel::{Kernel, Shader};
use std::any::Any;
use std::sync::Arc;

macro_rules! kernels {
    ($($(#[$doc:meta])* $page:ident => $kernel:ident,)*) => {
        /// A kernel of the list by its type, for code that needs one case per kernel. The formulas in double precision
        /// match on it, so a kernel without a formula does not compile.
        #[derive(Clone, Copy, Debug)]
        pub enum Op<'a> {
            $($(#[$doc])* $kernel(&'a $page::$kernel),)*
        }
        impl<'a> Op<'a> {
            /// The kernel behind a step of a plan; `None` for a kernel of another crate.
            pub fn of(kernel: &'a dyn Kernel) -> Option<Op<'a>> {
                let kernel: &dyn Any = kernel;
                $(if let Some(kernel) = kernel.downcast_ref() {
                    return Some(Op::$kernel(kernel));
                })*
                None
            }
        }
        /// Every shader, in the order of a training step.
        pub fn shaders() -> Vec<&'static Shader> {
            [$($page::SHADERS,)*].into_iter().flatten().collect()
        }
        /// Every case of every kernel, for the parity tests; one of each shader also with a folded grid.
        pub fn cases() -> Vec<Case> {
            let mut cases: Vec<Case> = [$($page::cases(),)*].into_iter().flatten().collect();
            for shader in shaders() {
                let of = |case: &&Case| case.plan.steps[0].shader().name == shader.name;
                let folded = cases.iter().filter(of).find_map(Case::folded);
                cases.extend(folded);
            }
            cases
        }
    };
}

/// The same dispatch with its matrix product in another form; unchanged if it has no forms.
pub fn in_form(kernel: &Arc<dyn Kernel>, form: Form) -> Arc<dyn Kernel> {
    match Op::of(kernel.as_ref()) {
        Some(Op::Linear(kernel)) => Arc::new(linear::Linear { form, ..kernel.clone() }),
        Some(Op::LinearDx(kernel)) => Arc::new(linear_dx::LinearDx { form, ..kernel.clone() }),
        Some(Op::LinearDw(kernel)) => Arc::new(linear_dw::LinearDw { form, ..kernel.clone() }),
        Some(Op::Update(kernel)) => Arc::new(update::Update { form, ..kernel.clone() }),
        _ => kernel.clone(),
    }
}

kernels! {
    /// Dropout masks.
    dropout => Dropout,
    /// Mini-batch from the data set.
    gather => Gather,
    /// A value per sample of the mini-batch.
    pick => Pick,
    /// Forward product, bias, activation, dropout.
    linear => Linear,
    /// Activations that need z.
    activate => Activate,
    /// Loss, hits and the gradient of the logits.
    softmax_xent => SoftmaxXent,
    /// Losses of values and labels, and their gradients.
    loss => Loss,
    /// Last layer, loss, and the gradients they start.
    head => Head,
    /// The record of a micro-batch.
    tally => Tally,
    /// Error signal of the layer below.
    linear_dx => LinearDx,
    /// Slopes of activations that need z.
    activate_dx => ActivateDx,
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
    /// Mini-batch in integers.
    int_gather => IntGather,
    /// Weights as factors of integer products.
    int_quantise => IntQuantise,
    /// A layer in integers.
    int_linear => IntLinear,
    /// Loss and error signal in integers.
    int_softmax => IntSoftmax,
    /// Error signal of the layer below in integers.
    int_linear_dx => IntLinearDx,
    /// Gradients in integers.
    int_gradient => IntGradient,
    /// Gradient descent in integers.
    int_step => IntStep,
    /// Gradients and descent in one, in integers.
    int_update => IntUpdate,
    /// Levels: the shifts of the error signals in integers.
    int_levels => IntLevels,
}

/// Distance between neighbouring `f32` values near 1: two evaluations of the same sum of K terms, in any order, differ
/// by at most K·ε times the sum of the terms' magnitudes.
pub(crate) const EPSILON: f32 = f32::EPSILON;
