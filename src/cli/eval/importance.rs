//! Importance of the columns of a table.

use super::classes::width;
use gpu_mlp::base::text::counted;
use gpu_mlp::results::assess::Importances;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub fn object(found: &Importances) -> Value {
    let columns = found
        .columns
        .iter()
        .map(|(name, importance)| json!({ "name": name, "mean": importance.mean, "deviation": importance.deviation }));
    json!({
        "score": found.score, "value": found.value, "rows": found.rows, "repeats": found.repeats,
        "columns": columns.collect::<Vec<_>>(),
    })
}

/// A line per column, the most important first.
pub fn table(found: &Importances) -> String {
    let Importances { score, value, rows, repeats, columns } = found;
    let names: Vec<String> = columns.iter().map(|(name, _)| name.clone()).collect();
    let wide = width(&names).max("column".len());
    let mut text = format!(
        "\nimportance: drop of the {score} ({}) if the values of a column are permuted\n\
         {}, {} of each column\n\n{:<wide$}{:>12}{:>12}\n",
        format_args!("{value:.4}"),
        counted(*rows, "row"),
        counted(*repeats, "permutation"),
        "column",
        "mean",
        "deviation",
    );
    for (name, importance) in columns {
        let _ = writeln!(text, "{name:<wide$}{:>12.4}{:>12.4}", importance.mean, importance.deviation);
    }
    text
}
