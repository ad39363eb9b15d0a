//! An HTML page about one or more runs: a single file with all pictures embedded, without scripts or network requests.
//!
//! [`page`] composes the page. `curves`, `schedule` and `health` draw the recorded measurements; `results` and
//! `pictures` show the model's predictions on the test split; `details` lists the settings; `notes` reports problems.
//! [`data_page`] composes a page about a data set.
//! [`chart`] draws line charts with the scales of [`axis`]; `labels` places the names of the lines.

pub mod axis;
pub mod chart;
mod curves;
mod data_set;
mod details;
mod health;
mod labels;
mod notes;
mod pictures;
mod results;
mod schedule;
mod summary;

pub use data_set::{data_page, first_of};

use crate::data::DataSet;
use crate::net::mlp::Mlp;
use crate::results::assess::Assessment;
use crate::run::history::History;
use crate::run::model_file::Description;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

/// Maximum number of runs on a page. More than eight colours are hard to distinguish.
pub const MOST_RUNS: usize = 8;

/// A run on the page.
pub struct Subject {
    /// Name on the page.
    pub name: String,
    /// Recorded history.
    pub history: History,
    /// Model, or the reason why there is none.
    pub model: Result<(Mlp, Description), String>,
    /// Results on the test split, or the reason why there are none.
    pub results: Result<Results, String>,
    /// Other notes for the reader: sentences without full stops.
    pub notes: Vec<String>,
}

/// A model's results and the data set.
pub struct Results {
    /// The results on the test split.
    pub assessment: Assessment,
    /// The data set.
    pub data: Arc<DataSet>,
}

/// The colour of a run. The style sheet defines it for light and dark pages.
fn colour(run: usize) -> String {
    format!("var(--run{})", run % MOST_RUNS)
}

/// The page as HTML, under 1 MB.
///
/// # Panics
/// If there are no subjects or more than [`MOST_RUNS`].
pub fn page(subjects: &[Subject]) -> String {
    assert!((1..=MOST_RUNS).contains(&subjects.len()), "page: {} runs", subjects.len());
    let main = html! {
        @if let [only] = subjects {
            (section("Learning", curves::charts(subjects)))
            (run(only, 1))
            (section_if("Speed", curves::speed(subjects)))
            (section("Details", details::details(only)))
        } @else {
            (section("Learning, overlaid", html! {
                (curves::charts(subjects))
                p.note { "Solid: the test split if the epochs were evaluated on it, else the validation split. Dashed: the training split; each batch is scored before its update." }
            }))
            (section_if("Gradients by layer", health::comparison(subjects)))
            (section_if("Speed", curves::speed(subjects)))
            @for (number, subject) in subjects.iter().enumerate() {
                article style={ "--c:" (colour(number)) } {
                    h2.run { (subject.name) }
                    (notes::notes(subject))
                    (run(subject, subjects.len()))
                    (section("Details", details::details(subject)))
                }
            }
        }
    };
    document(&summary::title(subjects), summary::header(subjects), main)
}

/// A whole page with its style sheet.
fn document(title: &str, header: Markup, main: Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header { (header) }
                main { (main) }
                footer { "Written by gpu-mlp " (env!("CARGO_PKG_VERSION")) ". This page uses no network and no scripts." }
            }
        }
    };
    page.into_string()
}

/// The sections about one run's model. All runs of the page, `runs` in number, share the space for pictures.
fn run(subject: &Subject, runs: usize) -> Markup {
    html! {
        (section_if("Gradients", health::charts(&subject.history)))
        @match &subject.results {
            Ok(results) => {
                (section("Classes", results::classes(&results.assessment)))
                (section_if("Mistakes", pictures::mistakes(results, runs)))
                (section("Calibration", results::calibration(&results.assessment)))
            }
            Err(reason) => {
                (section("Classes and mistakes", html! { p.warning { "Not evaluated: " (reason) "." } }))
            }
        }
        @if let Ok((model, description)) = &subject.model {
            (section_if("First layer", pictures::first_layer(model, &description.item, runs)))
        }
    }
}

fn section(title: &str, content: Markup) -> Markup {
    html! { section { h2 { (title) } (content) } }
}

fn section_if(title: &str, content: Option<Markup>) -> Markup {
    content.map_or_else(|| html! {}, |content| section(title, content))
}
