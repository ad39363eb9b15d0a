//! The form of each matrix product of a plan. Forms differ in the order of summation, so the choice affects bits. It is
//! therefore data, recorded with the run.

use super::update::{self, Rule, Update};
use super::{Form, Op, Precision};
use crate::plan::kernel::Kernel;
use crate::plan::tensor::TensorId;
use std::collections::BTreeMap;
use std::fmt;

/// A matrix product: its kernel and its sizes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MatmulShape {
    /// Name of the kernel, regardless of form.
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
    pub fn linear(x: TensorId, w: TensorId) -> MatmulShape {
        MatmulShape { kernel: "linear", batch: x.rows, inputs: w.cols, outputs: w.rows }
    }

    /// dx (B, I) of dy (B, O) and w (O, I).
    pub fn linear_dx(dy: TensorId, w: TensorId) -> MatmulShape {
        MatmulShape { kernel: "linear_dx", batch: dy.rows, inputs: w.cols, outputs: w.rows }
    }

    /// dw (O, I) of dy (B, O) and x (B, I).
    pub fn linear_dw(dy: TensorId, x: TensorId) -> MatmulShape {
        MatmulShape { kernel: "linear_dw", batch: dy.rows, inputs: x.cols, outputs: dy.cols }
    }

    /// As [`MatmulShape::linear_dw`], within an update. Applying the gradient takes time too, so the same product has a
    /// separate choice for every rule.
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

    /// The available forms, the most general first.
    ///
    /// # Panics
    /// If the kernel has no forms.
    pub fn forms(&self) -> &'static [Form] {
        offered(self.kernel).expect("a kernel with forms")
    }

    /// Multiply-adds.
    pub fn multiply_adds(&self) -> u64 {
        self.batch as u64 * self.inputs as u64 * self.outputs as u64
    }
}

/// Writes kernel and B×I×O: `linear 64x784x128`.
impl fmt::Display for MatmulShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}x{}x{}", self.kernel, self.batch, self.inputs, self.outputs)
    }
}

/// The forms of a product by the name of its kernel, the most general first; `None` if it is not a product.
pub fn offered(kernel: &str) -> Option<&'static [Form]> {
    match kernel {
        "linear" | "linear_dx" | "linear_dw" => Some(&Form::ALL),
        name => Rule::NAMES.contains(&name).then_some(&update::FORMS),
    }
}

/// Chosen forms by product, in its text form.
pub type Chosen = BTreeMap<String, Form>;

/// A form for every product.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Forms {
    /// For products without a choice.
    pub default: Form,
    /// Choices by product.
    pub chosen: Chosen,
}

impl Forms {
    /// Drops the forms of another precision.
    pub fn in_precision(mut self, precision: Precision) -> Forms {
        let fits = |form: &Form| form.is_half() == (precision == Precision::F16Mixed);
        self.chosen.retain(|_, form| fits(form));
        if !fits(&self.default) {
            self.default = if self.default.is_half() { Form::default() } else { Form::Half };
        }
        self
    }

    /// The form of a product: the one chosen for it, else the default, or the most general one if the product lacks the
    /// default.
    ///
    /// # Panics
    /// If the chosen form does not exist for the product. [`Forms::check`] finds such choices in a user's file.
    pub fn of(&self, product: MatmulShape) -> Form {
        let forms = product.forms();
        let general = if forms.contains(&self.default) { self.default } else { forms[0] };
        let form = self.chosen.get(&product.to_string()).copied().unwrap_or(general);
        assert!(forms.contains(&form), "{product} has no form {}", form.name());
        form
    }

    /// Checks choices that come from a file.
    ///
    /// # Errors
    /// A sentence with the product, the form, and the available forms.
    pub fn check(chosen: &Chosen) -> Result<(), String> {
        for (product, form) in chosen {
            let (kernel, sizes) = product.split_once(' ').unwrap_or((product, ""));
            let sizes: Vec<Option<usize>> = sizes.split('x').map(|size| size.parse().ok()).collect();
            let Some(forms) = offered(kernel) else { return Err(format!("forms: unknown product {kernel:?}")) };
            if sizes.len() != 3 || sizes.contains(&None) {
                return Err(format!(
                    "forms: {product:?} needs batch, inputs and outputs, such as \"{kernel} 64x784x128\""
                ));
            }
            if !forms.contains(form) {
                let names: Vec<&str> = forms.iter().map(|form| form.name()).collect();
                return Err(format!("forms: {product} has no form {}, only {}", form.name(), names.join(", ")));
            }
        }
        Ok(())
    }
}

/// One form for all.
impl From<Form> for Forms {
    fn from(default: Form) -> Forms {
        Forms { default, chosen: Chosen::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_forms_that_exist_are_offered() {
        let update = MatmulShape { kernel: "update_adam", batch: 64, inputs: 784, outputs: 128 };
        let linear = MatmulShape { kernel: "linear", ..update };
        assert_eq!(update.forms(), [Form::Tiled, Form::Registers, Form::Wide]);
        for default in [Form::Plain, Form::Split] {
            assert_eq!(Forms::from(default).of(update), Form::Tiled);
            assert_eq!(Forms::from(default).of(linear), default);
        }
        assert_eq!(Forms::from(Form::Wide).of(update), Form::Wide);
    }

    #[test]
    fn a_choice_that_does_not_exist_is_refused() {
        let check = |product: &str, form| Forms::check(&Chosen::from([(product.to_string(), form)]));
        assert_eq!(check("update_adam 64x784x128", Form::Wide), Ok(()));
        assert_eq!(check("linear_dw 1x2x3", Form::Split), Ok(()));
        let refused = check("update_adam 64x784x128", Form::Plain).unwrap_err();
        assert_eq!(refused, "forms: update_adam 64x784x128 has no form plain, only tiled, registers, wide");
        assert!(check("update_lion 1x2x3", Form::Tiled).unwrap_err().contains("update_lion"));
        for product in ["linear", "linear 64x784", "linear 64x784x128x1", "linear 64x784xmany"] {
            assert!(check(product, Form::Tiled).unwrap_err().contains("needs batch, inputs and outputs"), "{product}");
        }
    }
}
