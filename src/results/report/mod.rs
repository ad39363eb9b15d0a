//! One HTML page about one run or several: no script, no network, all pictures inside.
//!
//! [`page`] puts it together; `curves`, `schedule` and `health` draw what the record holds, `results` and `pictures` what the
//! model makes of the test split, `details` the settings; `notes` says what is amiss. [`chart`] draws lines, on scales of
//! [`axis`], named by `labels`.

pub mod axis;
pub mod chart;
mod curves;
mod details;
mod health;
mod labels;
mod notes;
mod pictures;
mod results;
mod schedule;
mod summary;

use crate::data::DataSet;
use crate::net::mlp::Mlp;
use crate::results::assess::Assessment;
use crate::run::history::History;
use crate::run::model_file::Description;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

/// Most runs on a page: more colours cannot be told apart.
pub const MOST_RUNS: usize = 8;

/// A run, and what could be found out about it.
pub struct Subject {
    /// What it is called on the page.
    pub name: String,
    /// Its record.
    pub history: History,
    /// Its model, or why there is none.
    pub model: Result<(Mlp, Description), String>,
    /// What the model makes of the test split, or why nobody knows.
    pub results: Result<Results, String>,
    /// What else a reader should know, in sentences without their full stops.
    pub notes: Vec<String>,
}

/// A model's results, and the samples that they are about.
pub struct Results {
    /// The results on the test split.
    pub assessment: Assessment,
    /// The data set.
    pub data: Arc<DataSet>,
}

/// Colours of runs, in order: defined in the style sheet for light and dark.
fn colour(run: usize) -> String {
    format!("var(--run{})", run % MOST_RUNS)
}

/// The page as HTML, under 1 MB.
///
/// # Panics
/// If there are no subjects or more than [`MOST_RUNS`].
pub fn page(subjects: &[Subject]) -> String {
    assert!((1..=MOST_RUNS).contains(&subjects.len()), "page: {} runs", subjects.len());
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (summary::title(subjects)) }
                style { (PreEscaped(include_str!("style.css"))) }
            }
            body {
                header { (summary::header(subjects)) }
                main {
                    @if let [only] = subjects {
                        (section("Learning", curves::charts(subjects)))
                        (run(only, 1))
                        (section_if("Speed", curves::speed(subjects)))
                        (section("Details", details::details(only)))
                    } @else {
                        (section("Learning, overlaid", html! {
                            (curves::charts(subjects))
                            p.note { "Solid: the validation split where a run keeps one, else the test split. Dashed: the training split, each batch scored before it was learned from." }
                        }))
                        (section_if("Gradients, layer by layer", health::comparison(subjects)))
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
                }
                footer { "Written by gpu-mlp " (env!("CARGO_PKG_VERSION")) ". This page needs no network and no script." }
            }
        }
    };
    page.into_string()
}

/// What the model of one run of `runs` on the page does, which share the room for pictures.
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
