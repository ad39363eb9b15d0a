//! A whole training step, dispatch by dispatch, on every adapter against the CPU; and errors in plans.

use crate::common::machines;
use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::engine::Memory;
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::parity::compare_steps;
use gpu_mlp::kernels::Precision;
use gpu_mlp::kernels::fixed::FORMS;
use gpu_mlp::kernels::linear;
use gpu_mlp::kernels::linear_db::LinearDb;
use gpu_mlp::kernels::sgd::Sgd;
use gpu_mlp::kernels::{Form, InputMap, shaders};
use gpu_mlp::net::{Net, Sizes};
use gpu_mlp::plan::Plan;
use gpu_mlp::plan::tensor::Role;
use gpu_mlp::train::trial::{Run, Trial};
use std::collections::BTreeSet;

#[test]
fn each_dispatch_of_a_training_step_agrees_with_the_cpu_on_every_adapter() {
    let runs = Trial::runs().unwrap();
    for machine in machines::adapters() {
        let mut used = BTreeSet::new();
        let precision = |form: Form, config: &Config| match config.precision {
            Precision::Int8 => Precision::Int8,
            _ if form.is_half() => Precision::F16Mixed,
            _ => Precision::F32,
        };
        let forms = Form::all().filter(|&form| machine.runs(&linear::SHADERS[form as usize]));
        for form in forms {
            for Run { name, config, data } in &runs {
                if config.precision == Precision::Int8 && !FORMS.contains(&form) {
                    continue;
                }
                let config = Config { precision: precision(form, config), ..config.clone() };
                let trial = Trial::new(&config, data, form).unwrap();
                let mut cpu = CpuEngine::new(&trial.net.plan, Memory::default());
                let mut gpu = pollster::block_on(machine.engine(&trial.net.plan)).expect("the plan fits");
                trial.start(&config, data, &mut cpu);
                trial.start(&config, data, gpu.as_mut());
                let compared = compare_steps(&trial.net.plan, &trial.work, &mut cpu, gpu.as_mut());
                let verdicts = pollster::block_on(compared).expect("the adapter answers");
                assert!(verdicts.len() >= 3 * 5, "three updates of at least five dispatches");
                for verdict in verdicts {
                    used.insert(verdict.kernel);
                    let where_ =
                        format!("{} {form:?} {name} {} {}", machine.description(), verdict.kernel, verdict.case);
                    assert!(verdict.fault.is_none(), "{where_}: {}", verdict.fault.unwrap());
                }
            }
        }
        let here = shaders().into_iter().filter(|shader| machine.runs(shader));
        let all: BTreeSet<_> = here.map(|shader| shader.name).collect();
        assert_eq!(used, all, "every kernel of the step was compared");
    }
}

#[test]
#[should_panic(expected = "linear_db: db is (7) F32 but must be (1,8) F32, as dy is (3,8)")]
fn a_wrong_shape_is_named_with_the_expected_one() {
    let mut plan = Plan::default();
    let (dy, db) = (plan.f32("dy", Role::Scratch, 3, 8), plan.f32("db", Role::Scratch, 1, 7));
    plan.push(LinearDb { dy, db });
}

#[test]
#[should_panic(expected = "sgd: w1 is written as `w` and used 2 times")]
fn a_dispatch_may_not_read_and_write_one_tensor() {
    let mut plan = Plan::default();
    let w = plan.f32("w1", Role::Scratch, 3, 8);
    plan.push(Sgd { dw: w, w, l2: 0.0 });
}

#[test]
fn the_table_names_every_step_with_its_shapes() {
    let Run { config, data, .. } = &Trial::runs().unwrap()[0];
    let net = Trial::new(config, data, Form::Tiled).unwrap().net;
    let table = net.plan.table(0..net.plan.steps.len());
    assert_eq!(table.lines().count(), net.plan.steps.len() + 1);
    assert!(table.contains("x0(50,784) w1(65,784) b1(65) none(1) -> h1(50,65)"), "{table}");
}

#[test]
fn windows_of_a_streamed_split_fit_what_a_device_binds() {
    // 64 by 64 pixels in three colours: 8192 of them are 96 MiB, and there are two windows.
    let sizes = |limit| Sizes {
        inputs: 64 * 64 * 3,
        outputs: 10,
        floats: false,
        weighted: false,
        loss: None,
        train: 60_000,
        validation: 0,
        test: 10_000,
        forms: Form::Plain.into(),
        limit,
    };
    let config = Config { batch_size: BatchSize::Samples(96), ..Config::default() };
    let window = |limit: u64| {
        let net = Net::for_training(&config, sizes(limit), &InputMap::RAW);
        let [train, test] = [net.training.expect("a net made for training").source, net.evaluation.source];
        for source in [train, test] {
            assert!(source.samples.bytes() <= limit, "{:?}", source.samples);
        }
        assert_eq!(train.window % 96, 0);
        train.window
    };
    assert_eq!(window(256 << 20), 96 * 8192usize.div_ceil(96));
    assert_eq!(window(128 << 20), 96 * (((128 << 20) / 2 / (64 * 64 * 3)) / 96));
    assert_eq!(window(1 << 25), 96 * 14);
}
