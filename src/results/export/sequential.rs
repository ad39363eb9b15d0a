//! Exports a model as the state dict of a `torch.nn.Sequential`, in safetensors.

use crate::base::error::Error;
use crate::kernels::Activation;
use crate::net::mlp::Mlp;
use crate::run::model_file::{self, Description};
use std::path::Path;

/// The dropout modules of a `torch.nn.Sequential`. They shift the numbers of the layers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sequential {
    /// A dropout before the first layer.
    pub input_dropout: bool,
    /// A dropout after each activation.
    pub dropout: bool,
}

impl Sequential {
    /// Module number of layer `layer` (from 0).
    pub fn module(self, layer: usize) -> usize {
        usize::from(self.input_dropout) + layer * (2 + usize::from(self.dropout))
    }

    /// The file's bytes: tensors `0.weight`, `0.bias`, `2.weight`, …, and the metadata of [`model_file`], which torch ignores.
    ///
    /// # Errors
    /// As [`model_file::to_bytes`].
    pub fn to_bytes(self, path: &Path, model: &Mlp, description: &Description) -> Result<Vec<u8>, Error> {
        model_file::to_bytes_named(path, model, description, |layer| self.module(layer).to_string())
    }

    /// The Python expression for a module whose `load_state_dict` accepts the file.
    pub fn python(self, model: &Mlp) -> String {
        let mut modules = Vec::new();
        if self.input_dropout {
            modules.push("Dropout(INPUT_DROPOUT)".to_string());
        }
        for (number, layer) in model.layers.iter().enumerate() {
            modules.push(format!("Linear({}, {})", layer.inputs, layer.outputs));
            if number + 1 < model.layers.len() {
                modules.push(match model.activation {
                    Activation::Identity => "Identity()".into(),
                    Activation::Relu => "ReLU()".into(),
                    Activation::LeakyRelu(alpha) => format!("LeakyReLU({alpha})"),
                    Activation::Sigmoid => "Sigmoid()".into(),
                    Activation::Tanh => "Tanh()".into(),
                    Activation::Gelu => "GELU()".into(),
                    Activation::GeluTanh => "GELU(approximate='tanh')".into(),
                    Activation::Silu => "SiLU()".into(),
                    Activation::Mish => "Mish()".into(),
                    Activation::Selu => "SELU()".into(),
                    Activation::Elu(alpha) => format!("ELU({alpha})"),
                    Activation::Softplus => "Softplus()".into(),
                });
                modules.extend(self.dropout.then(|| "Dropout(DROPOUT)".to_string()));
            }
        }
        let modules = modules.into_iter().map(|module| format!("nn.{module}")).collect::<Vec<_>>();
        format!("nn.Sequential({})", modules.join(", "))
    }
}
