//! The runs together: the scores of the mean of their answers, beside their own.

use super::axis::{grouped, percent};
use crate::results::ensemble::{Agreement, DoubtScore, Group, Outcome};
use maud::{Markup, html};

/// The table of scores and the doubt, or why there are none.
pub fn section(ensemble: &Result<Outcome, String>) -> Markup {
    match ensemble {
        Ok(outcome) => html! {
            p.note { "The ensemble answers with the mean of the runs' answers on the test split." }
            @for (at, group) in outcome.groups.iter().enumerate() { (scores(outcome, at, group)) }
            (doubts(outcome))
        },
        Err(reason) => html! { p.note { "The runs were not scored as an ensemble: " (reason) "." } },
    }
}

fn scores(outcome: &Outcome, at: usize, group: &Group) -> Markup {
    let values = |group: &Group| group.metrics.iter().map(|metric| metric.value).collect::<Vec<_>>();
    let means: Vec<_> = (0..group.metrics.len()).map(|metric| outcome.mean(at, metric)).collect();
    let mut rows: Vec<(&str, Vec<Option<f64>>)> = Vec::new();
    rows.extend(outcome.members.iter().map(|member| (member.name.as_str(), values(&member.groups[at]))));
    rows.push(("mean of the runs' scores", means.iter().map(|mean| mean.map(|(mean, _)| mean)).collect()));
    rows.push(("standard error", means.iter().map(|mean| mean.and_then(|(_, error)| error)).collect()));
    rows.push(("ensemble", values(group)));
    let last = rows.len() - 1;
    html! {
        div.scroll { table.figures.compare {
            thead { tr {
                th { (group.name) }
                @for metric in &group.metrics { th scope="col" { (metric.name) } }
            } }
            tbody { @for (number, (name, values)) in rows.iter().enumerate() {
                tr { th scope="row" { (name) } @for value in values { td.best[number == last] { (written(*value)) } } }
            } }
        } }
    }
}

fn doubts(outcome: &Outcome) -> Markup {
    let Some(Agreement { samples, hits, unanimous, unanimous_hits }) = outcome.agreement else {
        return html! {
            @for DoubtScore { name, mean, .. } in &outcome.doubts {
                p.note { (name) ": the runs' values for a sample have a standard deviation of " (written(Some(*mean))) " on average." }
            }
        };
    };
    let share = |hits: u64, of: u64| if of == 0 { "–".into() } else { percent(hits as f64 / of as f64) };
    html! {
        p {
            "All runs agree on " (grouped(unanimous)) " of " (grouped(samples)) " samples, of which "
            (share(unanimous_hits, unanimous)) " are right. Of the others it is "
            (share(hits - unanimous_hits, samples - unanimous)) "."
        }
        div.scroll { table.figures.compare {
            thead { tr {
                th { "doubt" }
                @for head in ["mean", "if right", "if wrong", "ROC-AUC of errors"] { th scope="col" { (head) } }
            } }
            tbody { @for doubt in &outcome.doubts {
                tr {
                    th scope="row" { (doubt.name) }
                    @for value in [Some(doubt.mean), doubt.right, doubt.wrong, doubt.detects] { td { (written(value)) } }
                }
            } }
        } }
        p.note {
            "Agreement: share of the runs that give the ensemble's answer. Entropies are in nats: that of the ensemble, the mean of the \
             runs', and their difference, the mutual information, which is large where the runs disagree. ROC-AUC of errors: how well a \
             measure tells wrong answers from right ones; 0.5 is chance."
        }
    }
}

fn written(value: Option<f64>) -> String {
    match value {
        None => "–".into(),
        Some(value) if value.abs() >= 100.0 => format!("{value:.1}"),
        Some(value) => format!("{value:.4}"),
    }
}
