//! The device that computes: WebGPU or the CPU.

use crate::json;
use gpu_mlp::engine::gpu::Wanted;
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::kernels::Precision;
use serde::Serialize;
use wasm_bindgen::prelude::*;

/// An open device.
#[wasm_bindgen]
pub struct Device {
    pub(crate) machine: Machine,
    sentence: String,
}

#[derive(Serialize)]
struct About<'a> {
    engine: &'a str,
    device: String,
    sentence: &'a str,
}

#[wasm_bindgen]
impl Device {
    /// Opens a device. `engine`: `auto` (a real GPU, else the CPU), `gpu` (any adapter), or `cpu`.
    ///
    /// # Errors
    /// If the engine is unknown, or if the browser offers no adapter and one is required.
    pub async fn open(engine: String) -> Result<Device, JsError> {
        let engine: EngineName = serde_json::from_value(engine.into())?;
        let wanted = Wanted { precision: Precision::F32, ..Wanted::default() };
        let (machine, sentence) = Machine::choose(engine, &wanted).await?;
        Ok(Device { machine, sentence })
    }

    /// JSON: `engine` (`gpu` or `cpu`), `device` (its description), `sentence` (the choice and its reason).
    ///
    /// # Errors
    /// None in practice.
    pub fn about(&self) -> Result<String, JsError> {
        let (engine, device) = (self.machine.name(), self.machine.description());
        json(&About { engine, device, sentence: &self.sentence })
    }
}
