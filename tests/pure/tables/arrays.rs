//! NPY, NPZ and safetensors.

use super::*;
use gpu_mlp::data::table::Goal;
use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use std::io::{Cursor, Write};

/// The bytes of an NPY file.
pub(super) fn npy(descr: &str, fortran: bool, shape: &str, values: &[u8]) -> Vec<u8> {
    let order = if fortran { "True" } else { "False" };
    let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': ({shape}), }}\n");
    with_header(&header, values)
}

fn with_header(header: &str, values: &[u8]) -> Vec<u8> {
    [b"\x93NUMPY\x01\0", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), values].concat()
}

/// The bytes of an NPZ archive.
pub(super) fn npz(deflated: bool, arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    for (name, bytes) in arrays {
        let options = zip::write::SimpleFileOptions::default().compression_method(method);
        zip.start_file(format!("{name}.npy"), options).expect("memory does not fail");
        zip.write_all(bytes).expect("memory does not fail");
    }
    zip.finish().expect("memory does not fail").into_inner()
}

/// The bytes of a safetensors file.
pub(super) fn tensors(tensors: &[(&str, Dtype, Vec<usize>, Vec<u8>)]) -> Vec<u8> {
    let view = |(name, dtype, shape, bytes): &(&str, Dtype, Vec<usize>, Vec<u8>)| {
        (name.to_string(), TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor").data().to_vec())
    };
    let owned: Vec<_> = tensors.iter().map(view).collect();
    let views = owned.iter().zip(tensors).map(|((name, bytes), (_, dtype, shape, _))| {
        (name.clone(), TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize(views, None).expect("tensors")
}

fn raw<const S: usize>(values: &[i32], to: impl Fn(i32) -> [u8; S]) -> Vec<u8> {
    values.iter().flat_map(|&value| to(value)).collect()
}

fn arrays(name: &str, bytes: &[u8], options: &Options) -> Result<Table, Error> {
    let (_dir, path) = file(name, bytes);
    read(&path, options)
}

#[track_caller]
fn not_read(name: &str, bytes: &[u8], words: &[&str]) {
    let error = said(&arrays(name, bytes, &last()).expect_err("it is refused"));
    assert!(words.iter().all(|word| error.contains(word)), "{error:?} lacks one of {words:?}");
}

#[test]
fn npy_of_every_type_and_order() {
    let values = [1, 2, 0, 4, 5, 1, 7, 8, 0, 1, 2, 1];
    let by_columns = [1, 4, 7, 1, 2, 5, 8, 2, 0, 1, 0, 1];
    type Write = fn(&[i32]) -> Vec<u8>;
    let types: [(&str, Write); 16] = [
        ("|u1", |values| raw(values, |v| (v as u8).to_le_bytes())),
        ("|i1", |values| raw(values, |v| (v as i8).to_le_bytes())),
        ("<u2", |values| raw(values, |v| (v as u16).to_le_bytes())),
        (">i2", |values| raw(values, |v| (v as i16).to_be_bytes())),
        ("<u4", |values| raw(values, |v| (v as u32).to_le_bytes())),
        ("<i4", |values| raw(values, i32::to_le_bytes)),
        (">i4", |values| raw(values, i32::to_be_bytes)),
        ("<u8", |values| raw(values, |v| (v as u64).to_le_bytes())),
        ("<i8", |values| raw(values, |v| i64::from(v).to_le_bytes())),
        ("<f2", |values| raw(values, |v| f16::from_f32(v as f32).to_le_bytes())),
        (">f2", |values| raw(values, |v| f16::from_f32(v as f32).to_be_bytes())),
        ("<f4", |values| raw(values, |v| (v as f32).to_le_bytes())),
        (">f4", |values| raw(values, |v| (v as f32).to_be_bytes())),
        ("<f8", |values| raw(values, |v| f64::from(v).to_le_bytes())),
        ("=f8", |values| raw(values, |v| f64::from(v).to_le_bytes())),
        (">f8", |values| raw(values, |v| f64::from(v).to_be_bytes())),
    ];
    for (descr, write) in types {
        for (fortran, values) in [(false, values), (true, by_columns)] {
            let array = npy(descr, fortran, "4, 3", &write(&values));
            let single = arrays("a.npy", &array, &last()).unwrap_or_else(|error| panic!("{descr}: {}", said(&error)));
            assert_eq!(single.values, [1.0, 2.0, 4.0, 5.0, 7.0, 8.0, 1.0, 2.0], "{descr} {fortran}");
            assert_eq!(single.targets, RawTargets::Classes(vec![0, 1, 0, 1]), "{descr} {fortran}");
            assert_eq!((names(&single), single.header.named), (vec!["column 0", "column 1"], false));
            // In archives the same array is the samples, beside a target.
            let y = npy(">i2", false, "4, 1", &raw(&[7, 9, 9, 7], |v| (v as i16).to_be_bytes()));
            for deflated in [false, true] {
                let archive = npz(deflated, &[("y", y.clone()), ("X", array.clone())]);
                let read = arrays("a.npz", &archive, &Options::default()).expect("an archive");
                assert_eq!(read.values, [1.0, 2.0, 0.0, 4.0, 5.0, 1.0, 7.0, 8.0, 0.0, 1.0, 2.0, 1.0]);
                assert_eq!(
                    (classes(&read.header), &read.targets),
                    (&["7".into(), "9".into()][..], &RawTargets::Classes(vec![0, 1, 1, 0]))
                );
            }
        }
    }
}

#[test]
fn safetensors_of_every_type() {
    let x = [3, 1, 2, 5];
    let y = ("y", Dtype::I64, vec![2], raw(&[1, 0], |v| i64::from(v).to_le_bytes()));
    let types: [(Dtype, Vec<u8>); 8] = [
        (Dtype::U8, raw(&x, |v| [v as u8])),
        (Dtype::I16, raw(&x, |v| (v as i16).to_le_bytes())),
        (Dtype::U32, raw(&x, |v| (v as u32).to_le_bytes())),
        (Dtype::I64, raw(&x, |v| i64::from(v).to_le_bytes())),
        (Dtype::F16, raw(&x, |v| f16::from_f32(v as f32).to_le_bytes())),
        (Dtype::BF16, raw(&x, |v| bf16::from_f32(v as f32).to_le_bytes())),
        (Dtype::F32, raw(&x, |v| (v as f32).to_le_bytes())),
        (Dtype::F64, raw(&x, |v| f64::from(v).to_le_bytes())),
    ];
    let options = Options { task: Some(Goal::Classes), ..Options::default() };
    for (dtype, values) in types {
        let bytes = tensors(&[("x", dtype, vec![2, 2], values), y.clone()]);
        let read =
            arrays("a.safetensors", &bytes, &options).unwrap_or_else(|error| panic!("{dtype:?}: {}", said(&error)));
        assert_eq!((read.values, read.targets), (vec![3.0, 1.0, 2.0, 5.0], RawTargets::Classes(vec![1, 0])));
    }
    let f32s = |n: usize| 1_f32.to_le_bytes().repeat(n);
    let bytes = tensors(&[("x", Dtype::F32, vec![2, 2], f32s(4)), ("y", Dtype::F32, vec![3], f32s(3))]);
    not_read("a.safetensors", &bytes, &["2 samples", "targets for 3"]);
    not_read("a.safetensors", &bytes[..bytes.len() - 1], &["does not hold the values"]);
    not_read("a.safetensors", &bytes[..20], &["not a safetensors file"]);
    not_read("a.safetensors", &bytes[..3], &["truncated"]);
    let bytes = tensors(&[("w", Dtype::F32, vec![2], f32s(2)), ("v", Dtype::F32, vec![3], f32s(3))]);
    not_read("a.safetensors", &bytes, &["none is named x"]);
    let bytes = tensors(&[("x", Dtype::F8_E4M3, vec![2], vec![0, 0])]);
    not_read("a.safetensors", &bytes, &["F8_E4M3", "F32"]);
}

#[test]
fn pictures_are_flattened_and_several_targets_are_values() {
    let x = npy("|u1", false, "2, 2, 2", &[1, 2, 3, 4, 5, 6, 7, 8]);
    let y = npy("<f4", true, "2, 2", &[0.5_f32, 1.0, 2.0, 3.0].map(f32::to_le_bytes).concat());
    let read = arrays("a.npz", &npz(true, &[("data", x), ("target", y)]), &Options::default()).expect("an archive");
    assert_eq!(read.values, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0]);
    assert_eq!(read.targets, RawTargets::Values(vec![0.5, 2.0, 1.0, 3.0]));
    assert_eq!(read.header.target.expect("targets").columns[1].place, 5);
}

#[test]
fn missing_and_infinite_numbers_in_arrays() {
    let array = |values: [f32; 6]| npy("<f4", false, "3, 2", &values.map(f32::to_le_bytes).concat());
    let read = arrays("a.npy", &array([1.0, 0.0, f32::NAN, 1.0, 3.0, 0.5]), &last()).expect("an array");
    assert_eq!(filled(&read.values), [1.0, -1.0, 3.0]);
    not_read("a.npy", &array([1.0, 0.0, 2.0, f32::NAN, 3.0, 0.5]), &["row 1, column 1", "missing"]);
    not_read("a.npy", &array([1.0, 0.0, 2.0, 1.0, f32::INFINITY, 0.5]), &["row 2, column 0", "inf"]);
    // Also where a block is copied as a whole.
    let archive = npz(false, &[("x", array([1.0, 0.0, 2.0, 1.0, 3.0, -f32::INFINITY]))]);
    let none = Options { target: Some(vec![]), ..Options::default() };
    let error = arrays("a.npz", &archive, &none).expect_err("it is refused");
    assert!(error.to_string().contains("row 2, column 1"), "{error}");
    let doubles = npy("<f8", false, "2,", &[1.0, 1e300].map(f64::to_le_bytes).concat());
    let error = arrays("a.npy", &doubles, &none).expect_err("too large");
    assert!(error.to_string().contains("row 1, column 0"), "{error}");
}

#[test]
fn columns_of_arrays_may_be_categories_weights_and_ids() {
    let x = npy("<i4", false, "3, 4", &raw(&[100, 7, 2, 0, 101, -1, 1, 1, 102, 7, 1, 0], i32::to_le_bytes));
    let options = Options {
        id: Some("0".into()),
        categorical: vec!["1".into()],
        weight: Some("2".into()),
        task: Some(Goal::Labels),
        ..last()
    };
    let read = arrays("a.npy", &x, &options).expect("an array");
    assert_eq!(read.header.columns[0].categories.as_deref(), Some(&["-1".to_owned(), "7".to_owned()][..]));
    assert_eq!((read.values, read.weights), (vec![1.0, 0.0, 1.0], Some(vec![2.0, 1.0, 1.0])));
    assert_eq!(read.targets, RawTargets::Labels(vec![0.0, 1.0, 0.0]));
    assert_eq!(read.ids.expect("ids").get(2), Some("102"));
}

#[test]
fn long_integers_of_arrays_keep_their_digits_as_names() {
    let first = 9_007_199_254_740_992_i64;
    let numbers = |columns: i64| -> Vec<u8> {
        (0..8).flat_map(|row| vec![first + row % 4; columns as usize]).flat_map(i64::to_le_bytes).collect()
    };
    let names: Vec<String> = (0..4).map(|at| (first + at).to_string()).collect();
    let codes = vec![0, 1, 2, 3, 0, 1, 2, 3];
    let x = npy("<i8", false, "8, 3", &numbers(3));
    let options = Options { id: Some("0".into()), categorical: vec!["1".into()], ..last() };
    let read = arrays("a.npy", &x, &options).unwrap_or_else(|error| panic!("{}", said(&error)));
    assert_eq!(read.header.columns[0].categories.as_ref(), Some(&names));
    assert_eq!((classes(&read.header), &read.targets), (&names[..], &RawTargets::Classes(codes.clone())));
    assert_eq!(read.ids.expect("ids").get(3), Some(&*names[3]));
    let x = npy("|u1", false, "8, 1", &[1, 2, 3, 4, 5, 6, 7, 9]);
    let archive = npz(true, &[("x", x), ("y", npy("<i8", false, "8,", &numbers(1)))]);
    for task in [None, Some(Goal::Classes)] {
        let options = Options { task, ..Options::default() };
        let read = arrays("a.npz", &archive, &options).unwrap_or_else(|error| panic!("{}", said(&error)));
        assert_eq!((classes(&read.header), &read.targets), (&names[..], &RawTargets::Classes(codes.clone())));
    }
}

#[test]
fn a_csv_model_reads_an_array_by_position() {
    let train = table("a,c,y\n1,red,0\n2,blue,1\n3,red,0\n4,blue,1\n");
    let (_dir, path) = file("test.npy", npy("<f4", false, "1, 2", &[7_f32, 0.0].map(f32::to_le_bytes).concat()));
    let error = read_like(&path, &train.header, &Options::default()).expect_err("no targets");
    assert!(error.to_string().contains("lacks targets"), "{error}");
    let mut rows = Rows::open(&path, &train.header, &Options::default()).expect("an array");
    assert!(rows.notes()[0].contains("position"));
    // The number 0 is no category of the training file.
    assert_eq!(rows.next_batch().expect("rows").expect("rows").values, [7.0, 2.0]);
    assert_eq!(rows.next_batch().expect("the end"), None);
}

#[test]
fn large_arrays_are_read_in_chunks() {
    let rows = 1_500_000;
    let values: Vec<u8> = (0..2 * rows).flat_map(|at| (at as f32).to_le_bytes()).collect();
    let by_columns: Vec<u8> = (0..2 * rows).flat_map(|at| ((at % rows * 2 + at / rows) as f32).to_le_bytes()).collect();
    let none = Options { target: Some(vec![]), ..Options::default() };
    let shape = format!("{rows}, 2");
    for (fortran, raw) in [(false, &values), (true, &by_columns)] {
        let array = npy("<f4", fortran, &shape, raw);
        let in_archive = arrays("a.npz", &npz(false, &[("x", array.clone())]), &none).expect("an archive");
        let read = arrays("a.npy", &array, &none).expect("an array");
        assert!(read.values.iter().enumerate().all(|(at, &value)| value == at as f32), "fortran: {fortran}");
        assert!(in_archive.values == read.values);
    }
}

#[test]
fn bad_arrays_are_refused() {
    let good = npy("<f4", false, "2, 2", &[0; 16]);
    not_read("a.npy", &good[..good.len() - 1], &["does not hold the values"]);
    not_read("a.npy", &[&good[..], &[0]].concat(), &["does not hold the values"]);
    not_read("a.npy", &good[..9], &["truncated"]);
    for (descr, word) in [("<U3", "<U3"), ("|O", "|O"), ("<c8", "<c8"), ("<M8[ns]", "<M8")] {
        not_read("a.npy", &npy(descr, false, "1, 1", &[0; 24]), &["of the type", word, "astype"]);
    }
    let records = with_header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}\n", &[0; 8]);
    not_read("a.npy", &records, &["named fields"]);
    not_read("a.npy", &npy("<f4", false, "", &[0; 4]), &["single number"]);
    not_read("a.npy", &npy("<f4", false, "0, 2", &[]), &["holds no values"]);
    not_read("a.npy", &npy("|u1", false, "1, 300000", &[0; 300_000]), &["300000 columns"]);
    not_read("a.npy", &npy("|u1", true, "2, 2, 2", &[0; 8]), &["Fortran's order", "ascontiguousarray"]);
    not_read("a.npz", b"PK\x03\x04junk", &["damaged archive"]);
    not_read("a.npz", &npz(true, &[("a", good.clone()), ("b", good.clone())]), &["arrays a, b", "none is named x"]);
    not_read("a.npz", &npz(true, &[("x_train", good.clone()), ("x", good.clone())]), &["training and a test split"]);
    let mut torn = npz(false, &[("x", good.clone())]);
    let values = torn.windows(good.len()).position(|part| part == good).expect("the array");
    torn[values + good.len() - 1] ^= 1;
    not_read("a.npz", &torn, &["checksum"]);
}

/// Texts as NumPy stores them: each with as many characters as the longest.
pub(super) fn texts(wide: bool, texts: &[&str]) -> Vec<u8> {
    let longest = texts.iter().map(|text| text.chars().count()).max().expect("a text");
    let padded = texts.iter().map(|text| text.chars().chain(std::iter::repeat('\0')).take(longest));
    let values: Vec<u8> = match wide {
        true => padded.flatten().flat_map(|character| (character as u32).to_le_bytes()).collect(),
        false => padded.flatten().map(|character| character as u8).collect(),
    };
    let descr = format!("{}{longest}", if wide { "<U" } else { "|S" });
    npy(&descr, false, &format!("{},", texts.len()), &values)
}

#[test]
fn the_targets_of_an_archive_may_be_names_of_classes() {
    let x = npy("<f4", false, "4, 2", &raw(&[1, 2, 3, 4, 5, 6, 7, 8], |v| (v as f32).to_le_bytes()));
    for (wide, words) in [(true, ["setosa", "iris ü", "setosa", "a"]), (false, ["setosa", "iris u", "setosa", "a"])] {
        for deflated in [false, true] {
            let archive = npz(deflated, &[("x", x.clone()), ("y", texts(wide, &words))]);
            let read =
                arrays("a.npz", &archive, &Options::default()).unwrap_or_else(|error| panic!("{}", said(&error)));
            assert_eq!(classes(&read.header), ["a", words[1], "setosa"]);
            assert_eq!(read.targets, RawTargets::Classes(vec![2, 1, 2, 0]));
        }
    }
    let refused = |archive: &[(&str, Vec<u8>)], words: &[&str]| {
        let error = said(&arrays("a.npz", &npz(false, archive), &Options::default()).expect_err("it is refused"));
        assert!(words.iter().all(|word| error.contains(word)), "{error:?} lacks one of {words:?}");
    };
    refused(&[("x", x.clone()), ("y", texts(true, &["a", "b", "c"]))], &["4 samples", "3 samples"]);
    refused(&[("x", texts(true, &["a", "b"])), ("y", x.clone())], &["texts", "numbers"]);
    refused(&[("x", x.clone()), ("y", texts(true, &["a", "nan", "b", "c"]))], &["row 1", "missing"]);
    refused(&[("x", x.clone()), ("y", npy("<U1", false, "2, 2", &[b'a', 0, 0, 0].repeat(4)))], &["[2, 2]"]);
    refused(&[("x", x.clone()), ("y", npy("<U1", false, "4,", &[0xff; 16]))], &["sample 0", "damaged"]);
    refused(&[("x", x), ("y", npy("<U1", false, "4,", &[b'a', 0, 0, 0]))], &["does not hold"]);
}

#[test]
fn archives_and_tensors_may_hold_weights() {
    let x = raw(&[1, 2, 3, 4, 5, 6], |v| (v as f32).to_le_bytes());
    let (y, w) = (vec![0, 1, 1], raw(&[2, 0, 1], |v| f64::from(v).to_le_bytes()));
    let x_npy = npy("<f4", false, "3, 2", &x);
    let archive = |w: Vec<u8>| npz(true, &[("x", x_npy.clone()), ("y", npy("|u1", false, "3,", &y)), ("weights", w)]);
    let file = tensors(&[
        ("x", Dtype::F32, vec![3, 2], x.clone()),
        ("y", Dtype::U8, vec![3], y.clone()),
        ("weights", Dtype::F64, vec![3], w.clone()),
    ]);
    for (name, bytes) in [("a.npz", archive(npy("<f8", false, "3,", &w))), ("a.safetensors", file)] {
        let read = arrays(name, &bytes, &Options::default()).unwrap_or_else(|error| panic!("{}", said(&error)));
        assert_eq!(read.weights, Some(vec![2.0, 0.0, 1.0]), "{name}");
        assert_eq!((read.header.columns.len(), read.targets), (2, RawTargets::Values(vec![0.0, 1.0, 1.0])), "{name}");
        // The file may be a test file, and one to predict.
        let (_dir, path) = super::file(name, &bytes);
        assert_eq!(read_like(&path, &read.header, &Options::default()).expect("a table").weights, read.weights);
        let mut rows = Rows::open(&path, &read.header, &Options::default()).expect("rows");
        assert_eq!(rows.next_batch().expect("a batch").expect("rows").weights, read.weights);
        let twice = Options { weight: Some("0".into()), ..Options::default() };
        let error = said(&arrays(name, &bytes, &twice).expect_err("two weights"));
        assert!(error.contains("array of weights"), "{error}");
    }
    let two = archive(npy("<f8", false, "3, 2", &w.repeat(2)));
    assert!(said(&arrays("a.npz", &two, &Options::default()).expect_err("two")).contains("2 weights"));
    let negative = archive(npy("<f8", false, "3,", &raw(&[1, -1, 1], |v| f64::from(v).to_le_bytes())));
    assert!(said(&arrays("a.npz", &negative, &Options::default()).expect_err("negative")).contains("-1"));
}
