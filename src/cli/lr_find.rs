//! `gpu-mlp lr-find`

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::out::out;
use super::plot;
use super::progress::Waiting;
use super::settings::SweepOptions;
use clap::Args;
use gpu_mlp::config::Config;
use gpu_mlp::train::divide;
use gpu_mlp::train::lr_find::{SweepResult, Trial, lr_find, two_digits};
use gpu_mlp::train::rates::Sweep;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Trains from initial weights with a rate that grows at every update, until the loss diverges, and plots the loss by rate.
The suggestion comes from short training runs, which start with the same weights: first 5 or more rates around the default,
then the best one and its neighbours, each for 4 times as many updates. The lowest loss on samples kept aside wins, or the
lowest rate within 5 % of it. Kept aside are those of --validation, or else up to 5000 training samples. On MNIST this takes as
long as 2 to 3 epochs, 5 at batch size 512, and 9 at 1024 or more. No run is longer than --epochs. --lr, --health and --on-nan
have no effect. A batch above 1024 is replaced by one of 1024. The test split is not used, and nothing is written.

Examples:
  gpu-mlp lr-find
  gpu-mlp lr-find --optimizer adam --hidden 512,512 --keep-prob 0.8 --validation 200
  gpu-mlp lr-find --from 1e-4 --to 1 --steps 400 --json")]
pub struct LrFind {
    #[command(flatten)]
    options: SweepOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
    /// First rate
    #[arg(long, default_value_t = Sweep::default().from, value_name = "RATE", help_heading = "Sweep")]
    from: f64,
    /// Last rate, if the loss does not diverge before
    #[arg(long, default_value_t = Sweep::default().to, value_name = "RATE", help_heading = "Sweep")]
    to: f64,
    /// Number of rates, with one update each
    #[arg(long, default_value_t = Sweep::default().steps, value_name = "N", help_heading = "Sweep")]
    steps: usize,
    /// Print one JSON object with every point instead of the plot
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl LrFind {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let config = Config::default().with(self.options.settings())?;
        config.check(usize::MAX)?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine_for(config.precision).await?;
        let data = divide(&config, self.data.open(ahead)?)?;
        config.check(data.train.len())?;
        let sweep = Sweep { from: self.from, to: self.to, steps: self.steps };
        let waiting = Waiting::on(&machine);
        let found = lr_find(&config, &data, &machine, sweep).await?;
        drop(waiting);
        let text =
            if self.json { serde_json::to_string(&found)? + "\n" } else { drawn(&found, data.validation.is_some()) };
        out().write_all(text.as_bytes())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The curve, and the suggestion.
fn drawn(found: &SweepResult, validation: bool) -> String {
    let points: Vec<(f64, f64)> = found.points.iter().map(|point| (point.lr, point.smoothed)).collect();
    let of = if validation { "validation" } else { "training" };
    let mut text = format!("smoothed {of} loss by learning rate\n{}", plot::log_x(&points, found.suggestion));
    let last = found.points.last().map_or(0.0, |point| point.lr);
    text += &match (found.diverged, found.lowest) {
        (true, Some(lowest)) => format!("lowest at {lowest}, diverged after {last:.2}\n"),
        (false, Some(lowest)) => format!("lowest at {lowest}; did not diverge up to {last:.2}\n"),
        (_, None) => "the loss diverged at once: give a smaller --from\n".into(),
    };
    for Trial { lr, updates, loss } in &found.trials {
        text += &format!("{updates:>5} updates with --lr {:<8} loss {loss:.4}\n", two_digits(*lr));
    }
    text + &match found.suggestion {
        Some(lr) => format!("suggestion: --lr {lr}\n"),
        None => "no suggestion: every rate diverged\n".into(),
    }
}
