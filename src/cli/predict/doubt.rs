//! What an ensemble adds to an answer: how much its members disagree, and the answer of the net without dropout.

use super::answer::quoted;
use crate::cli::eval::key;
use gpu_mlp::data::Task;
use gpu_mlp::results::assess::Predictions;
use gpu_mlp::results::ensemble::{Doubt, Ensemble, Pooled, Votes};
use serde_json::{Map, Value, json};

/// Which of them the answers have.
pub struct Extra<'a> {
    /// Number of members or passes; 0 if there is one net without dropout.
    members: usize,
    /// Whether there are answers of the net without dropout.
    scaled: bool,
    task: &'a Task,
    /// The names of the classes in the answers; those of pictures are their numbers.
    names: Vec<String>,
}

/// The additions to one answer.
pub struct Added<'a> {
    doubt: Option<&'a Doubt>,
    scaled: Option<&'a [f32]>,
}

impl<'a> Added<'a> {
    /// Those of a sample.
    pub fn of(pooled: &'a Pooled, sample: usize, outputs: usize) -> Added<'a> {
        let row = |rows: &'a Vec<f32>| &rows[sample * outputs..][..outputs];
        Added { doubt: pooled.doubts.get(sample), scaled: pooled.scaled.as_ref().map(row) }
    }
}

impl<'a> Extra<'a> {
    /// Those of an ensemble. `numbered`: classes are written as numbers.
    pub fn of(ensemble: &Ensemble, task: &'a Task, dropout: bool, numbered: bool) -> Extra<'a> {
        let members = if dropout || ensemble.members() > 1 { ensemble.members() } else { 0 };
        let names = match numbered {
            true => (0..task.outputs()).map(|class| class.to_string()).collect(),
            false => task.names().to_vec(),
        };
        Extra { members, scaled: dropout, task, names }
    }

    /// The names of the columns, each after a comma.
    pub fn head(&self) -> String {
        let mut columns: Vec<String> = Vec::new();
        if self.members > 0 {
            match self.task {
                Task::Values { names, .. } => columns.extend(names.iter().map(|name| format!("deviation_{name}"))),
                _ => columns.extend(Votes::default().named().map(|(name, _)| key(name))),
            }
        }
        if self.scaled {
            match self.task {
                Task::Classes { .. } => columns.extend(["scaled_class".to_string(), "scaled_probability".to_string()]),
                _ => columns.extend(self.names.iter().map(|name| format!("scaled_{name}"))),
            }
        }
        columns.iter().map(|name| format!(",{}", quoted(name))).collect()
    }

    /// The fields of a row, each after a comma.
    pub fn fields(&self, added: &Added<'_>) -> String {
        let mut fields: Vec<String> = Vec::new();
        match added.doubt {
            Some(Doubt::Votes(votes)) => fields.extend(votes.named().map(|(_, value)| (value as f32).to_string())),
            Some(Doubt::Deviations(deviations)) => fields.extend(deviations.iter().map(f32::to_string)),
            None => {}
        }
        if let Some(scaled) = added.scaled {
            match self.task {
                Task::Classes { .. } => {
                    let (class, p) = self.best(scaled);
                    fields.extend([quoted(&self.names[class]), p.to_string()]);
                }
                _ => fields.extend(scaled.iter().map(f32::to_string)),
            }
        }
        fields.iter().map(|field| format!(",{field}")).collect()
    }

    /// Adds them to a JSON object. `class`: a class as the object writes it.
    pub fn insert(&self, object: &mut Value, added: &Added<'_>, class: impl Fn(usize) -> Value) {
        let named = |values: &[f32]| -> Map<String, Value> {
            self.names.iter().cloned().zip(values.iter().map(|&value| value.into())).collect()
        };
        match added.doubt {
            Some(Doubt::Votes(votes)) => {
                object["members"] = self.members.into();
                votes.named().iter().for_each(|(name, value)| object[key(name)] = json!(value));
            }
            Some(Doubt::Deviations(deviations)) => {
                object["members"] = self.members.into();
                object["deviations"] = named(deviations).into();
            }
            None => {}
        }
        if let Some(scaled) = added.scaled {
            object["scaled"] = match self.task {
                Task::Classes { .. } => {
                    let (best, p) = self.best(scaled);
                    json!({ "class": class(best), "probability": p })
                }
                _ => json!({ "values": named(scaled) }),
            };
        }
    }

    /// How many members agree, or how far apart they are, as the end of a line.
    pub fn words(&self, added: &Added<'_>) -> String {
        match added.doubt {
            Some(Doubt::Votes(votes)) if self.task.is_classes() => {
                let agree = (votes.agreement * self.members as f64).round();
                format!("; {agree} of {} agree", self.members)
            }
            Some(Doubt::Votes(votes)) => format!("; agreement {:.2}", votes.agreement),
            Some(Doubt::Deviations(deviations)) => {
                let each: Vec<String> = deviations.iter().map(|deviation| format!("{deviation:.4}")).collect();
                format!("; deviation of the members {}", each.join(", "))
            }
            None => String::new(),
        }
    }

    /// The most probable class and its probability.
    fn best(&self, probabilities: &[f32]) -> (usize, f32) {
        let predictions = Predictions { classes: probabilities.len(), probabilities: probabilities.to_vec() };
        let class = predictions.class(0);
        (class, probabilities[class])
    }
}
