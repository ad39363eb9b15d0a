//! A table with a target for each loss.

use std::fmt::Write as _;
use std::path::Path;

/// Trains on the table of [`write`]. One of [`LOSSES`] follows.
pub const TABLE: &str = "--data table.csv --test 100 --hidden 16 --batch-size 24";

/// Each loss with its targets; the first and the last with weights.
pub const LOSSES: [&str; 6] = [
    "--loss mse --target price,area --ignore count,yes,no,kind --weight-column weight",
    "--loss mae --target price,area --ignore count,yes,no,kind,weight",
    "--loss huber --target price,area --ignore count,yes,no,kind,weight",
    "--loss poisson --target count --task values --ignore price,area,yes,no,kind,weight",
    "--loss bce --target yes,no --task labels --ignore price,area,count,kind,weight",
    "--loss cross-entropy --target kind --ignore price,area,count,yes,no --weight-column weight --class-weight balanced",
];

/// Writes `table.csv`: numbers with missing values, categories, and the targets.
pub fn write(folder: &Path, rows: usize) {
    let mut text = String::from("size,age,colour,price,area,count,yes,no,kind,weight\n");
    for at in 0..rows {
        let (size, age) = ((at * 37 % 101) as f64 / 10.0, (at * 53 % 89) as f64);
        let shown = if at % 10 == 3 { String::new() } else { size.to_string() };
        let (colour, kind) = (["red", "green", "blue"][at * 7 % 3], ["a", "b", "c"][(size / 4.0) as usize]);
        let (yes, no) = (u8::from(size > 5.0), u8::from(age > 50.0));
        let (price, area, count, weight) = (3.0 * size - age, size * age, size as u32, at % 5);
        let _ = writeln!(text, "{shown},{age},{colour},{price},{area},{count},{yes},{no},{kind},{weight}");
    }
    std::fs::write(folder.join("table.csv"), text).unwrap();
}
