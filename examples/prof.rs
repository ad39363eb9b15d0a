use gpu_mlp::{config::*, cpu::CpuEngine, data::digits::*, engine::*, kernels::Form, steps::Trial};
use std::time::Instant;
fn main() {
    let data = generate(&Options { train: 8192, test: 100, seed: 1 });
    for (name, c) in [
        ("S", Config { lr: 0.1, ..Config::default() }),
        (
            "K",
            Config {
                hidden: vec![512, 512],
                keep_prob: 0.8,
                momentum: 0.9,
                lr: 0.05,
                batch_size: BatchSize::Samples(128),
                ..Config::default()
            },
        ),
        ("W", Config { hidden: vec![2048, 2048], batch_size: BatchSize::Samples(1024), ..Config::default() }),
    ] {
        let t = Trial::new(&c, &data, Form::Plain);
        let mut e = CpuEngine::new(&t.net.plan, Memory::default());
        t.start(&c, &data, &mut e);
        e.run_now(&t.work[..4.min(t.work.len())]);
        let n = t.work[0].0.len();
        let base = t.work[0].0.start;
        let reps = if name == "W" { 5 } else { 100 };
        let mut total = 0.0;
        for i in 0..n {
            let w: Vec<_> = (0..reps).map(|_| (base + i..base + i + 1, t.work[0].1)).collect();
            let b = Instant::now();
            e.run_now(&w);
            let us = b.elapsed().as_secs_f64() * 1e6 / reps as f64;
            total += us;
            let k = t.net.plan.steps[base + i].kernel();
            println!(
                "{name} {:2} {:14} {:9.1} us  {:7.1} GFLOP/s {:6.1} GB/s",
                i,
                k.shader().name,
                us,
                k.flops() as f64 / us / 1e3,
                k.work().bytes as f64 / us / 1e3
            );
        }
        let w = &t.work[..(t.work.len() - 1).min(64)];
        let b = Instant::now();
        e.run_now(w);
        println!("{name} sum {total:.1} us; whole step {:.1} us", b.elapsed().as_secs_f64() * 1e6 / w.len() as f64);
    }
}
