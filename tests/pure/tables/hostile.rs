//! Damaged files: no panic, no endless loop, and whatever is accepted is consistent. `tests/allocation` also bounds memory.

use super::arrays::{npy, npz, tensors};
use super::*;
use rand::rngs::ChaCha8Rng;
use rand::{RngExt, SeedableRng};
use safetensors::tensor::Dtype;

/// Texts that a mutation inserts.
const PARTS: [&[u8]; 14] = [
    b"\"",
    b"\n",
    b"\r",
    b",",
    b";",
    b"\t",
    b" ",
    b"NA",
    b"1e999",
    b"-",
    b"\xff",
    b"\xef\xbb\xbf",
    b"4294967296",
    b"x",
];

fn mutant(random: &mut ChaCha8Rng, seed: &[u8]) -> Vec<u8> {
    let mut bytes = seed.to_vec();
    for _ in 0..random.random_range(1..=4) {
        let at = random.random_range(0..=bytes.len());
        let end = (at + random.random_range(1..=12)).min(bytes.len());
        match random.random_range(0..7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << random.random_range(0..8),
            1 if at < bytes.len() => bytes[at] = random.random(),
            2 => bytes.truncate(at),
            3 => drop(bytes.drain(at..end)),
            4 => drop(bytes.splice(at..at, bytes[at..end].repeat(random.random_range(1..=5)))),
            5 => bytes[at..end].fill(if random.random() { 0xff } else { 0 }),
            _ => drop(bytes.splice(at..at, PARTS[random.random_range(0..PARTS.len())].iter().copied())),
        }
    }
    bytes
}

fn check(table: &Table) {
    let (rows, columns) = (table.len(), table.header.columns.len());
    assert!(rows > 0 && table.values.len() == rows * columns);
    assert!(table.values.iter().all(|value| !value.is_infinite()));
    for (at, column) in table.header.columns.iter().enumerate() {
        let most = column.categories.as_ref().map(Vec::len);
        let mut values = table.values.iter().skip(at).step_by(columns).filter(|value| !value.is_nan());
        assert!(most.is_none_or(|most| values.all(|&code| code.fract() == 0.0 && code >= 0.0 && code <= most as f32)));
    }
    match &table.targets {
        RawTargets::None => assert!(table.header.target.is_none()),
        RawTargets::Classes(codes) => {
            assert!(codes.len() == rows && codes.iter().all(|&code| (code as usize) < classes(&table.header).len()));
        }
        RawTargets::Values(values) | RawTargets::Labels(values) => {
            assert!(values.len().is_multiple_of(rows) && values.iter().all(|value| value.is_finite()));
        }
    }
    assert!(table.weights.as_ref().is_none_or(|weights| weights.len() == rows));
    assert!(table.ids.as_ref().is_none_or(|ids| (0..rows).all(|row| ids.get(row).is_some())));
}

/// Reads mutants of the seeds as training file, and as further file.
fn try_out(name: &str, seeds: &[Vec<u8>], options: &[Options], mutants: usize) {
    let dir = tempfile::tempdir().expect("temporary folder");
    let path = dir.path().join(name);
    let put = |bytes: &[u8]| std::fs::write(&path, bytes).expect("a file");
    put(&seeds[0]);
    let header = read(&path, &options[0]).unwrap_or_else(|error| panic!("{}", said(&error))).header;
    let random = &mut ChaCha8Rng::seed_from_u64(7);
    let mut accepted = 0;
    // With `MUTANTS=1000000` as many for each format.
    let mutants = std::env::var("MUTANTS").ok().and_then(|count| count.parse().ok()).unwrap_or(mutants);
    for _ in 0..mutants {
        let seed = &seeds[random.random_range(0..seeds.len())];
        let bytes = mutant(random, seed);
        put(&bytes);
        let options = &options[random.random_range(0..options.len())];
        let results = [read(&path, options), read_like(&path, &header, options)];
        for result in results {
            match result {
                Ok(table) => {
                    accepted += 1;
                    check(&table);
                }
                Err(Error::Data { problem, next, .. }) => assert!(!problem.is_empty() && !next.is_empty()),
                Err(Error::Setting(_)) => {}
                Err(other) => panic!("{other}"),
            }
        }
        if let Ok(mut rows) = Rows::open(&path, &header, options) {
            while let Ok(Some(batch)) = rows.next_batch() {
                assert!(batch.rows > 0 && batch.values.len() == batch.rows * header.columns.len());
            }
        }
    }
    assert!(accepted > mutants / 50, "{name}: only {accepted} of {mutants} were accepted");
}

#[test]
fn mutated_csv() {
    let seeds = [
        "a,b,c,y\n1,red,5,0\n2.5,\"blue, or\",6,1\n,red,7,0\n4,\"x\"\"\ny\",8,1\n",
        "1;2;3;0\n4;5;6;1\n7;8;9;0\n1;2;3;1\n",
        "a b c y\n1  2 3 0\n 4 5 6 1\n7 8 9 0\n",
    ];
    let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
    let by_name = Options { id: Some("0".into()), weight: Some("2".into()), ..last() };
    let categories = Options { categorical: vec!["0".into()], ..last() };
    try_out("t.csv", &seeds, &[last(), by_name, categories], 10_000);
}

#[cfg(feature = "parquet")]
#[test]
fn mutated_parquet() {
    use ::parquet::basic::Compression;
    use ::parquet::file::properties::WriterProperties;
    let packed = |packing| super::parquet::sample(WriterProperties::builder().set_compression(packing).build());
    let plain = WriterProperties::builder().set_dictionary_enabled(false).build();
    let seeds = [
        packed(Compression::UNCOMPRESSED),
        packed(Compression::SNAPPY),
        packed(Compression::ZSTD(Default::default())),
        super::parquet::sample(plain),
    ];
    let by_name = Options { id: Some("id".into()), weight: Some("price".into()), ..target("kind") };
    let categories = Options { categorical: vec!["new".into(), "id".into()], ..target("kind") };
    try_out("t.parquet", &seeds, &[target("kind"), by_name, categories], 10_000);
}

#[test]
fn mutated_arrays() {
    let x = npy("<f4", false, "4, 3", &(0..12).flat_map(|at| (at as f32).to_le_bytes()).collect::<Vec<_>>());
    let fortran = npy(">i2", true, "4, 3", &[0, 1].repeat(12));
    let y = npy("|u1", false, "4,", &[0, 1, 0, 1]);
    let y_again = y.clone();
    let categories = Options { categorical: vec!["0".into()], ..last() };
    try_out("a.npy", &[x.clone(), fortran.clone()], &[last(), categories.clone()], 10_000);
    let archives = [
        npz(true, &[("x", x.clone()), ("y", y.clone())]),
        npz(false, &[("x", fortran), ("y", y)]),
        npz(false, &[("x", x.clone())]),
        npz(false, &[("x", x.clone()), ("y", super::arrays::texts(true, &["a", "b", "a", "b"])), ("weights", y_again)]),
    ];
    try_out("a.npz", &archives, &[last(), categories.clone()], 10_000);
    let f32s = (0..12).flat_map(|at| (at as f32).to_le_bytes()).collect::<Vec<_>>();
    let seeds = [tensors(&[("x", Dtype::F32, vec![4, 3], f32s), ("y", Dtype::U8, vec![4], vec![0, 1, 0, 1])])];
    try_out("a.safetensors", &seeds, &[last(), categories], 10_000);
}
