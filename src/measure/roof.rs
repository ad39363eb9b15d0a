//! The device's limits, measured with this crate's own kernels: the best rate of products and of copies.

use super::clock::{Effort, time};
use super::spread::Spread;
use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::base::text::counted;
use crate::engine::machine::Machine;
use crate::kernels::linear::Linear;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::sgd::Sgd;
use crate::kernels::{Activation, Form};
use crate::plan::Plan;
use crate::plan::kernel::StepValues;
use crate::plan::tensor::{DType, Role, TensorId};
use rayon::prelude::*;
use serde::Serialize;

/// The best rates measured.
#[derive(Clone, Debug, Serialize)]
pub struct Roof {
    /// Matrix products, in 10⁹ operations per second.
    pub product: Rate,
    /// Memory traffic, in 10⁹ bytes per second, bytes read plus bytes written.
    pub copy: Rate,
}

impl Roof {
    /// The better rates of two measurements. Other programs can only lower a measured rate, never raise it.
    pub fn or(self, other: Roof) -> Roof {
        Roof { product: self.product.or(other.product), copy: self.copy.or(other.copy) }
    }
}

/// The best rate of several kernels and sizes.
#[derive(Clone, Debug, Serialize)]
pub struct Rate {
    /// The kernel and size that reached it.
    pub how: String,
    /// The best sample of `rates`.
    pub best: f64,
    /// All samples of that kernel and size.
    pub rates: Spread,
    /// What is wrong with the result; `None` if it is correct.
    pub fault: Option<String>,
}

impl Rate {
    fn new(how: String, rates: Spread, fault: Option<String>) -> Rate {
        Rate { how, best: rates.max, rates, fault }
    }

    /// The better of two rates, with a fault if either has one.
    fn or(self, other: Rate) -> Rate {
        let fault = self.fault.clone().or(other.fault.clone());
        let better = if other.best > self.best { other } else { self };
        Rate { fault, ..better }
    }
}

/// Measures both rates. Takes a few seconds.
///
/// # Errors
/// If the device fails. A wrong result is a `fault`, not an error.
pub async fn roof(machine: &Machine) -> Result<Roof, Error> {
    Ok(Roof { product: product(machine).await?, copy: copy(machine).await? })
}

/// The kernel that computes a product.
#[derive(Clone, Copy)]
enum ProductKernel {
    Forward(Form),
    Gradient(Form),
}

/// Measures forward products and weight gradients in all fast forms at a small size, then the best of them at larger sizes.
async fn product(machine: &Machine) -> Result<Rate, Error> {
    const SIDES: [usize; 5] = [512, 1024, 2048, 4096, 8192];
    let kernels =
        machine.forms().iter().flat_map(|&form| [ProductKernel::Forward(form), ProductKernel::Gradient(form)]);
    let mut best: Option<(ProductKernel, Rate)> = None;
    for kernel in kernels {
        let rate = square(machine, kernel, SIDES[0], &Effort::GLANCE).await?;
        if best.as_ref().is_none_or(|(_, so_far)| rate.best > so_far.best || rate.fault.is_some()) {
            let wrong = rate.fault.is_some();
            best = Some((kernel, rate));
            if wrong {
                break;
            }
        }
    }
    let (kernel, mut rate) = best.unwrap_or((ProductKernel::Forward(Form::Plain), not_measured()));
    for side in SIDES {
        let fits = 4 * (side * side) as u64 <= machine.limit();
        // The next size takes eight times as long. Sizes that take more than 0.2 s do not improve the rate.
        let seconds = 2.0 * (side as f64).powi(3) / (rate.best * 1e9);
        if rate.fault.is_some() || !fits || seconds > 0.2 {
            break;
        }
        rate = rate.or(square(machine, kernel, side, &Effort::USUAL).await?);
    }
    Ok(rate)
}

fn not_measured() -> Rate {
    Rate::new("none".into(), Spread::of(Vec::new()), Some("no product was measured".into()))
}

/// Times a product of square matrices of integers. Some elements of the result are checked.
async fn square(machine: &Machine, kernel: ProductKernel, side: usize, effort: &Effort) -> Result<Rate, Error> {
    let mut plan = Plan::default();
    let [a, b, c] = ["a", "b", "c"].map(|name| plan.f32(name, Role::Scratch, side, side));
    let bias = plan.f32("bias", Role::Scratch, 1, side);
    let none = plan.tensor("none", Role::Scratch, DType::Bits, 1, 1);
    match kernel {
        ProductKernel::Forward(form) => {
            plan.push(Linear { x: a, w: b, b: bias, mask: none, y: c, act: Activation::Identity, keep: 1.0, form })
        }
        ProductKernel::Gradient(form) => plan.push(LinearDw { dy: a, x: b, dw: c, form }),
    }
    let mut engine = machine.engine(&plan).await?;
    // Sums of up to 8192 products of up to 3·3 are exact in single precision.
    let value = |seed: usize, at: usize| (at.wrapping_mul(seed) >> 7) as f32 % 7.0 - 3.0;
    let seeds = [2_654_435_761, 2_246_822_519];
    for (id, seed) in [(a, seeds[0]), (b, seeds[1])] {
        let values: Vec<f32> = (0..side * side).map(|at| value(seed, at % 65_521)).collect();
        engine.write(id, 0, &id.pack(&values));
    }
    engine.write(bias, 0, &vec![0; bias.words()]);
    engine.write(none, 0, &[0]);
    let work = (0..1, StepValues { rows: side as u32, batch: 1, ..StepValues::default() });
    let timing = time(engine.as_mut(), &work, c, effort).await?;

    let element = |of: usize, row: usize, col: usize| value(seeds[of], (row * side + col) % 65_521);
    let mut fault = None;
    // 64 elements: an error in one sixteenth of a tile's elements is found with a probability of 98 %.
    for place in 0..64u32 {
        let [row, col] = [0, 64].map(|seed| ((place + seed + 1).wrapping_mul(0x9E37_79B9) >> 8) as usize % side);
        let terms = (0..side).map(|k| match kernel {
            ProductKernel::Forward(_) => element(0, row, k) * element(1, col, k),
            ProductKernel::Gradient(_) => element(0, k, row) * element(1, k, col),
        });
        let expected = terms.sum::<f32>();
        let at = row * c.stride() + col;
        let found = engine.read(c, at..at + 1).await?.first().map_or(f32::NAN, |&word| f32::from_bits(word));
        if found != expected {
            fault = Some(format!("product of {side}³: [{row},{col}] is {found}, expected {expected}"));
        }
    }
    let how = format!("{} {side}³", plan.steps[0].shader().name);
    let flops = plan.steps[0].flops() as f64;
    Ok(Rate::new(how, timing.seconds.rate(flops / 1e9), fault))
}

/// Times the update of a large tensor, which reads two tensors and writes one; on the CPU also a plain copy by all threads.
async fn copy(machine: &Machine) -> Result<Rate, Error> {
    // Much larger than any cache, and within the binding limit of software adapters.
    let large = matches!(machine, Machine::Gpu(gpu) if gpu.class() == crate::engine::gpu::Class::Gpu);
    let mut side = if large { 8192 } else { 4096 };
    while 4 * (side * side) as u64 > machine.limit() {
        side /= 2;
    }
    let mut plan = Plan::default();
    let dw = plan.f32("dw", Role::Scratch, side, side);
    let w = plan.f32("w", Role::Scratch, side, side);
    plan.push(Sgd { dw, w, l2: 0.0 });
    let mut engine = machine.engine(&plan).await?;
    fill(engine.as_mut(), dw, 1.0);
    fill(engine.as_mut(), w, 0.0);
    // A power of two, so that n updates give exactly −n·lr.
    let lr = 1.0 / 1024.0;
    let timing = time(engine.as_mut(), &(0..1, StepValues { lr, ..StepValues::default() }), w, &Effort::USUAL).await?;
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

fn fill(engine: &mut dyn crate::engine::Engine, id: TensorId, value: f32) {
    // Row by row, to avoid a second copy of so large a tensor on the host.
    let row = vec![value.to_bits(); id.stride()];
    (0..id.rows).for_each(|number| engine.write(id, number * id.stride(), &row));
}

/// Times a copy in host memory, divided among all threads.
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
    // The first copy also includes the allocation of pages by the operating system.
    seconds.remove(0);
    let fault = (to != from).then(|| "copy: the words differ".to_string());
    let how = format!("copy of {} MiB by {}", (4 * words) >> 20, counted(rayon::current_num_threads(), "thread"));
    Rate::new(how, Spread::of(seconds).rate(8.0 * words as f64 / 1e9), fault)
}
