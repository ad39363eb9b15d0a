//! The sampled losses of updates: numbers, totals, and a run that is resumed.

use gpu_mlp::config::{BatchSize, Config};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::digits::{Options, generate};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::run::history::History;
use gpu_mlp::run::metrics::Record;
use gpu_mlp::train::session::{EpochReport, Limits, Session, Snapshot, Wish};
use gpu_mlp::train::updates::UpdateLoss;
use pollster::block_on;

fn data() -> DataSet {
    generate(&Options { train: 500, test: 50, seed: 1 })
}

fn config(physical_batch: usize) -> Config {
    Config { hidden: vec![16], batch_size: BatchSize::Samples(24), physical_batch, epochs: 30, ..Config::default() }
}

/// The reports of a run; with a limit, those up to it and a snapshot.
fn run(config: &Config, data: &DataSet, limit: Option<u64>, from: Option<&Snapshot>) -> (Vec<EpochReport>, Snapshot) {
    block_on(async {
        let limits = Limits { max_steps: limit, ..Limits::default() };
        let mut session = Session::open(config, data, &Machine::Cpu, limits).await.expect("it fits");
        if let Some(snapshot) = from {
            session.resume(snapshot).expect("its own snapshot");
        }
        let mut reports = Vec::new();
        let mut keep = |report: &EpochReport| {
            reports.push(report.clone());
            Wish::Continue
        };
        session.run(&mut keep).await.expect("the CPU trains");
        let snapshot = session.snapshot().await.expect("the CPU trains");
        (reports, snapshot)
    })
}

/// Without the clock.
fn points<'a>(reports: impl IntoIterator<Item = &'a EpochReport>) -> Vec<(u64, u64, u32)> {
    let points = reports.into_iter().flat_map(|report| &report.updates);
    points.map(|point| (point.step, point.samples, point.loss.to_bits())).collect()
}

#[test]
fn samples_are_counted_and_clocks_do_not_run_back() {
    let data = data();
    let (reports, _) = run(&config(4096), &data, None, None);
    let points: Vec<UpdateLoss> = reports.iter().flat_map(|report| report.updates.clone()).collect();
    // 21 updates per epoch, 630 in all: the first 32, then every third.
    assert_eq!(points.len(), 32 + (33..=630).step_by(3).count());
    for point in &points {
        let (epoch, update) = ((point.step - 1) / 21, (point.step - 1) % 21);
        assert_eq!(point.samples, 500 * epoch + (24 * (update + 1)).min(500), "{point:?}");
        assert!(point.loss.is_finite() && point.loss > 0.0, "{point:?}");
    }
    assert!(points.windows(2).all(|pair| pair[0].seconds <= pair[1].seconds && pair[0].step < pair[1].step));
    assert!(points[0].loss > 1.5 && points[points.len() - 1].loss < 0.5);
}

/// In the first epoch every update is sampled, so the losses add up to the epoch's.
#[test]
fn the_losses_of_all_updates_are_the_loss_of_the_epoch() {
    let data = data();
    // With and without micro-batches, of which an update has three.
    for physical in [4096, 10] {
        let (reports, _) = run(&config(physical), &data, Some(21), None);
        let report = &reports[0];
        assert_eq!(report.updates.len(), 21);
        let sizes = (0..21u64).map(|at| 24.min(500 - 24 * at) as f64);
        let sum: f64 = report.updates.iter().zip(sizes).map(|(update, size)| f64::from(update.loss) * size).sum();
        assert!((sum - report.train.loss_sum).abs() < 1e-3, "{sum}, must be {}", report.train.loss_sum);
    }
}

#[test]
fn a_resumed_run_has_the_points_of_an_uninterrupted_one() {
    let (data, config) = (data(), config(4096));
    let (whole, _) = run(&config, &data, None, None);
    // Within an epoch, at the end of one, before the first point after the early ones.
    for limit in [5, 21, 30, 50] {
        let (before, snapshot) = run(&config, &data, Some(limit), None);
        let text = serde_json::to_string(&snapshot.state).expect("a state is JSON");
        let state = serde_json::from_str(&text).expect("its own JSON");
        let (after, _) = run(&config, &data, None, Some(&Snapshot { state, ..snapshot }));
        // The report of an epoch that a limit ended is replaced by that of the whole epoch.
        let complete = before.iter().filter(|report| report.whole);
        assert_eq!(points(complete.chain(&after)), points(&whole), "resumed after {limit}");
    }
}

#[test]
fn a_record_of_points_is_read_back_and_an_old_one_has_none() {
    let (reports, _) = run(&config(4096), &data(), Some(30), None);
    let mut lines = r#"{"type":"run"}"#.to_string();
    for report in &reports {
        for record in [Some(Record::epoch(report, "digits")), Record::updates(report)].into_iter().flatten() {
            lines += &format!("\n{}", serde_json::to_string(&record).expect("a record is JSON"));
        }
    }
    let history = History::parse(&lines).expect("a `run` record");
    assert_eq!((history.torn, history.epochs.len()), (0, 2));
    let read: Vec<(u64, u32)> = history.updates.iter().map(|point| (point.step, point.loss.to_bits())).collect();
    assert_eq!(read, points(&reports).iter().map(|point| (point.0, point.2)).collect::<Vec<_>>());
    // The whole epoch replaces the part before a limit.
    let again = History::parse(&format!("{lines}\n{}", lines.lines().last().expect("lines"))).expect("a `run` record");
    assert_eq!(again.updates.len(), history.updates.len());
    let torn = r#"{"type":"updates","epoch":1,"step":[1,2],"samples":[1],"seconds":[0.1,0.2],"loss":[1,null]}"#;
    let history = History::parse(&format!("{{\"type\":\"run\"}}\n{torn}")).expect("a `run` record");
    assert_eq!((history.torn, history.updates.len()), (1, 0));
    let infinite = r#"{"type":"updates","epoch":1,"step":[1,2],"samples":[1,2],"seconds":[0.1,0.2],"loss":[1,null]}"#;
    let history = History::parse(&format!("{{\"type\":\"run\"}}\n{infinite}")).expect("a `run` record");
    assert!(history.updates.len() == 2 && history.updates[1].loss.is_nan());
}
