//! GL gives its context to one thread at a time. wgpu panics in a thread that has waited six seconds for the context;
//! here the other threads wait as long as necessary. Drivers hold the context while they compile a shader, and Mesa's
//! software adapter also while it computes.

use crate::common::not_run;
#[cfg(feature = "cli")]
use crate::common::program;
use gpu_mlp::engine::Engine;
use gpu_mlp::engine::gpu::{Class, Gpu, Wanted, list};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::linear::Linear;
use gpu_mlp::kernels::{Activation, Form};
use gpu_mlp::plan::Plan;
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::{DType, Role, TensorId};
use pollster::block_on;
use std::thread;
use std::time::{Duration, Instant};

/// A little longer than wgpu waits for the context before it panics.
const LIMIT: Duration = Duration::from_secs(7);

/// Mesa's software adapter on GL, if it is there.
fn software_gl() -> Option<Machine> {
    let wanted = Wanted { backend: Some("gl".into()), ..Wanted::default() };
    let found = block_on(list(&wanted)).expect("the adapters can be listed");
    let software = found.into_iter().find(|one| one.class() == Class::Software);
    if software.is_none() {
        not_run("no software adapter on GL");
    }
    software.map(|one| Machine::Gpu(block_on(Gpu::open(one, None)).expect("a listed adapter can be opened")))
}

/// A product with `rows` rows: its engine and its result tensor.
fn product(machine: &Machine, rows: usize, cols: usize) -> (Box<dyn Engine>, TensorId) {
    let mut plan = Plan::default();
    let x = plan.f32("x", Role::Scratch, rows, cols);
    let w = plan.f32("w", Role::Scratch, cols, cols);
    let b = plan.f32("b", Role::Scratch, 1, cols);
    let mask = plan.tensor("none", Role::Scratch, DType::Bits, 1, 1);
    let y = plan.f32("y", Role::Scratch, rows, cols);
    plan.push(Linear { x, w, b, mask, y, act: Activation::Identity, keep: 1.0, form: Form::Plain });
    let mut engine = block_on(machine.engine(&plan)).expect("the plan fits");
    engine.write(b, 0, &vec![1.5f32.to_bits(); cols]);
    (engine, y)
}

/// Computes the product and checks one value, which is the bias because the inputs are zero.
fn compute((engine, y): &mut (Box<dyn Engine>, TensorId)) {
    block_on(engine.run(&[(0..1, StepValues::default())])).expect("the adapter takes the work");
    let value = block_on(engine.read(*y, 0..1)).expect("the adapter answers");
    assert_eq!(f32::from_bits(value[0]), 1.5);
}

#[test]
fn threads_wait_for_a_dispatch_that_takes_longer_than_wgpu_would() {
    let Some(machine) = software_gl() else { return };
    let cols = 2048;
    let mut rows = 256;
    // The first dispatch also compiles the shader.
    compute(&mut product(&machine, 1, cols));
    loop {
        let took = thread::scope(|scope| {
            let long = scope.spawn(|| {
                let mut product = product(&machine, rows, cols);
                let begin = Instant::now();
                compute(&mut product);
                begin.elapsed()
            });
            // Meanwhile another thread makes engines, writes, computes, reads and drops.
            let mut others = 0;
            while !long.is_finished() || others == 0 {
                compute(&mut product(&machine, 3, 64));
                others += 1;
            }
            long.join().expect("the long dispatch is computed")
        });
        if took > LIMIT {
            return;
        }
        // The dispatch was too short: try one of about nine seconds.
        let factor = (9.0 / took.as_secs_f64()).clamp(1.5, 100.0);
        rows = (rows as f64 * factor) as usize;
        assert!(rows < 1 << 20, "no dispatch takes {LIMIT:?}");
    }
}

/// Starts several programs at once, because a compiler with a core of its own may finish in time.
#[test]
#[cfg(feature = "cli")]
fn programs_that_start_with_an_empty_shader_cache_train() {
    if software_gl().is_none() {
        return;
    }
    let folder = tempfile::TempDir::new().unwrap();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let starts: Vec<_> = (0..(2 * cores).min(16))
        .map(|_| {
            let mut start = program::gpu_mlp(folder.path());
            start.env("MESA_SHADER_CACHE_DISABLE", "true");
            start.args(["train", "--data", "digits", "--digits-train", "300", "--digits-test", "50", "--dry-run"]);
            start.args(["--engine", "gpu", "--backend", "gl", "--adapter", "llvmpipe"]);
            start.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
            start.spawn().expect("the program starts")
        })
        .collect();
    for start in starts {
        let output = start.wait_with_output().expect("the program ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("panicked"), "{:?}: {stderr}", output.status);
    }
}
