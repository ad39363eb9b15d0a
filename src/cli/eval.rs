//! `gpu-mlp eval`

use super::model::ModelOptions;
use super::options::{DataOptions, EngineOptions};
use clap::Args;
use gpu_mlp::assess::{Assessment, assess, wilson};
use std::fmt::Write as _;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp eval runs/1/model.safetensors
  gpu-mlp eval runs/1/model.safetensors --data digits      how well does it carry over?
  gpu-mlp eval runs/1/model.safetensors --engine cpu       the same on the other engine")]
pub struct Eval {
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

impl Eval {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (model, description) = self.model.read()?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine().await?;
        let data = self.data.open(ahead)?;
        if !description.data.is_empty() && data.sha256 != description.data_sha256 {
            say!("note: the model was trained on {}, and this is {}", description.data, data.name);
        }
        let result = assess(&machine, &model, &description, &data.test, &data.item).await?;
        std::io::stdout().write_all(report(&result).as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

fn report(result: &Assessment) -> String {
    let score = &result.score;
    let (low, high) = wilson(score.hits, score.samples);
    let mut text = format!(
        "accuracy {:.2} % ({} of {}), 95 % interval {:.2} to {:.2} %\nloss {:.4}\n\nrows: truth, columns: prediction\n     ",
        100.0 * score.accuracy(),
        score.hits,
        score.samples,
        100.0 * low,
        100.0 * high,
        score.loss(),
    );
    let classes = result.classes;
    for class in 0..classes {
        let _ = write!(text, "{class:>6}");
    }
    text += "   recall\n";
    for (truth, row) in result.confusion.chunks_exact(classes).enumerate() {
        let _ = write!(text, "{truth:>5}");
        for count in row {
            let _ = write!(text, "{count:>6}");
        }
        let all: u64 = row.iter().sum();
        let _ = match all {
            0 => writeln!(text, "        -"),
            _ => writeln!(text, "{:>8.2}%", 100.0 * row[truth] as f64 / all as f64),
        };
    }
    text
}
