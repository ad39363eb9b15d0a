//! The runs of a page as an ensemble.

use super::{encoded, recorded_model};
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::results::assess::{Findings, assess};
use gpu_mlp::results::ensemble::{Member, Outcome, Scores, check};
use gpu_mlp::results::report::Subject;
use gpu_mlp::run::folder::RunFolder;
use std::path::Path;
use std::sync::Arc;

/// Most runs that are evaluated only for their ensemble.
pub const MOST_MEMBERS: usize = 64;

/// The ensemble of runs that were evaluated, or why there is none.
pub fn of_evaluated(subjects: &[Subject]) -> Result<Outcome, String> {
    let mut members = Vec::new();
    let mut found = Vec::new();
    for subject in subjects {
        let (Ok((model, description)), Ok(results)) = (&subject.model, &subject.results) else {
            return Err(format!("{} was not evaluated", subject.name));
        };
        members.push(Member { name: subject.name.clone(), model: model.clone(), description: description.clone() });
        found.push((&results.data, &results.assessment.findings));
    }
    check(&members).map_err(|error| error.to_string())?;
    let (data, _) = *found.first().ok_or("there are no runs")?;
    let mut scores = Scores::new(&data.task, &data.test);
    for (member, (own, findings)) in members.iter().zip(found) {
        add(&mut scores, member, [data, own], findings)?;
    }
    scores.finish().map_err(|error| error.to_string())
}

/// The ensemble of the runs in these folders on a data set, or why there is none. Models are read and evaluated one by one.
pub async fn of_folders(machine: &Machine, runs: &[(String, &Path)], data: &Arc<DataSet>) -> Result<Outcome, String> {
    let text = |error: gpu_mlp::Error| error.to_string();
    let mut members = Vec::new();
    for (name, folder) in runs {
        let read = recorded_model(&RunFolder::new(*folder).model());
        let (model, description) = read.map_err(|error| format!("{name} has no model to evaluate ({error})"))?;
        members.push(Member { name: name.clone(), model, description });
    }
    check(&members).map_err(text)?;
    let first = encoded(&members.first().ok_or("there are no runs")?.description, data.clone()).map_err(text)?;
    let mut scores = Scores::new(&first.task, &first.test);
    for member in &members {
        let Member { model, description, .. } = member;
        let own = encoded(description, data.clone()).map_err(text)?;
        let result = assess(machine, model, description, &own.test, &own.item).await.map_err(text)?;
        add(&mut scores, member, [&first, &own], &result.findings)?;
    }
    scores.finish().map_err(text)
}

/// Adds a member, if it was evaluated on the same samples as the first.
fn add(
    scores: &mut Scores<'_>,
    member: &Member,
    [first, own]: [&Arc<DataSet>; 2],
    findings: &Findings,
) -> Result<(), String> {
    if first.sha256 != own.sha256 || first.test.len() != own.test.len() {
        return Err(format!("{} has other test data than the first run", member.name));
    }
    scores.add(&member.name, findings).map_err(|error| error.to_string())
}
