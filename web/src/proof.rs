//! Proofs that this browser computes rightly: the golden run, and the comparison of every kernel with the CPU.

use crate::device::Device;
use crate::json;
use gpu_mlp::engine::parity::compare_case;
use gpu_mlp::kernels;
use gpu_mlp::plan::case::Case;
use gpu_mlp::train::golden::{self, Golden};
use serde::Serialize;
use wasm_bindgen::prelude::*;

#[derive(Serialize)]
struct Exact {
    sha256: String,
    reference: &'static str,
    right: bool,
    accuracy: f64,
    updates: u64,
}

/// Trains a small net in integers and compares the hash of the result with the reference. JSON: `sha256`, `reference`,
/// `right`, `accuracy`, `updates`.
///
/// # Errors
/// If the device fails.
#[wasm_bindgen]
pub async fn exact(device: &Device) -> Result<String, JsError> {
    let golden = Golden::run(&device.machine).await?;
    let right = golden.is_right();
    let Golden { sha256, accuracy, updates } = golden;
    json(&Exact { sha256, reference: golden::SHA256, right, accuracy, updates })
}

/// The cases of the parity tests, those of one shader after another.
#[wasm_bindgen]
pub struct Parity {
    cases: Vec<Case>,
}

#[derive(Serialize)]
struct Verdict {
    kernel: &'static str,
    case: String,
    /// Values compared.
    compared: usize,
    /// Largest difference as a share of its bound; 0 where all bits are equal.
    share: f32,
    /// What was wrong; `null` if nothing.
    fault: Option<String>,
}

#[wasm_bindgen]
impl Parity {
    /// The cases that the device can run.
    #[wasm_bindgen(constructor)]
    #[allow(clippy::new_without_default, reason = "a constructor for JavaScript")]
    pub fn new(device: &Device) -> Parity {
        let runs = |case: &Case| device.machine.runs(case.plan.steps[0].shader());
        Parity { cases: kernels::cases().into_iter().filter(runs).collect() }
    }

    /// Number of cases.
    pub fn count(&self) -> usize {
        self.cases.len()
    }

    /// Compares a case on the device with the CPU: five questions, see the library. Returns JSON.
    ///
    /// # Errors
    /// If there is no such case, or if the device fails. A wrong value is a `fault` in the result.
    pub async fn compare(&self, device: &Device, at: usize) -> Result<String, JsError> {
        let case = self.cases.get(at).ok_or_else(|| JsError::new(&format!("there is no case {at}")))?;
        let machine = &device.machine;
        let verdict = compare_case(case, async |plan, memory| machine.engine_with(plan, memory).await).await?;
        json(&Verdict {
            kernel: verdict.kernel,
            case: verdict.case,
            compared: verdict.compared,
            share: verdict.worst,
            fault: verdict.fault.map(|fault| fault.to_string()),
        })
    }
}
