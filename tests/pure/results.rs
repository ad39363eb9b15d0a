//! The records in `bench/results/` follow the schema, and the check of the schema finds what is wrong.

use gpu_mlp::engine::machine::Machine;
use gpu_mlp::measure::share::{Exact, PRECISIONS, Share, Speed, Timed};
use gpu_mlp::measure::spread::Spread;
use gpu_mlp::measure::workload::Workload;
use std::path::Path;

/// A record of the CPU engine without failures.
fn record() -> Share {
    let timed = Timed {
        images_per_second: Spread::of(vec![3.0, 1.0, 2.0]),
        gflop_per_second: 1.0,
        steps: 10,
        whole_epochs: false,
        test_accuracy: 0.9,
        forms: Default::default(),
    };
    let all = Workload::ALL.into_iter().flat_map(|config| PRECISIONS.map(|precision| (config, precision)));
    let speed = |(config, precision)| Speed { config, precision, run: Some(timed.clone()), failure: None };
    let mut share = Share::new(&Machine::Cpu, "digits");
    share.exact = Exact { sha256: Some(share.exact.reference.clone()), ..share.exact };
    share.speeds = all.map(speed).collect();
    share
}

#[test]
fn every_record_follows_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("bench/results");
    for entry in std::fs::read_dir(&folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).expect("UTF-8");
        let share: Share = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(share.problems(), Vec::<String>::new(), "{name}");
        assert_eq!(share.file_name(), name);
        assert_eq!(share.profile, "release", "{name}");
        assert_eq!(
            share.speeds.len(),
            Workload::ALL.len() * PRECISIONS.len(),
            "{name} must have every speed or its failure"
        );
    }
}

#[test]
fn a_record_survives_its_file() {
    let share = record();
    assert_eq!(share.problems(), Vec::<String>::new());
    assert_eq!(share.failures(), Vec::<String>::new());
    let text = serde_json::to_string(&share).unwrap();
    assert_eq!(serde_json::from_str::<Share>(&text).unwrap(), share);
    assert!(serde_json::from_str::<Share>(&text.replacen("{", "{\"user\":\"ada\",", 1)).is_err(), "unknown fields");
}

#[test]
fn the_check_of_the_schema_finds_what_is_wrong() {
    type Breakage = (fn(&mut Share), &'static str);
    let breakages: [Breakage; 9] = [
        (|share| share.schema = 0, "schema"),
        (|share| share.data = "/home/ada/mine".into(), "data"),
        (|share| share.parity = Some(Default::default()), "parity"),
        (|share| share.limits = Some(Default::default()), "limits"),
        (|share| share.exact.sha256 = None, "exact"),
        (|share| share.speeds[1].run = None, "S F16Mixed has neither"),
        (|share| share.speeds[2].run.as_mut().unwrap().images_per_second.min = 9.0, "rates of S Int8"),
        (|share| share.speeds.swap(0, 1), "order"),
        (|share| share.speeds[0].failure = Some("cannot open /home/ada/x".into()), "path"),
    ];
    for (breaks, expected) in breakages {
        let mut share = record();
        breaks(&mut share);
        let problems = share.problems();
        assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
    }
}

#[test]
fn failures_are_listed() {
    let mut share = record();
    share.exact.sha256 = Some("0".into());
    share.speeds[3] = Speed { run: None, failure: Some("the GPU was lost".into()), ..share.speeds[3].clone() };
    assert_eq!(share.failures(), ["exact: the hash is 0", "K F32: the GPU was lost"]);
}
