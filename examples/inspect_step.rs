//! Runs one training step dispatch by dispatch, and prints the tensors that each dispatch writes with the magnitude of
//! their values.
//!
//! `cargo run --release --example inspect_step`

use gpu_mlp::config::{Config, PlanKind};
use gpu_mlp::data::digits;
use gpu_mlp::engine::machine::{EngineName, Machine};
use gpu_mlp::plan::kernel::Access;
use gpu_mlp::plan::tensor::DType;
use gpu_mlp::train::trial::Trial;

async fn inspect() -> Result<(), gpu_mlp::Error> {
    let data = digits::generate(&digits::Options { train: 640, test: 64, seed: 1 });
    let config = Config { hidden: vec![64, 32], plan: PlanKind::Plain, ..Config::default() };
    let (machine, which) = Machine::choose(EngineName::Auto, &Default::default()).await?;
    println!("{which}\n");

    let trial = Trial::new(&config, &data, machine.form())?;
    let mut engine = machine.engine(&trial.net.plan).await?;
    trial.start(&config, &data, engine.as_mut());

    println!("{:<16} {:<10} {:>10} {:>12} {:>12}", "kernel", "writes", "shape", "largest", "rms");
    let (range, step_values) = trial.work[0].clone();
    for step in range {
        engine.run(&[(step..step + 1, step_values)]).await?;
        let kernel = &trial.net.plan.steps[step];
        for (id, arg) in kernel.tensors().into_iter().zip(kernel.shader().args) {
            if arg.access == Access::Read || id.dtype != DType::F32 {
                continue;
            }
            let values = id.unpack(&engine.read(id, 0..id.words()).await?);
            let largest = values.iter().fold(0.0f32, |max, value| max.max(value.abs()));
            let squares: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
            let rms = (squares / values.len() as f64).sqrt();
            let name = trial.net.plan.name(id);
            let shape = id.shape().to_string();
            println!("{:<16} {name:<10} {shape:>10} {largest:>12.3e} {rms:>12.3e}", kernel.shader().name);
        }
    }
    Ok(())
}

fn main() -> Result<(), gpu_mlp::Error> {
    pollster::block_on(inspect())
}
