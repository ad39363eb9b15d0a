//! `gpu-mlp lab`

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::target;
use clap::Args;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::lab::{Experiment, Lab, Next, page};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp lab                                all experiments, to lab.html
  gpu-mlp lab softmax backprop --out page.html
  gpu-mlp lab vanishing --quick --force      with a tenth of the samples and epochs

Each experiment trains small nets for seconds, and draws what the lecture says: with its formula, what to see, and commands to
try next. The page is one file that needs neither a network nor scripts.")]
pub struct LabCommand {
    /// Experiments [default: all]
    #[arg(value_enum, value_name = "EXPERIMENT")]
    experiments: Vec<Experiment>,
    /// Output file
    #[arg(long, value_name = "FILE", default_value = "lab.html")]
    out: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// Use a tenth of the samples and epochs, to try the page itself; the results are rough
    #[arg(long)]
    quick: bool,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

impl LabCommand {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        target::check(&self.out, self.force, [])?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine().await?;
        let lab = Lab { machine, data: self.data.open(ahead)?, quick: self.quick };
        lab.check()?;
        let mut sections = Vec::new();
        for experiment in Experiment::ALL {
            if self.experiments.is_empty() || self.experiments.contains(&experiment) {
                let section = lab.run(experiment).await?;
                say!("{}: {:.1} s", experiment.name(), section.seconds);
                sections.push(section);
            }
        }
        let page = page(&lab, &sections, next);
        write_out(&self.out, page.as_bytes())?;
        say!("lab: {} ({} kB)", self.out.display(), page.len().div_ceil(1000));
        Ok(ExitCode::SUCCESS)
    }
}

/// What to try after an experiment.
fn next(experiment: Experiment) -> &'static [Next] {
    match experiment {
        Experiment::BatchSize => &[
            ("gpu-mlp train --batch-size 1 --epochs 1 --out runs/one", "single samples on the whole data set"),
            ("gpu-mlp train --batch-size full --epochs 50 --out runs/full", "the full batch"),
            ("gpu-mlp report runs/one runs/full", "both, by updates, samples seen or seconds"),
        ],
        Experiment::Shuffle => &[
            ("gpu-mlp train --seed 2", "another order of the same samples: compare the accuracy"),
            ("gpu-mlp train --overfit-batches 1 --epochs 50", "a net that sees the same batch again and again"),
        ],
        Experiment::Softmax => &[
            ("gpu-mlp explain runs/1 --index 8", "these numbers for a sample of your own run"),
            ("gpu-mlp train --label-smoothing 0.1", "softer targets than one-hot"),
        ],
        Experiment::Backprop => &[
            ("gpu-mlp explain runs/1 --all", "every activation and error signal of a large net"),
            ("gpu-mlp plan --plan plain", "the kernels that compute them, step by step"),
        ],
        Experiment::Vanishing => &[
            (
                "gpu-mlp train --hidden 64,64,64,64,64,64 --activation sigmoid --init normal --health show",
                "a net that hardly learns",
            ),
            (
                "gpu-mlp train --hidden 64,64,64,64,64,64 --activation relu --init he --health show",
                "the same depth, and it learns",
            ),
        ],
        Experiment::Activations => &[
            ("gpu-mlp train --activation tanh --health show", "another activation"),
            (
                "gpu-mlp train --hidden 64,64 --batch-size 32 --lr 0.4 --limit-train 3000 --health show",
                "steps that kill units: see `dead`",
            ),
            ("gpu-mlp train --activation gelu", "a smooth relative of ReLU"),
        ],
        Experiment::Dropout => &[
            ("gpu-mlp train --limit-train 1000 --hidden 512 --epochs 50", "over-fitting on your data"),
            (
                "gpu-mlp train --limit-train 1000 --hidden 512 --epochs 50 --keep-prob 0.5 --input-keep-prob 0.8",
                "and its cure",
            ),
        ],
        Experiment::Mnist => &[
            ("gpu-mlp train --hidden 512,512 --keep-prob 0.8 --optimizer adam --epochs 8", "a better net"),
            ("gpu-mlp report runs/1", "its curves, mistakes and weights"),
            ("gpu-mlp predict runs/1 photo.jpg --show", "a digit of your own"),
        ],
    }
}
