//! Other files with the columns of a training file: tests and predictions.

use super::*;

const TRAIN: &str = "a,color,y\n1,red,no\n2,blue,yes\n3,red,yes\n";

/// Reads `text` like [`TRAIN`].
fn like(text: &str, options: &Options) -> Result<Table, Error> {
    let (_dir, path) = file("test.csv", text);
    read_like(&path, &table(TRAIN).header, options)
}

fn rows(text: &str, header: &Header, options: &Options) -> (Vec<gpu_mlp::data::table::Batch>, Vec<String>) {
    let (_dir, path) = file("new.csv", text);
    let mut rows = Rows::open(&path, header, options).unwrap_or_else(|error| panic!("{}", said(&error)));
    let mut batches = Vec::new();
    while let Some(batch) = rows.next_batch().unwrap_or_else(|error| panic!("{}", said(&error))) {
        batches.push(batch);
    }
    (batches, rows.notes().to_vec())
}

#[track_caller]
fn not_like(text: &str, words: &[&str]) {
    let error = said(&like(text, &Options::default()).expect_err("it is refused"));
    assert!(words.iter().all(|word| error.contains(word)), "{error:?} lacks one of {words:?}");
}

#[test]
fn columns_are_matched_by_name() {
    let read = like("extra,y,color,a\n9,yes,blue,5\n9,no,green,NA\n9,yes,,7\n", &Options::default()).expect("a table");
    assert_eq!(filled(&read.values), [5.0, 0.0, -1.0, 2.0, 7.0, -1.0]);
    assert_eq!(read.targets, RawTargets::Classes(vec![1, 0, 1]));
    assert_eq!(read.header, table(TRAIN).header);
    assert!(read.notes.len() == 1 && read.notes[0].contains("not used: extra"), "{:?}", read.notes);
    assert!(like(TRAIN, &Options::default()).expect("a table").notes.is_empty());
}

#[test]
fn what_does_not_fit_is_refused() {
    not_like("a,y\n1,yes\n", &["lacks 1 column", "color", "its columns are a, y"]);
    not_like("a,color\n1,red\n", &["lacks targets: y"]);
    not_like("a,color,y\n1,red,yes\n1,red,maybe\n", &["line 3, column y", "maybe", "classes of the training file"]);
    not_like("a,color,y\n1,red,\n", &["line 2, column y", "missing"]);
    not_like("a,color,y\n1,red,yes\nx,red,yes\n", &["line 3, column a", "\"x\""]);
    not_like("a,color,y\ninf,red,yes\n", &["line 2, column a"]);
    not_like("a,color,y\n", &["no rows"]);
}

#[test]
fn categories_of_a_new_file_are_found_by_their_texts() {
    let options = Options { categorical: vec!["c".into()], ..Options::default() };
    let train = table_with("c,y\n1,0\n2,1\n1.5,0\n01234,1\n", &options).expect("a table");
    assert_eq!(train.header.columns[0].categories.as_deref().expect("categories"), ["1", "1.5", "2", "01234"]);
    let (_dir, path) = file("test.csv", "c,y\n1,0\n01234,1\n1.0,1.00\n02,0\n1234,0\n1.50,0\n");
    // Whole numbers may have got a decimal point, as in a column with missing values. Other spellings are other texts.
    let expected = [0.0, 3.0, 0.0, 4.0, 4.0, 4.0];
    let read = read_like(&path, &train.header, &Options::default()).expect("a table");
    assert_eq!((&read.values[..], read.targets), (&expected[..], RawTargets::Classes(vec![0, 1, 1, 0, 0, 0])));
    let mut rows = Rows::open(&path, &train.header, &Options::default()).expect("rows");
    assert_eq!(rows.next_batch().expect("a batch").expect("rows").values, expected);
}

#[test]
fn a_model_of_an_earlier_version_finds_numbers_by_value() {
    let header = r#"{ "columns": [{ "name": "c", "categories": ["1", "3", "10"] }], "target": { "columns":
        [{ "name": "y", "place": 1 }], "kind": { "Classes": { "names": ["0", "1"] } } }, "named": true }"#;
    let header: Header = serde_json::from_str(header).expect("a header");
    let (_dir, path) = file("test.csv", "c,y\n3,0\n03,01\n1e1,1.0\n4,0\n");
    let read = read_like(&path, &header, &Options::default()).expect("a table");
    assert_eq!((&read.values[..], read.targets), (&[1.0, 1.0, 2.0, 3.0][..], RawTargets::Classes(vec![0, 1, 1, 0])));
}

#[test]
fn files_without_names_are_matched_by_position() {
    let options = Options { target: Some(vec!["1".into()]), ..Options::default() };
    let train = table_with("1.5,0,7\n2.5,1,8\n3.5,0,9\n4.5,1,9\n", &options).expect("a table");
    assert_eq!((names(&train), train.header.named), (vec!["column 0", "column 2"], false));
    let read = |text: &str| {
        let (_dir, path) = file("test.csv", text);
        read_like(&path, &train.header, &Options::default())
    };
    let test = read("5,1,6\n7,0,8\n").expect("a table");
    assert_eq!(
        (test.values, test.targets, test.notes.len()),
        (vec![5.0, 6.0, 7.0, 8.0], RawTargets::Classes(vec![1, 0]), 0)
    );
    let noted = read("p,q,r\n5,1,6\n").expect("a table");
    assert!(noted.values == [5.0, 6.0] && noted.notes[0].contains("position"), "{:?}", noted.notes);
    assert!(said(&read("5,6\n").expect_err("no targets")).contains("lacks targets"));
    assert!(said(&read("5,6,7,8\n").expect_err("too many")).contains("4 columns of values"));
    // For predictions the target may be absent; weights and ids are not counted.
    let options = Options { id: Some("0".into()), ..Options::default() };
    let (batches, _) = rows("a,5,6\nb,7,8\n", &train.header, &options);
    assert_eq!((&batches[0].values[..], &batches[0].targets), (&[5.0, 6.0, 7.0, 8.0][..], &None));
    assert_eq!(batches[0].ids.as_ref().and_then(|ids| ids.get(1)), Some("b"));
}

#[test]
fn predictions_need_no_targets_and_no_weights() {
    let header = table(TRAIN).header;
    let options = Options { weight: Some("w".into()), ignore: vec!["z".into()], ..Options::default() };
    let (batches, notes) = rows("color,a,z\nred,1,1\npink,2,1\n", &header, &options);
    assert_eq!(batches.len(), 1);
    assert_eq!((batches[0].rows, &batches[0].values[..]), (2, &[1.0, 1.0, 2.0, 2.0][..]));
    assert_eq!((&batches[0].targets, &batches[0].weights, notes.len()), (&None, &None, 0));
    // Targets that are there come along; an unknown or missing one is NaN.
    let (batches, _) = rows("color,a,y\nred,1,yes\nred,2,maybe\nred,2,\n", &header, &Options::default());
    let targets = batches[0].targets.as_ref().expect("targets");
    assert!(targets[0] == 1.0 && targets[1].is_nan() && targets[2].is_nan(), "{targets:?}");
}

#[test]
fn batches_together_are_the_table() {
    let text: String = (0..500_000)
        .map(|row| format!("{row},{},{}\n", ["red", "blue", "green"][row % 3], ["no", "yes"][row % 2]))
        .collect();
    let text = format!("a,color,y\n{text}");
    let whole = like(&text, &Options::default()).expect("a table");
    let (batches, _) = rows(&text, &table(TRAIN).header, &Options::default());
    assert!(batches.len() > 1 && batches.iter().all(|batch| batch.values.len() == 2 * batch.rows));
    let values: Vec<f32> = batches.iter().flat_map(|batch| batch.values.clone()).collect();
    assert!(values == whole.values && values.len() == 1_000_000);
    let targets = batches.iter().flat_map(|batch| batch.targets.clone().expect("targets")).map(|code| code as u32);
    assert!(RawTargets::Classes(targets.collect()) == whole.targets);
}

#[test]
fn a_header_survives_being_stored() {
    let header = table(TRAIN).header;
    let text = serde_json::to_string(&header).expect("JSON");
    assert_eq!(serde_json::from_str::<Header>(&text).expect("JSON"), header);
}
