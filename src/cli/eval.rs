//! `gpu-mlp eval`

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::model::ModelOptions;
use super::out::out;
use super::progress::Waiting;
use clap::Args;
use gpu_mlp::base::text::percent;
use gpu_mlp::data::DataSet;
use gpu_mlp::results::assess::{Assessment, BINS, assess, expected_error, wilson};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp eval runs/1                                      on the test split of its data set
  gpu-mlp eval runs/1/model.safetensors --data digits      on another data set
  gpu-mlp eval runs/1/model.safetensors --engine cpu       on the CPU
  gpu-mlp eval runs/1/model.safetensors --min-accuracy 0.97 || echo not good enough
  gpu-mlp eval runs/1/model.safetensors --json > scores.json")]
pub struct Eval {
    #[command(flatten)]
    model: ModelOptions,
    /// Exit with code 3 if the accuracy (0 to 1) is below this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_accuracy: Option<f64>,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

/// Reads a share from 0 to 1.
pub fn share(text: &str) -> Result<f64, String> {
    let share: f64 = text.parse().map_err(|_| "expected a number from 0 to 1".to_string())?;
    match share {
        0.0..=1.0 => Ok(share),
        1.0..=100.0 => Err(format!("expected a share from 0 to 1; {share} % is {}", share / 100.0)),
        _ => Err("expected a share from 0 to 1".into()),
    }
}

impl Eval {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (model, description) = self.model.read()?;
        let data = self.data.of_model(&self.model.path(), &description)?;
        let ahead = data.ahead();
        let machine = self.engine.machine().await?;
        let data = data.open(ahead)?;
        if !description.data.is_empty() && data.sha256 != description.data_sha256 {
            let [was, is] = [&description.data_sha256, &data.sha256].map(|hash| hash.get(..16).unwrap_or(hash));
            say!(
                "note: the model was trained on {} ({was}), but this data set is {} ({is})",
                description.data,
                data.name
            );
        }
        description.check_data(&data)?.iter().for_each(|note| say!("note: {note}"));
        let waiting = Waiting::on(&machine);
        let result = assess(&machine, &model, &description, &data.test, &data.item).await?;
        drop(waiting);
        let text = match self.json {
            true => format!("{}\n", object(&result, &data)),
            false => tables(&result),
        };
        out().write_all(text.as_bytes())?;
        let accuracy = result.score.accuracy();
        if let Some(wanted) = self.min_accuracy.filter(|&wanted| accuracy < wanted) {
            eprintln!("check failed: the accuracy is {accuracy}, below {wanted}");
            eprintln!("next: train longer or with wider layers, or lower --min-accuracy");
            return Ok(ExitCode::from(3));
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn object(result: &Assessment, data: &DataSet) -> Value {
    let score = &result.score;
    let (low, high) = wilson(score.hits, score.samples);
    let classes = result.confusion.scores().into_iter().enumerate().map(|(class, score)| {
        json!({
            "class": class, "samples": score.samples, "predicted": score.predicted, "hits": score.hits,
            "precision": score.precision(), "recall": score.recall(), "f1": score.f1(),
        })
    });
    json!({
        "accuracy": score.accuracy(), "accuracy_low": low, "accuracy_high": high,
        "hits": score.hits, "samples": score.samples, "loss": score.loss(),
        "calibration_error": expected_error(&result.calibration),
        "classes": classes.collect::<Vec<_>>(),
        "confusion": result.confusion.counts.chunks_exact(result.confusion.classes).collect::<Vec<_>>(),
        "data": data.name, "data_sha256": data.sha256,
    })
}

/// Maximum number of classes for which the confusion matrix is printed.
const WIDEST: usize = 16;
/// Number of confused pairs printed if there are more classes.
const PAIRS: usize = 10;

fn tables(result: &Assessment) -> String {
    let score = &result.score;
    let (low, high) = wilson(score.hits, score.samples);
    let mut text = format!(
        "accuracy {} % ({} of {}), 95 % confidence interval {} to {} % (Wilson)\n\
         loss {:.4}\ncalibration error {} % (ECE, {BINS} bins)\n\n",
        percent(score.accuracy(), 2),
        score.hits,
        score.samples,
        percent(low, 2),
        percent(high, 2),
        score.loss(),
        percent(expected_error(&result.calibration), 2),
    );
    text += "class samples precision    recall        F1\n";
    let written = |share: Option<f64>| share.map_or("-".into(), |share| format!("{} %", percent(share, 2)));
    for (class, score) in result.confusion.scores().iter().enumerate() {
        let shares = [score.precision(), score.recall(), score.f1()].map(written);
        let _ = writeln!(text, "{class:>5}{:>8}{:>10}{:>10}{:>10}", score.samples, shares[0], shares[1], shares[2]);
    }
    text + &matrix(result)
}

fn matrix(result: &Assessment) -> String {
    let classes = result.confusion.classes;
    let mut text = String::new();
    if classes > WIDEST {
        text += "\nmost confused pairs: true class as predicted class, samples\n";
        for pair in result.confusion.mixups().iter().take(PAIRS) {
            let _ = writeln!(text, "{:>5} as {:<4}{:>7}", pair.truth, pair.prediction, pair.samples);
        }
        return text;
    }
    text += "\nrows: true class, columns: predicted class\n     ";
    (0..classes).for_each(|class| _ = write!(text, "{class:>6}"));
    for (truth, row) in result.confusion.counts.chunks_exact(classes).enumerate() {
        let _ = write!(text, "\n{truth:>5}");
        row.iter().for_each(|count| _ = write!(text, "{count:>6}"));
    }
    text + "\n"
}
