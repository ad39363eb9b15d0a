//! The page of the lab: every experiment, quickly.

use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::lab::{Experiment, Lab, page};
use pollster::block_on;

fn lab(train: usize, test: usize) -> Lab {
    Lab { machine: Machine::Cpu, data: generate(&Options { train, test, seed: 1 }), quick: true }
}

#[test]
fn every_experiment_draws_its_section() {
    let lab = lab(600, 200);
    lab.check().expect("enough digits");
    let sections: Vec<_> =
        Experiment::ALL.into_iter().map(|which| block_on(lab.run(which)).expect("the CPU trains")).collect();
    let page =
        page(&lab, &sections, |which| if which == Experiment::Mnist { &[("a command", "a reason")] } else { &[] });
    for experiment in Experiment::ALL {
        let name = experiment.name();
        assert!(page.contains(&format!("id=\"{name}\"")) && page.contains(&format!("href=\"#{name}\"")), "{name}");
    }
    assert_eq!(page.matches("class=\"formula\"").count(), Experiment::ALL.len());
    assert!(page.contains("a command") && page.contains("a reason"));
    assert!(page.matches("<svg").count() > 20, "{} pictures", page.matches("<svg").count());
    // Pictures as base64 may hold any letters.
    let text: String = page.split("base64,").map(|part| part.split_once('"').map_or("", |(_, rest)| rest)).collect();
    for wrong in ["NaN", "not a number", ">inf", "No value is", "http://", "https://", "<script"] {
        assert!(!text.contains(wrong), "{wrong}");
    }
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
}

#[test]
fn data_that_the_experiments_cannot_use_are_refused() {
    let few = lab(50, 200).check().expect_err("too few digits").to_string();
    assert!(few.contains("at least 200 training"), "{few}");
    let rows = Split::new(vec![0.5f32; 40], vec![0u32; 20]);
    let data = DataSet::from_splits("numbers", vec![2], rows.clone(), rows).expect("a data set");
    let numbers = Lab { data, ..lab(300, 200) }.check().expect_err("no pictures").to_string();
    assert!(numbers.contains("grey pictures of classes, but numbers has none"), "{numbers}");
}
