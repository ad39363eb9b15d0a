//! gpu-mlp for a browser: JavaScript bindings of the library.
//!
//! All calls belong in one worker, because training computes there. Numbers go to JavaScript as typed arrays, everything
//! else as JSON. An error is a JavaScript `Error` whose message says the cause.

mod data;
mod device;
mod drawing;
mod layers;
mod position;
mod proof;
mod run;
mod seeds;

use gpu_mlp::base::hash::sha256;
use gpu_mlp::config::Config;
use gpu_mlp::kernels;
use gpu_mlp::lab::Experiment;
use serde::Serialize;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = console, js_name = error)]
    fn console_error(message: &str);
}

/// Shows panics in the console. Called when the module is loaded.
#[wasm_bindgen(start)]
pub fn start() {
    std::panic::set_hook(Box::new(|panic| console_error(&panic.to_string())));
}

/// Version of the library.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// The default settings as JSON. Every call that takes settings takes the same names; missing ones have these values.
///
/// # Errors
/// None in practice.
#[wasm_bindgen(js_name = defaultConfig)]
pub fn default_config() -> Result<String, JsError> {
    json(&Config::default())
}

/// A shader file.
#[derive(Serialize)]
struct ShaderFile {
    file: String,
    sha256: String,
}

/// Name and SHA-256 of each shader file, as JSON.
///
/// # Errors
/// None in practice.
#[wasm_bindgen]
pub fn shaders() -> Result<String, JsError> {
    let mut files: Vec<ShaderFile> = Vec::new();
    for shader in kernels::shaders() {
        // The first line of a module begins with the name of its file.
        let name = shader.source.trim_start_matches('/').split_whitespace().next().unwrap_or_default();
        let file = name.trim_end_matches([':', '.', ',']).to_string();
        if files.iter().all(|known| known.file != file) {
            files.push(ShaderFile { file, sha256: sha256(shader.source.as_bytes()) });
        }
    }
    json(&files)
}

#[derive(Serialize)]
struct Words {
    name: &'static str,
    title: &'static str,
    lecture: &'static str,
    formula: &'static str,
}

/// What the lecture says: `name`, `title`, `lecture` and `formula` of each experiment of `gpu-mlp lab`, as JSON.
///
/// # Errors
/// None in practice.
#[wasm_bindgen]
pub fn experiments() -> Result<String, JsError> {
    let words =
        |of: Experiment| Words { name: of.name(), title: of.title(), lecture: of.lecture(), formula: of.formula() };
    json(&Experiment::ALL.map(words))
}

/// A value as JSON.
fn json(value: &impl Serialize) -> Result<String, JsError> {
    Ok(serde_json::to_string(value)?)
}
