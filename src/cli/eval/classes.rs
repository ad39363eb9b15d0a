//! Scores of classes.

use super::scores;
use gpu_mlp::Error;
use gpu_mlp::base::text::percent;
use gpu_mlp::data::Split;
use gpu_mlp::results::assess::metrics::{Bootstrap, Classification, Metric};
use gpu_mlp::results::assess::{BINS, ClassFindings, Predictions, expected_error, wilson};
use gpu_mlp::train::Score;
use serde_json::{Value, json};
use std::fmt::Write as _;

/// Maximum number of classes for which the confusion matrix is printed.
const WIDEST: usize = 16;
/// Most samples for which intervals are computed by resampling, which takes about a second for this many.
const MOST_RESAMPLED: usize = 20_000;
/// Number of confused pairs printed if there are more classes.
const PAIRS: usize = 10;

/// Scores beyond the accuracy.
fn more(findings: &ClassFindings, split: &Split) -> Result<Vec<Metric>, Error> {
    let Predictions { classes, probabilities } = &findings.predictions;
    let weights = split.weights.as_deref();
    let scores = Classification::new(probabilities, *classes, split.classes(), weights)?;
    let bootstrap = (split.len() <= MOST_RESAMPLED).then(Bootstrap::default);
    Ok(scores.metrics(bootstrap).into_iter().skip_while(|metric| metric.name == "accuracy").collect())
}

pub fn object(score: &Score, findings: &ClassFindings, split: &Split, names: &[String]) -> Result<Value, Error> {
    let hits = findings.confusion.hits();
    let (low, high) = wilson(hits, score.samples);
    let classes = findings.confusion.scores().into_iter().zip(names).enumerate().map(|(class, (score, name))| {
        json!({
            "class": class, "name": name, "samples": score.samples, "predicted": score.predicted, "hits": score.hits,
            "precision": score.precision(), "recall": score.recall(), "f1": score.f1(),
        })
    });
    let mut object = scores::object(&more(findings, split)?);
    let counted = json!({
        "accuracy": score.metric(), "accuracy_low": low, "accuracy_high": high, "hits": hits,
        "calibration_error": expected_error(&findings.calibration),
        "classes": classes.collect::<Vec<_>>(),
        "confusion": findings.confusion.counts.chunks_exact(findings.confusion.classes).collect::<Vec<_>>(),
    });
    if let (Some(object), Value::Object(counted)) = (object.as_object_mut(), counted) {
        object.extend(counted);
    }
    Ok(object)
}

pub fn tables(score: &Score, findings: &ClassFindings, split: &Split, names: &[String]) -> Result<String, Error> {
    let hits = findings.confusion.hits();
    let (low, high) = wilson(hits, score.samples);
    let mut text = format!(
        "accuracy {} % ({hits} of {}), 95 % confidence interval {} to {} % (Wilson)\n\
         loss {:.4}\ncalibration error {} % (ECE, {BINS} bins)\n\n",
        percent(score.metric(), 2),
        score.samples,
        percent(low, 2),
        percent(high, 2),
        score.loss(),
        percent(expected_error(&findings.calibration), 2),
    );
    let wide = width(names);
    let _ = writeln!(text, "{:>wide$} samples precision    recall        F1", "class");
    let written = |share: Option<f64>| share.map_or("-".into(), |share| format!("{} %", percent(share, 2)));
    for (name, score) in names.iter().zip(findings.confusion.scores()) {
        let shares = [score.precision(), score.recall(), score.f1()].map(written);
        let _ = writeln!(text, "{name:>wide$}{:>8}{:>10}{:>10}{:>10}", score.samples, shares[0], shares[1], shares[2]);
    }
    text += &matrix(findings, names);
    text.push('\n');
    text += &scores::table("", &[("", more(findings, split)?)]);
    Ok(text)
}

/// Width of a column of names.
pub fn width(names: &[String]) -> usize {
    names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max(5)
}

fn matrix(findings: &ClassFindings, names: &[String]) -> String {
    let confusion = &findings.confusion;
    let wide = width(names);
    let mut text = String::new();
    if confusion.classes > WIDEST {
        text += "\nmost confused pairs: true class as predicted class, samples\n";
        for pair in confusion.mixups().iter().take(PAIRS) {
            let (truth, prediction) = (&names[pair.truth], &names[pair.prediction]);
            let _ = writeln!(text, "{truth:>wide$} as {prediction:<4}{:>7}", pair.samples);
        }
        return text;
    }
    let _ = write!(text, "\nrows: true class, columns: predicted class\n{:wide$}", "");
    let column = wide.max(5) + 1;
    names.iter().for_each(|name| _ = write!(text, "{name:>column$}"));
    for (name, row) in names.iter().zip(confusion.counts.chunks_exact(confusion.classes)) {
        let _ = write!(text, "\n{name:>wide$}");
        row.iter().for_each(|count| _ = write!(text, "{count:>column$}"));
    }
    text + "\n"
}
