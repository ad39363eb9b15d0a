//! The parity tests can fail: each deliberately broken engine fails the right question, and a correct engine passes.

mod breakages;
mod broken;

use breakages::breakages;
use broken::{Change, Place, Scene, used, verdict};
use gpu_mlp::engine::cpu::CpuEngine;
use gpu_mlp::engine::parity::{Fault, Question, compare_case, compare_step};
use gpu_mlp::engine::{Engine, Memory, NAN_POISON};
use gpu_mlp::kernels::in_form;
use gpu_mlp::kernels::{Form, cases, shaders};
use gpu_mlp::measure::tune::first_fault;
use gpu_mlp::plan::Plan;
use gpu_mlp::plan::case::Case;
use gpu_mlp::plan::kernel::{Access, Needs, Witness};
use gpu_mlp::plan::tensor::{DType, TensorId};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

/// Cases tried with every breakage: all but the large ones.
fn small_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.plan.bytes() < 1 << 15)
}

#[test]
fn the_unbroken_engine_passes_every_case() {
    let mut tried = BTreeSet::new();
    for case in cases() {
        let make = async |plan: &_, memory| Ok(Box::new(CpuEngine::new(plan, memory)) as Box<dyn Engine>);
        let verdict = pollster::block_on(compare_case(&case, make)).expect("the CPU answers");
        assert_eq!(verdict.fault, None, "{} {}", verdict.kernel, verdict.case);
        assert!(verdict.compared > 0 && verdict.worst == 0.0);
        tried.insert(verdict.kernel);
    }
    assert_eq!(tried.len(), shaders().len(), "every shader has a case");
}

#[test]
fn every_shader_with_several_workgroups_has_a_case_with_a_folded_grid() {
    let mut folded = BTreeSet::from(["tally", "tally_int", "sum", "int_levels"]);
    for case in cases() {
        let kernel = &case.plan.steps[0];
        if kernel.groups() > case.max_groups {
            folded.insert(kernel.shader().name);
        }
    }
    let all: BTreeSet<&str> = shaders().iter().map(|shader| shader.name).collect();
    assert_eq!(folded, all);
}

#[test]
fn every_breakage_fails_its_own_question() {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for case in small_cases() {
        for (name, question, place, change) in breakages() {
            let targets = used(&case, |access| (access == Access::Read) == (place == Place::Input));
            for (_, target) in targets {
                let Some(verdict) = verdict(&case, place, target, &change) else {
                    continue;
                };
                let what = format!("{} {}: {name}", verdict.kernel, verdict.case);
                let Some(Fault { question: asked, finding }) = &verdict.fault else {
                    panic!("{what}, and nothing was found");
                };
                assert_eq!(*asked, question, "{what}: {finding}");
                assert!(finding.contains(case.plan.name(target)), "{what}: {finding}");
                found.entry(name).or_default().insert(verdict.kernel);
            }
        }
    }
    for (name, _, _, _) in breakages() {
        let kernels = found.get(name).map_or(0, BTreeSet::len);
        assert!(kernels >= 2, "{name}: tried on {kernels} kernels");
    }
}

/// Whether a second run on the tensors left by the first gives a different result.
fn depends_on_the_run_before(case: &Case) -> bool {
    let ids = case.plan.steps[0].tensors();
    let mut engine = CpuEngine::new(&case.plan, Memory::default());
    ids.iter().zip(case.before(NAN_POISON)).for_each(|(&id, words)| engine.write(id, 0, &words));
    let mut run = || -> Vec<Vec<u32>> {
        engine.run_now(&[(0..1, case.now)]);
        let read = |&id: &TensorId| pollster::block_on(engine.read(id, 0..id.words())).expect("the CPU answers");
        ids.iter().map(read).collect()
    };
    run() != run()
}

#[test]
fn a_missing_upload_before_the_second_run_is_found() {
    let mut tried = BTreeSet::new();
    for case in small_cases().filter(depends_on_the_run_before) {
        // After its first run, this engine ignores uploads and keeps its old tensors.
        let change: Change = Rc::new(|scene: &Scene, words: &mut Vec<u32>| {
            if scene.runs > 0 {
                words.clear();
            }
        });
        for (_, target) in used(&case, |access| access == Access::Update) {
            let verdict = verdict(&case, Place::Upload, target, &change).expect("the tensor is uploaded twice");
            let question = verdict.fault.map(|fault| fault.question);
            assert_eq!(question, Some(Question::AgainTheSame), "{} {}", verdict.kernel, case.name);
            tried.insert(verdict.kernel);
        }
    }
    let optimizers = ["sgd", "momentum", "adam", "rmsprop", "average"];
    let building = |name: &str| {
        optimizers.contains(&name) || ["update_", "linear_db", "linear_dw"].iter().any(|begin| name.starts_with(begin))
    };
    let missing: Vec<&str> =
        shaders().iter().map(|shader| shader.name).filter(|name| building(name) && !tried.contains(name)).collect();
    assert!(missing.is_empty() && tried.is_superset(&optimizers.into()), "{missing:?} are not among {tried:?}");
}

#[test]
fn a_step_that_reads_unwritten_memory_is_found_although_both_engines_agree() {
    let (mut sound, mut found) = (0, BTreeSet::new());
    for case in small_cases() {
        let kernel = &case.plan.steps[0];
        let (ids, args) = (kernel.tensors(), kernel.shader().args);
        let reads = |arg: &usize| args[*arg].access == Access::Read && ids[*arg].dtype == DType::F32;
        for unwritten in [None].into_iter().chain((0..ids.len()).filter(reads).map(Some)) {
            let mut cpu = CpuEngine::new(&case.plan, Memory::default());
            let mut other = CpuEngine::new(&case.plan, Memory::default());
            for (arg, words) in case.before(NAN_POISON).iter().enumerate().filter(|(arg, _)| unwritten != Some(*arg)) {
                cpu.write(ids[arg], 0, words);
            }
            let verdict = pollster::block_on(compare_step(&case.plan, 0, &case.now, &mut cpu, &mut other));
            match verdict.expect("the CPU answers").fault {
                None if unwritten.is_none() => sound += 1,
                Some(fault) if unwritten.is_none() => panic!("{} {}: {fault}", kernel.shader().name, case.name),
                Some(fault) if fault.finding.contains("NaN") => _ = found.insert(kernel.shader().name),
                _ => {}
            }
        }
    }
    let forwards = ["linear", "softmax_xent", "head", "linear_dx"];
    assert!(sound > 100 && found.is_superset(&forwards.into()), "{sound} sound, {found:?}");
}

#[test]
fn an_error_just_above_the_bound_is_found_and_one_just_below_is_not() {
    let (mut tried, mut bounded) = (BTreeSet::new(), BTreeSet::new());
    for case in small_cases().filter(|case| !case.exact) {
        let kernel = &case.plan.steps[0];
        let (before, ids) = (case.before(NAN_POISON), kernel.tensors());
        let mut engine = CpuEngine::new(&case.plan, Memory::default());
        ids.iter().zip(&before).for_each(|(&id, words)| engine.write(id, 0, words));
        engine.run_now(&[(0..1, case.now)]);
        let read = |&id: &TensorId| pollster::block_on(engine.read(id, 0..id.words()));
        let after: Vec<Vec<u32>> = ids.iter().map(read).map(|words| words.expect("the CPU answers")).collect();
        let bounds = kernel.bounds(&case.now, &Witness { before: &before, after: &after });
        for (arg, id) in used(&case, |access| access != Access::Read) {
            let Some(bound) = &bounds[arg] else { continue };
            bounded.insert(kernel.shader().name);
            let at = (0..bound.len())
                .filter(|at| at % id.stride() < id.cols)
                .max_by(|&a, &b| bound[a].total_cmp(&bound[b]))
                .expect("words");
            let (value, bound) = (f32::from_bits(after[arg][at]), bound[at]);
            // The largest value within the bound, whichever way the sum was rounded.
            let mut below = value + bound;
            while (below - value).abs() > bound {
                below = below.next_down()
            }
            while (below.next_up() - value).abs() <= bound {
                below = below.next_up()
            }
            let with = |value: f32| {
                let change: Change = Rc::new(move |_: &Scene, words: &mut Vec<u32>| words[at] = value.to_bits());
                verdict(&case, Place::Output, id, &change)
            };
            let above = with(below.next_up()).and_then(|verdict| verdict.fault);
            assert_eq!(above.map(|fault| fault.question), Some(Question::Right), "{}", case.name);
            if let Some(verdict) = with(below) {
                assert_eq!(verdict.fault, None, "{} {}", verdict.kernel, case.name);
                tried.insert((kernel.shader().name, arg));
            }
        }
    }
    // Kernels without a bound, such as masks and counts, must be bit-identical and are not tried here.
    let kernels: BTreeSet<&str> = tried.iter().map(|(kernel, _)| *kernel).collect();
    assert!(kernels == bounded && bounded.contains("linear"), "{tried:?}");
}

/// Rounds an `f32` to `digits` significant binary digits, ties to even, as a shorter number format does.
fn rounded(word: u32, digits: u32) -> u32 {
    let dropped = 24 - digits;
    let half = (1 << (dropped - 1)) - 1 + (word >> dropped & 1);
    (word + half) & (u32::MAX << dropped)
}

#[test]
fn integers_show_that_operands_were_rounded_to_fewer_digits() {
    assert_eq!(f32::from_bits(rounded(2049f32.to_bits(), 11)), 2048.0);
    assert_eq!(f32::from_bits(rounded(2051f32.to_bits(), 11)), 2052.0);
    assert_eq!(f32::from_bits(rounded(2050f32.to_bits(), 11)), 2050.0);
    // The significant digits of half precision and of TF32, then those of bfloat16.
    for digits in [11, 8] {
        let mut tried = BTreeSet::new();
        // A kernel that reads its operands in half precision gives the same result for operands already rounded so.
        let reads_more = |case: &Case| case.plan.steps[0].shader().needs() == Needs::Core || digits < 11;
        for case in small_cases().filter(|case| case.exact && reads_more(case)) {
            let change: Change = Rc::new(move |scene: &Scene, words: &mut Vec<u32>| {
                if scene.id.dtype == DType::F32 {
                    let round = |word: &mut u32| *word = rounded(*word, digits);
                    words.iter_mut().for_each(round);
                }
            });
            let (_, target) = used(&case, |access| access != Access::Read)[0];
            let Some(verdict) = verdict(&case, Place::Operands, target, &change) else {
                continue;
            };
            let question = verdict.fault.map(|fault| fault.question);
            let what = format!("{digits} digits in {} {}", verdict.kernel, case.name);
            assert_eq!(question, Some(Question::Right), "{what}");
            tried.insert(verdict.kernel);
        }
        let names = shaders().into_iter().map(|shader| shader.name);
        let half = |name: &str| name.ends_with("_half") || name.ends_with("_coop");
        let products: BTreeSet<&str> =
            names.filter(|name| name.starts_with("linear") && (digits < 11 || !half(name))).collect();
        assert!(tried.is_superset(&products), "only {tried:?} were tried");
    }
}

/// Runs the mixed-precision cases on the CPU engine with changed factors; returns the kernels whose results are wrong.
fn mixed(change: fn(u32) -> u32) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    for case in small_cases().filter(|case| case.plan.steps[0].shader().needs() > Needs::Core) {
        let factors: Vec<TensorId> = case.plan.steps[0].tensors()[..2].to_vec();
        let change: Change = Rc::new(move |scene: &Scene, words: &mut Vec<u32>| {
            if factors.contains(&scene.id) {
                words.iter_mut().for_each(|word| *word = change(*word));
            }
        });
        let (_, target) = used(&case, |access| access != Access::Read)[0];
        let verdict = verdict(&case, Place::Operands, target, &change);
        let question = verdict.and_then(|verdict| verdict.fault).map(|fault| fault.question);
        if question == Some(Question::Right) {
            found.insert(case.plan.steps[0].shader().name);
        }
    }
    found
}

#[test]
fn mixed_precision_with_no_double_or_wrong_rounding_is_found() {
    let all: BTreeSet<&str> =
        shaders().into_iter().filter(|shader| shader.needs() > Needs::Core).map(|shader| shader.name).collect();
    assert_eq!(mixed(|word| rounded(word, 11)), BTreeSet::new(), "rounding to half precision twice changes nothing");
    assert_eq!(mixed(|word| rounded(word, 12)), all, "double rounding, first to twelve digits");
    assert_eq!(mixed(|word| word & 0xFFFF_E000), all, "rounding towards zero");

    // No rounding: every larger exact case must find it; a case with a wide bound may not.
    let mut tried = BTreeSet::new();
    for case in small_cases().filter(|case| case.plan.steps[0].shader().needs() > Needs::Core) {
        let make = async |plan: &Plan, memory| {
            let steps = plan.steps.iter().map(|kernel| in_form(kernel, Form::Plain)).collect();
            let plan = Plan { steps, ..plan.clone() };
            Ok(Box::new(CpuEngine::new(&plan, memory)) as Box<dyn Engine>)
        };
        let verdict = pollster::block_on(compare_case(&case, make)).expect("the CPU answers");
        if let Some(fault) = verdict.fault {
            assert_eq!(fault.question, Question::Right, "{} {}", verdict.kernel, verdict.case);
            tried.insert(verdict.kernel);
        } else {
            assert!(!case.exact || case.plan.bytes() < 256, "{} {}: not found", verdict.kernel, verdict.case);
        }
    }
    assert_eq!(tried, all);
}

/// Tests the self-test that cooperative matrices must pass before they are used.
#[test]
fn the_self_test_passes_a_correct_engine_and_names_a_wrong_kernel() {
    let right = async |plan: &Plan, memory| Ok(Box::new(CpuEngine::new(plan, memory)) as Box<dyn Engine>);
    assert_eq!(pollster::block_on(first_fault(right)).expect("the CPU answers"), None);
    let single = async |plan: &Plan, memory| {
        let steps = plan.steps.iter().map(|kernel| in_form(kernel, Form::Plain)).collect();
        Ok(Box::new(CpuEngine::new(&Plan { steps, ..plan.clone() }, memory)) as Box<dyn Engine>)
    };
    let fault = pollster::block_on(first_fault(single)).expect("the CPU answers");
    assert!(fault.is_some_and(|fault| fault.contains("linear_coop") && fault.contains("not right")));
}
