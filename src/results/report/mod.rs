//! An HTML page about one or more runs: a single file with all pictures embedded, without scripts or network requests.
//!
//! [`page`] composes the page. `groups` finds the runs that belong together; `summary` and `compare` begin the page, with the
//! scores that `scores` takes from the records; `ensemble` adds those of all runs together. `curves`, `updates`, `schedule`
//! and `health` draw the recorded measurements; `results` and
//! `pictures` show the model's predictions on the test split, `values` those of real values and labels, `importance` the
//! columns that the model uses; `details` lists the settings; `notes` reports problems.
//! [`data_page`] composes a page about a data set, [`sweep_page`] one about a sweep.
//! [`chart`] draws line charts with the scales of [`axis`]; `labels` places the names of the lines.

pub mod axis;
pub mod chart;
mod compare;
mod curves;
mod data_set;
mod details;
mod ensemble;
mod groups;
mod health;
mod importance;
mod labels;
mod notes;
pub mod pictures;
mod results;
mod schedule;
mod scores;
mod summary;
mod sweep;
pub mod updates;
mod values;

pub use data_set::{data_page, first_of};
pub use sweep::sweep_page;

use crate::data::DataSet;
use crate::net::mlp::Mlp;
use crate::results::assess::{Assessment, Findings, Importances};
use crate::results::ensemble::Outcome;
use crate::run::history::History;
use crate::run::model_file::Description;
use groups::Group;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use std::sync::Arc;

/// Maximum number of runs whose details are on a page, and of lines for runs in a chart. More than eight colours are hard to
/// distinguish.
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
    /// The importance of the columns of a table, or why it was not computed; `None` if the data set is not a table.
    pub importance: Option<Result<Importances, String>>,
}

/// The page as HTML, under 1 MB for hundreds of runs. Runs that differ only in their seed are shown together. With more than
/// [`MOST_RUNS`] runs, the page compares them without the details of each.
///
/// # Panics
/// If there are no subjects.
pub fn page(subjects: &[Subject]) -> String {
    page_with(subjects, None)
}

/// As [`page`], with the results of the runs' ensemble, or the reason why there are none.
///
/// # Panics
/// If there are no subjects.
pub fn page_with(subjects: &[Subject], ensemble: Option<&Result<Outcome, String>>) -> String {
    assert!(!subjects.is_empty(), "page: no runs");
    let groups = groups::groups(subjects);
    let drawn = &groups[..groups.len().min(MOST_RUNS)];
    let detailed = if subjects.len() > MOST_RUNS { &[] } else { subjects };
    let colour = |subject: &Subject| {
        let its = |group: &&Group<'_>| group.runs.iter().any(|run| std::ptr::eq(*run, subject));
        groups.iter().find(its).map(|group| group.colour.clone())
    };
    let main = html! {
        @if let [only] = subjects {
            (section("Learning", html! { (curves::charts(drawn)) (updates::charts(drawn)) }))
            (run(only, 1))
            (section_if("Speed", curves::speed(drawn)))
            (section("Details", details::details(only)))
        } @else {
            (section("Learning, overlaid", html! {
                @if drawn.len() < groups.len() { p.note { "Drawn: the first " (drawn.len()) " of the table's " (groups.len()) " lines." } }
                (curves::charts(drawn))
                p.note { (curves::legend(drawn)) }
                (updates::charts(drawn))
            }))
            @if let Some(ensemble) = ensemble {
                (section("Ensemble", ensemble::section(ensemble)))
            }
            (section_if("Gradients by layer", health::comparison(drawn)))
            (section_if("Speed", curves::speed(drawn)))
            @if detailed.is_empty() {
                p.note { "A page of at most " (MOST_RUNS) " runs also shows the gradients, classes, mistakes and settings of each." }
            }
            @for subject in detailed {
                article style=[colour(subject).map(|colour| format!("--c:{colour}"))] {
                    h2.run { (subject.name) }
                    (notes::notes(subject))
                    (run(subject, subjects.len()))
                    (section("Details", details::details(subject)))
                }
            }
        }
    };
    document(&summary::title(subjects), summary::header(subjects, &groups), main, "")
}

/// A whole page with the style sheet of all pages, and one of its own.
pub fn document(title: &str, header: Markup, main: Markup, own: &str) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(include_str!("style.css"))) (PreEscaped(own)) }
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
                @let (names, weights) = (results.data.task.names(), results.data.test.weights.as_deref());
                @match &results.assessment.findings {
                    Findings::Classes(findings) => {
                        (section("Classes", results::classes(findings, names)))
                        (section_if("Mistakes", pictures::mistakes(results, findings, runs)))
                        (section("Calibration", results::calibration(findings)))
                    }
                    Findings::Values(findings) => { (section("Values", values::values(findings, names, weights))) }
                    Findings::Labels(findings) => { (section("Labels", values::labels(findings, names, weights))) }
                }
                @match &results.importance {
                    Some(Ok(found)) => { (section("Columns", importance::importance(found))) }
                    Some(Err(reason)) => { (section("Columns", html! { p.note { "The importance of columns was not computed: " (reason) "." } })) }
                    None => {}
                }
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
