//! `gpu-mlp predict`

mod files;
mod show;

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::model::ModelOptions;
use super::out::out;
use super::progress::Waiting;
use clap::{Args, ValueEnum};
use files::Files;
use gpu_mlp::Error;
use gpu_mlp::base::text::{counted, percent};
use gpu_mlp::data::DataSet;
use gpu_mlp::data::images::{Fit, shape};
use gpu_mlp::results::assess::{Predictions, classify};
use serde_json::{Value, json};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp predict runs/1/model.safetensors 7.png photo.jpg --show
  gpu-mlp predict runs/1/model.safetensors *.png --json --top-k 10 > answers.jsonl
  gpu-mlp predict runs/1/model.safetensors - < 7.png
  gpu-mlp predict runs/1/model.safetensors --index 0,1,2  samples of the test split
  gpu-mlp predict runs/1/model.safetensors --split train --index 7

A picture shows one digit on an even background, in any colours. For models with 28×28 inputs it is prepared like MNIST:
cropped to the digit, scaled to 20×20, centred by its centre of mass. --show draws the result.")]
pub struct Predict {
    #[command(flatten)]
    model: ModelOptions,
    /// PNG or JPEG files of any size, `-` for standard input; without files, samples of the data set are classified
    #[arg(value_name = "FILE", conflicts_with_all = ["index", "split"])]
    files: Vec<PathBuf>,
    /// How pictures are prepared: `mnist` as for MNIST, `plain` only in grey and resized, `auto` chooses by the model's
    /// inputs
    #[arg(long, value_enum, default_value_t = Fit::default())]
    fit: Fit,
    /// Samples of the split, from 0, separated by commas
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,…")]
    index: Vec<usize>,
    /// Split of the data set
    #[arg(long, value_enum, default_value_t = Which::Test)]
    split: Which,
    /// Number of classes to print, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Draw each sample as the model sees it
    #[arg(long)]
    show: bool,
    /// Print one JSON object per picture, one per line
    #[arg(long)]
    json: bool,
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

/// The samples to classify.
struct Batch {
    /// Names of the samples.
    names: Vec<String>,
    /// Samples (N, I).
    pixels: Vec<u8>,
    /// Shape of a sample.
    item: Vec<usize>,
    /// Labels, if they are known.
    labels: Option<Vec<u8>>,
}

impl Predict {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let (model, description) = self.model.read()?;
        let (batch, code, machine) = if self.files.is_empty() {
            let data = self.data.clone().of_model(&self.model.path(), &description)?;
            let ahead = data.ahead();
            let machine = self.engine.machine().await?;
            (self.samples(data.open(ahead)?)?, ExitCode::SUCCESS, machine)
        } else {
            // Files are read first, so that an unreadable one is reported before a GPU is opened.
            let Files { batch, code } = files::read(&self.files, self.fit, &description.item)?;
            if batch.names.is_empty() {
                return Ok(code);
            }
            (batch, code, self.engine.machine().await?)
        };
        let waiting = Waiting::on(&machine);
        let predictions = classify(&machine, &model, &description, batch.pixels.clone(), &batch.item).await?;
        drop(waiting);
        let mut out = out();
        for sample in 0..batch.names.len() {
            let pixels = &batch.pixels[sample * model.inputs()..][..model.inputs()];
            if self.json {
                writeln!(out, "{}", self.object(&batch, &predictions, sample, pixels))?;
                continue;
            }
            if let (true, Some((rows, columns))) = (self.show, shape(&batch.item)) {
                out.write_all(show::draw(pixels, rows, columns).as_bytes())?;
            }
            writeln!(out, "{}", self.line(&batch, &predictions, sample))?;
        }
        Ok(code)
    }

    /// The samples of --index.
    fn samples(&self, data: DataSet) -> Result<Batch, Error> {
        let (split, word) = match self.split {
            Which::Train => (&data.train, "train"),
            Which::Test => (&data.test, "test"),
        };
        if let Some(index) = self.index.iter().find(|&&index| index >= split.len()) {
            let samples = split.len();
            return Err(Error::Setting(format!(
                "index is {index}, but the {word} split has {}",
                counted(samples, "sample")
            )));
        }
        let inputs = data.inputs();
        let pixels = self.index.iter().flat_map(|index| &split.pixels[index * inputs..][..inputs]).copied().collect();
        let labels = self.index.iter().map(|&index| split.labels[index]).collect();
        let names = self.index.iter().map(|index| format!("{word} {index}")).collect();
        Ok(Batch { names, pixels, item: data.item, labels: Some(labels) })
    }

    /// The most probable classes and their probabilities.
    fn top(&self, predictions: &Predictions, sample: usize) -> impl Iterator<Item = (usize, f32)> {
        let row = predictions.row(sample);
        predictions.ranking(sample).into_iter().take(self.top_k as usize).map(|class| (class, row[class]))
    }

    fn line(&self, batch: &Batch, predictions: &Predictions, sample: usize) -> String {
        let best = self.top(predictions, sample).map(|(class, p)| format!("{class} {} %", percent(f64::from(p), 2)));
        let mut line = format!("{}: {}", batch.names[sample], best.collect::<Vec<_>>().join(", "));
        if let Some(labels) = &batch.labels {
            let verdict = if predictions.class(sample) == usize::from(labels[sample]) { "right" } else { "wrong" };
            line += &format!("; label {}, {verdict}", labels[sample]);
        }
        line
    }

    fn object(&self, batch: &Batch, predictions: &Predictions, sample: usize, pixels: &[u8]) -> Value {
        let class = predictions.class(sample);
        let top = self.top(predictions, sample).map(|(class, p)| json!({ "class": class, "probability": p }));
        let mut object = json!({
            "image": batch.names[sample], "class": class, "probability": predictions.row(sample)[class],
            "top": top.collect::<Vec<_>>(),
        });
        if let Some(labels) = &batch.labels {
            object["label"] = labels[sample].into();
        }
        if self.show {
            object["seen"] = pixels.into();
        }
        object
    }
}
