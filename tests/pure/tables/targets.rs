//! What is predicted: classes, values or labels.

use super::*;
use gpu_mlp::data::table::Goal;

fn with(goal: Goal, targets: &[&str]) -> Options {
    let target = Some(targets.iter().map(|&name| name.into()).collect());
    Options { target, task: Some(goal), ..Options::default() }
}

/// Rows with these targets.
fn rows(targets: &[&str]) -> String {
    let rows = targets.iter().enumerate().map(|(at, target)| format!("{}.5,{target}\n", at * at));
    format!("a,y\n{}", rows.collect::<String>())
}

#[test]
fn the_target_is_found_by_its_name() {
    for name in ["label", "Labels", "CLASS", "target", "y"] {
        let read = table(&format!("{name},a\n1,5\n2,6\n"));
        assert_eq!(names(&read), ["a"], "{name}");
    }
    refused("a,b\n1,2\n3,4\n", &Options::default(), &["no column named label", "a, b", "name the target"]);
    refused("y,a,label\n1,2,3\n", &Options::default(), &["several columns", "y, label"]);
    refused("1,2\n3,4\n", &Options::default(), &["no names", "2 columns", "-1 for the last"]);
    let none = Options { target: Some(vec![]), ..Options::default() };
    let read = table_with("a,y\n1,5\n2,6\n", &none).expect("a table");
    assert_eq!((read.targets, read.header.target, read.values), (RawTargets::None, None, vec![1.0, 5.0, 2.0, 6.0]));
}

#[test]
fn texts_are_classes_in_sorted_order() {
    let read = table(&rows(&["dog", "cat", "Cat", "dog"]));
    assert_eq!(classes(&read.header), ["Cat", "cat", "dog"]);
    assert_eq!(read.targets, RawTargets::Classes(vec![2, 1, 0, 2]));
    // Any number of them, also more than a column of features may have.
    let many: Vec<String> = (0..70_000).map(|at| format!("class{at:05}")).collect();
    let read = table(&rows(&many.iter().map(String::as_str).collect::<Vec<_>>()));
    assert_eq!(classes(&read.header).len(), 70_000);
    assert_eq!(read.targets, RawTargets::Classes((0..70_000).collect()));
}

#[test]
fn few_whole_numbers_are_classes() {
    let read = table(&rows(&["10", "9", "-1", "9.0", "10", "-1"]));
    assert_eq!(classes(&read.header), ["-1", "9", "10"]);
    assert_eq!(read.targets, RawTargets::Classes(vec![2, 1, 0, 1, 2, 0]));
    // Too many for the number of rows, not whole, or more than twenty.
    let twenty_one: Vec<String> = (0..84).map(|at| (at % 21).to_string()).collect();
    let twenty_one: Vec<&str> = twenty_one.iter().map(String::as_str).collect();
    for values in [&["1", "2", "3"][..], &["1", "2.5", "1", "2.5"], &twenty_one] {
        let read = table(&rows(values));
        let expected = values.iter().map(|value| value.parse().expect("a number")).collect();
        assert_eq!(read.targets, RawTargets::Values(expected), "{values:?}");
        let target = read.header.target.expect("a target");
        assert_eq!((target.kind, target.columns[0].name.as_str()), (TargetKind::Values, "y"));
    }
    let twenty: Vec<String> = (0..40).map(|at| (at % 20).to_string()).collect();
    assert_eq!(classes(&table(&rows(&twenty.iter().map(String::as_str).collect::<Vec<_>>())).header).len(), 20);
}

#[test]
fn the_task_can_be_given() {
    let read = table_with(rows(&["1", "0", "1", "0"]), &with(Goal::Values, &["y"])).expect("values");
    assert_eq!(read.targets, RawTargets::Values(vec![1.0, 0.0, 1.0, 0.0]));
    let read = table_with(rows(&["0.5", "100000000", "-2", "0.50"]), &with(Goal::Classes, &["y"])).expect("classes");
    assert_eq!(classes(&read.header), ["-2", "0.5", "100000000"]);
    assert_eq!(read.targets, RawTargets::Classes(vec![1, 2, 0, 1]));
    // One text makes all of them texts.
    let read = table_with(rows(&["1", "2", "other", "1", "2"]), &with(Goal::Classes, &["y"])).expect("classes");
    assert_eq!(classes(&read.header), ["1", "2", "other"]);
    refused(rows(&["1", "2", "other", "1", "2"]), &Options::default(), &["line 4, column y", "other"]);
    refused(rows(&["cat", "dog"]), &with(Goal::Values, &["y"]), &["line 2, column y", "cat"]);
    let error = table_with("a,b,y\n1,2,3\n", &with(Goal::Classes, &["b", "y"])).expect_err("two columns");
    assert!(matches!(&error, Error::Setting(text) if text.contains("2 target columns")), "{error}");
}

#[test]
fn classes_that_are_written_like_codes_keep_their_texts() {
    let large: Vec<String> = (0..8).map(|at| (9_007_199_254_740_992_u64 + at % 4).to_string()).collect();
    let large: Vec<&str> = large.iter().map(String::as_str).collect();
    let cases = [
        (&["01", "1", "2", "01", "1", "2"][..], &["1", "01", "2"][..]),
        (&["+1", "1", "+1", "1", "2.0", "2.0"], &["1", "+1", "2.0"]),
        (&["1e3", "1000", "1e3", "1000"], &["1e3", "1000"]),
        (&large, &large[..4]),
    ];
    for (targets, expected) in cases {
        for options in [Options::default(), with(Goal::Classes, &["y"])] {
            let text = rows(targets);
            let read = table_with(&text, &options).unwrap_or_else(|error| panic!("{targets:?}: {}", said(&error)));
            assert_eq!(classes(&read.header), expected);
            let class = |target: &&str| expected.iter().position(|name| name == target).expect("a class") as u32;
            let codes = RawTargets::Classes(targets.iter().map(class).collect());
            assert_eq!(read.targets, codes, "{targets:?}");
            // As a test file, it has the same classes.
            let (_dir, path) = file("test.csv", &text);
            assert_eq!(read_like(&path, &read.header, &options).expect("a table").targets, codes, "{targets:?}");
        }
    }
    // Such texts do not make classes of numbers that are none, and features may turn out to be texts at the same time.
    assert_eq!(table(&rows(&["01", "2.5", "7"])).targets, RawTargets::Values(vec![1.0, 2.5, 7.0]));
    let padding = "0".repeat(60);
    let numbers = format!("1.5,1.{padding},01\n").repeat(60_000);
    let read = table(&format!("a,b,y\n{numbers}{}", format!("x,1.{padding},1\n").repeat(60_001)));
    assert_eq!((classes(&read.header), read.values[0]), (&["1".to_owned(), "01".to_owned()][..], 0.0));
    // Plain numbers are compared as numbers, in a test file too.
    let read = table(&rows(&["1.0", "2", "1.0", "2"]));
    assert_eq!(classes(&read.header), ["1", "2"]);
    let (_dir, path) = file("test.csv", "a,y\n1,1\n1,2.00\n");
    assert_eq!(
        read_like(&path, &read.header, &Options::default()).expect("a table").targets,
        RawTargets::Classes(vec![0, 1])
    );
    let (_dir, path) = file("test.csv", "a,y\n1,1\n1,02\n");
    let error = said(&read_like(&path, &read.header, &Options::default()).expect_err("another text"));
    assert!(error.contains("\"02\" is not one of the classes"), "{error}");
}

#[test]
fn several_targets_are_values_or_labels() {
    let text = "t2,a,t1\n1,5,0\n0,6,0.5\n1,7,0\n0,8,0\n";
    let options = Options { target: Some(vec!["t1".into(), "t2".into()]), ..Options::default() };
    let read = table_with(text, &options).expect("values");
    assert_eq!(read.targets, RawTargets::Values(vec![0.0, 1.0, 0.5, 0.0, 0.0, 1.0, 0.0, 0.0]));
    let target = read.header.target.expect("targets");
    let columns: Vec<_> = target.columns.iter().map(|column| (column.name.as_str(), column.place)).collect();
    assert_eq!(columns, [("t1", 2), ("t2", 0)]);
    let labels = with(Goal::Labels, &["t1", "t2"]);
    refused(text, &labels, &["line 3, column t1", "0.5", "neither yes nor no"]);
    let text = "t2,a,t1\nyes,5,TRUE\nN,6,f\n1,7,0\n0.0,8,t\n";
    let read = table_with(text, &labels).expect("labels");
    assert_eq!(read.targets, RawTargets::Labels(vec![1.0, 1.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0]));
    refused(text, &options, &["column t1 holds texts", "must be numbers"]);
}

#[test]
fn a_missing_target_is_refused() {
    for missing in ["", "NA", "?"] {
        refused(rows(&["1", "2", missing]), &Options::default(), &["line 4, column y", "missing"]);
        refused(rows(&["x", "y", missing]), &Options::default(), &["line 4, column y", "missing"]);
        refused(rows(&["1", "0", missing]), &with(Goal::Labels, &["y"]), &["line 4, column y", "missing"]);
    }
}
