//! Prints the logits of a model for every test image of MNIST as CSV. Shows how to run an evaluation plan by hand.
//!
//! `cargo run --release --example logits -- runs/1/model.safetensors [cpu|gpu]`

use gpu_mlp::Error;
use gpu_mlp::data::{self, Choice, Request};
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::net::Net;
use gpu_mlp::run::model_file;
use gpu_mlp::train::feed::Feed;
use gpu_mlp::train::{evaluate, load_parameters};
use std::path::Path;

async fn logits(model: &str, engine: EngineName) -> Result<String, Error> {
    let (model, description) = model_file::read(Path::new(model))?;
    let request = Request { choice: Choice::Mnist, ..Request::default() };
    let data = data::open(&request, &mut |_| {})?;
    let (machine, which) = Machine::choose(engine, &Default::default()).await?;
    eprintln!("{which}");

    let sizes = description.sizes(data.test.len(), &machine)?;
    let net = Net::for_evaluation(&description.config(), sizes, &description.inputs);
    let mut engine = machine.engine(&net.plan).await?;
    load_parameters(engine.as_mut(), &net.layers, &model);
    let mut feed = Feed::new(net.evaluation.source, &data.test, engine.as_mut());

    let mut text = String::new();
    let mut each = |_: usize, logits: &[f32]| {
        for row in logits.chunks_exact(data.outputs()) {
            text += &row.iter().map(f32::to_string).collect::<Vec<_>>().join(",");
            text.push('\n');
        }
    };
    evaluate(engine.as_mut(), &net.evaluation, &mut feed, &data.test, Some(&mut each)).await?;
    Ok(text)
}

fn main() {
    let Some(model) = std::env::args().nth(1) else {
        eprintln!("usage: logits MODEL [cpu|gpu]");
        std::process::exit(2);
    };
    let engine = match std::env::args().nth(2).as_deref() {
        Some("cpu") => EngineName::Cpu,
        Some("gpu") => EngineName::Gpu,
        _ => EngineName::Auto,
    };
    match pollster::block_on(logits(&model, engine)) {
        Ok(text) => print!("{text}"),
        Err(error) => {
            eprintln!("error: {error}");
            std::process::exit(1);
        }
    }
}
