//! Scores with their intervals, as tables and as JSON.

use super::classes::width;
use gpu_mlp::results::assess::metrics::Metric;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// One object: each score by its name in lower case, with `_low` and `_high` for its interval.
pub fn object(metrics: &[Metric]) -> Value {
    let mut object = plain(&metrics.iter().map(|metric| (metric.name, metric.value)).collect::<Vec<_>>());
    for Metric { name, interval, .. } in metrics {
        let name = key(name);
        if let Some(interval) = interval {
            object[format!("{name}_low")] = json!(interval.low);
            object[format!("{name}_high")] = json!(interval.high);
        }
    }
    object
}

/// One object: each value by the name of its score.
pub fn plain(scores: &[(&str, Option<f64>)]) -> Value {
    let mut object = json!({});
    scores.iter().for_each(|(name, value)| object[key(name)] = json!(value));
    object
}

/// The name of a score in JSON.
pub fn key(name: &str) -> String {
    name.to_lowercase().replace([' ', '-'], "_").replace('²', "2")
}

/// A line per group and score: value and 95 % interval.
pub fn table(head: &str, groups: &[(&str, Vec<Metric>)]) -> String {
    let names: Vec<String> = groups.iter().map(|(name, _)| name.to_string()).collect();
    let wide = width(&names);
    let mut text = format!("{head:<wide$}  {:<22}{:>12}  95 % interval (bootstrap)\n", "score", "value");
    for (group, metrics) in groups {
        for (number, Metric { name, value, interval }) in metrics.iter().enumerate() {
            let group = if number == 0 { group } else { "" };
            let value = value.map_or("-".into(), short);
            let interval = interval.map_or(String::new(), |i| format!("  {} to {}", short(i.low), short(i.high)));
            let _ = writeln!(text, "{group:<wide$}  {name:<22}{value:>12}{interval}");
        }
    }
    text
}

/// A number with five significant digits.
pub fn short(value: f64) -> String {
    let digits = value.abs().max(1e-9).log10().floor() as i32;
    match digits {
        _ if value == 0.0 => "0".into(),
        -4..=5 => format!("{value:.*}", (4 - digits).max(0) as usize),
        _ => format!("{value:.4e}"),
    }
}
