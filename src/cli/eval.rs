//! `gpu-mlp eval`

mod classes;
mod ensemble;
mod importance;
mod labels;
mod scores;
mod values;

pub use classes::width;
pub use scores::{key, short};

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::model::{DropoutOptions, ModelsOptions};
use super::out::out;
use super::progress::Waiting;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::data::{DataSet, Split};
use gpu_mlp::results::assess::{Assessment, Findings, assess, importances};
use gpu_mlp::results::ensemble::Member;
use gpu_mlp::train::Metric;
use serde_json::{Value, json};
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp eval runs/1                                      on the test split of its data set
  gpu-mlp eval runs/1/model.safetensors --data digits      on another data set
  gpu-mlp eval runs/1/model.safetensors --engine cpu       on the CPU
  gpu-mlp eval runs/1 runs/2                               an ensemble beside its members
  gpu-mlp eval runs/dropout --mc-dropout 20                an ensemble of passes with dropout
  gpu-mlp eval runs/iris --importance                      of the columns of a table
  gpu-mlp eval runs/1/model.safetensors --min-accuracy 0.97 || echo not good enough
  gpu-mlp eval runs/1/model.safetensors --json > scores.json")]
pub struct Eval {
    #[command(flatten)]
    models: ModelsOptions,
    /// Exit with code 3 if the accuracy (0 to 1) is below this
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_accuracy: Option<f64>,
    /// For a table: also print how much the score drops if the values of one column are permuted among the rows
    #[arg(long)]
    importance: bool,
    /// Print one JSON object instead of tables
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    dropout: DropoutOptions,
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
        let models = self.models.read()?;
        let dropout = self.dropout.of(&models)?;
        if self.importance && (models.are_several() || dropout.is_some()) {
            let advice = "--importance is for one model without --mc-dropout: evaluate each model by itself";
            return Err(Error::Setting(advice.into()).into());
        }
        let Member { model, description, .. } = models.first();
        let data = self.data.clone().of_model(models.path(), description)?;
        let ahead = data.ahead();
        let machine = self.engine.machine().await?;
        let data = data.open(ahead)?;
        let sha256 = data.sha256.clone();
        if !description.data.is_empty() && data.sha256 != description.data_sha256 {
            let [was, is] = [&description.data_sha256, &data.sha256].map(|hash| hash.get(..16).unwrap_or(hash));
            say!(
                "note: the model was trained on {} ({was}), but this data set is {} ({is})",
                description.data,
                data.name
            );
        }
        description.check_data(&data)?.iter().for_each(|note| say!("note: {note}"));
        let ready = |member: &Member, data: DataSet| {
            let Member { description, .. } = member;
            tested(description.encode(data)?, description.data_sha256 == sha256)
        };
        let (text, accuracy) = if models.are_several() || dropout.is_some() {
            let waiting = Waiting::on(&machine);
            let (results, data) = ensemble::evaluate(&machine, &models, dropout, data, &ready).await?;
            drop(waiting);
            let text = match self.json {
                true => format!("{}\n", ensemble::object(&results, &data)?),
                false => ensemble::tables(&results, &data)?,
            };
            (text, results.outcome.score.map(|score| score.metric()))
        } else {
            let data = ready(models.first(), data)?;
            let waiting = Waiting::on(&machine);
            let result = assess(&machine, model, description, &data.test, &data.item).await?;
            let importances = match self.importance {
                true => Some(importances(&machine, model, description, &data.test).await?),
                false => None,
            };
            drop(waiting);
            let text = match self.json {
                true => {
                    let mut object = object(&result, &data)?;
                    importances.iter().for_each(|found| object["importance"] = importance::object(found));
                    format!("{object}\n")
                }
                false => tables(&result, &data)? + &importances.iter().map(importance::table).collect::<String>(),
            };
            (text, (result.metric == Metric::Accuracy).then(|| result.score.metric()))
        };
        out().write_all(text.as_bytes())?;
        let Some(wanted) = self.min_accuracy else { return Ok(ExitCode::SUCCESS) };
        let Some(accuracy) = accuracy else {
            let advice = "--min-accuracy is for classes and labels, but the model predicts real values: leave it out";
            return Err(Error::Setting(advice.into()).into());
        };
        if accuracy < wanted {
            eprintln!("check failed: the accuracy is {accuracy}, below {wanted}");
            eprintln!("next: train longer or with wider layers, or lower --min-accuracy");
            return Ok(ExitCode::from(3));
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The data set with all rows of a table as the test split, if it has none.
///
/// # Errors
/// [`Error::Setting`] if the model was trained on these rows.
fn tested(data: DataSet, same: bool) -> Result<DataSet, Error> {
    if !data.test.is_empty() {
        return Ok(data);
    }
    if same {
        return Err(Error::Setting(format!(
            "the model was trained on all rows of {}: name a table with other rows with --data, or train with --test 0.2",
            data.name
        )));
    }
    Ok(DataSet { test: data.train, train: Split::default(), ..data })
}

fn object(result: &Assessment, data: &DataSet) -> Result<Value, Error> {
    let score = &result.score;
    let mut object =
        json!({ "samples": score.samples, "loss": score.loss(), "data": data.name, "data_sha256": data.sha256 });
    let (names, weights) = (data.task.names(), data.test.weights.as_deref());
    let more = match &result.findings {
        Findings::Classes(findings) => classes::object(score, findings, &data.test, names)?,
        Findings::Values(findings) => values::object(findings, names, weights)?,
        Findings::Labels(findings) => labels::object(findings, names, weights)?,
    };
    if let (Some(object), Value::Object(more)) = (object.as_object_mut(), more) {
        object.extend(more);
    }
    Ok(object)
}

fn tables(result: &Assessment, data: &DataSet) -> Result<String, Error> {
    let (score, names, weights) = (&result.score, data.task.names(), data.test.weights.as_deref());
    match &result.findings {
        Findings::Classes(findings) => classes::tables(score, findings, &data.test, names),
        Findings::Values(findings) => values::tables(score, findings, names, weights),
        Findings::Labels(findings) => labels::tables(score, findings, names, weights),
    }
}
