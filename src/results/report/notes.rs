//! The most important notes on a run: how it failed, and how it departed from a plain run of its settings.

use super::Subject;
use crate::run::history::History;
use maud::{Markup, html};

/// Notes on a run, the most serious first.
pub fn notes(subject: &Subject) -> Markup {
    html! {
        @if let Some(failure) = failure(&subject.history) { p.failure { (failure) } }
        @if subject.history.end.is_none() { p.warning { "No end is recorded. This run is still in progress or was interrupted." } }
        @for note in &subject.notes { p.warning.said { (note) "." } }
    }
}

/// How a run failed, in a sentence, if it ended without a model.
pub fn failure(history: &History) -> Option<String> {
    let end = history.end.as_ref().filter(|end| end.model_sha256.is_none())?;
    Some(match (end.reason.as_deref(), end.problem.as_deref()) {
        (Some("diverged"), Some(problem)) => format!("This run diverged: {problem}."),
        (Some("diverged"), None) => "This run diverged: a loss or a weight was no longer finite.".into(),
        _ => "No model was written, because the weights of this run are not finite.".into(),
    })
}
