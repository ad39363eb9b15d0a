//! The report as text.

use crate::cli::settings::word;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::config::Config;
use gpu_mlp::measure::Report;
use gpu_mlp::measure::dispatch::Dispatch;
use gpu_mlp::measure::growth::Measurement;
use gpu_mlp::measure::roof::Roof;
use gpu_mlp::measure::spread::Spread;
use std::fmt::Write as _;

/// Device, net and data.
pub fn head(report: &Report) -> String {
    let Report { device, workload, data, train_samples, profile, version, .. } = report;
    let name = workload.map_or(String::new(), |workload| format!("{workload:?}: "));
    let net = report.config.as_ref().map_or("several nets".into(), |config| {
        let Config { hidden, activation, batch_size, keep_prob, optimizer, momentum, .. } = config;
        let lr = config.learning_rate(*train_samples);
        let (optimizer, activation) = (word(optimizer), word(activation));
        format!(
            "{name}hidden {hidden:?}, {activation}, batch {batch_size}, keep {keep_prob}, {optimizer} lr {lr} momentum {momentum}"
        )
    });
    let samples = counted(*train_samples, "sample");
    format!("{}\n{net}; {data}, {samples}; {profile} build of {version}\n", device.heading())
}

/// The best rates of the device.
pub fn roof(report: &Report) -> String {
    let Some(Roof { product, copy }) = &report.roof else { return String::new() };
    format!(
        "\nroof: products {} GFLOP/s ({}), traffic {} GB/s ({})\n",
        short(product.best),
        product.how,
        short(copy.best),
        copy.how
    )
}

/// The training run.
pub fn run(report: &Report) -> String {
    let Some(run) = &report.run else { return String::new() };
    let unit = match run.whole_epochs {
        true => format!("an epoch of {} in {}", counted(run.images, "image"), counted(run.steps, "step")),
        false => {
            let (of, images) = (counted(run.epoch_steps, "step"), counted(run.images, "image"));
            format!("{} of the {of} of an epoch, {images}", run.steps)
        }
    };
    let (samples, steps) = (counted(run.seconds.samples.len(), "sample"), counted(run.warm_up_steps, "step"));
    let mut text = format!("\nrun: {samples}, each {unit}; {steps} of warm-up\n");
    let _ = writeln!(text, "{:<14} {:>10} {:>24} {:>24}", "", "median", "quartiles", "range");
    for (name, spread) in [
        ("seconds", &run.seconds),
        ("images/s", &run.images_per_second),
        ("steps/s", &run.steps_per_second),
        ("GFLOP/s", &run.gflop_per_second),
    ] {
        let Spread { median, q1, q3, min, max, .. } = spread;
        let pair = |a: &f64, b: &f64| format!("{} .. {}", short(*a), short(*b));
        let _ = writeln!(text, "{name:<14} {:>10} {:>24} {:>24}", short(*median), pair(q1, q3), pair(min, max));
    }
    if let Some(share) = report.share_of_roof {
        let _ = writeln!(text, "products reach {} % of the roof; the time includes all other work", percent(share, 1));
    }
    let (first, last) = (run.loss.first().copied().unwrap_or(f64::NAN), run.loss.last().copied().unwrap_or(f64::NAN));
    let accuracy = percent(run.test_accuracy, 2);
    let verdict = run.fault.as_ref().map_or("ok".to_string(), |fault| format!("FAILED: {fault}"));
    let _ =
        writeln!(text, "loss {first:.4} .. {last:.4}, test accuracy {accuracy} %, required: {}: {verdict}", run.demand);
    let tensors = run.device_bytes as f64 / 1e6;
    let allocated = run.allocated_bytes.map(|bytes| format!(", {:.1} MB allocated on the device", bytes as f64 / 1e6));
    let _ = writeln!(
        text,
        "{}, tensors of {tensors:.1} MB{}\nincluded in the times: {}",
        counted(run.parameters, "parameter"),
        allocated.unwrap_or_default(),
        report.clock[0]
    );
    text
}

/// The dispatches of a training step.
pub fn step(report: &Report) -> String {
    let Some(step) = &report.step else { return String::new() };
    let sum: f64 = step.dispatches.iter().map(|dispatch| dispatch.seconds.median).sum();
    let mut text = dispatch_head();
    for one in &step.dispatches {
        text += &dispatch(one, report.roof.as_ref(), Some(sum));
    }
    let _ = writeln!(
        text,
        "sum {} µs; the whole step, repeated in the same way, takes {} µs\n{LEGEND}\nincluded in the times: {}",
        short(1e6 * sum),
        short(1e6 * step.seconds.median),
        report.clock[1]
    );
    text
}

/// What the columns of [`dispatch`] mean.
pub const LEGEND: &str = "\
±: half the interquartile range; device µs: within the whole step, by the device's timestamps; roof: share of the best \
product rate or of the best traffic, the larger of the two; above 100 % if tensors stay in caches";

/// Names of the columns of [`dispatch`].
pub fn dispatch_head() -> String {
    format!(
        "\n{:>4}  {:<18} {:>7} {:>10} {:>8} {:>9} {:>8} {:>6} {:>6} {:>6}  tensors\n",
        "step", "kernel", "groups", "µs", "±", "device µs", "GFLOP/s", "GB/s", "roof", "share"
    )
}

/// The row of a dispatch: median, half the interquartile range, rates, share of the nearer roof, share of the step.
pub fn dispatch(one: &Dispatch, roof: Option<&Roof>, sum: Option<f64>) -> String {
    let Spread { median, q1, q3, .. } = one.seconds;
    let (gflops, gigabytes) = (one.flops as f64 / median / 1e9, one.bytes as f64 / median / 1e9);
    let percent = |share: f64| format!("{}%", percent(share, 0));
    let near = roof.map(|roof| percent((gflops / roof.product.best).max(gigabytes / roof.copy.best)));
    let mut line = format!(
        "{:>4}  {:<18} {:>7} {:>10} {:>8} {:>9} {:>8} {:>6} {:>6} {:>6}  {}\n",
        one.number,
        one.kernel,
        one.groups,
        short(1e6 * median),
        short(1e6 * (q3 - q1) / 2.0),
        one.device_seconds.as_ref().map(|seconds| short(1e6 * seconds.median)).unwrap_or_default(),
        short(gflops),
        short(gigabytes),
        near.unwrap_or_default(),
        sum.map(|sum| percent(median / sum)).unwrap_or_default(),
        one.tensors,
    );
    if let Some(fault) = &one.fault {
        let _ = writeln!(line, "      FAILED: {fault}");
    }
    line
}

/// The first lines of a Markdown table of [`growth`].
pub fn growth_head() -> String {
    "\nConfiguration S with one size changed; batches of 256 unless the batch size changes. Median times; *: from parts of \
     epochs.\n\n\
     | size | value | steps | epoch s | quartiles | µs per step | images/s | GFLOP/s | MB |\n\
     |---|---:|---:|---:|---:|---:|---:|---:|---:|\n"
        .into()
}

/// A row of the table.
pub fn growth(point: &Measurement) -> String {
    let Spread { median, q1, q3, .. } = point.epoch_seconds;
    format!(
        "| {} | {} | {} | {}{} | {} .. {} | {} | {} | {} | {:.1} |\n",
        point.axis,
        point.value,
        point.steps,
        short(median),
        if point.whole_epochs { "" } else { " *" },
        short(q1),
        short(q3),
        short(point.step_microseconds),
        short(point.images_per_second),
        short(point.gflop_per_second),
        point.device_bytes as f64 / 1e6,
    )
}

/// The shortest step, an upper limit for the fixed cost of a step.
pub fn growth_floor(points: &[Measurement]) -> String {
    match points.iter().min_by(|a, b| a.step_microseconds.total_cmp(&b.step_microseconds)) {
        Some(least) => format!(
            "\nThe shortest step takes {} µs ({} {}). The fixed cost of a step is at most this.\n",
            short(least.step_microseconds),
            least.axis,
            least.value
        ),
        None => String::new(),
    }
}

/// Four significant digits.
fn short(value: f64) -> String {
    let digits = if value > 0.0 { 3 - value.log10().floor() as i32 } else { 0 };
    format!("{value:.*}", digits.clamp(0, 6) as usize)
}
