//! Scores of yes/no labels.

use super::scores;
use gpu_mlp::Error;
use gpu_mlp::results::assess::LabelFindings;
use gpu_mlp::results::assess::metrics::{Bootstrap, Labels, Metric};
use gpu_mlp::train::Score;
use serde_json::{Value, json};

/// The scores of all labels together, and of each.
type Scores<'a> = (Vec<Metric>, Vec<(&'a str, Vec<Metric>)>);

fn of<'a>(findings: &LabelFindings, names: &'a [String], weights: Option<&[f32]>) -> Result<Scores<'a>, Error> {
    let labels = Labels::new(&findings.probabilities, &findings.truth, names.len(), weights)?;
    let bootstrap = || Some(Bootstrap::default());
    let each = labels.each().iter().map(|label| label.metrics(bootstrap()));
    Ok((labels.metrics(bootstrap()), names.iter().map(String::as_str).zip(each).collect()))
}

pub fn object(findings: &LabelFindings, names: &[String], weights: Option<&[f32]>) -> Result<Value, Error> {
    let (all, each) = of(findings, names, weights)?;
    let each = each.iter().map(|(name, metrics)| {
        let mut label = scores::object(metrics);
        label["name"] = (*name).into();
        label
    });
    let mut object = scores::object(&all);
    object["labels"] = json!(each.collect::<Vec<_>>());
    Ok(object)
}

pub fn tables(
    score: &Score,
    findings: &LabelFindings,
    names: &[String],
    weights: Option<&[f32]>,
) -> Result<String, Error> {
    let (all, each) = of(findings, names, weights)?;
    let mut text = format!("loss {:.4}, samples {}\n\n", score.loss(), score.samples);
    text += &scores::table("", &[("all labels", all)]);
    text.push('\n');
    text += &scores::table("label", &each);
    Ok(text)
}
