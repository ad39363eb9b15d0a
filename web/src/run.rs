//! A training run.

use crate::data::Data;
use crate::device::Device;
use crate::json;
use crate::layers::{LayerView, views};
use crate::position::{Position, Scored, advance, last};
use gpu_mlp::base::hash;
use gpu_mlp::config::Config;
use gpu_mlp::data::Split;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::results::assess::Predictor;
use gpu_mlp::results::explain::Explainer;
use gpu_mlp::results::export::onnx::onnx;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::train::Trainer;
use serde::Serialize;
use std::path::Path;
use wasm_bindgen::prelude::*;

/// A net in training.
#[wasm_bindgen]
pub struct Run {
    trainer: Trainer<'static>,
    machine: Machine,
    /// The predictor, and the number of updates of its model.
    predictor: Option<(u64, Predictor)>,
    /// What explains one sample, and the number of updates of its model.
    explainer: Option<(u64, Explainer)>,
    /// What computes the layers for a few training samples.
    probe: Option<(Explainer, Split)>,
}

/// Training samples whose activations and gradients are shown.
const PROBE: usize = 200;

/// The net of a model file.
#[derive(Serialize)]
struct ModelAbout {
    /// Widths, inputs first and classes last.
    widths: Vec<usize>,
    /// Activation as the settings name it; `null` in a file of another program.
    activation: Option<String>,
}

/// JSON: widths and activation of the net in a safetensors file of this program or of another.
///
/// # Errors
/// If the bytes are not a model.
#[wasm_bindgen(js_name = modelAbout)]
pub fn model_about(bytes: &[u8]) -> Result<String, JsError> {
    let file = model_file::parse(bytes, Path::new("the model file"))?;
    let name = |description: &Description| serde_json::to_value(description.config().activation);
    let activation = file.description.as_ref().map(name).transpose()?;
    let activation = activation.and_then(|name| name.as_str().map(str::to_owned));
    json(&ModelAbout { widths: file.state.widths(), activation })
}

#[derive(Serialize)]
struct Layers {
    position: Position,
    layers: Vec<LayerView>,
    samples: usize,
}

#[derive(Serialize)]
struct About {
    widths: Vec<usize>,
    parameters: usize,
    updates: u64,
    updates_per_epoch: u64,
    /// Multiply-adds of the products of one sample, forward and backward.
    multiply_adds: usize,
    config: Config,
}

#[wasm_bindgen]
impl Run {
    /// Sets up a run. `config`: settings as JSON; `{}` for the defaults.
    ///
    /// # Errors
    /// If a setting is unknown or does not suit the data, or if the device fails.
    pub async fn open(device: &Device, data: &Data, config: String) -> Result<Run, JsError> {
        let config: Config = serde_json::from_str(&config)?;
        let machine = device.machine.clone();
        let trainer = Trainer::open(&config, data.set, &machine).await?;
        Ok(Run { trainer, machine, predictor: None, explainer: None, probe: None })
    }

    /// JSON: widths, number of parameters and updates, and all settings.
    ///
    /// # Errors
    /// None in practice.
    pub fn about(&self) -> Result<String, JsError> {
        let widths = self.trainer.widths();
        let products = || widths.windows(2).map(|pair| pair[0] * pair[1]);
        // Forward, gradient of the weights, gradient of the inputs; the first layer needs no gradient of its inputs.
        let multiply_adds = 3 * products().sum::<usize>() - products().next().unwrap_or(0);
        json(&About {
            parameters: widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum(),
            updates: last(&self.trainer),
            updates_per_epoch: self.trainer.updates_per_epoch(),
            config: self.trainer.config().clone(),
            multiply_adds,
            widths,
        })
    }

    /// Makes this many updates, or fewer if the run ends before. Returns the position as JSON.
    ///
    /// # Errors
    /// If the device fails, or if a loss or a parameter is not finite; the message names the cause.
    pub async fn advance(&mut self, updates: u32) -> Result<String, JsError> {
        json(&advance(&mut self.trainer, updates).await?)
    }

    /// Scores the test split: JSON with `loss`, `accuracy`, `samples`; `null` without a test split.
    ///
    /// # Errors
    /// If the device fails, or if a value is not finite.
    pub async fn test(&mut self) -> Result<String, JsError> {
        json(&self.trainer.evaluate().await?.map(Scored::from))
    }

    /// The confusion matrix (C, C) of the test split, row by row: of each class (row), how many samples were assigned to
    /// each class (column).
    ///
    /// # Errors
    /// If the device fails.
    pub async fn confusion(&mut self) -> Result<Vec<u32>, JsError> {
        Ok(self.trainer.confusion().await?.into_iter().map(|count| count as u32).collect())
    }

    /// Makes `updates` updates (0 or 1), fewer if the run has ended, and looks at each layer: activations and gradients of the
    /// first training samples before, and the change of the weights if there was an update. JSON: `position` as [`Run::advance`] returns it, `layers`, and the
    /// number of `samples`.
    ///
    /// The activations and gradients are computed by the CPU engine, from the weights of the run: a probe must not disturb
    /// the plan that trains.
    ///
    /// # Errors
    /// If the device fails, or if a loss or a parameter is not finite; the message names the cause.
    pub async fn layers(&mut self, updates: u32) -> Result<String, JsError> {
        let before = self.trainer.model().await?;
        let step = self.trainer.step();
        let position = advance(&mut self.trainer, updates.min(1)).await?;
        let after = if self.trainer.step() > step { Some(self.trainer.model().await?) } else { None };
        let (mut explainer, split) = match self.probe.take() {
            Some((mut explainer, split)) => {
                explainer.load(&before);
                (explainer, split)
            }
            None => {
                let train = &self.trainer.data().train;
                let split = train.rows(&(0..train.len().min(PROBE)).collect::<Vec<_>>());
                let description = self.description();
                (Explainer::for_batch(&Machine::Cpu, &before, &description, split.len()).await?, split)
            }
        };
        let values = explainer.batch(&split).await?;
        let samples = split.len();
        self.probe = Some((explainer, split));
        json(&Layers { position, layers: views(&values, &before, after.as_ref()), samples })
    }

    /// The weights (outputs, inputs) of a layer, from 0, row by row.
    ///
    /// # Errors
    /// If there is no such layer, or if the device fails.
    pub async fn weights(&mut self, layer: usize) -> Result<Vec<f32>, JsError> {
        let mut model = self.trainer.model().await?;
        let layers = model.layers.len();
        if layer >= layers {
            return Err(JsError::new(&format!("there is no layer {layer}: the net has {layers}")));
        }
        Ok(model.layers.swap_remove(layer).weight)
    }

    /// SHA-256 of weights and optimizer state: equal for equal bits.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn sha256(&mut self) -> Result<String, JsError> {
        let mut bytes = Vec::new();
        for tensor in self.trainer.tensors().await? {
            bytes.extend(tensor.name.bytes());
            bytes.extend(tensor.words.iter().flat_map(|word| word.to_le_bytes()));
        }
        Ok(hash::sha256(&bytes))
    }

    /// The model as a safetensors file, as the command line writes it.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn safetensors(&mut self) -> Result<Vec<u8>, JsError> {
        let (model, description) = (self.trainer.model().await?, self.description().with_novelty(self.trainer.data()));
        Ok(model_file::to_bytes(Path::new("model.safetensors"), &model, &description)?)
    }

    /// The model as an ONNX file.
    ///
    /// # Errors
    /// If the device fails.
    pub async fn onnx(&mut self) -> Result<Vec<u8>, JsError> {
        let (model, description) = (self.trainer.model().await?, self.description());
        Ok(onnx(&model, &description)?)
    }

    /// Begins with the weights of a safetensors file of this program or of another.
    ///
    /// # Errors
    /// If the bytes are not a model, or if its layers are not those of this net. Nothing has changed then.
    pub fn load(&mut self, bytes: &[u8]) -> Result<(), JsError> {
        let file = model_file::parse(bytes, Path::new("the model file"))?;
        let (model, _) = file.with(self.trainer.config().activation(), self.trainer.net().inputs.clone());
        self.predictor = None;
        self.explainer = None;
        Ok(self.trainer.begin_with(&model)?)
    }

    /// The probabilities of the classes for samples of bytes, row by row.
    ///
    /// # Errors
    /// If the bytes end within a sample, or if the device fails.
    pub async fn predict(&mut self, pixels: Vec<u8>) -> Result<Vec<f32>, JsError> {
        let step = self.trainer.step();
        let mut predictor = match self.predictor.take() {
            Some((of, predictor)) if of == step => predictor,
            _ => {
                let model = self.trainer.model().await?;
                Predictor::new(&self.machine, &model, &self.description(), 1).await?
            }
        };
        let predictions = predictor.classify(pixels).await?;
        self.predictor = Some((step, predictor));
        Ok(predictions.probabilities)
    }

    /// The gradient of −ln p with respect to the pixels of a sample, p being the probability of class `class`: where it is
    /// negative, more ink raises p.
    ///
    /// # Errors
    /// If there is no such class, if the sample has another size, or if the device fails.
    #[wasm_bindgen(js_name = inputGradient)]
    pub async fn input_gradient(&mut self, pixels: Vec<u8>, class: u32) -> Result<Vec<f32>, JsError> {
        let (inputs, classes) = (self.trainer.data().inputs(), self.trainer.data().outputs());
        if pixels.len() != inputs || class as usize >= classes {
            let problem =
                format!("{} pixels of class {class}, but the net has {inputs} and {classes} classes", pixels.len());
            return Err(JsError::new(&problem));
        }
        let step = self.trainer.step();
        let mut explainer = match self.explainer.take() {
            Some((of, explainer)) if of == step => explainer,
            found => {
                let model = self.trainer.model().await?;
                match found {
                    Some((_, mut explainer)) => {
                        explainer.load(&model);
                        explainer
                    }
                    None => Explainer::new(&Machine::Cpu, &model, &self.description()).await?,
                }
            }
        };
        let explanation = explainer.explain(&Split::new(pixels, vec![class]), true, 0).await?;
        self.explainer = Some((step, explainer));
        Ok(explanation.backward.map(|backward| backward.input_gradient).unwrap_or_default())
    }

    fn description(&self) -> Description {
        Description::of(self.trainer.config(), self.trainer.data(), self.trainer.net())
    }
}
