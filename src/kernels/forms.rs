//! Which form each matrix product of a plan takes. Forms differ in the order of their sums, so the choice decides bits:
//! it is data, written down with the run.

use super::update::Update;
use super::{Form, Op, Precision};
use crate::plan::kernel::Kernel;
use crate::plan::tensor::Id;
use std::collections::BTreeMap;
use std::fmt;

/// A matrix product: its kernel and its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatmulShape {
    /// Name of the kernel, whatever the form.
    pub kernel: &'static str,
    /// Rows B.
    pub batch: usize,
    /// Inputs I of the layer.
    pub inputs: usize,
    /// Outputs O of the layer.
    pub outputs: usize,
}

impl MatmulShape {
    /// y (B, O) of x (B, I) and w (O, I).
    pub fn linear(x: Id, w: Id) -> MatmulShape {
        MatmulShape { kernel: "linear", batch: x.rows, inputs: w.cols, outputs: w.rows }
    }

    /// dx (B, I) of dy (B, O) and w (O, I).
    pub fn linear_dx(dy: Id, w: Id) -> MatmulShape {
        MatmulShape { kernel: "linear_dx", batch: dy.rows, inputs: w.cols, outputs: w.rows }
    }

    /// dw (O, I) of dy (B, O) and x (B, I).
    pub fn linear_dw(dy: Id, x: Id) -> MatmulShape {
        MatmulShape { kernel: "linear_dw", batch: dy.rows, inputs: x.cols, outputs: dy.cols }
    }

    /// As [`MatmulShape::linear_dw`], within an update. What is done with the gradient there takes its time too: the same product
    /// has a choice of its own for every rule.
    pub fn update(kernel: &Update) -> MatmulShape {
        MatmulShape { kernel: kernel.name(), ..MatmulShape::linear_dw(kernel.dy, kernel.x) }
    }

    /// The product that a dispatch computes, if it has forms.
    pub fn of(kernel: &dyn Kernel) -> Option<MatmulShape> {
        match Op::of(kernel)? {
            Op::Linear(kernel) => Some(MatmulShape::linear(kernel.x, kernel.w)),
            Op::LinearDx(kernel) => Some(MatmulShape::linear_dx(kernel.dy, kernel.w)),
            Op::LinearDw(kernel) => Some(MatmulShape::linear_dw(kernel.dy, kernel.x)),
            Op::Update(kernel) => Some(MatmulShape::update(kernel)),
            _ => None,
        }
    }

    /// Multiply-adds.
    pub fn multiply_adds(&self) -> u64 {
        self.batch as u64 * self.inputs as u64 * self.outputs as u64
    }
}

/// As it is written down: `linear 64x784x128`, kernel and B×I×O.
impl fmt::Display for MatmulShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}x{}", self.kernel, self.batch, self.inputs, self.outputs)
    }
}

/// Forms by product, the products as they are written.
pub type Chosen = BTreeMap<String, Form>;

/// A form for every product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forms {
    /// For products that nothing was chosen for.
    pub default: Form,
    /// Choices.
    pub chosen: Chosen,
}

impl Forms {
    /// The same without the forms of another precision.
    pub fn in_precision(mut self, precision: Precision) -> Forms {
        let fits = |form: &Form| form.is_half() == (precision == Precision::F16Mixed);
        self.chosen.retain(|_, form| fits(form));
        if !fits(&self.default) {
            self.default = if self.default.is_half() { Form::default() } else { Form::Half };
        }
        self
    }

    /// The form of a product.
    pub fn of(&self, product: MatmulShape) -> Form {
        self.chosen.get(&product.to_string()).copied().unwrap_or(self.default)
    }
}

/// One form for all.
impl From<Form> for Forms {
    fn from(default: Form) -> Forms {
        Forms { default, chosen: Chosen::new() }
    }
}
