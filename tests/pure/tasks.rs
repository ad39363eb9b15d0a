//! Tables in memory from start to end: real values and labels are learned, saved, read and predicted in their own units.

use gpu_mlp::Error;
use gpu_mlp::config::{BatchSize, Config, LossName, Optimizer, Schedule};
use gpu_mlp::data::features::{Encoding, Feature};
use gpu_mlp::data::{DataSet, Features, Samples, Split, Targets, Task};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::{Findings, Predictor, assess};
use gpu_mlp::run::model_file::{Description, parse, to_bytes};
use gpu_mlp::run::scores::Scores;
use gpu_mlp::train::divide;
use gpu_mlp::train::session::{EpochReport, Finish, Limits, Reason, Session, Wish};
use pollster::block_on;
use std::path::Path;

/// Points of a square with the side 10, evenly spread: the first two coordinates of a low-discrepancy sequence.
fn points(count: usize) -> Vec<f32> {
    let part = |at: usize, step: f64| (10.0 * (at as f64 * step).fract()) as f32;
    (0..count).flat_map(|at| [part(at, 0.754_877_666_246_693), part(at, 0.569_840_290_998_053)]).collect()
}

/// y = 2·x₁ − x₂ + 3 at these points.
fn plane(points: &[f32]) -> Vec<f32> {
    points.chunks(2).map(|x| 2.0 * x[0] - x[1] + 3.0).collect()
}

/// The plane, with the last points as test split.
fn regression(samples: impl Fn(&[f32]) -> Samples) -> DataSet {
    let split = |points: &[f32]| Split::new(samples(points), plane(points));
    let points = points(1200);
    let (train, test) = points.split_at(2000);
    DataSet::from_splits("plane", vec![2], split(train), split(test)).expect("a set")
}

fn floats() -> DataSet {
    regression(|points| points.into())
}

fn config() -> Config {
    Config {
        hidden: vec![16],
        optimizer: Optimizer::Adam,
        lr: Some(0.01),
        batch_size: BatchSize::Samples(50),
        schedule: Schedule::Linear,
        epochs: 30,
        ..Config::default()
    }
}

/// Trains to the end; returns the last model and its description.
fn trained(config: &Config, data: &DataSet) -> (Finish, Description, Vec<EpochReport>) {
    block_on(async {
        let mut session = Session::open(config, data, &Machine::Cpu, Limits::default()).await.expect("a session");
        let mut reports = Vec::new();
        let mut note = |report: &EpochReport| {
            reports.push(report.clone());
            Wish::Continue
        };
        assert_eq!(session.run(&mut note).await.expect("a run"), Reason::Finished);
        let description = Description::of(config, data, session.trainer().net());
        (session.finish().await.expect("an end"), description, reports)
    })
}

fn predicted(model: &Mlp, description: &Description, samples: impl Into<Samples>) -> Result<Vec<f32>, Error> {
    block_on(async { Predictor::new(&Machine::Cpu, model, description, 64).await?.predict(samples).await })
}

fn rmse(one: &[f32], other: &[f32]) -> f64 {
    assert_eq!(one.len(), other.len());
    let squares: f64 = one.iter().zip(other).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    (squares / one.len() as f64).sqrt()
}

/// The model predicts the plane at new points in its own units, and the scores are in units of the deviation.
#[track_caller]
fn predicts_the_plane(raw: &DataSet, samples: impl Fn(&[f32]) -> Samples) {
    let data = divide(&config(), raw.clone()).expect("encoded data");
    let Task::Values { scales, .. } = &data.task else { panic!("values") };
    let deviation = f64::from(scales[0].deviation);
    assert!((5.0..8.0).contains(&deviation), "{scales:?}");
    let (finish, description, reports) = trained(&config(), &data);
    let metric = finish.metric;
    let shown = finish.test.expect("a test split").shown(metric);
    assert!(shown < 0.05, "RMSE {shown}");
    let last = reports.last().expect("an epoch");
    assert!(last.train.shown(metric) < 0.05 && last.train.samples == 1000);
    let new: Vec<f32> = points(1500)[2400..].to_vec();
    let error = rmse(&predicted(&finish.model, &description, samples(&new)).expect("values"), &plane(&new));
    assert!(error < 0.05 * deviation, "RMSE {error} of {deviation}");
    // The findings are in units as well.
    let found = block_on(assess(&Machine::Cpu, &finish.model, &description, &data.test, &data.item)).expect("findings");
    let Findings::Values(found) = found.findings else { panic!("values") };
    assert!(rmse(&found.truth, raw.test.targets.numbers().expect("values")) < 1e-5);
    assert!((rmse(&found.predicted, &found.truth) / deviation - shown).abs() < 1e-4);
}

#[test]
fn a_plane_is_learned_from_floats() {
    predicts_the_plane(&floats(), |points| points.into());
}

#[test]
fn a_plane_is_learned_from_bytes() {
    // The points lie on a grid of bytes; the plane is computed from the unrounded points.
    let bytes = |points: &[f32]| Samples::Bytes(points.iter().map(|x| (x * 25.0).round() as u8).collect());
    predicts_the_plane(&regression(bytes), bytes);
}

#[test]
fn two_separable_labels_are_learned_to_the_last_sample() {
    // Yes or no, with a gap between the two.
    let points: Vec<f32> = points(3000)
        .chunks(2)
        .filter(|x| (x[0] - 5.0).abs() > 0.5 && (x[0] - x[1]).abs() > 0.5)
        .flatten()
        .copied()
        .collect();
    let split = |points: &[f32]| {
        let values = points.chunks(2).flat_map(|x| [f32::from(x[0] > 5.0), f32::from(x[0] > x[1])]).collect();
        Split::new(points, Targets::Labels { width: 2, values })
    };
    let (train, test) = points.split_at(3000);
    let data = DataSet::from_splits("sides", vec![2], split(train), split(test)).expect("a set");
    let data = divide(&config(), data).expect("encoded data");
    let (finish, description, _) = trained(&config(), &data);
    let score = finish.test.expect("a test split");
    assert_eq!((score.metric(), score.samples), (1.0, data.test.len() as u64), "{score:?}");
    let probabilities = predicted(&finish.model, &description, test).expect("probabilities");
    let truth = data.test.targets.numbers().expect("labels");
    assert!(probabilities.iter().zip(truth).all(|(p, y)| (0.0..=1.0).contains(p) && (*p > 0.5) == (*y > 0.5)));
    let refused =
        block_on(async { Predictor::new(&Machine::Cpu, &finish.model, &description, 1).await?.classify(test).await });
    assert!(refused.expect_err("no classes").to_string().contains("2 labels"));
}

#[test]
fn a_session_without_a_test_split_writes_no_test_score() {
    for raw in [
        floats(),
        DataSet::from_splits("rings", vec![2], Split::new(vec![7u8; 400], vec![1u8; 200]), Split::default())
            .expect("a set"),
    ] {
        let raw = DataSet { test: Split::default(), ..raw };
        for validation in [0, 50] {
            let config = Config { epochs: 2, validation: validation.into(), ..config() };
            let data = divide(&config, raw.clone()).expect("encoded data");
            let (finish, _, reports) = trained(&config, &data);
            assert_eq!(finish.test, None);
            assert_eq!((reports.len(), finish.validation.is_some()), (2, validation > 0));
            assert!(reports.iter().all(|report| report.test.is_none()));
            let scores = Scores::new(finish.metric, None, finish.validation, finish.test);
            let json = serde_json::to_string(&scores).expect("JSON");
            assert!(!json.contains("test") && json.contains("validation") == (validation > 0), "{json}");
        }
    }
}

#[test]
fn raw_numbers_are_refused_with_advice() {
    let data = floats();
    let session = block_on(Session::open(&config(), &data, &Machine::Cpu, Limits::default()));
    let error = session.err().expect("an error");
    assert!(
        matches!(&error, Error::Setting(text) if text.contains("raw numbers") && text.contains("train::divide")),
        "{error}"
    );
}

/// A model of a table with every kind of feature, and its description.
fn table_model() -> (Mlp, Description) {
    let raw = vec![1.0f32, 0.0, f32::NAN, 1.0, 3.0, 2.0, 5.0, 0.0];
    let split = Split::new(raw, vec![1.0f32, 2.0, 3.0, 5.0]);
    let data = DataSet::from_splits("table", vec![2], split, Split::default()).expect("a set");
    let config = Config { epochs: 1, loss: LossName::Huber, huber_delta: 0.5, ..config() };
    let mut data = divide(&config, data).expect("encoded data");
    let colours = ["blue", "green", "red"].map(String::from).to_vec();
    let features = data.features.as_mut().expect("features");
    features.columns.truncate(1);
    features.columns[0].count = 1;
    features.columns.push(Feature { name: "colour".into(), count: 1, encoding: Encoding::Categories(colours) });
    let inputs = features.inputs();
    let model = Mlp::new(&config.widths(inputs, 1), config.activation(), config.init, 1);
    let net_description = Description::new(model.widths(), config.activation(), gpu_mlp::kernels::InputMap::RAW);
    let description = Description {
        item: vec![2],
        task: Some(data.task.clone()),
        loss: Some(config.loss),
        huber_delta: Some(0.5),
        features: data.features.clone(),
        ..net_description
    };
    (model, description)
}

#[test]
fn a_model_of_a_table_is_read_as_it_was_written() {
    let (model, description) = table_model();
    let path = Path::new("table.safetensors");
    let bytes = to_bytes(path, &model, &description).expect("bytes");
    let file = parse(&bytes, path).expect("a model");
    assert_eq!(file.state.layers, model.layers);
    let read = file.description.expect("a description");
    assert_eq!(read, description);
    let rows = [1.0f32, 0.0, f32::NAN, 2.0, 3.0, 9.0];
    let [one, other] = [&description, &read].map(|by| predicted(&model, by, &rows[..]).expect("values"));
    assert!(one == other && one.len() == 3 && one.iter().all(|value| value.is_finite()));
}

#[test]
fn a_description_that_contradicts_the_layers_is_refused() {
    let (model, good) = table_model();
    let path = Path::new("hostile.safetensors");
    let refused = |what: &str, change: &dyn Fn(&mut Description), words: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        let bytes = to_bytes(path, &model, &bad).expect("bytes");
        let error = parse(&bytes, path).expect_err(what).to_string();
        assert!(error.contains(words), "{what}: {error}");
    };
    fn columns(description: &mut Description) -> &mut Vec<Feature> {
        let Features { columns } = description.features.as_mut().expect("features");
        columns
    }
    let widths = format!("has {} inputs", good.widths[0]);
    refused("no features", &|bad| bad.features = None, &widths);
    refused("a feature less", &|bad| drop(columns(bad).pop()), "shape [2]");
    refused(
        "a feature twice",
        &|bad| {
            let again = columns(bad)[0].clone();
            columns(bad).push(again)
        },
        "shape [2]",
    );
    refused("more values", &|bad| bad.item = vec![3], "shape [3]");
    refused("no values", &|bad| bad.item = vec![0], "shape [0]");
    refused("a size beyond the word", &|bad| bad.item = vec![usize::MAX, 4], "shape");
    refused("no columns", &|bad| columns(bad).clear(), "no features");
    refused("a count of 0", &|bad| columns(bad)[0].count = 0, "no columns");
    refused("a count beyond the word", &|bad| columns(bad)[0].count = usize::MAX, "shape");
    refused(
        "categories not in order",
        &|bad| columns(bad)[1].encoding = Encoding::Categories(["b", "a", "c"].map(String::from).to_vec()),
        "sorted order",
    );
    refused(
        "more categories",
        &|bad| columns(bad)[1].encoding = Encoding::Categories(["a", "b", "c", "d"].map(String::from).to_vec()),
        &widths,
    );
    refused(
        "a task of two values",
        &|bad| bad.task = Some(Task::Labels { names: vec!["a".into(), "b".into()] }),
        "2 labels",
    );
    refused("no names", &|bad| bad.task = Some(Task::Values { names: Vec::new(), scales: Vec::new() }), "0 values");
    refused(
        "a scale too many",
        &|bad| {
            if let Some(Task::Values { scales, .. }) = &mut bad.task {
                scales.push(scales[0])
            }
        },
        "1 value",
    );
    refused(
        "a deviation of 0",
        &|bad| {
            if let Some(Task::Values { scales, .. }) = &mut bad.task {
                scales[0].deviation = 0.0
            }
        },
        "1 value",
    );
    refused("a loss for another task", &|bad| bad.loss = Some(LossName::CrossEntropy), "does not suit its targets");
    for delta in [0.0, -1.0] {
        refused("a delta of no use", &|bad| bad.huber_delta = Some(delta), "huber_delta");
    }
}
