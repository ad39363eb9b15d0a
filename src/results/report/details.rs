//! All settings of a run, and the hashes of its data and model.

use super::Subject;
use super::axis::{duration, grouped};
use crate::run::history::History;
use maud::{Markup, html};
use serde_json::Value;

/// Tables of settings, machine, data and files.
pub fn details(subject: &Subject) -> Markup {
    let header = &subject.history.header;
    let end = subject.history.end.clone().unwrap_or_default();
    let about = [
        ("run folder", subject.history.folder.display().to_string()),
        ("started", date(header.unix_time)),
        ("ended", ended(subject)),
        ("program", format!("gpu-mlp {}", header.version)),
        ("engine", header.engine.clone()),
        ("device", header.device.clone()),
        ("data set", header.data.clone()),
        ("data origin", header.data_origin.clone()),
        ("data SHA-256", header.data_sha256.clone()),
        ("samples", samples(subject)),
        ("initial weights", header.from.as_ref().map_or("random".into(), ToString::to_string)),
        ("model SHA-256", end.model_sha256.unwrap_or_else(|| "–".into())),
    ];
    html! {
        div.pair {
            figure { figcaption { h3 { "Run" } } dl { @for (name, value) in about { dt { (name) } dd { (value) } } } }
            figure {
                figcaption { h3 { "Configuration" } }
                dl.settings { @for (name, value) in &header.config { dt { (name) } dd { (setting(value)) } } }
            }
        }
    }
}

fn samples(subject: &Subject) -> String {
    let header = &subject.history.header;
    let validation = match header.validation_samples {
        0 => String::new(),
        samples => format!("{} validation, ", grouped(samples)),
    };
    format!("{} training, {validation}{} test", grouped(header.train_samples), grouped(header.test_samples))
}

fn ended(subject: &Subject) -> String {
    let History { end, resumed, .. } = &subject.history;
    let Some(end) = end else { return "no end is recorded; the run is still in progress or was interrupted".into() };
    let reason = end.reason.as_deref().unwrap_or("finished").replace('_', " ");
    let model = if end.model_sha256.is_none() { ", without a model" } else { "" };
    let time = match (end.seconds.map(duration), resumed) {
        (None, _) => String::new(),
        (Some(time), None) => format!(", after {time} in total"),
        (Some(time), Some(step)) => format!(", {time} after it was resumed from update {}", grouped(*step)),
    };
    format!("{reason}{model}{time}")
}

/// A setting as in config.toml, without quotes.
pub fn setting(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_f64() {
            Some(float) if float != 0.0 && float.abs() < 1e-4 => format!("{:e}", float as f32),
            Some(float) if float.fract() != 0.0 => (float as f32).to_string(),
            _ => number.to_string(),
        },
        Value::Array(values) => values.iter().map(setting).collect::<Vec<_>>().join(", "),
        Value::Object(map) => map.iter().map(|(k, v)| format!("{k}: {}", setting(v))).collect::<Vec<_>>().join(", "),
        Value::Null => "–".into(),
        Value::Bool(truth) => truth.to_string(),
    }
}

/// Seconds since 1970 as a date in UTC (H. Hinnant, "chrono-Compatible Low-Level Date Algorithms").
pub fn date(unix: u64) -> String {
    let days = (unix / 86_400) as i64 + 719_468;
    let seconds = unix % 86_400;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", seconds / 3600, seconds / 60 % 60)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn dates_are_those_of_the_calendar() {
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_400), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_763_798_399), "2025-11-22 07:59 UTC");
    }
}
