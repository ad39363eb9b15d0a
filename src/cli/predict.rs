//! `gpu-mlp predict`

use super::model::ModelOptions;
use super::options::{DataOptions, EngineOptions};
use clap::{Args, ValueEnum};
use gpu_mlp::Error;
use gpu_mlp::assess::assess;
use gpu_mlp::data::Split;
use std::io::Write;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp predict runs/1/model.safetensors --index 0,1,2
  gpu-mlp predict runs/1/model.safetensors --index 5 --top-k 10 --no-show
  gpu-mlp predict runs/1/model.safetensors --split train --index 7")]
pub struct Predict {
    #[command(flatten)]
    model: ModelOptions,
    /// Which samples of the split, from 0, with commas between
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,…")]
    index: Vec<usize>,
    /// Which split
    #[arg(long, value_enum, default_value_t = Which::Test)]
    split: Which,
    /// How many classes to name, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N")]
    top_k: usize,
    /// Do not draw the samples
    #[arg(long)]
    no_show: bool,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Train,
    Test,
}

impl Predict {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (model, description) = self.model.read()?;
        let ahead = self.data.ahead();
        let machine = self.engine.machine().await?;
        let data = self.data.open(ahead)?;
        let split = match self.split {
            Which::Train => &data.train,
            Which::Test => &data.test,
        };
        if let Some(index) = self.index.iter().find(|&&index| index >= split.len()) {
            let samples = split.len();
            return Err(Error::Setting(format!("index is {index}, but the split has {samples} samples")).into());
        }
        let inputs = data.inputs();
        let pick = |index: &usize| (&split.pixels[index * inputs..][..inputs], split.labels[*index]);
        let (pixels, labels): (Vec<&[u8]>, Vec<u8>) = self.index.iter().map(pick).unzip();
        let chosen = Split { pixels: pixels.concat(), labels };
        let result = assess(&machine, &model, &description, &chosen, &data.item).await?;
        let mut out = std::io::stdout();
        for (sample, index) in self.index.iter().enumerate() {
            if !self.no_show
                && let [rows, cols] = *data.item
            {
                out.write_all(draw(&chosen.pixels[sample * inputs..][..inputs], rows, cols).as_bytes())?;
            }
            let row = &result.probabilities[sample * result.classes..][..result.classes];
            let mut ranking: Vec<usize> = (0..result.classes).collect();
            ranking.sort_by(|&a, &b| row[b].total_cmp(&row[a]));
            let best = ranking.iter().take(self.top_k).map(|&class| format!("{class} {:.2} %", 100.0 * row[class]));
            let best = best.collect::<Vec<_>>().join(", ");
            let label = chosen.labels[sample];
            let verdict = if result.prediction(sample) == usize::from(label) { "right" } else { "wrong" };
            writeln!(out, "sample {index}: {best}; label {label}, {verdict}")?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// An image in characters, two rows of pixels a line, darkest to brightest.
fn draw(pixels: &[u8], rows: usize, cols: usize) -> String {
    const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let mut text = String::new();
    for row in (0..rows).step_by(2) {
        let mut line = String::new();
        for col in 0..cols {
            let below = if row + 1 < rows { pixels[(row + 1) * cols + col] } else { 0 };
            let mean = (usize::from(pixels[row * cols + col]) + usize::from(below)) / 2;
            line.push(SHADES[(mean * SHADES.len()) / 256]);
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
