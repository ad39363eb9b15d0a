//! Each CPU twin against an oracle in double precision; bit-identical products on any number of threads; dropout masks.

mod compare;
mod exact;
pub(crate) mod loss;
mod oracle;

use compare::compare;
use gpu_mlp::base::rng::{Stream, device_key, threefry};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::{Engine, Memory, NAN_POISON};
use gpu_mlp::kernels::dropout::Dropout;
use gpu_mlp::kernels::linear::Linear;
use gpu_mlp::kernels::linear_dw::LinearDw;
use gpu_mlp::kernels::linear_dx::LinearDx;
use gpu_mlp::kernels::{Activation, Form, cases, shaders};
use gpu_mlp::plan::case::{Case, Fill};
use gpu_mlp::plan::kernel::StepValues;
use gpu_mlp::plan::tensor::{DType, TensorId};
use oracle::per_word;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

/// Runs a case on the CPU engine; returns the words of its tensors before and after, in binding order.
fn run(case: &Case) -> (Vec<Vec<u32>>, Vec<Vec<u32>>) {
    let ids = case.plan.steps[0].tensors();
    let before = case.before(NAN_POISON);
    let mut engine = CpuEngine::new(&case.plan, Memory::default());
    for (&id, words) in ids.iter().zip(&before) {
        engine.write(id, 0, words);
    }
    engine.run_now(&[(0..1, case.now)]);
    let read = |&id: &TensorId| pollster::block_on(engine.read(id, 0..id.words()));
    let after = ids.iter().map(read).map(|words| words.expect("the CPU answers")).collect();
    (before, after)
}

#[test]
fn every_twin_agrees_with_the_oracle_in_every_case() {
    let all = cases();
    let next = AtomicUsize::new(0);
    let worst = Mutex::new(BTreeMap::<&str, f64>::new());
    let work = || {
        while let Some(case) = all.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (before, after) = run(case);
            let kernel = case.plan.steps[0].shader().name;
            let share = compare(case, &before, &after);
            let share = share.unwrap_or_else(|fault| panic!("{kernel} {}: {fault}", case.name));
            // A bound covers the error of two machines; the twin is one of them and may use half.
            assert!(share <= 0.5, "{kernel} {}: {share} of its bound", case.name);
            let mut worst = worst.lock().expect("no comparison panics while it holds the lock");
            let worst = worst.entry(kernel).or_default();
            *worst = worst.max(share);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let worst = worst.into_inner().expect("a thread that panicked has ended the test");
    eprintln!("largest share of a bound: {worst:.3?}");
    assert_eq!(worst.len(), shaders().len(), "every shader's twin has a case");
}

#[test]
fn the_comparison_can_fail() {
    let mut tried = 0;
    for case in cases().into_iter().filter(|case| case.plan.bytes() < 1 << 16) {
        let (before, after) = run(&case);
        let kernel = &case.plan.steps[0];
        let ids = kernel.tensors();
        for (arg, &id) in ids.iter().enumerate() {
            // The last value of every tensor, and the last word of its padding.
            let last = id.words() - id.stride() + (id.cols - 1) / per_word(id);
            for at in BTreeSet::from([last, id.words() - 1]) {
                let mut wrong = after.clone();
                let word = &mut wrong[arg][at];
                *word = match id.dtype {
                    DType::F32 => (f32::from_bits(*word) * 1.01 + 1.0).to_bits(),
                    _ => *word ^ 1,
                };
                assert!(
                    compare(&case, &before, &wrong).is_err(),
                    "{} {}: a change of {} at word {at} was not found",
                    kernel.shader().name,
                    case.name,
                    case.plan.name(id),
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 500, "only {tried} changes were tried");
}

/// Cases large enough to be divided among threads: a product and both its gradients.
fn products(batch: usize, inputs: usize, outputs: usize) -> Vec<Case> {
    let case = |name: &str, fill: &dyn Fn(&mut Case)| {
        let mut case = Case::new(format!("{name} ({batch},{inputs},{outputs})"));
        fill(&mut case);
        case
    };
    let (act, keep, form) = (Activation::Identity, 1.0, Form::Plain);
    let reals = Fill::Reals(1.0);
    let forward = case("linear", &|case| {
        let (x, w) = (case.f32("x", batch, inputs, reals), case.f32("w", outputs, inputs, reals));
        let (b, mask) = (case.f32("b", 1, outputs, reals), case.mask("mask", 1, 1, 1.0));
        let y = case.output("y", batch, outputs);
        case.push(Linear { x, w, b, mask, y, act, keep, form });
    });
    let dx = case("linear_dx", &|case| {
        let (dy, w) = (case.f32("dy", batch, outputs, reals), case.f32("w", outputs, inputs, reals));
        let (x, mask) = (case.f32("x", batch, inputs, reals), case.mask("mask", 1, 1, 1.0));
        let dx = case.output("dx", batch, inputs);
        case.push(LinearDx { dy, w, x, mask, dx, act, keep, form });
    });
    let dw = case("linear_dw", &|case| {
        let (dy, x) = (case.f32("dy", batch, outputs, reals), case.f32("x", batch, inputs, reals));
        let dw = case.f32("dw", outputs, inputs, reals);
        case.now.accumulate = 1;
        case.push(LinearDw { dy, x, dw, form });
    });
    vec![forward, dx, dw]
}

#[test]
fn the_bits_of_a_product_do_not_depend_on_the_number_of_threads() {
    // Includes odd sizes: remainders of one row or column, short parts, sums of several pieces.
    let shapes =
        [(257, 784, 130), (130, 300, 257), (1, 784, 700), (9, 2000, 33), (65, 513, 17), (2, 700, 400), (600, 90, 10)];
    for (batch, inputs, outputs) in shapes {
        for case in products(batch, inputs, outputs) {
            let on = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                pool.expect("threads can be made").install(|| run(&case).1)
            };
            let alone = on(1);
            for threads in 2..=8 {
                assert!(on(threads) == alone, "{}: {threads} threads give other bits", case.name);
            }
        }
    }
}

/// The mask of a micro-batch that starts at row `StepValues::first` of its batch.
fn mask(rows: usize, cols: usize, keep: f32, now: StepValues, layer: u64) -> Vec<u32> {
    let mut case = Case::new("mask".into());
    let mask = case.bits_output("mask", rows, cols);
    case.now = now;
    let key = device_key(1, Stream::Dropout, layer);
    case.push(Dropout { mask, keep, key });
    run(&case).1.remove(0)
}

#[test]
fn a_unit_is_kept_exactly_if_its_random_number_is_below_the_probability() {
    let key = device_key(1, Stream::Dropout, 0);
    for (col, number) in threefry(key, [0, 0]).into_iter().enumerate() {
        // The number has 24 bits, so an f32 holds it without rounding.
        for (more, kept) in [(0, 0), (1, 1)] {
            let keep = ((number >> 8) + more) as f32 / (1 << 24) as f32;
            let bits = mask(1, 2, keep, StepValues::default(), 0)[0];
            assert_eq!(bits >> col & 1, kept, "column {col}, keep {keep}");
        }
    }
}

#[test]
fn the_mask_of_a_micro_batch_is_part_of_the_mask_of_its_batch() {
    for cols in [1, 31, 33, 784] {
        let now = StepValues { step: 7, ..StepValues::default() };
        let whole = mask(130, cols, 0.8, now, 0);
        let stride = whole.len() / 130;
        for (first, rows) in [(0, 64), (1, 1), (64, 64), (128, 2)] {
            let part = mask(rows, cols, 0.8, StepValues { first: first as u32, ..now }, 0);
            assert!(part == whole[first * stride..][..rows * stride], "{rows} rows from {first} of {cols} columns");
        }
    }
}

#[test]
fn masks_keep_their_share_and_are_independent_of_each_other() {
    let (rows, cols) = (1000, 784);
    let values = (rows * cols) as f64;
    let share = |bits: u32| f64::from(bits) / values;
    // Five standard deviations of a mean of independent trials: one false alarm in two million.
    let near = |found: f64, p: f64| (found - p).abs() <= 5.0 * (p * (1.0 - p) / values).sqrt();
    for keep in [0.5, 0.8, 0.999] {
        let p = f64::from(keep);
        let draw = |step, layer| mask(rows, cols, keep, StepValues { step, ..StepValues::default() }, layer);
        let one = draw(0, 0);
        let ones: u32 = one.iter().map(|word| word.count_ones()).sum();
        assert!(near(share(ones), p), "{} of the units are kept, not {keep}", share(ones));
        for (step, layer) in [(1, 0), (0, 1), (u32::MAX, 0)] {
            let both = one.iter().zip(draw(step, layer)).map(|(a, b)| (a & b).count_ones());
            let both = share(both.sum());
            assert!(near(both, p * p), "{both} are kept in both of two draws, not {keep}²");
        }
    }
}
