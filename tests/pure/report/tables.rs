//! The importance of a table's columns, as numbers and on the page.

use super::{END, RUN, epoch, history, well_formed};
use gpu_mlp::data::{Column, DataSet, Header, Scaling, Split, Task};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::kernels::{Activation, InputMap};
use gpu_mlp::net::mlp::{Layer, Mlp};
use gpu_mlp::results::assess::{assess, importances};
use gpu_mlp::results::report::{Results, Subject, page};
use gpu_mlp::run::model_file::Description;
use pollster::block_on;
use std::sync::Arc;

const ROWS: usize = 3000;

/// Columns: a number that is missing in every tenth row, a category, and a number. The net is linear and knows the truth: the
/// number, 4 where it is missing, and 2 for red. The last column has no weight.
fn table() -> (DataSet, Mlp, Description) {
    let spread = |at: usize, step: f64| (at as f64 * step).fract() as f32;
    let row = |at: usize| {
        let size = if at % 10 == 3 { f32::NAN } else { spread(at, 0.754_877_666) };
        [size, (at * 7 % 3) as f32, spread(at, 0.569_840_291)]
    };
    let truth = |row: &[f32]| {
        let size = if row[0].is_nan() { 4.0 } else { row[0] };
        size + if row[1] == 0.0 { 2.0 } else { 0.0 }
    };
    let split = |rows: std::ops::Range<usize>| {
        let samples: Vec<f32> = rows.flat_map(row).collect();
        let targets: Vec<f32> = samples.chunks(3).map(truth).collect();
        Split::new(samples, targets)
    };
    let data = DataSet::from_splits("shop", vec![3], split(0..100), split(100..100 + ROWS)).expect("a set");
    let colours = ["red", "green", "blue"].map(String::from).to_vec();
    let columns = vec![Column::numeric("size"), Column::categorical("colour", colours), Column::numeric("<noise>")];
    let header = Some(Header { columns, target: None, named: true, spelled: true });
    let data = DataSet { header, ..data }.encoded(Scaling::None, false).expect("an encoded set");
    let features = data.features.clone().expect("features");
    assert_eq!(features.names()[..5], ["size", "size is missing", "colour=blue", "colour=green", "colour=red"]);
    let fill = 0.5;
    let mut data = data;
    // The median of the training rows is replaced, so that the weight of the indicator is a round number.
    let samples = data.test.samples.floats().expect("floats").chunks(7).flat_map(|row| {
        let size = if row[1] == 1.0 { fill } else { row[0] };
        [&[size], &row[1..]].concat()
    });
    data.test.samples = samples.collect::<Vec<f32>>().into();
    let weight = vec![1.0, 4.0 - fill, 0.0, 0.0, 2.0, 0.0, 0.0];
    let layers = vec![Layer { inputs: 7, outputs: 1, weight, bias: vec![0.0] }];
    let description = Description {
        item: vec![3],
        task: Some(Task::Values { names: vec!["price".into()], scales: Vec::new() }),
        header: data.header.clone(),
        features: Some(features),
        ..Description::new(vec![7, 1], Activation::Identity, InputMap::UNIT)
    };
    (data, Mlp { activation: Activation::Identity, layers }, description)
}

/// R² is 1, and the permutation of a column that adds an independent term drops it by twice the term's share of the variance.
#[test]
fn a_column_is_permuted_with_all_its_inputs() {
    let (data, model, description) = table();
    let found = block_on(importances(&Machine::Cpu, &model, &description, &data.test)).expect("importances");
    assert_eq!((found.score, found.rows), ("R²", 2000));
    assert!((found.value - 1.0).abs() < 1e-6, "{found:?}");
    // A value of 0.5 ± √(1/12) in nine rows of ten, else 4; 2 in one row of three.
    let size = 0.9 / 12.0 + 0.9 * 0.1 * 3.5f64.powi(2);
    let colour = 4.0 * 2.0 / 9.0;
    let shares = [("size", size / (size + colour)), ("colour", colour / (size + colour)), ("<noise>", 0.0)];
    for ((name, importance), (wanted, share)) in found.columns.iter().zip(shares) {
        assert_eq!(name, wanted, "{found:?}");
        assert!((importance.mean - 2.0 * share).abs() < 0.1, "{found:?}");
        assert!(importance.deviation < 0.2 && (importance.deviation > 0.0) == (share > 0.0), "{found:?}");
    }
    let again = block_on(importances(&Machine::Cpu, &model, &description, &data.test)).expect("importances");
    assert_eq!(found, again);
    let no_table = Description { header: None, ..description };
    let error = block_on(importances(&Machine::Cpu, &model, &no_table, &data.test)).expect_err("no table");
    assert!(error.to_string().contains("only for tables"), "{error}");
}

#[test]
fn the_page_of_a_table_shows_the_importance_of_its_columns() {
    let (data, model, description) = table();
    let assessment = block_on(assess(&Machine::Cpu, &model, &description, &data.test, &data.item)).expect("results");
    let found =
        block_on(importances(&Machine::Cpu, &model, &description, &data.test)).map_err(|error| error.to_string());
    let shown = |importance| {
        let results = Ok(Results { assessment: assessment.clone(), data: Arc::new(data.clone()), importance });
        let history = history(&[RUN, &epoch(1), END]);
        let model = Ok((model.clone(), description.clone()));
        let page = page(&[Subject { name: "run".into(), history, model, results, notes: Vec::new() }]);
        well_formed(&page);
        page
    };
    let whole = shown(Some(found));
    let (_, part) = whole.split_once("<h3>Importance of columns</h3>").expect("a chart");
    assert_eq!(part.matches("class=\"bar\"").count(), 3);
    let places = ["size", "colour", "&lt;noise&gt;"].map(|name| part.find(&format!(">{name}</text>")).expect(name));
    assert!(places.is_sorted(), "{places:?}");
    assert!(part.contains("2\u{202f}000 test rows") && part.contains("5 permutations"), "{part:.3000}");
    assert!(
        shown(Some(Err("there are <many> columns".into()))).contains("not computed: there are &lt;many&gt; columns.")
    );
    assert!(!shown(None).contains("Importance of columns"));
}
