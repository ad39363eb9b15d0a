//! The device's own limits, measured with what this crate runs: its best product and its best copy.

use super::clock::{Effort, time};
use super::spread::Spread;
use crate::base::error::Error;
use crate::engine::machine::Machine;
use crate::kernels::linear::Linear;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::sgd::Sgd;
use crate::kernels::{Activation, Form};
use crate::plan::Plan;
use crate::plan::kernel::Now;
use crate::plan::tensor::{Id, Kind, Role};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// The best rates found.
#[derive(Clone, Debug, Serialize)]
pub struct Roof {
    /// Products, in 10⁹ operations a second.
    pub product: Rate,
    /// Traffic, in 10⁹ bytes a second: those read and those written.
    pub copy: Rate,
}

impl Roof {
    /// The better of two measurements: other programs can make a machine look slower than it is, but never faster.
    pub fn or(self, other: Roof) -> Roof {
        Roof { product: self.product.or(other.product), copy: self.copy.or(other.copy) }
    }
}

/// The best rate of several ways to do the same.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// How it was reached.
    pub how: String,
    /// The best sample of `rates`.
    pub best: f64,
    /// Every sample of the best way.
    pub rates: Spread,
    /// What was wrong with the answer, if anything.
    pub fault: Option<String>,
}

impl Rate {
    fn new(how: String, rates: Spread, fault: Option<String>) -> Rate {
        Rate { how, best: rates.max, rates, fault }
    }

    /// The better of two; a wrong answer of either is kept.
    fn or(self, other: Rate) -> Rate {
        let fault = self.fault.clone().or(other.fault.clone());
        let better = if other.best > self.best { other } else { self };
        Rate { fault, ..better }
    }
}

/// Measures both rates; takes a few seconds.
///
/// # Errors
/// If the device fails; a wrong answer is a `fault`.
pub async fn roof(machine: &Machine) -> Result<Roof, Error> {
    Ok(Roof { product: product(machine).await?, copy: copy(machine).await? })
}

/// Which kernel does the large product.
#[derive(Clone, Copy)]
enum Way {
    Forward(Form),
    Gradient(Form),
}

/// Tries forward products and weight gradients of every form that may be fast, at a small size, then grows the size with the best.
async fn product(machine: &Machine) -> Result<Rate, Error> {
    const SIDES: [usize; 5] = [512, 1024, 2048, 4096, 8192];
    let ways = machine.forms().iter().flat_map(|&form| [Way::Forward(form), Way::Gradient(form)]);
    let mut best: Option<(Way, Rate)> = None;
    for way in ways {
        let rate = square(machine, way, SIDES[0], &Effort::GLANCE).await?;
        if best.as_ref().is_none_or(|(_, so_far)| rate.best > so_far.best || rate.fault.is_some()) {
            let wrong = rate.fault.is_some();
            best = Some((way, rate));
            if wrong {
                break;
            }
        }
    }
    let (way, mut rate) = best.unwrap_or((Way::Forward(Form::Plain), nothing()));
    for side in SIDES {
        let fits = 4 * (side * side) as u64 <= machine.limit();
        // The next size takes eight times as long: from a fifth of a second on no better rate is to be had.
        let seconds = 2.0 * (side as f64).powi(3) / (rate.best * 1e9);
        if rate.fault.is_some() || !fits || seconds > 0.2 {
            break;
        }
        rate = rate.or(square(machine, way, side, &Effort::USUAL).await?);
    }
    Ok(rate)
}

fn nothing() -> Rate {
    Rate::new("nothing".into(), Spread::of(Vec::new()), Some("no product was measured".into()))
}

/// One product of square matrices with whole numbers, of which some are computed anew.
async fn square(machine: &Machine, way: Way, side: usize, effort: &Effort) -> Result<Rate, Error> {
    let mut plan = Plan::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| plan.f32(name, Role::Scratch, side, side));
    let (bias, none) = (plan.f32("bias", Role::Scratch, 1, side), plan.tensor("none", Role::Scratch, Kind::Bits, 1, 1));
    match way {
        Way::Forward(form) => {
            plan.push(Linear { x: a, w: b, b: bias, mask: none, y: c, act: Activation::Identity, keep: 1.0, form })
        }
        Way::Gradient(form) => plan.push(LinearDw { dy: a, x: b, dw: c, form }),
    }
    let mut engine = machine.engine(&plan).await?;
    // Sums of at most 8192 products of at most 3·3 are exact in single precision.
    let value = |seed: usize, at: usize| (at.wrapping_mul(seed) >> 7) as f32 % 7.0 - 3.0;
    let seeds = [2_654_435_761, 2_246_822_519];
    for (id, seed) in [(a, seeds[0]), (b, seeds[1])] {
        let values: Vec<f32> = (0..side * side).map(|at| value(seed, at % 65_521)).collect();
        engine.write(id, 0, &id.pack(&values));
    }
    engine.write(bias, 0, &vec![0; bias.words()]);
    engine.write(none, 0, &[0]);
    let work = (0..1, Now { rows: side as u32, batch: 1, ..Now::default() });
    let timing = time(engine.as_mut(), &work, c, effort).await?;

    let element = |of: usize, row: usize, col: usize| value(seeds[of], (row * side + col) % 65_521);
    let mut fault = None;
    // Enough places that an error in one of sixteen of a tile's elements is hardly missed.
    for place in 0..64u32 {
        let [row, col] = [0, 64].map(|seed| ((place + seed + 1).wrapping_mul(0x9E37_79B9) >> 8) as usize % side);
        let terms = (0..side).map(|k| match way {
            Way::Forward(_) => element(0, row, k) * element(1, col, k),
            Way::Gradient(_) => element(0, k, row) * element(1, k, col),
        });
        let (expected, at) = (terms.sum::<f32>(), row * c.stride() + col);
        let found = engine.read(c, at..at + 1).await?.first().map_or(f32::NAN, |&word| f32::from_bits(word));
        if found != expected {
            fault = Some(format!("product of {side}³: [{row},{col}] is {found}, expected {expected}"));
        }
    }
    let how = format!("{} {side}³", plan.steps[0].shader().name);
    let flops = plan.steps[0].flops() as f64;
    Ok(Rate::new(how, timing.seconds.rate(flops / 1e9), fault))
}

/// The update of a large tensor, which reads two and writes one; on the CPU also a plain copy by all threads.
async fn copy(machine: &Machine) -> Result<Rate, Error> {
    // Far larger than any cache, and within what software adapters bind.
    let large = matches!(machine, Machine::Gpu(gpu) if gpu.class() == crate::engine::gpu::Class::Gpu);
    let mut side = if large { 8192 } else { 4096 };
    while 4 * (side * side) as u64 > machine.limit() {
        side /= 2;
    }
    let mut plan = Plan::default();
    let (dw, w) = (plan.f32("dw", Role::Scratch, side, side), plan.f32("w", Role::Scratch, side, side));
    plan.push(Sgd { dw, w, l2: 0.0 });
    let mut engine = machine.engine(&plan).await?;
    fill(engine.as_mut(), dw, 1.0);
    fill(engine.as_mut(), w, 0.0);
    // A power of two: n updates give exactly −n·lr.
    let lr = 1.0 / 1024.0;
    let timing = time(engine.as_mut(), &(0..1, Now { lr, ..Now::default() }), w, &Effort::USUAL).await?;
    let mut fault = None;
    for at in [0, w.words() / 2 + 1, w.words() - 1] {
        let found = engine.read(w, at..at + 1).await?.first().map_or(f32::NAN, |&word| f32::from_bits(word));
        let expected = -(timing.total as f32) * lr;
        if found != expected {
            fault = Some(format!("copy: word {at} is {found}, expected {expected}"));
        }
    }
    let megabytes = w.bytes() >> 20;
    let bytes = plan.steps[0].cost().bytes as f64;
    let update = Rate::new(format!("sgd of {megabytes} MiB"), timing.seconds.rate(bytes / 1e9), fault);
    Ok(match machine {
        Machine::Cpu => update.or(host_copy(w.words())),
        Machine::Gpu(_) => update,
    })
}

fn fill(engine: &mut dyn crate::engine::Engine, id: Id, value: f32) {
    // Row by row: tensors this large need no second copy on the host.
    let row = vec![value.to_bits(); id.stride()];
    (0..id.rows).for_each(|number| engine.write(id, number * id.stride(), &row));
}

/// Copies words from one place in memory to another, each thread its part.
fn host_copy(words: usize) -> Rate {
    let from: Vec<u32> = (0..words as u32).collect();
    let mut to = vec![0u32; words];
    let part = words.div_ceil(rayon::current_num_threads()).max(1);
    let mut seconds = Vec::new();
    for _ in 0..=Effort::USUAL.most {
        let begin = Instant::now();
        to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from));
        seconds.push(begin.elapsed().as_secs_f64());
    }
    // The first touches memory that the system has yet to give.
    seconds.remove(0);
    let fault = (to != from).then(|| "copy: the words differ".to_string());
    let how = format!("copy of {} MiB by {} threads", (4 * words) >> 20, rayon::current_num_threads());
    Rate::new(how, Spread::of(seconds).rate(8.0 * words as f64 / 1e9), fault)
}
