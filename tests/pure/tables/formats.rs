//! Delimiters, headers, quotes, line ends, gzip.

use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::io::Write;

fn zipped(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).expect("memory does not fail");
    encoder.finish().expect("memory does not fail")
}

#[test]
fn every_delimiter_line_end_and_wrapping_gives_the_same_table() {
    let text = "a,b,y\n1,2.5,0\n3,-4e1,1\n5,,0\n7,8,1\n";
    let expected = table(text);
    assert_eq!(names(&expected), ["a", "b"]);
    assert_eq!(filled(&expected.values), [1.0, 2.5, 3.0, -40.0, 5.0, -1.0, 7.0, 8.0]);
    assert_eq!(expected.targets, RawTargets::Classes(vec![0, 1, 0, 1]));
    let forms = [
        text.replace(',', ";"),
        text.replace(',', "\t"),
        text.replace(',', "|"),
        text.replace(",,", ",NA,").replace(',', " "),
        text.replace(",,", ",?,").replace(',', "   ").replace('\n', "  \n "),
        text.replace(",,", ",?,").replace(',', " \t"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n\n"),
        text.replace(',', " , "),
        text.trim_end().to_owned(),
        format!("\u{feff}{text}"),
        format!("\n\n{text}"),
        text.replace("2.5", "\"2.5\"").replace("a,", "\"a\","),
    ];
    for form in forms {
        for bytes in [form.clone().into_bytes(), zipped(&form)] {
            let read =
                table_with(bytes, &Options::default()).unwrap_or_else(|error| panic!("{form:?}: {}", said(&error)));
            assert_eq!(filled(&read.values), filled(&expected.values), "{form:?}");
            assert_eq!((&read.header, &read.targets), (&expected.header, &expected.targets), "{form:?}");
        }
    }
}

#[test]
fn a_given_delimiter_is_used() {
    let options = Options { delimiter: Some(':'), ..Options::default() };
    assert_eq!(table_with("a:y\n1:2\n3:4\n", &options).expect("a table").values, [1.0, 3.0]);
    let error = table_with("a:y\n", &Options { delimiter: Some('→'), ..Options::default() }).expect_err("two bytes");
    assert!(matches!(error, Error::Setting(_)), "{error}");
}

#[test]
fn a_header_is_recognised() {
    // The number of rows tells whether the first line was taken for one.
    let cases = [
        ("a,b\n1,2\n3,4\n", 2),
        ("1,2\n3,4\n", 2),
        ("5.1,3.5,Iris-setosa\n4.9,3.0,Iris-setosa\n", 2),
        ("?,3.5,red\n4.9,3.0,red\n", 2),
        ("0,1,2,y\n9,8,7,1\n5,4,3,2\n", 2),
        ("0,1,2,3\n9,8,7,1\n", 1),
        ("buying,class\nhigh,bad\nlow,good\n", 2),
        ("high,bad\nlow,good\nhigh,good\n", 3),
        ("\"age, in years\",y\n3,1\n", 1),
        ("\"two\nlines\",y\n3,1\n", 1),
    ];
    for (text, rows) in cases {
        let read = table_with(text, &last()).unwrap_or_else(|error| panic!("{text:?}: {}", said(&error)));
        assert_eq!(read.len(), rows, "{text:?}");
    }
    let without = Options { header: Some(false), ..last() };
    assert_eq!(table_with("a,b\nc,d\n", &without).expect("a table").len(), 2);
    let with = Options { header: Some(true), ..last() };
    let read = table_with("1,2\n3,4\n", &with).expect("a table");
    assert_eq!((read.len(), names(&read)), (1, vec!["1"]));
}

#[test]
fn quotes_may_hold_delimiters_quotes_and_line_ends() {
    let read = table("name,y\n\"a, b\",1\n\"c \"\"d\"\"\",2\n\"e\nf\",1\n\"a, b\",2\n");
    let categories = read.header.columns[0].categories.as_deref().expect("texts");
    assert_eq!(categories, ["a, b", "c \"d\"", "e\nf"]);
    assert_eq!(read.values, [0.0, 1.0, 2.0, 0.0]);
}

#[test]
fn lines_are_counted_with_quotes_and_blank_lines() {
    for text in
        ["a,b,y\n\"x\ny\",1,2\n\n\n\"x\",1,2\nz,inf,2\n", "a,b,y\r\n\"x\r\ny\",1,2\r\n\r\n\r\n\"x\",1,2\r\nz,inf,2\r\n"]
    {
        refused(text, &Options::default(), &["line 7, column b", "inf"]);
    }
    refused("a b y\n1 2 3\n\n  1   inf  3\n", &Options::default(), &["line 4, column b"]);
}

#[test]
fn a_large_file_is_read_in_pieces_and_in_order() {
    // More than two blocks, with and without quotes; a category appears late.
    for quote in ["", "\""] {
        let mut text = String::from("n,word,y\n");
        for row in 0..600_000 {
            let word = if row == 599_000 { "a" } else { ["x", "b"][row % 2] };
            text += &format!("{row}.5,{quote}{word}{quote},{}\n", row % 3);
        }
        let read = table(&text);
        assert_eq!(read.len(), 600_000);
        assert!(read.values.iter().step_by(2).enumerate().all(|(row, &value)| value == row as f32 + 0.5));
        assert_eq!(read.header.columns[1].categories.as_deref(), Some(&["a", "b", "x"].map(String::from)[..]));
        let word = |row: usize| read.values[2 * row + 1];
        assert_eq!([word(0), word(1), word(599_000), word(599_999)], [2.0, 1.0, 0.0, 1.0]);
        let RawTargets::Classes(codes) = &read.targets else { panic!("classes") };
        assert!(codes.iter().enumerate().all(|(row, &code)| code == row as u32 % 3));
        // The same file with a fault near its end.
        refused(text.replace("\n599998.5", "\n-inf"), &Options::default(), &["line 600000, column n", "-inf"]);
    }
}

#[test]
fn other_files_are_refused() {
    let cases: [(&[u8], &[&str]); 9] = [
        (b"", &["is empty"]),
        (b"\n \n", &["is empty"]),
        (b"<html>", &["web page"]),
        (b"\xff\xfea\0,\0", &["UTF-16"]),
        (b"\x00\x01\x02\x03", &["not text"]),
        (b"a,b\n\xe9t\xe9,1\n", &["line 2, column a", "UTF-8"]),
        (b"\xe9t\xe9,b\n1,2\n", &["name of column 0", "UTF-8"]),
        (b"a,y\n", &["no rows"]),
        (b"\r\"\"", &["no rows"]),
    ];
    for (bytes, words) in cases {
        refused(bytes, &last(), words);
    }
    refused("a,b,y\n1,2,3\n4,5\n", &last(), &["line 3", "2 fields", "has 3"]);
    refused("a,b,y\n1,2,3\n4,5,6,\n", &last(), &["line 3", "4 fields"]);
    refused("y\n1\n2\n", &last(), &["no features", "1 column"]);
    let mut long = b"a,y\n1,2\n\"".to_vec();
    long.resize(5 << 20, b'x');
    refused(long, &last(), &["line 3", "quote"]);
    let dir = tempfile::tempdir().expect("temporary folder");
    let error = read(dir.path(), &last()).expect_err("a folder");
    assert!(error.to_string().contains("is a folder"), "{error}");
    let error = read(&dir.path().join("none.csv"), &last()).expect_err("no file");
    assert!(error.to_string().contains("cannot be read"), "{error}");
}
