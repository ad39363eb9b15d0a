//! Features of tables: scaling, missing values, categories, and files with other columns.

use gpu_mlp::base::rng::{Stream, host};
use gpu_mlp::data::column::Column;
use gpu_mlp::data::features::{Encoding, Features, Number, Scaling};
use rand::RngExt;
use std::path::Path;

const NAN: f32 = f32::NAN;
const ALL: [Scaling; 5] = [Scaling::Standard, Scaling::Robust, Scaling::MinMax, Scaling::Unit, Scaling::None];

fn numbers(names: &[&str]) -> Vec<Column> {
    names.iter().map(|name| Column::numeric(*name)).collect()
}

fn categories(name: &str, names: &[&str]) -> Column {
    Column::categorical(name, names.iter().map(|name| (*name).to_owned()).collect())
}

fn apply(features: &Features, raw: &[f32]) -> Vec<f32> {
    let mut inputs = Vec::new();
    features.apply(raw, &mut inputs).expect("whole rows");
    inputs
}

/// The inputs of one column of numbers, learned from itself.
fn scaled(values: &[f32], scaling: Scaling) -> Vec<f32> {
    apply(&Features::fit(&numbers(&["x"]), values, None, scaling).unwrap(), values)
}

fn close(found: &[f32], wanted: &[f64]) {
    assert_eq!(found.len(), wanted.len());
    let near = found.iter().zip(wanted).all(|(&found, &wanted)| (f64::from(found) - wanted).abs() < 3e-7);
    assert!(near, "{found:?} instead of {wanted:?}");
}

/// scikit-learn 1.9.1: `StandardScaler`, `MinMaxScaler`, `MaxAbsScaler`, `RobustScaler` and x/√(1 + (x/3)²) of the last.
#[test]
fn scalings_are_those_of_scikit_learn() {
    let values = [1.0, 2.0, 4.0, 8.0, 16.0];
    close(&scaled(&values, Scaling::Standard), &[-0.95320625, -0.76989735, -0.40327957, 0.32995601, 1.79642716]);
    close(&scaled(&values, Scaling::MinMax), &[0.0, 1.0 / 15.0, 0.2, 7.0 / 15.0, 1.0]);
    close(&scaled(&values, Scaling::Unit), &[0.0625, 0.125, 0.25, 0.5, 1.0]);
    close(&scaled(&values, Scaling::Robust), &[-0.49319696, -0.33129458, 0.0, 0.65079137, 1.66410059]);
    assert_eq!(scaled(&values, Scaling::None), values);
    assert_eq!(scaled(&[-4.0, 2.0], Scaling::Unit), [-1.0, 0.5]);
}

#[test]
fn a_constant_feature_gives_zero() {
    for scaling in [Scaling::Standard, Scaling::Robust, Scaling::MinMax] {
        for value in [0.1, 1e30, -0.0, 1e-40] {
            assert_eq!(scaled(&[value; 3], scaling), [0.0; 3], "{value} {scaling:?}");
        }
    }
}

/// Six of eight values are equal, so both quartiles are 1; half the range is 2.
#[test]
fn robust_scaling_uses_half_the_range_if_the_quartiles_are_equal() {
    let found = scaled(&[1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 5.0], Scaling::Robust);
    close(&found, &[0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 2.0 / (1.0 + 4.0 / 9.0f64).sqrt()]);
}

#[test]
fn robust_scaling_limits_outliers_to_three() {
    let features = Features::fit(&numbers(&["x"]), &[1.0, 2.0, 3.0, 4.0, 5.0], None, Scaling::Robust).unwrap();
    let inputs = apply(&features, &[1e6, -1e20, f32::MAX, f32::MIN]);
    close(&inputs, &[3.0, -3.0, 3.0, -3.0]);
}

#[test]
fn tiny_and_huge_values_give_finite_inputs() {
    let half = f32::MAX / 2.0;
    for values in [[1e-45, 2e-45, 3e-45], [f32::MIN_POSITIVE, 0.0, 1e-40], [1e38, 2e38, 3e38], [half, -half, 0.0]] {
        for scaling in ALL {
            let found = scaled(&values, scaling);
            assert!(found.iter().all(|input| input.is_finite()), "{values:?} {scaling:?} {found:?}");
        }
    }
}

/// By hand. The median of 1, 3, 5 is 3; mean 3 and deviation √(8/3) are of the values that are present.
#[test]
fn a_missing_value_becomes_the_median_and_an_indicator_where_training_rows_had_one() {
    let columns = numbers(&["age", "height"]);
    let raw = [1.0, 7.0, NAN, 8.0, 3.0, 9.0, 5.0, 9.0];
    let features = Features::fit(&columns, &raw, None, Scaling::Standard).unwrap();
    assert_eq!(features.names(), ["age", "age is missing", "height"]);
    assert_eq!((features.width(), features.inputs()), (2, 3));
    let inputs = apply(&features, &raw);
    let unit = (3.0f32 / 8.0).sqrt();
    let ages: Vec<f32> = inputs.chunks(3).map(|row| row[0]).collect();
    close(&ages, &[f64::from(-2.0 * unit), 0.0, 0.0, f64::from(2.0 * unit)]);
    assert_eq!(inputs.chunks(3).map(|row| row[1]).collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0]);
    // `height` is missing for the first time: it is filled with the median, 8.5.
    let later = apply(&features, &[3.0, NAN, 3.0, 8.5]);
    assert_eq!(later[2], later[5]);
    let Encoding::Number(Number { fill, .. }) = features.columns[1].encoding else { panic!("a number") };
    assert_eq!(fill, 8.5);
}

#[test]
fn a_column_without_any_value_gives_zero_and_the_indicator() {
    for scaling in ALL {
        let features = Features::fit(&numbers(&["x"]), &[NAN, NAN], None, scaling).unwrap();
        assert_eq!(apply(&features, &[NAN]), [0.0, 1.0]);
        assert!(apply(&features, &[7.0])[0].is_finite());
    }
}

#[test]
fn categories_of_the_training_rows_are_one_hot_and_all_others_share_an_input() {
    // `blue` does not occur in the training rows.
    let columns = [categories("colour", &["red", "blue", "green"]), Column::numeric("x")];
    let train = vec![0.0, 1.0, 2.0, 2.0, 0.0, 3.0];
    let features = Features::fit(&columns, &train, None, Scaling::None).unwrap();
    assert_eq!(features.names(), ["colour=green", "colour=red", "colour=other", "x"]);
    let path = Path::new("table.csv");
    let encoded = features.encode(path, &columns, train).unwrap();
    assert_eq!(encoded, [0.0, 1.0, 0.0, 1.0, 1.0, 0.0, 0.0, 2.0, 0.0, 1.0, 0.0, 3.0]);
    // Not in the training rows, not in the list, missing.
    for code in [1.0, 3.0, 7.0, -1.0, 0.5, NAN] {
        let encoded = features.encode(path, &columns, vec![code, 4.0]).unwrap();
        assert_eq!(encoded, [0.0, 0.0, 1.0, 4.0], "{code}");
    }
    let shadowed = Features::fit(&[categories("c", &["other"])], &[0.0], None, Scaling::None).unwrap();
    assert_eq!(shadowed.names(), ["c=other", "c=(other)"]);
}

#[test]
fn another_file_is_matched_by_the_names_of_columns_and_categories() {
    let columns = [Column::numeric("x"), categories("colour", &["red", "green"]), Column::numeric("y")];
    let features = Features::fit(&columns, &[1.0, 0.0, 2.0, 3.0, 1.0, 4.0], None, Scaling::None).unwrap();
    let other = [
        Column::numeric("unused"),
        categories("colour", &["green", "violet", "red"]),
        Column::numeric("y"),
        Column::numeric("x"),
    ];
    let raw = vec![9.0, 2.0, 20.0, 10.0, 9.0, 1.0, 21.0, 11.0];
    let path = Path::new("other.csv");
    let encoded = features.encode(path, &other, raw).unwrap();
    // x, green, red, other, y
    assert_eq!(encoded, [10.0, 0.0, 1.0, 0.0, 20.0, 11.0, 0.0, 0.0, 1.0, 21.0]);
    assert!(!features.recode(path, &other).unwrap().is_identity());
}

#[test]
fn rows_of_the_same_columns_and_codes_are_not_copied() {
    let columns = [Column::numeric("x"), categories("colour", &["green", "red"])];
    let features = Features::fit(&columns, &[1.0, 0.0, 3.0, 1.0], None, Scaling::None).unwrap();
    let recode = features.recode(Path::new("same.csv"), &columns).unwrap();
    assert!(recode.is_identity());
    assert_eq!(recode.rows(vec![5.0, 1.0, 6.0, 2.0]).unwrap(), [5.0, 1.0, 6.0, 2.0]);
}

/// As many columns and categories as in training: only their order tells that the rows must change.
#[test]
fn columns_or_categories_in_another_order_are_found() {
    let columns = [Column::numeric("x"), Column::numeric("y"), categories("colour", &["green", "red"])];
    let features = Features::fit(&columns, &[1.0, 2.0, 0.0, 3.0, 4.0, 1.0], None, Scaling::None).unwrap();
    let path = Path::new("other.csv");
    let [x, y, colour] = columns;
    let exchanged = [y.clone(), x.clone(), colour];
    assert_eq!(features.encode(path, &exchanged, vec![5.0, 6.0, 1.0]).unwrap(), [6.0, 5.0, 0.0, 1.0, 0.0]);
    let renumbered = [x, y, categories("colour", &["red", "green"])];
    assert_eq!(features.encode(path, &renumbered, vec![5.0, 6.0, 1.0]).unwrap(), [5.0, 6.0, 1.0, 0.0, 0.0]);
}

#[test]
fn a_file_that_does_not_fit_is_refused_with_the_name_of_the_column() {
    let columns = [Column::numeric("age"), categories("colour", &["red"])];
    let features = Features::fit(&columns, &[1.0, 0.0], None, Scaling::None).unwrap();
    let red = || categories("colour", &["red"]);
    let cases = [
        (vec![red()], "no column `age`"),
        (vec![Column::numeric("Age"), red()], "no column `age`"),
        (vec![Column::numeric("age"), Column::numeric("age"), red()], "two columns `age`"),
        (vec![categories("age", &["old"]), red()], "such as `old`"),
        (vec![Column::numeric("age"), Column::numeric("colour")], "numbers in column `colour`"),
    ];
    for (columns, part) in cases {
        let error = features.recode(Path::new("other.csv"), &columns).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        let gpu_mlp::Error::Data { path, next, .. } = error else { panic!("{error}") };
        assert!(path == Path::new("other.csv") && !next.is_empty());
    }
    let unused = [Column::numeric("age"), red(), Column::numeric("z"), Column::numeric("z")];
    assert!(features.recode(Path::new("other.csv"), &unused).is_ok());
}

#[test]
fn values_that_cannot_be_learned_from_are_refused() {
    let columns = numbers(&["a", "b"]);
    assert!(Features::fit(&columns, &[], None, Scaling::None).is_err());
    assert!(Features::fit(&[], &[1.0], None, Scaling::None).is_err());
    assert!(Features::fit(&columns, &[1.0, 2.0, 3.0], None, Scaling::None).is_err());
    let error =
        Features::fit(&columns, &[1.0, 2.0, 3.0, f32::INFINITY], None, Scaling::Robust).unwrap_err().to_string();
    assert!(error.contains("row 1 of column `b` is inf"), "{error}");
    assert!(Features::uniform(&[2, 2], &[1.0, 2.0, 3.0], None, Scaling::None).is_err());
    assert!(Features::uniform(&[usize::MAX, 2], &[1.0, 2.0], None, Scaling::None).is_err());
    let features = Features::fit(&columns, &[1.0, 2.0], None, Scaling::None).unwrap();
    assert!(features.apply(&[1.0], &mut Vec::new()).is_err() && features.apply_in_place(vec![1.0; 3]).is_err());
}

/// Numbers that are drawn, with missing values in every third column if asked for.
fn table(rows: usize, columns: usize, missing: bool) -> Vec<f32> {
    let mut random = host(3, Stream::Init, rows as u64);
    let value = |at: usize| {
        let value = random.random_range(-100.0f32..100.0);
        if missing && (at % columns).is_multiple_of(3) && random.random_range(0..10) == 0 { NAN } else { value }
    };
    (0..rows * columns).map(value).collect()
}

#[test]
fn in_place_gives_the_same_bits() {
    let columns = numbers(&["a", "b", "c", "d", "e"]);
    for missing in [false, true] {
        let raw = table(5000, 5, missing);
        let features = Features::fit(&columns, &raw, None, Scaling::Robust).unwrap();
        assert_eq!(features.inputs(), if missing { 7 } else { 5 });
        assert_eq!(features.apply_in_place(raw.clone()).unwrap(), apply(&features, &raw));
    }
}

#[test]
fn rows_are_encoded_independently_and_appended() {
    let raw = table(3000, 4, true);
    let features = Features::fit(&numbers(&["a", "b", "c", "d"]), &raw, None, Scaling::Standard).unwrap();
    let all = apply(&features, &raw);
    let mut appended = Vec::new();
    raw.chunks(4 * 7).for_each(|rows| features.apply(rows, &mut appended).unwrap());
    assert_eq!(appended, all);
}

#[test]
fn the_number_of_threads_has_no_influence() {
    let raw = table(20_000, 6, true);
    let columns = numbers(&["a", "b", "c", "d", "e", "f"]);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let features = Features::fit(&columns, &raw, None, Scaling::Robust).unwrap();
            let uniform = Features::uniform(&[2, 3], &raw, None, Scaling::Standard).unwrap();
            (apply(&features, &raw), uniform)
        })
    };
    assert!(with(1) == with(3));
}

/// By hand: mean 2, deviation √2, median 2 of the values that are present.
#[test]
fn pictures_have_one_scaling_for_all_pixels() {
    let raw = [0.0, 4.0, 1.0, 3.0, 2.0, 2.0, NAN, NAN];
    let features = Features::uniform(&[2, 2], &raw, None, Scaling::Standard).unwrap();
    assert_eq!((features.width(), features.inputs(), features.columns.len()), (4, 4, 1));
    assert_eq!(features.names(), ["pixel 0", "pixel 1", "pixel 2", "pixel 3"]);
    let deviation = (10.0f64 / 6.0).sqrt();
    close(&apply(&features, &raw), &[-2.0, 2.0, -1.0, 1.0, 0.0, 0.0, 0.0, 0.0].map(|x| x / deviation));
    let path = Path::new("pictures.csv");
    assert!(features.recode(path, &numbers(&["a", "b", "c", "d"])).unwrap().is_identity());
    assert!(features.recode(path, &numbers(&["a", "b", "c"])).is_err());
}

#[test]
fn the_text_form_is_compact_and_exact() {
    let columns = [Column::numeric("x"), categories("colour", &["red"]), Column::numeric("y")];
    let features = Features::fit(&columns, &[1.0, 0.0, 2.0, 3.0, 0.0, NAN], None, Scaling::None).unwrap();
    assert_eq!(
        serde_json::to_string(&features).unwrap(),
        r#"{"columns":[{"name":"x","encoding":{"number":{"fill":2.0,"center":0.0,"scale":1.0}}},"#.to_owned()
            + r#"{"name":"colour","encoding":{"categories":["red"]}},"#
            + r#"{"name":"y","encoding":{"number":{"fill":2.0,"center":0.0,"scale":1.0,"indicator":true}}}]}"#
    );
    let picture = Features::uniform(&[1000], &table(3, 1000, false), None, Scaling::Robust).unwrap();
    assert!(serde_json::to_string(&picture).unwrap().len() < 200);
    let columns: Vec<Column> = (0..300).map(|at| Column::numeric(at.to_string())).collect();
    for scaling in ALL {
        let features = Features::fit(&columns, &table(20, 300, true), None, scaling).unwrap();
        let read: Features = serde_json::from_str(&serde_json::to_string(&features).unwrap()).unwrap();
        assert_eq!(read, features);
    }
}

#[test]
fn a_text_form_that_contradicts_itself_is_refused() {
    let number = |count: &str, fill: &str, indicator: &str| {
        format!(
            r#"{{"columns":[{{"name":"x","count":{count},"encoding":{{"number":{{"fill":{fill},"center":0,"scale":1,
               "indicator":{indicator}}}}}}}]}}"#
        )
    };
    let categories = |names: &str, count: usize| {
        format!(r#"{{"columns":[{{"name":"x","count":{count},"encoding":{{"categories":{names}}}}}]}}"#)
    };
    let read = |text: &str| serde_json::from_str::<Features>(text).map_err(|error| error.to_string());
    assert!(read(&number("1", "0", "true")).is_ok() && read(&number("5", "0", "false")).is_ok());
    assert!(read(&categories(r#"["a","b"]"#, 1)).is_ok() && read(&categories("[]", 1)).is_ok());
    let wrong = [
        number("0", "0", "false"),
        number("2", "0", "true"),
        number("1", "null", "false"),
        number("1", "1e39", "false"),
        number("-1", "0", "false"),
        categories(r#"["b","a"]"#, 1),
        categories(r#"["a","a"]"#, 1),
        categories(r#"["a"]"#, 2),
        r#"{"columns":[]}"#.into(),
    ];
    for text in wrong {
        assert!(read(&text).is_err(), "{text}");
    }
}

/// Whole numbers, so that all sums are exact.
#[test]
fn a_weight_counts_like_repetition() {
    let colours = ["red", "green", "blue"];
    let columns = [Column::numeric("a"), categories("colour", &colours), Column::numeric("b"), Column::numeric("c")];
    let mut random = host(5, Stream::Init, 0);
    let mut raw: Vec<f32> = (0..60 * 4).map(|_| random.random_range(-20i16..20).into()).collect();
    let mut weights: Vec<u8> = (0..60).map(|_| random.random_range(0..4)).collect();
    for (row, values) in raw.chunks_mut(4).enumerate() {
        // A missing value in `b`; one in `c`, and the only blue, in a row of weight 0.
        values[1] = f32::from(row as u8 % 2);
        (values[2], weights[row]) = if row == 7 { (NAN, 2) } else { (values[2], weights[row]) };
        if row == 9 {
            (values[1], values[3], weights[row]) = (2.0, NAN, 0);
        }
    }
    let rows = raw.chunks(4).zip(&weights);
    let repeated: Vec<f32> = rows.flat_map(|(row, &weight)| row.repeat(weight.into())).collect();
    let weights: Vec<f32> = weights.into_iter().map(f32::from).collect();
    for scaling in ALL {
        let weighted = Features::fit(&columns, &raw, Some(&weights), scaling).unwrap();
        assert_eq!(weighted, Features::fit(&columns, &repeated, None, scaling).unwrap(), "{scaling:?}");
        assert_eq!(weighted.names(), ["a", "colour=green", "colour=red", "colour=other", "b", "b is missing", "c"]);
        assert_ne!(weighted, Features::fit(&columns, &raw, None, scaling).unwrap(), "{scaling:?}");
        for missing in [false, true] {
            let filled = |raw: &[f32]| raw.iter().map(|v| if missing { *v } else { v.max(-20.0) }).collect::<Vec<_>>();
            let weighted = Features::uniform(&[2, 2], &filled(&raw), Some(&weights), scaling).unwrap();
            assert_eq!(weighted, Features::uniform(&[2, 2], &filled(&repeated), None, scaling).unwrap(), "{scaling:?}");
        }
    }
    assert!(Features::fit(&columns, &raw, Some(&weights[1..]), Scaling::None).is_err());
    assert!(Features::uniform(&[4], &raw, Some(&weights[1..]), Scaling::None).is_err());
    // The sums are rounded, and the column is constant all the same.
    let constant = Features::fit(&numbers(&["x"]), &[0.1; 100], Some(&[0.3; 100]), Scaling::Standard).unwrap();
    assert_eq!(apply(&constant, &[0.1, 1.0]), [0.0; 2]);
}
