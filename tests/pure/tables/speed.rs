//! Speed and memory with large files. Run with `-- --ignored --nocapture`.

use super::*;
use std::io::{BufWriter, Write};
use std::time::Instant;

/// Peak of the memory of this process in bytes, where the system tells.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? << 10)
}

/// Rows of the large table: with 5 million it has the size that must load; the default is a quarter of that.
fn rows() -> usize {
    std::env::var("TABLE_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(1_250_000)
}

const COLUMNS: usize = 40;

/// Values as measurements have them, with six digits.
fn value(state: &mut u64) -> f32 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    ((*state >> 40) as f32 / 16_777_216.0 - 0.5) * 20.0
}

/// Time of all threads of this process in seconds, where the system tells. Unlike the time on the clock it does not depend
/// on other programs.
fn busy() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system) = (fields.next()?.parse::<u64>().ok()?, fields.next()?.parse::<u64>().ok()?);
    // Linux counts in hundredths.
    Some((user + system) as f64 / 100.0)
}

/// Times the reading of a file.
struct Watch {
    start: Instant,
    busy: Option<f64>,
}

impl Watch {
    fn start() -> Watch {
        Watch { start: Instant::now(), busy: busy() }
    }

    fn report(&self, what: &str, bytes: u64) {
        let (megabytes, seconds) = (bytes as f64 / 1e6, self.start.elapsed().as_secs_f64());
        let busy = busy().zip(self.busy).map_or(f64::NAN, |(now, before)| now - before);
        let peak = peak().unwrap_or(0) / 1_000_000;
        eprintln!(
            "figure: {what}: {megabytes:.0} MB in {seconds:.2} s, {:.0} MB/s; {busy:.2} s of the CPU, {:.0} MB/s per core; \
             peak {peak} MB",
            megabytes / seconds,
            megabytes / busy
        );
    }
}

/// Writes a table of 40 columns and a class.
fn write_csv(path: &std::path::Path, rows: usize) {
    let mut file = BufWriter::new(std::fs::File::create(path).expect("a file"));
    let mut state = 1;
    let names: Vec<String> = (0..COLUMNS).map(|at| format!("f{at}")).collect();
    writeln!(file, "{},y", names.join(",")).expect("space on the disk");
    for row in 0..rows {
        for _ in 0..COLUMNS {
            write!(file, "{:.6},", value(&mut state)).expect("space on the disk");
        }
        writeln!(file, "{}", row % 10).expect("space on the disk");
    }
    file.into_inner().expect("space on the disk");
}

#[test]
#[ignore = "writes and reads hundreds of megabytes"]
fn large_csv() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let (small, path) = (dir.path().join("small.csv"), dir.path().join("large.csv"));
    write_csv(&small, 100);
    write_csv(&path, rows());
    let bytes = path.metadata().expect("a file").len();
    // First in batches: the peak of the memory never falls again.
    let header = read(&small, &Options::default()).unwrap_or_else(|error| panic!("{}", said(&error))).header;
    let watch = Watch::start();
    let mut batches = Rows::open(&path, &header, &Options::default()).expect("a file");
    let mut count = 0;
    while let Some(batch) = batches.next_batch().expect("rows") {
        count += batch.rows;
    }
    watch.report("CSV in batches", bytes);
    assert_eq!(count, rows());
    assert!(peak().is_none_or(|peak| peak < 150_000_000), "{:?} in batches", peak());
    let watch = Watch::start();
    let read = read(&path, &Options::default()).unwrap_or_else(|error| panic!("{}", said(&error)));
    watch.report("CSV", bytes);
    assert_eq!(read.len(), rows());
    let table = 4 * (rows() * (COLUMNS + 1)) as u64;
    let most = table * 13 / 10 + 200_000_000;
    assert!(peak().is_none_or(|peak| peak < most), "{:?} for a table of {table} bytes", peak());
}

#[test]
#[ignore = "writes and reads hundreds of megabytes"]
fn large_npy() {
    let dir = tempfile::tempdir().expect("temporary folder");
    let header = |fortran: bool| super::arrays::npy("<f4", fortran, &format!("{}, {}", rows(), COLUMNS + 1), &[]);
    for fortran in [false, true] {
        let path = dir.path().join("large.npy");
        let mut file = BufWriter::new(std::fs::File::create(&path).expect("a file"));
        file.write_all(&header(fortran)).expect("space on the disk");
        let mut state = 1;
        for _ in 0..rows() * (COLUMNS + 1) {
            file.write_all(&value(&mut state).to_le_bytes()).expect("space on the disk");
        }
        file.into_inner().expect("space on the disk");
        let bytes = path.metadata().expect("a file").len();
        for options in [last(), Options { target: Some(vec![]), ..Options::default() }] {
            let watch = Watch::start();
            let read = read(&path, &options).unwrap_or_else(|error| panic!("{}", said(&error)));
            let with_target = options.target.is_some_and(|target| !target.is_empty());
            watch.report(&format!("NPY, Fortran's order {fortran}, target {with_target}"), bytes);
            assert_eq!(read.len(), rows());
        }
    }
}
