//! Parquet.

use super::*;
use ::parquet::basic::Compression;
use ::parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type, Int64Type,
};
use ::parquet::file::properties::{WriterProperties, WriterVersion};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;
use std::sync::Arc;

/// The values of a column: those that are present, and which are.
pub(super) enum Values {
    Bools(Vec<bool>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Texts(Vec<&'static str>),
    Fixed(Vec<Vec<u8>>),
}

/// A row group: the values that are there, and a 1 or 0 for each row of an optional column.
pub(super) type Group = Vec<(Values, Option<Vec<i16>>)>;

/// The bytes of a file with these columns.
pub(super) fn file_of(schema: &str, properties: WriterProperties, groups: &[Group]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message table {{ {schema} }}")).expect("a schema"));
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, Arc::new(properties)).expect("a writer");
    for columns in groups {
        let mut group = writer.next_row_group().expect("a row group");
        for (values, present) in columns {
            let mut column = group.next_column().expect("no error").expect("a column");
            let levels = present.as_deref();
            macro_rules! write {
                ($type:ty, $values:expr) => {
                    column.typed::<$type>().write_batch($values, levels, None)
                };
            }
            let bytes = |text: &[u8]| ByteArray::from(text.to_vec());
            match values {
                Values::Bools(values) => write!(BoolType, values),
                Values::I32(values) => write!(Int32Type, values),
                Values::I64(values) => write!(Int64Type, values),
                Values::F32(values) => write!(FloatType, values),
                Values::F64(values) => write!(DoubleType, values),
                Values::Texts(texts) => {
                    write!(ByteArrayType, &texts.iter().map(|text| bytes(text.as_bytes())).collect::<Vec<_>>())
                }
                Values::Fixed(values) => {
                    write!(FixedLenByteArrayType, &values.iter().map(|value| bytes(value).into()).collect::<Vec<_>>())
                }
            }
            .expect("it is written");
            column.close().expect("it is closed");
        }
        group.close().expect("it is closed");
    }
    writer.close().expect("it is closed");
    bytes
}

fn plain() -> WriterProperties {
    WriterProperties::builder().build()
}

const SCHEMA: &str = "required float size; optional double mass; optional binary colour (UTF8); required boolean new; \
                      required int64 id; required int32 price (DECIMAL(9,2)); required binary kind (UTF8);";

/// Two row groups of four and two rows, in all types.
pub(super) fn sample(properties: WriterProperties) -> Vec<u8> {
    let first = vec![
        (Values::F32(vec![1.0, 2.5, f32::NAN, 4.0]), None),
        (Values::F64(vec![0.5, 1.5]), Some(vec![1, 0, 0, 1])),
        (Values::Texts(vec!["red", "blue", "red"]), Some(vec![1, 1, 1, 0])),
        (Values::Bools(vec![true, false, true, true]), None),
        (Values::I64(vec![9_007_199_254_740_993, 2, 3, 4]), None),
        (Values::I32(vec![199, -250, 5, 100]), None),
        (Values::Texts(vec!["b", "a", "b", "a"]), None),
    ];
    let second = vec![
        (Values::F32(vec![5.0, 6.0]), None),
        (Values::F64(vec![]), Some(vec![0, 0])),
        (Values::Texts(vec!["green", "red"]), Some(vec![1, 1])),
        (Values::Bools(vec![false, false]), None),
        (Values::I64(vec![5, 6]), None),
        (Values::I32(vec![1, 2]), None),
        (Values::Texts(vec!["a", "c"]), None),
    ];
    file_of(SCHEMA, properties, &[first, second])
}

fn read_bytes(bytes: &[u8], options: &Options) -> Result<Table, Error> {
    let (_dir, path) = file("t.parquet", bytes);
    read(&path, options)
}

fn kinds() -> Options {
    Options { id: Some("id".into()), ..target("kind") }
}

#[test]
fn every_type_packing_and_version_is_read() {
    let packings = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
        Compression::ZSTD(Default::default()),
    ];
    for packing in packings {
        for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
            for dictionary in [false, true] {
                // Later versions of the format have encodings that are refused, so the plain one is named.
                let properties = WriterProperties::builder()
                    .set_compression(packing)
                    .set_writer_version(version)
                    .set_dictionary_enabled(dictionary);
                let properties = match dictionary {
                    true => properties,
                    false => properties.set_encoding(::parquet::basic::Encoding::PLAIN),
                };
                let what = format!("{packing} {version:?} {dictionary}");
                let read = read_bytes(&sample(properties.build()), &kinds());
                let read = read.unwrap_or_else(|error| panic!("{what}: {}", said(&error)));
                assert_eq!(names(&read), ["size", "mass", "colour", "new", "price"], "{what}");
                let rows: Vec<f32> = filled(&read.values);
                let wanted = [
                    [1.0, 0.5, 2.0, 1.0, 1.99],
                    [2.5, -1.0, 0.0, 0.0, -2.5],
                    [-1.0, -1.0, 2.0, 1.0, 0.05],
                    [4.0, 1.5, -1.0, 1.0, 1.0],
                    [5.0, -1.0, 1.0, 0.0, 0.01],
                    [6.0, -1.0, 2.0, 0.0, 0.02],
                ];
                assert_eq!(rows, wanted.concat(), "{what}");
                assert_eq!(classes(&read.header), ["a", "b", "c"], "{what}");
                assert_eq!(read.targets, RawTargets::Classes(vec![1, 0, 1, 0, 0, 2]), "{what}");
                let ids = read.ids.expect("ids");
                // No double holds this number.
                assert_eq!((ids.get(0), ids.get(5)), (Some("9007199254740993"), Some("6")), "{what}");
            }
        }
    }
}

#[test]
fn integers_without_a_sign_halves_and_long_decimals_are_numbers() {
    let schema = "required int32 u (UINT_32); required int64 l (UINT_64); required fixed_len_byte_array(2) h (FLOAT16); \
                  required fixed_len_byte_array(16) d (DECIMAL(38,3)); required int32 y;";
    let half = |value: f32| half::f16::from_f32(value).to_le_bytes().to_vec();
    let long = |value: i128| value.to_be_bytes().to_vec();
    let columns = vec![
        (Values::I32(vec![-1, 7]), None),
        (Values::I64(vec![-1, 8]), None),
        (Values::Fixed(vec![half(0.5), half(-2.0)]), None),
        (Values::Fixed(vec![long(-1500), long(2_000_000)]), None),
        (Values::I32(vec![0, 1]), None),
    ];
    let read =
        read_bytes(&file_of(schema, plain(), &[columns]), &last()).unwrap_or_else(|error| panic!("{}", said(&error)));
    assert_eq!(read.values, [4_294_967_295.0, 18_446_744_073_709_551_615.0, 0.5, -1.5, 7.0, 8.0, -2.0, 2000.0]);
}

#[test]
fn long_integers_keep_their_digits_as_names() {
    let numbers: Vec<i64> = (0..8).map(|row| 9_007_199_254_740_992 + row % 4).collect();
    let columns = vec![(Values::I64(numbers.clone()), None), (Values::I64(numbers.clone()), None)];
    let bytes = file_of("required int64 a; required int64 y;", plain(), &[columns]);
    let read = read_bytes(&bytes, &Options { categorical: vec!["a".into()], ..last() }).expect("a table");
    let names: Vec<String> = numbers[..4].iter().map(i64::to_string).collect();
    assert_eq!((read.header.columns[0].categories.as_ref(), classes(&read.header)), (Some(&names), &names[..]));
    assert_eq!(read.targets, RawTargets::Classes(vec![0, 1, 2, 3, 0, 1, 2, 3]));
}

#[test]
fn another_file_is_read_like_the_training_file_and_batch_by_batch() {
    let (_dir, path) = file("t.parquet", sample(plain()));
    let options = kinds();
    let whole = read(&path, &options).expect("a table");
    let like = read_like(&path, &whole.header, &options).expect("a table");
    assert_eq!((filled(&like.values), &like.targets), (filled(&whole.values), &whole.targets));
    // A CSV file with the same columns.
    let (_dir, csv) = file("t.csv", "new,price,colour,size,mass\n1,1.99,red,1,0.5\n0,-2.5,violet,2.5,\n");
    let mut rows = Rows::open(&csv, &whole.header, &Options::default()).expect("rows");
    let batch = rows.next_batch().expect("a batch").expect("rows");
    assert_eq!(filled(&batch.values), [1.0, 0.5, 2.0, 1.0, 1.99, 2.5, -1.0, 3.0, 0.0, -2.5]);
    // Row groups come one at a time.
    let mut rows = Rows::open(&path, &whole.header, &options).expect("rows");
    let counts: Vec<usize> =
        std::iter::from_fn(|| rows.next_batch().expect("a batch").map(|batch| batch.rows)).collect();
    assert_eq!(counts, [4, 2]);
}

#[test]
fn what_is_no_table_is_refused() {
    let refused = |bytes: &[u8], options: &Options, words: &[&str]| {
        let error = said(&read_bytes(bytes, options).expect_err("it is refused"));
        assert!(words.iter().all(|word| error.contains(word)), "{error:?} lacks one of {words:?}");
    };
    let good = sample(plain());
    refused(&good[..good.len() - 1], &kinds(), &["damaged Parquet", "truncated"]);
    refused(&good[..8], &kinds(), &["too short"]);
    let mut torn = good.clone();
    let footer = torn.len() - 60;
    torn[footer..footer + 40].fill(0xff);
    refused(&torn, &kinds(), &["damaged Parquet"]);
    refused(&good, &Options { ignore: vec!["kind".into()], ..target("none") }, &["none", "size"]);
    let two = vec![(Values::I32(vec![1, 2]), None), (Values::I32(vec![0, 1]), None)];
    refused(
        &file_of("required int32 day (DATE); required int32 y;", plain(), &[two]),
        &last(),
        &["column day", "DATE", "seconds"],
    );
    let dates = vec![(Values::I64(vec![1, 2]), None), (Values::I32(vec![0, 1]), None)];
    let schema = "required int64 t (TIMESTAMP(MICROS,true)); required int32 y;";
    refused(&file_of(schema, plain(), &[dates]), &last(), &["column t", "neither a number nor a text"]);
    // A column that is not used may hold anything.
    let dates =
        vec![(Values::I64(vec![1, 2]), None), (Values::F32(vec![1.0, 2.0]), None), (Values::I32(vec![0, 1]), None)];
    let schema = "required int64 t (TIMESTAMP(MICROS,true)); required float x; required int32 y;";
    let ignoring = Options { ignore: vec!["t".into()], ..last() };
    assert_eq!(read_bytes(&file_of(schema, plain(), &[dates]), &ignoring).expect("a table").values, [1.0, 2.0]);
    let infinite = vec![(Values::F64(vec![1.0, 1e300]), None), (Values::I32(vec![0, 1]), None)];
    refused(&file_of("required double x; required int32 y;", plain(), &[infinite]), &last(), &["row 1", "column x"]);
    let missing = vec![(Values::F64(vec![1.0, 2.0]), None), (Values::I32(vec![0]), Some(vec![1, 0]))];
    refused(&file_of("required double x; optional int32 y;", plain(), &[missing]), &last(), &["row 1", "missing"]);
    // Lists. The writer needs levels that no table has, so only the schema is there.
    let nested = file_of("required group list { required int32 x; } required int32 y;", plain(), &[]);
    refused(&nested, &last(), &["columns inside columns"]);
    refused(&file_of("required int32 x; required int32 y;", plain(), &[]), &last(), &["no rows"]);
}
