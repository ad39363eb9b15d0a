//! Measuring: the statistics, the counts, and `gpu-mlp bench` as a user runs it.

use crate::common::program::gpu_mlp;
use crate::common::{machines, not_run};
use gpu_mlp::config::{BatchSize, Config, Optimizer, PlanKind};
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::kernels::{Form, InputMap};
use gpu_mlp::measure::clock::{Effort, time};
use gpu_mlp::measure::device::{Device, DeviceKind};
use gpu_mlp::measure::share::{PRECISIONS, Share};
use gpu_mlp::measure::spread::{Spread, quantile};
use gpu_mlp::measure::training::product_flops;
use gpu_mlp::measure::workload::Workload;
use gpu_mlp::measure::{cut, dispatch, growth};
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::tensor::Role;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// `gpu-mlp bench` on a few generated digits.
fn bench(args: &[&str]) -> Command {
    let mut command = gpu_mlp(Path::new(env!("CARGO_TARGET_TMPDIR")));
    command.args(["bench", "--data", "digits", "--digits-train", "2000", "--digits-test", "300"]).args(args);
    command
}

/// Runs a command that must exit with `code`; returns stdout and stderr.
fn ends(command: &mut Command, code: i32) -> (String, String) {
    let output = command.output().unwrap();
    let (stdout, stderr) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(code), "{}\n{stdout}\n{stderr}", output.status);
    assert!(!stderr.contains("panicked"), "{stderr}");
    (stdout, stderr)
}

fn json(text: &str) -> Value {
    assert_eq!(text.lines().count(), 1, "one object on one line: {text}");
    serde_json::from_str(text).unwrap()
}

#[test]
fn quantiles_lie_on_straight_lines_between_samples() {
    let sorted = [1.0, 2.0, 4.0, 8.0];
    for (share, expected) in [(0.0, 1.0), (0.25, 1.75), (0.5, 3.0), (0.75, 5.0), (1.0, 8.0), (-1.0, 1.0), (2.0, 8.0)] {
        assert_eq!(quantile(&sorted, share), expected, "{share}");
    }
    assert_eq!(quantile(&[5.0], 0.3), 5.0);
    assert!(quantile(&[], 0.5).is_nan());
}

#[test]
fn a_spread_computes_its_statistics_and_keeps_the_order_of_its_samples() {
    let spread = Spread::of(vec![4.0, 1.0, 2.0]);
    assert_eq!((spread.min, spread.q1, spread.median, spread.q3, spread.max), (1.0, 1.5, 2.0, 3.0, 4.0));
    assert_eq!(spread.samples, [4.0, 1.0, 2.0]);
    // The longest time is the lowest rate.
    let rate = spread.rate(8.0);
    assert_eq!((rate.min, rate.median, rate.max), (2.0, 4.0, 8.0));
    assert_eq!(spread.times(2.0).max, 8.0);
}

#[test]
fn flops_of_products_are_those_of_the_plan() {
    for workload in Workload::ALL {
        let config = Config { plan: PlanKind::Plain, ..workload.config() };
        let batch = config.batch_size.samples(60_000);
        let (train, test) = (60_000, 10_000);
        let sizes = Sizes {
            inputs: 784,
            outputs: 10,
            floats: false,
            weighted: false,
            loss: None,
            train,
            validation: 0,
            test,
            forms: Form::Plain.into(),
            limit: u64::MAX,
        };
        let net = Net::for_training(&config, sizes, &InputMap::RAW);
        let steps = net.training.unwrap();
        let ops = net.plan.steps[steps.gradients.start..steps.update.end].iter();
        let products = ops.filter(|kernel| ["linear", "linear_dx", "linear_dw"].contains(&kernel.shader().name));
        let flops: u64 = products.map(|kernel| kernel.flops()).sum();
        assert_eq!(flops, batch as u64 * product_flops(&config.widths(784, 10)), "{workload:?}");
    }
    assert_eq!(product_flops(&[2, 3]), 2 * 2 * 6, "no gradient of the inputs");
}

#[test]
fn a_cut_keeps_the_head_and_leaves_the_test_split() {
    let data = generate(&Options { train: 20, test: 5, seed: 1 });
    let part = cut(&data, 7);
    assert_eq!((part.train.len(), part.train.pixels().len(), part.test.len()), (7, 7 * 784, 5));
    assert_eq!(part.train.classes(), &data.train.classes()[..7]);
    assert_eq!(cut(&data, 21).train.len(), 20);
}

#[test]
fn growth_varies_one_size_at_a_time_and_stays_within_the_split() {
    let all = growth::variants(1000);
    for variant in &all {
        variant.config.check(variant.samples).unwrap();
        assert!(variant.samples <= 1000);
    }
    let axes: BTreeSet<_> = all.iter().map(|variant| variant.axis).collect();
    assert_eq!(axes, BTreeSet::from(["batch", "width", "depth", "samples"]));
}

#[test]
fn a_software_adapter_is_recorded_as_software_and_the_cpu_as_a_cpu() {
    for machine in machines::machines() {
        let device = Device::of(&machine);
        let imitation = device.device_type == "Cpu" || device.adapter.to_lowercase().contains("llvmpipe");
        let heading = device.heading();
        match device.class {
            DeviceKind::Gpu => assert!(!imitation && heading.starts_with("GPU: "), "{heading}"),
            DeviceKind::Software => assert!(imitation && heading.starts_with("software adapter: "), "{heading}"),
            DeviceKind::Cpu => assert!(heading.starts_with("CPU engine: ") && device.threads > 0, "{heading}"),
        }
        assert_eq!(heading.contains("GPU"), device.class == DeviceKind::Gpu, "{heading}");
    }
}

#[test]
fn the_clock_repeats_short_work_and_counts_every_repetition() {
    for machine in machines::machines() {
        let mut plan = gpu_mlp::plan::Plan::default();
        let (dw, w) = (plan.f32("dw", Role::Scratch, 1, 4), plan.f32("w", Role::Scratch, 1, 4));
        plan.push(gpu_mlp::kernels::sgd::Sgd { dw, w, l2: 0.0 });
        let now = gpu_mlp::plan::kernel::StepValues { lr: 1.0, ..Default::default() };
        let (after, total) = pollster::block_on(async {
            let mut engine = machine.engine(&plan).await.unwrap();
            engine.write(dw, 0, &[1f32.to_bits(); 4]);
            engine.write(w, 0, &[0; 4]);
            // Far longer than a submission takes, even on a busy machine.
            let effort = Effort { sample: Duration::from_secs(2), most: 3, ..Effort::USUAL };
            let timing = time(engine.as_mut(), &(0..1, now), w, &effort).await.unwrap();
            assert!(timing.repetitions > 1 && timing.seconds.min > 0.0, "{timing:?}");
            let after = f32::from_bits(engine.read(w, 0..1).await.unwrap()[0]);
            (after, timing.total)
        });
        assert_eq!(after, -(total as f32), "{}", machine.description());
    }
}

#[test]
fn every_kernel_of_a_net_is_compared_and_timed_in_every_form() {
    let data = generate(&Options { train: 70, test: 1, seed: 1 });
    let small =
        Config { hidden: vec![33, 17], batch_size: BatchSize::Samples(32), keep_prob: 0.5, ..Config::default() };
    let adam = Config { optimizer: Optimizer::Adam, lr: Some(0.001), ..small.clone() };
    for machine in machines::adapters() {
        let found = pollster::block_on(dispatch::kernels(
            &machine,
            &[Config { plan: PlanKind::Plain, ..small.clone() }, small.clone(), adam.clone()],
            &data,
            &Effort::GLANCE,
            &mut |_| {},
        ));
        let found = found.unwrap();
        for one in &found {
            assert!(one.fault.is_none(), "{}: {:?}", machine.description(), one.fault);
            assert!(one.seconds.median > 0.0 && one.bytes > 0, "{}", one.kernel);
        }
        let names: BTreeSet<_> = found.iter().map(|one| one.kernel).collect();
        for name in [
            "linear",
            "linear_tiled",
            "linear_registers",
            "linear_dw_registers",
            "dropout",
            "sgd",
            "update_sgd_registers",
            "update_adam_tiled",
        ] {
            assert!(names.contains(name), "{name} is not in {names:?}");
        }
        let keys: BTreeSet<_> = found.iter().map(|one| (one.kernel, &one.tensors)).collect();
        assert_eq!(keys.len(), found.len(), "each is timed once");
    }
}

#[test]
fn an_adapter_with_a_clock_times_each_dispatch_of_a_step() {
    let data = generate(&Options { train: 200, test: 20, seed: 1 });
    for machine in machines::adapters() {
        let step = pollster::block_on(dispatch::step(&machine, &Config::default(), &data, &Effort::GLANCE)).unwrap();
        let clocks: Vec<_> = step.dispatches.iter().filter_map(|one| one.device_seconds.as_ref()).collect();
        let name = machine.description();
        // Lavapipe has a clock. Another adapter may have none, but a clock times either all dispatches or none.
        let must = name.contains("vulkan") && name.contains("llvmpipe");
        let all = step.dispatches.len();
        assert!(clocks.len() == all || clocks.is_empty() && !must, "{name}: {} clocks", clocks.len());
        // A device's clock may tick slowly, but a whole step takes longer than one tick.
        let sum: f64 = clocks.iter().map(|seconds| seconds.max).sum();
        assert!(clocks.is_empty() || sum > 0.0 && sum < 10.0, "{name}: {sum} s");
    }
}

#[test]
fn the_record_of_a_run_has_every_sample_and_says_where_it_was_made() {
    let (stdout, _) = ends(&mut bench(&["--engine", "cpu", "--config", "S", "--epochs", "4", "--json"]), 0);
    let record = json(&stdout);
    let device = &record["device"];
    assert_eq!(device["class"], "cpu");
    for field in ["adapter", "driver", "backend", "device_type", "os", "arch"] {
        assert!(device[field].is_string(), "{field} in {device}");
    }
    assert!(device["threads"].as_u64().unwrap() > 0 && record["unix_time"].as_u64().unwrap() > 1_700_000_000);
    assert_eq!((record["version"].as_str(), record["preset"].as_str()), (Some(env!("CARGO_PKG_VERSION")), Some("S")));
    assert_eq!((&record["config"]["schedule"], &record["config"]["normalize"]), (&"constant".into(), &"unit".into()));
    let run = &record["run"];
    assert_eq!(run["steps"], 32, "an epoch of 2000 digits in batches of 64");
    for quantity in ["seconds", "images_per_second", "steps_per_second", "gflop_per_second"] {
        let spread = &run[quantity];
        let at = |name: &str| spread[name].as_f64().unwrap();
        assert_eq!(spread["samples"].as_array().unwrap().len(), 4, "{quantity}");
        assert!(0.0 < at("min") && at("min") <= at("q1") && at("q1") <= at("median"), "{spread}");
        assert!(at("median") <= at("q3") && at("q3") <= at("max"), "{spread}");
    }
    assert_eq!(run["loss"].as_array().unwrap().len(), 5, "warm-up and four epochs");
    assert!(run["test_accuracy"].as_f64().unwrap() > 0.5 && run["fault"].is_null());
    assert!(record["roof"]["product"]["best"].as_f64().unwrap() > 0.0 && record["share_of_roof"].as_f64().is_some());
    assert!(record["roof"]["copy"]["fault"].is_null() && record["roof"]["product"]["fault"].is_null());
    let dispatches = record["step"]["dispatches"].as_array().unwrap();
    assert!(dispatches.iter().any(|one| one["kernel"].as_str().unwrap().starts_with("linear")));
}

#[test]
fn thirty_steps_are_timed_even_with_a_max_time_of_zero() {
    let args = ["--engine", "cpu", "--config", "K", "--epochs", "1", "--max-time", "0", "--run-only", "--json"];
    let (stdout, _) = ends(&mut bench(&args), 0);
    let record = json(&stdout);
    let run = &record["run"];
    let samples = run["seconds"]["samples"].as_array().unwrap().len();
    assert_eq!((run["steps"].as_u64(), run["whole_epochs"].as_bool(), samples), (Some(10), Some(false), 3));
    assert!(run["warm_up_steps"].as_u64() >= Some(10));
    assert!(record["roof"].is_null() && record["step"].is_null());
}

#[test]
fn a_falling_rate_stays_above_zero_in_every_timed_step() {
    // Five steps per epoch: thirty timed steps are more epochs than requested, and a rate below zero would unlearn.
    let args = ["--engine", "cpu", "--schedule", "linear", "--digits-train", "320", "--epochs", "1", "--run-only"];
    let mut command = gpu_mlp(Path::new(env!("CARGO_TARGET_TMPDIR")));
    let (stdout, _) = ends(command.args(["bench", "--data", "digits", "--digits-test", "300", "--json"]).args(args), 0);
    let run = json(&stdout)["run"].clone();
    assert_eq!((run["steps"].as_u64(), run["seconds"]["samples"].as_array().unwrap().len()), (Some(5), 6));
    let loss: Vec<f64> = run["loss"].as_array().unwrap().iter().filter_map(Value::as_f64).collect();
    assert!(loss.windows(2).all(|pair| pair[1] < pair[0]), "{loss:?}");
}

#[test]
fn net_options_override_a_configuration() {
    let args = ["--engine", "cpu", "--config", "K", "--hidden", "40", "--epochs", "1", "--run-only", "--json"];
    let config = json(&ends(&mut bench(&args), 0).0)["config"].clone();
    assert_eq!((&config["hidden"], &config["batch_size"]), (&serde_json::json!([40]), &128.into()));
    assert_eq!((&config["normalize"], config["momentum"].as_f64().map(|m| m as f32)), (&"unit".into(), Some(0.9)));
    // Another optimizer has its own default rate and momentum.
    let config = json(&ends(bench(&args).args(["--optimizer", "adam"]), 0).0)["config"].clone();
    let lr = config["lr"].as_f64().unwrap();
    assert!((lr - 0.00126).abs() < 1e-6 && config["momentum"] == 0.0, "{config}");
}

#[test]
fn a_run_that_does_not_learn_exits_with_3() {
    let args = ["--engine", "cpu", "--lr", "1e-12", "--epochs", "1", "--run-only"];
    let (stdout, stderr) = ends(&mut bench(&args), 3);
    assert!(stderr.contains("FAILED: the loss does not fall") && stdout.contains("FAILED: "), "{stdout}\n{stderr}");
    let record = json(&ends(bench(&args).arg("--json"), 3).0);
    assert!(record["run"]["fault"].is_string());
    // The run learns, but less than required.
    let (_, stderr) = ends(&mut bench(&["--engine", "cpu", "--epochs", "1", "--run-only", "--floor", "1"]), 3);
    assert!(stderr.contains("required: at least 100.00 %"), "{stderr}");
}

#[test]
fn the_heading_of_a_table_names_a_software_adapter() {
    let software = machines::adapters().into_iter().find(|machine| Device::of(machine).class == DeviceKind::Software);
    let Some(machine) = software else { return not_run("no software adapter on this machine") };
    let name = Device::of(&machine).adapter;
    let args = ["--engine", "gpu", "--adapter", &name, "--epochs", "1", "--run-only"];
    let (stdout, stderr) = ends(&mut bench(&args), 0);
    assert!(stdout.starts_with("software adapter: ") && !stdout.contains("GPU"), "{stdout}");
    assert!(stderr.contains("software; its times say nothing about a GPU"), "{stderr}");
    let record = json(&ends(bench(&args).arg("--json"), 0).0);
    assert_eq!(record["device"]["class"], "software");
    // GL does not report allocated memory.
    assert!(record["run"]["allocated_bytes"].is_u64() || record["device"]["backend"] != "vulkan", "{record}");
    if let Some(allocated) = record["run"]["allocated_bytes"].as_u64() {
        assert!(allocated >= record["run"]["device_bytes"].as_u64().unwrap(), "{record}");
    }
}

#[test]
fn a_record_to_share_has_a_speed_in_each_precision_and_no_path() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("mine.json");
    let path = file.to_str().unwrap();
    let args = ["--share", path, "--config", "S", "--engine", "cpu", "--max-time", "0.1"];
    let (stdout, stderr) = ends(&mut bench(&args), 0);
    assert!(stdout.contains("| S | int8 |") && stdout.contains("bit-identical to the reference: yes"), "{stdout}");
    assert!(stderr.contains(path), "{stderr}");
    let text = std::fs::read_to_string(&file).unwrap();
    let share: Share = serde_json::from_str(&text).unwrap();
    assert_eq!(share.problems(), Vec::<String>::new());
    assert_eq!(share.speeds.iter().map(|speed| speed.precision).collect::<Vec<_>>(), PRECISIONS);
    assert!(share.speeds.iter().all(|speed| speed.run.is_some()), "{text}");
    for personal in [path, env!("CARGO_MANIFEST_DIR"), "host"] {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    // The file is not replaced.
    ends(&mut bench(&args), 2);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
}

#[test]
fn invalid_options_are_refused() {
    for args in [
        &["--config", "X"][..],
        &["--max-time=-1"],
        &["--max-time", "NaN"],
        &["--floor", "2"],
        &["--kernels", "--growth"],
        &["--growth", "--hidden", "3"],
        &["--growth", "--config", "S"],
        &["--share", "--json"],
        &["--share", "--hidden", "3"],
    ] {
        ends(&mut bench(args), 2);
    }
}
