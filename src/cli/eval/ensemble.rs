//! An ensemble beside its members, or passes with dropout beside the net without it.

use super::classes::width;
use super::{classes, labels, scores, values};
use crate::cli::model::Models;
use gpu_mlp::Error;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::data::DataSet;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::results::assess::{Evaluator, Findings, McDropout, assess};
use gpu_mlp::results::ensemble::{Group, Member, Outcome, Scored, Scores, groups};
use serde_json::{Map, Value, json};
use std::fmt::Write as _;

/// Width of a column of doubt.
const COLUMN: usize = 19;

/// The results of members or passes.
pub struct Results {
    pub outcome: Outcome,
    /// With dropout: the number of passes, the dropout, and the scores of the net without it.
    dropout: Option<(u32, McDropout, Vec<Group>)>,
}

/// Evaluates all models on the test split of a data set, which `ready` prepares for a member. Also returns the data as the
/// first member takes them.
///
/// # Errors
/// Those of `ready` and of the evaluation.
pub async fn evaluate(
    machine: &Machine,
    models: &Models,
    dropout: Option<(u32, McDropout)>,
    data: DataSet,
    ready: &dyn Fn(&Member, DataSet) -> Result<DataSet, Error>,
) -> Result<(Results, DataSet), Error> {
    // Bytes are the same for all members; each encodes numbers in its own way.
    let raw = (!data.is_ready() && models.are_several()).then(|| data.clone());
    let first = ready(models.first(), data)?;
    let mut scores = Scores::new(&first.task, &first.test);
    let mut sampled = None;
    if let Some((passes, dropout)) = dropout {
        let Member { model, description, .. } = models.first();
        let whole = assess(machine, model, description, &first.test, &first.item).await?;
        let mut evaluator =
            Evaluator::with_dropout(machine, model, description, &first.test, &first.item, &dropout).await?;
        for pass in 0..passes {
            scores.add(format!("pass {}", pass + 1), &evaluator.pass(pass).await?.findings)?;
        }
        sampled = Some((passes, dropout, groups(&whole.findings, &first.task, &first.test)?));
    } else {
        for (number, member) in models.members.iter().enumerate() {
            let own = raw.clone().filter(|_| number > 0).map(|raw| ready(member, raw)).transpose()?;
            let Member { name, model, description } = member;
            let data = own.as_ref().unwrap_or(&first);
            scores.add(name, &assess(machine, model, description, &data.test, &data.item).await?.findings)?;
        }
    }
    let outcome = scores.finish()?;
    Ok((Results { outcome, dropout: sampled }, first))
}

/// The scores of one answerer: at the top for classes and labels, in `targets` for real values.
fn scored(groups: &[Group], of: &dyn Fn(usize, usize) -> Option<f64>) -> Value {
    let each = groups.iter().enumerate().map(|(at, group)| {
        let metrics = group.metrics.iter().enumerate();
        let metrics: Vec<_> = metrics.map(|(number, metric)| (metric.name, of(at, number))).collect();
        let mut object = scores::plain(&metrics);
        if !group.name.is_empty() {
            object["name"] = group.name.as_str().into();
        }
        object
    });
    let mut each: Vec<Value> = each.collect();
    match groups {
        [only] if only.name.is_empty() => each.remove(0),
        _ => json!({ "targets": each }),
    }
}

fn own(groups: &[Group]) -> Value {
    scored(groups, &|group, metric| groups[group].metrics[metric].value)
}

/// One object: the scores of the ensemble as for one model, and those of its members.
pub fn object(results: &Results, data: &DataSet) -> Result<Value, Error> {
    let Results { outcome, dropout } = results;
    let (names, split) = (data.task.names(), &data.test);
    let weights = split.weights.as_deref();
    let mut object = json!({ "samples": split.len(), "data": data.name, "data_sha256": data.sha256 });
    let more = match (&outcome.findings, &outcome.score) {
        (Findings::Classes(findings), Some(score)) => classes::object(score, findings, split, names)?,
        (Findings::Labels(findings), _) => labels::object(findings, names, weights)?,
        (Findings::Values(findings), _) => values::object(findings, names, weights)?,
        (Findings::Classes(_), None) => Value::Object(Map::new()),
    };
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    object["loss"] = json!(outcome.score.map(|score| score.loss()));
    let members = outcome.members.iter().map(|Scored { name, groups }| {
        let mut member = own(groups);
        member["name"] = name.as_str().into();
        member
    });
    object["members"] = members.collect();
    let average = |pick: fn((f64, Option<f64>)) -> Option<f64>| {
        scored(&outcome.groups, &|group, metric| outcome.mean(group, metric).and_then(pick))
    };
    object["mean_of_members"] = average(|(mean, _)| Some(mean));
    object["standard_error"] = average(|(_, error)| error);
    let doubts = outcome.doubts.iter().map(|doubt| {
        json!({
            "name": doubt.name, "mean": doubt.mean, "right": doubt.right, "wrong": doubt.wrong, "roc_auc": doubt.detects,
        })
    });
    object["doubt"] = doubts.collect();
    if let Some(agreement) = outcome.agreement {
        object["unanimous"] = json!({ "samples": agreement.unanimous, "hits": agreement.unanimous_hits });
    }
    if let Some((passes, McDropout { input_keep_prob, keep_prob, seed }, whole)) = dropout {
        object["mc_dropout"] = json!({
            "passes": passes, "seed": seed, "keep_prob": keep_prob, "input_keep_prob": input_keep_prob,
        });
        object["scaled"] = own(whole);
    }
    Ok(object)
}

/// The ensemble and its members side by side, the doubt, then the scores of the ensemble as for one model.
pub fn tables(results: &Results, data: &DataSet) -> Result<String, Error> {
    let Results { outcome, dropout } = results;
    let mut text = match dropout {
        None => format!("ensemble of {}, {}\n", counted(outcome.members.len(), "model"), samples(data)),
        Some((passes, McDropout { input_keep_prob, keep_prob, seed }, _)) => format!(
            "{} with dropout, keep probability {keep_prob}, of inputs {input_keep_prob}, seed {seed}, {}\n",
            counted(*passes, "pass"),
            samples(data)
        ),
    };
    for (at, group) in outcome.groups.iter().enumerate() {
        text.push('\n');
        side_by_side(&mut text, results, at, group);
    }
    text.push('\n');
    doubts(&mut text, outcome);
    let (names, split) = (data.task.names(), &data.test);
    let weights = split.weights.as_deref();
    text += if dropout.is_some() { "\nthe mean of the passes:\n\n" } else { "\nthe ensemble:\n\n" };
    text += &match (&outcome.findings, &outcome.score) {
        (Findings::Classes(findings), Some(score)) => classes::tables(score, findings, split, names)?,
        (Findings::Labels(findings), Some(score)) => labels::tables(score, findings, names, weights)?,
        (Findings::Values(findings), _) => values::table(findings, names, weights)?,
        _ => String::new(),
    };
    Ok(text)
}

fn samples(data: &DataSet) -> String {
    counted(data.test.len(), "sample")
}

fn side_by_side(text: &mut String, results: &Results, at: usize, group: &Group) {
    let Results { outcome, dropout } = results;
    let values = |group: &Group| group.metrics.iter().map(|metric| metric.value).collect::<Vec<_>>();
    let mut rows: Vec<(String, Vec<Option<f64>>)> = Vec::new();
    let (member, ensemble) = match dropout {
        None => ("members", "ensemble"),
        Some(_) => ("passes", "mean of passes"),
    };
    match dropout {
        // Passes have no names that say anything.
        Some((.., whole)) => rows.push(("without dropout".into(), values(&whole[at]))),
        None => {
            rows.extend(outcome.members.iter().map(|scored| (scored.name.clone(), values(&scored.groups[at]))));
        }
    }
    let means: Vec<_> = (0..group.metrics.len()).map(|metric| outcome.mean(at, metric)).collect();
    rows.push((format!("mean of the {member}' scores"), means.iter().map(|mean| mean.map(|(mean, _)| mean)).collect()));
    rows.push(("standard error".into(), means.iter().map(|mean| mean.and_then(|(_, error)| error)).collect()));
    rows.push((ensemble.into(), values(group)));

    let names: Vec<String> = rows.iter().map(|(name, _)| name.clone()).chain([group.name.clone()]).collect();
    let wide = width(&names);
    let _ = write!(text, "{:<wide$}", group.name);
    let columns = || group.metrics.iter().map(|metric| metric.name.chars().count().max(10) + 2);
    columns().zip(&group.metrics).for_each(|(column, metric)| _ = write!(text, "{:>column$}", metric.name));
    for (name, values) in rows {
        let _ = write!(text, "\n{name:<wide$}");
        for (column, value) in columns().zip(values) {
            let _ = write!(text, "{:>column$}", value.map_or("-".into(), scores::short));
        }
    }
    text.push('\n');
}

fn doubts(text: &mut String, outcome: &Outcome) {
    let names: Vec<String> = outcome.doubts.iter().map(|doubt| doubt.name.clone()).collect();
    let written = |value: Option<f64>| value.map_or("-".into(), scores::short);
    let Some(agreement) = outcome.agreement else {
        let wide = width(&names).max("target".len());
        let _ = writeln!(text, "{:<wide$}{:>COLUMN$}", "target", "mean deviation");
        for doubt in &outcome.doubts {
            let _ = writeln!(text, "{:<wide$}{:>COLUMN$}", doubt.name, scores::short(doubt.mean));
        }
        *text += "the deviation is that between the members' values for a sample\n";
        return;
    };
    let wide = width(&names);
    let _ = write!(text, "{:<wide$}", "doubt");
    ["mean", "if right", "if wrong", "ROC-AUC of errors"].iter().for_each(|head| _ = write!(text, "{head:>COLUMN$}"));
    for doubt in &outcome.doubts {
        let _ = write!(text, "\n{:<wide$}", doubt.name);
        let cells = [Some(doubt.mean), doubt.right, doubt.wrong, doubt.detects].map(written);
        cells.iter().for_each(|cell| _ = write!(text, "{cell:>COLUMN$}"));
    }
    let share = |hits: u64, samples: u64| match samples {
        0 => "-".to_string(),
        _ => format!("{} %", percent(hits as f64 / samples as f64, 2)),
    };
    let others = (agreement.hits - agreement.unanimous_hits, agreement.samples - agreement.unanimous);
    let _ = writeln!(
        text,
        "\n\nall agree on {} of {}: {} right; of the other {}: {} right",
        agreement.unanimous,
        counted(agreement.samples, "sample"),
        share(agreement.unanimous_hits, agreement.unanimous),
        others.1,
        share(others.0, others.1),
    );
}
