//! Times a product in each form.

use crate::base::clock::Instant;
use crate::base::error::Error;
use crate::engine::Engine;
use crate::engine::machine::Machine;
use crate::kernels::forms::MatmulShape;
use crate::kernels::linear::Linear;
use crate::kernels::linear_dw::LinearDw;
use crate::kernels::linear_dx::LinearDx;
use crate::kernels::update::Update;
use crate::kernels::{Form, Op};
use crate::plan::Plan;
use crate::plan::kernel::{Kernel, StepValues};
use crate::plan::tensor::{DType, Role, TensorId};
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

/// A form is excluded if it is this many times slower than the best form so far.
const HOPELESS: u32 = 3;
/// Multiply-adds of the product that is timed first. The slowest form on a software adapter needs about 10 ms for them.
const SMALL: u64 = 1 << 21;
/// Approximate time of the dispatches of one measurement; long compared with the latency of the device.
const MEASUREMENT: Duration = Duration::from_millis(1);
/// Maximum number of dispatches in one measurement.
const COPIES: usize = 32;
/// Number of measurements. The shortest time is used, because disturbances only make a measurement longer.
const REPEATS: usize = 5;

/// Returns the fastest form of a product; the first of `forms` is the machine's default. Takes at most about `allowed`:
/// if timing the product would take longer, a smaller product of the same proportions is timed instead.
pub(super) async fn fastest(
    machine: &Machine,
    forms: &[Form],
    kernel: &Arc<dyn Kernel>,
    product: MatmulShape,
    allowed: Duration,
) -> Result<Form, Error> {
    let begin = Instant::now();
    let forms: Vec<Form> = forms.iter().copied().filter(|form| product.forms().contains(form)).collect();
    let small = shrunk(product);
    let mut times = measure(machine, kernel, small, &forms).await?;
    if small != product {
        let whole = product.multiply_adds() as f64 / small.multiply_adds() as f64;
        // An overestimate: two single dispatches and all repeats for every form.
        let needed: f64 = times.iter().map(|(_, time)| time.as_secs_f64() * whole * (2 + REPEATS) as f64).sum();
        if needed < allowed.saturating_sub(begin.elapsed()).as_secs_f64() {
            times = measure(machine, kernel, product, &forms).await?;
        }
    }
    tracing::debug!(%product, ?times, took = ?begin.elapsed(), "timed");
    Ok(pick(&times))
}

/// The fastest form. The first form is kept unless another is clearly faster, so that noise does not decide.
fn pick(times: &[(Form, Duration)]) -> Form {
    let (mut best, mut least) = times.first().copied().unwrap_or((Form::default(), Duration::MAX));
    least = least.mul_f64(if least == Duration::MAX { 1.0 } else { 0.97 });
    for &(form, time) in times.iter().skip(1) {
        if time < least {
            (best, least) = (form, time);
        }
    }
    best
}

/// A smaller product of about the same proportions.
fn shrunk(product: MatmulShape) -> MatmulShape {
    let mut small = product;
    while small.multiply_adds() > SMALL {
        let largest = small.batch.max(small.inputs).max(small.outputs);
        let sizes = [&mut small.batch, &mut small.inputs, &mut small.outputs];
        for size in sizes.into_iter().filter(|size| **size == largest).take(1) {
            *size = largest.div_ceil(2);
        }
    }
    small
}

/// Times a dispatch in each form, and omits forms that are far too slow.
async fn measure(
    machine: &Machine,
    kernel: &Arc<dyn Kernel>,
    product: MatmulShape,
    forms: &[Form],
) -> Result<Vec<(Form, Duration)>, Error> {
    let (plan, output) = stage(kernel.as_ref(), product, forms);
    let mut engine = machine.engine(&plan).await?;
    let mut times = Vec::new();
    let mut best = Duration::MAX;
    for (number, &form) in forms.iter().enumerate() {
        let first = number * COPIES;
        // The first dispatch may include compilation, and fills caches.
        once(engine.as_mut(), first..first + 1, output).await?;
        let single = once(engine.as_mut(), first..first + 1, output).await?;
        if single / HOPELESS > best {
            continue;
        }
        let copies = (MEASUREMENT.as_secs_f64() / single.as_secs_f64().max(1e-9)).clamp(1.0, COPIES as f64) as usize;
        let mut least = Duration::MAX;
        for _ in 0..REPEATS {
            least = least.min(once(engine.as_mut(), first..first + copies, output).await? / copies as u32);
        }
        best = best.min(single);
        times.push((form, least));
    }
    Ok(times)
}

/// Runs steps, waits for the result, and returns the time.
async fn once(engine: &mut dyn Engine, steps: Range<usize>, output: TensorId) -> Result<Duration, Error> {
    let begin = Instant::now();
    engine.run(&[(steps, StepValues::default())]).await?;
    engine.read(output, 0..output.words().min(1)).await?;
    Ok(begin.elapsed())
}

/// A plan with the product alone, [`COPIES`] times in each form, and the tensor that it writes. All values are zero; other
/// values would take the same time.
fn stage(kernel: &dyn Kernel, product: MatmulShape, forms: &[Form]) -> (Plan, TensorId) {
    let mut plan = Plan::default();
    let MatmulShape { batch, inputs, outputs, .. } = product;
    let x = plan.f32("x", Role::Scratch, batch, inputs);
    let y = plan.f32("y", Role::Scratch, batch, outputs);
    let w = plan.f32("w", Role::Scratch, outputs, inputs);
    let mut mask = |keep: f32, cols: usize| match keep < 1.0 {
        true => plan.tensor("mask", Role::Scratch, DType::Bits, batch, cols),
        false => plan.tensor("mask", Role::Scratch, DType::Bits, 1, 1),
    };
    // Activation and dropout as in the run, so that the run can use the pipelines that are compiled here.
    let output = match Op::of(kernel) {
        Some(Op::Linear(Linear { act, keep, .. })) => {
            let (act, keep) = (*act, *keep);
            let mask = mask(keep, outputs);
            let b = plan.f32("b", Role::Scratch, 1, outputs);
            copies(&mut plan, forms, |form| Linear { x, w, b, mask, y, act, keep, form });
            y
        }
        Some(Op::LinearDx(LinearDx { act, keep, .. })) => {
            let (act, keep) = (*act, *keep);
            let mask = mask(keep, inputs);
            let dx = plan.f32("dx", Role::Scratch, batch, inputs);
            copies(&mut plan, forms, |form| LinearDx { dy: y, w, x, mask, dx, act, keep, form });
            dx
        }
        Some(Op::Update(Update { state, l2, rule, .. })) => {
            let (l2, rule) = (*l2, *rule);
            let b = plan.f32("b", Role::Scratch, 1, outputs);
            // First the state of the weights, then that of the biases.
            let shapes = [(outputs, inputs), (1, outputs)].into_iter().flat_map(|shape| vec![shape; state.len() / 2]);
            let state: Vec<TensorId> =
                shapes.map(|(rows, cols)| plan.f32("state", Role::Scratch, rows, cols)).collect();
            copies(&mut plan, forms, |form| Update { dy: y, x, w, b, state: state.clone(), l2, rule, form });
            w
        }
        _ => {
            copies(&mut plan, forms, |form| LinearDw { dy: y, x, dw: w, form });
            w
        }
    };
    (plan, output)
}

fn copies<K: Kernel>(plan: &mut Plan, forms: &[Form], make: impl Fn(Form) -> K) {
    for &form in forms {
        (0..COPIES).for_each(|_| plan.push(make(form)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_form_must_be_clearly_faster_than_the_first() {
        let times = |a: u64, b: u64, c: u64| {
            [(Form::Registers, a), (Form::Plain, b), (Form::Tiled, c)]
                .map(|(form, us)| (form, Duration::from_micros(us)))
        };
        assert_eq!(pick(&times(100, 99, 98)), Form::Registers);
        assert_eq!(pick(&times(100, 96, 95)), Form::Tiled);
        assert_eq!(pick(&times(100, 90, 95)), Form::Plain);
        assert_eq!(pick(&times(100, 200, 300)), Form::Registers);
    }

    #[test]
    fn large_products_shrink_to_a_size_that_is_timed_quickly_and_small_ones_do_not_change() {
        for sizes in [(1, 1, 1), (64, 784, 128), (60_000, 784, 1), (1024, 2048, 2048), (1, 1 << 20, 1 << 20)] {
            let (batch, inputs, outputs) = sizes;
            let product = MatmulShape { kernel: "linear", batch, inputs, outputs };
            let small = shrunk(product);
            assert!(small.multiply_adds() <= SMALL && small.multiply_adds() > 0, "{small}");
            assert_eq!(small == product, product.multiply_adds() <= SMALL, "{small}");
        }
    }
}
