//! Features: numbers, categories, missing values, and columns that are not features.

use super::*;

fn named(field: fn(&mut Options) -> &mut Vec<String>, names: &[&str]) -> Options {
    let mut options = Options::default();
    *field(&mut options) = names.iter().map(|&name| name.into()).collect();
    options
}

#[test]
fn missing_values_have_several_spellings() {
    let read = table("a,w,y\n1,x,0\n,,1\nNA,na,0\nnan,NaN,1\n?,?,0\nnull,NULL,1\nNone,none,0\n \t,  ,1\n2,z,0\n");
    assert_eq!(filled(&read.values[..2]), [1.0, 0.0]);
    assert!(read.values[2..16].iter().all(|value| value.is_nan()), "{:?}", read.values);
    assert_eq!(read.values[16..], [2.0, 1.0]);
    assert_eq!(read.header.columns[0].categories, None);
    assert_eq!(read.header.columns[1].categories.as_deref(), Some(&["x", "z"].map(String::from)[..]));
}

#[test]
fn numbers_are_rounded_to_the_nearest() {
    let texts = ["0.1", "1e-45", "3.4028235e38", "16777217", "123456.789012345", "+.5", "5.", "1E3", "-0"];
    let text =
        format!("{},y\n{},1\n", (0..9).map(|at| format!("c{at}")).collect::<Vec<_>>().join(","), texts.join(","));
    let read = table(&text);
    let expected: Vec<f32> = texts.iter().map(|text| text.parse().expect("a number")).collect();
    assert_eq!(
        read.values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(),
        expected.iter().map(|value| value.to_bits()).collect::<Vec<_>>()
    );
}

#[test]
fn large_numbers_that_lie_close_together_are_noted() {
    let rows =
        |first: u64, step: u64| (0..6).map(|at| format!("{},5,{}\n", first + step * at, at % 2)).collect::<String>();
    let notes = |first, step| table(&format!("t,b,y\n{}", rows(first, step))).notes;
    // Times in seconds: within a minute, within a day, and over years.
    for step in [10, 10_000] {
        let notes = notes(1_700_000_000, step);
        assert!(
            notes.len() == 1 && notes[0].contains("column t") && notes[0].contains("column t to a multiple of 128;"),
            "{notes:?}"
        );
        assert!(notes[0].contains("subtract a constant"), "{notes:?}");
    }
    assert_eq!(notes(1_700_000_000, 10_000_000), [""; 0]);
    // Below 2^24, single precision holds every whole number.
    assert_eq!(notes(16_777_000, 1), [""; 0]);
    let (_dir, path) = file("t.csv", format!("t,b,y\n{}", rows(1_700_000_000, 10)));
    let options = named(|options| &mut options.categorical, &["t"]);
    assert_eq!(read(&path, &options).expect("a table").notes, [""; 0]);
}

#[test]
fn infinite_numbers_are_refused() {
    for value in ["inf", "-Infinity", "1e39", "-1e999"] {
        refused(format!("a,y\n1,1\n{value},2\n"), &Options::default(), &["line 3, column a", value]);
        refused(format!("y,a\n1,1\n{value},2\n"), &Options::default(), &["line 3, column y", value]);
    }
}

#[test]
fn a_text_among_numbers_is_a_mistake() {
    let numbers = |bad: &str| format!("a,y\n1,1\n2,2\n{bad},1\n4,2\n");
    refused(numbers("3x"), &Options::default(), &["line 4, column a", "\"3x\"", "is not a number", "categorical"]);
    refused(numbers("1,5").replace(',', ";").replace("1;5", "1,5"), &Options::default(), &["line 4", "decimal comma"]);
    // Declared as categories, all of them are.
    let options = named(|options| &mut options.categorical, &["a"]);
    let read = table_with(numbers("3x"), &options).expect("categories");
    assert_eq!(read.header.columns[0].categories.as_deref(), Some(&["1", "2", "3x", "4"].map(String::from)[..]));
    // More texts than numbers: categories.
    let read = table("a,y\n1,1\nlow,2\nhigh,1\n");
    assert_eq!(read.header.columns[0].categories.as_deref(), Some(&["1", "high", "low"].map(String::from)[..]));
}

#[test]
fn texts_that_begin_late_make_categories() {
    // The first block, 4 MiB, has numbers and missing values only.
    let padding = "p".repeat(100);
    let row = |value: &str| format!("{value},{padding},1\n");
    let text = format!("a,b,y\n{}{}", row("").repeat(60_000), row("late").repeat(10));
    let read = table(&text);
    assert_eq!(read.header.columns[0].categories.as_deref(), Some(&["late".to_owned()][..]));
    assert_eq!(filled(&[read.values[0], read.values[2 * 60_000]]), [-1.0, 0.0]);
    let text = format!("a,b,y\n{}{}", row("7").repeat(60_000), row("late").repeat(10));
    refused(text, &Options::default(), &["line 60002, column a", "late", "10 such fields"]);
}

#[test]
fn decimal_commas_are_refused() {
    refused("a;b;y\n1,5;2;1\n2,25;3;2\n", &Options::default(), &["column a", "decimal comma", "decimal point"]);
    let ignored = named(|options| &mut options.ignore, &["a"]);
    assert_eq!(table_with("a;b;y\n1,5;2;1\n2,25;3;2\n", &ignored).expect("a table").values, [2.0, 3.0]);
}

#[test]
fn declared_categories_keep_their_texts_and_are_sorted_by_value() {
    let text = "zip,b,y\n10,9007199254740993,1\n1234,9007199254740992,2\n01234,,1\n-1,9007199254740992,2\n10.0,1e1,1\n";
    let options = named(|options| &mut options.categorical, &["zip", "1"]);
    let read = table_with(text, &options).expect("a table");
    let categories = |at: usize| read.header.columns[at].categories.clone().expect("categories");
    assert_eq!(categories(0), ["-1", "10", "10.0", "1234", "01234"]);
    assert_eq!(categories(1), ["1e1", "9007199254740992", "9007199254740993"]);
    assert_eq!(filled(&read.values), [1.0, 2.0, 3.0, 1.0, 4.0, -1.0, 0.0, 1.0, 2.0, 0.0]);
    // The file read as its own test file gives the same.
    let (_dir, path) = file("test.csv", text);
    assert_eq!(filled(&read_like(&path, &read.header, &options).expect("a table").values), filled(&read.values));
}

#[test]
fn too_many_categories_look_like_an_id() {
    let rows = |count: usize| (0..count).map(|row| format!("name{row},{}\n", row % 2)).collect::<String>();
    let read = table(&format!("who,y\n{}", rows(4096)));
    assert_eq!(read.header.columns[0].categories.as_ref().map(Vec::len), Some(4096));
    let text = format!("who,y\n{}", rows(4097));
    refused(&text, &Options::default(), &["column who", "4096", "looks like an id", "ignore"]);
    let options = Options { id: Some("who".into()), target: Some(vec!["y".into()]), ..Options::default() };
    refused(&text, &options, &["no features"]);
    // A number is no exception, and the limit holds over several blocks.
    let many = (0..700_000).map(|row| format!("{},x,{}\n", row / 160, row % 2)).collect::<String>();
    let options = named(|options| &mut options.categorical, &["n"]);
    refused(format!("n,w,y\n{many}"), &options, &["column n", "looks like an id"]);
}

#[test]
fn weights_and_ids_are_not_features() {
    let options =
        Options { weight: Some("w".into()), id: Some("0".into()), ignore: vec!["C".into()], ..Options::default() };
    let text = "who,a,w,c,y\n\"007\",1,2,x,1\nb,2,0,y,2\n,3,0.5,z,1\n";
    let read = table_with(text, &options).expect("a table");
    assert_eq!((names(&read), &read.values[..]), (vec!["a"], &[1.0, 2.0, 3.0][..]));
    assert_eq!(read.weights.as_deref(), Some(&[2.0, 0.0, 0.5][..]));
    let ids = read.ids.expect("ids");
    assert_eq!((ids.name.as_str(), ids.len()), ("who", 3));
    assert_eq!([ids.get(0), ids.get(1), ids.get(2), ids.get(3)], [Some("007"), Some("b"), Some(""), None]);
    for weight in ["-1", "inf", "nan", "", "x", "1e39"] {
        refused(text.replace(",0.5,", &format!(",{weight},")), &options, &["line 4, column w", "weight"]);
    }
    refused(text.replace(",2,x", ",0,x").replace("0.5", "0"), &options, &["all zero"]);
}

#[test]
fn columns_are_found_by_name_and_index() {
    let text = "Alpha,beta,y\n1,2,3\n4,5,6\n";
    let ignored = |name: &str| table_with(text, &named(|options| &mut options.ignore, &[name]));
    for name in ["Alpha", "alpha", "0", "-3"] {
        assert_eq!(names(&ignored(name).expect(name)), ["beta"], "{name}");
    }
    for (name, words) in [
        ("Alpah", "did you mean Alpha?"),
        ("3", "from 0 to 2"),
        ("-4", "-3 to -1"),
        ("zzz", "its columns are Alpha, beta, y"),
    ] {
        let error = said(&ignored(name).expect_err(name));
        assert!(error.contains(words), "{error}");
    }
    let twice = Options { weight: Some("beta".into()), id: Some("1".into()), ..Options::default() };
    refused(text, &twice, &["column beta", "something else too"]);
    let twice = Options { weight: Some("y".into()), ..Options::default() };
    refused(text, &twice, &["column y", "something else too"]);
    let error = table_with("1,2\n3,4\n", &target("beta")).expect_err("no names");
    assert!(said(&error).contains("index"), "{error}");
}

#[test]
fn names_must_differ_and_may_be_empty() {
    refused("a,b,a,y\n1,2,3,4\n", &Options::default(), &["columns 0 and 2", "same name, a"]);
    let read = table(",b,,y\n5,2,3,4\n1,2,3,4\n");
    assert_eq!(names(&read), ["column 0", "b", "column 2"]);
}

#[test]
fn numbers_of_rows_are_no_feature() {
    for name in ["", "id", "Index", "Unnamed: 0"] {
        let text = format!("{name},a,y\n5,1,0\n6,3,1\n7,2,0\n");
        refused(&text, &Options::default(), &["numbers the rows", "ignore"]);
        // Other numbers under such a name are a feature.
        assert_eq!(table(&text.replace("7,", "8,")).header.columns.len(), 2);
    }
}
