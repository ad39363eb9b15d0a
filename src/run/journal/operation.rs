//! The lines of the journal.

use super::{STUDY, WORKER};
use crate::base::clock::{SystemTime, UNIX_EPOCH};
use crate::config::space::{Choice, Dimension, Space};
use crate::run::sweep::objective::Objective;
use crate::run::sweep::table::State;
use serde_json::{Map, Value, json};

/// A line: an operation on the study or on one of its trials, which are numbered from 0.
pub struct Operation(Value);

impl Operation {
    /// Creates the study.
    pub fn study(objective: Objective) -> Operation {
        Operation(json!({"op_code": 0, "study_name": STUDY, "directions": [objective.direction()]}))
    }

    /// Creates the next trial, with its values and its run.
    pub fn trial(space: &Space, values: &[(String, Choice)], run: &str) -> Operation {
        let (mut params, mut distributions) = (Map::new(), Map::new());
        for ((name, dimension), (_, choice)) in space.dimensions().iter().zip(values) {
            params.insert(name.clone(), internal(dimension, choice));
            distributions.insert(name.clone(), distribution(dimension).to_string().into());
        }
        Operation(json!({
            "op_code": 4, "study_id": 0, "datetime_start": null, "state": State::Waiting.number(), "value": null,
            "values": null, "params": params, "distributions": distributions, "user_attrs": {"run": run},
            "system_attrs": {}, "intermediate_values": {},
        }))
    }

    /// The trial begins.
    pub fn begin(trial: usize) -> Operation {
        Operation(json!({"op_code": 6, "trial_id": trial, "state": 0, "values": null, "datetime_start": now()}))
    }

    /// The value of an epoch.
    pub fn epoch(trial: usize, epoch: u64, value: f64) -> Operation {
        Operation(json!({"op_code": 7, "trial_id": trial, "step": epoch, "intermediate_value": value}))
    }

    /// The trial ended.
    pub fn end(trial: usize, state: State, value: Option<f64>) -> Operation {
        let values = value.filter(|_| state != State::Failed).map(|value| [value]);
        Operation(json!({
            "op_code": 6, "trial_id": trial, "state": state.number(), "values": values, "datetime_complete": now(),
        }))
    }

    /// Why the trial failed.
    pub fn problem(trial: usize, problem: &str) -> Operation {
        Operation(json!({"op_code": 8, "trial_id": trial, "user_attr": {"problem": problem}}))
    }

    /// A process trains the trial; none, so that another may.
    pub fn claim(trial: usize, worker: Option<&str>) -> Operation {
        Operation(json!({"op_code": 9, "trial_id": trial, "system_attr": {WORKER: worker}}))
    }

    /// The line that this process writes.
    pub fn line(&self, worker: &str) -> Value {
        let mut line = self.0.clone();
        line["worker_id"] = worker.into();
        line
    }
}

/// A value as Optuna stores it: the position of a choice, or a number.
fn internal(dimension: &Dimension, choice: &Choice) -> Value {
    match dimension {
        Dimension::Choices(choices) => choices.iter().position(|one| one == choice).into(),
        Dimension::Range { .. } => choice.text.parse::<f64>().unwrap_or_default().into(),
    }
}

/// The distribution of a setting.
fn distribution(dimension: &Dimension) -> Value {
    match dimension {
        Dimension::Choices(choices) => {
            let value = |choice: &Choice| {
                serde_json::to_value(&choice.value).unwrap_or_else(|_| Value::from(choice.text.clone()))
            };
            let choices: Vec<Value> = choices.iter().map(value).collect();
            json!({"name": "CategoricalDistribution", "attributes": {"choices": choices}})
        }
        &Dimension::Range { low, high, log, whole: true } => json!({
            "name": "IntDistribution",
            // Optuna wants integers here.
            "attributes": {"log": log, "step": 1, "low": low as i64, "high": high as i64},
        }),
        &Dimension::Range { low, high, log, whole: false } => json!({
            "name": "FloatDistribution", "attributes": {"step": null, "low": low, "high": high, "log": log},
        }),
    }
}

/// The time, as ISO 8601 has it.
fn now() -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    text(since.as_secs(), since.subsec_micros())
}

/// The time so many seconds after the beginning of 1970.
fn text(seconds: u64, micros: u32) -> String {
    // Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so that a leap day is the last.
    let days = seconds / 86_400 + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + next;
    let (hours, minutes, seconds) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{micros:06}+00:00")
}

#[cfg(test)]
mod tests {
    #[test]
    fn times_are_those_of_the_calendar() {
        let times = [(0, 0), (951_782_399, 5), (951_782_400, 0), (1_796_088_431, 312_706)];
        let texts = times.map(|(seconds, micros)| super::text(seconds, micros));
        assert_eq!(texts[0], "1970-01-01T00:00:00.000000+00:00");
        assert_eq!(texts[1], "2000-02-28T23:59:59.000005+00:00");
        assert_eq!(texts[2], "2000-02-29T00:00:00.000000+00:00");
        assert_eq!(texts[3], "2026-12-01T01:27:11.312706+00:00");
    }
}
