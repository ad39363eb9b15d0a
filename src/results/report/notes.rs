//! What a reader should know before all else: how a run ended, if not well, and what it was not.

use super::Subject;
use crate::run::history::History;
use maud::{Markup, html};

/// Sentences about a run, the gravest first.
pub fn notes(subject: &Subject) -> Markup {
    html! {
        @if let Some(failure) = failure(&subject.history) { p.failure { (failure) } }
        @if subject.history.end.is_none() { p.warning { "No end is recorded: this run is going on, or was cut off." } }
        @for note in &subject.notes { p.warning.said { (note) "." } }
    }
}

/// How a run failed that came to its end without a model, in a sentence.
pub fn failure(history: &History) -> Option<String> {
    let end = history.end.as_ref().filter(|end| end.model_sha256.is_none())?;
    Some(match (end.reason.as_deref(), end.problem.as_deref()) {
        (Some("diverged"), Some(problem)) => format!("This run diverged: {problem}."),
        (Some("diverged"), None) => "This run diverged: a loss or a weight was no longer finite.".into(),
        _ => "The weights of this run are not finite: no model was written.".into(),
    })
}
