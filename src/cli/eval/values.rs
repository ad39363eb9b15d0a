//! Scores of real values.

use super::scores;
use gpu_mlp::Error;
use gpu_mlp::results::assess::ValueFindings;
use gpu_mlp::results::assess::metrics::{Bootstrap, Metric, Regression};
use gpu_mlp::train::Score;
use serde_json::{Value, json};

/// Names and scores of all targets.
fn of<'a>(
    findings: &ValueFindings,
    names: &'a [String],
    weights: Option<&[f32]>,
) -> Result<Vec<(&'a str, Vec<Metric>)>, Error> {
    let targets = Regression::of_targets(&findings.predicted, &findings.truth, names.len(), weights)?;
    let scored = targets.iter().map(|target| target.metrics(Some(Bootstrap::default())));
    Ok(names.iter().map(String::as_str).zip(scored).collect())
}

pub fn object(findings: &ValueFindings, names: &[String], weights: Option<&[f32]>) -> Result<Value, Error> {
    let targets = of(findings, names, weights)?;
    let targets = targets.iter().map(|(name, metrics)| {
        let mut target = scores::object(metrics);
        target["name"] = (*name).into();
        target
    });
    Ok(json!({ "targets": targets.collect::<Vec<_>>() }))
}

pub fn tables(
    score: &Score,
    findings: &ValueFindings,
    names: &[String],
    weights: Option<&[f32]>,
) -> Result<String, Error> {
    let text = format!("loss {:.4}, samples {}\n\n", score.loss(), score.samples);
    Ok(text + &table(findings, names, weights)?)
}

/// The scores of each target with their intervals.
pub fn table(findings: &ValueFindings, names: &[String], weights: Option<&[f32]>) -> Result<String, Error> {
    Ok(scores::table("target", &of(findings, names, weights)?))
}
