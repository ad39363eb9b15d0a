//! `gpu-mlp predict`

mod files;
mod show;

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::model::ModelOptions;
use super::out::out;
use clap::{Args, ValueEnum};
use files::Files;
use gpu_mlp::Error;
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
  gpu-mlp predict runs/1/model.safetensors --index 0,1,2  samples of the data set
  gpu-mlp predict runs/1/model.safetensors --split train --index 7

A picture shows one digit on an even background, in any colours. For models that take 28×28 it is read as MNIST's digits
were made: cropped to its ink, fitted to 20×20, centre of mass in the middle. --show draws what the model saw.")]
pub struct Predict {
    #[command(flatten)]
    model: ModelOptions,
    /// PNG or JPEG files of any size; - is standard input. Without any, samples of the data set
    #[arg(value_name = "FILE", conflicts_with_all = ["index", "split"])]
    files: Vec<PathBuf>,
    /// How files are read: `mnist` as MNIST's digits were made, `plain` grey and resized, `auto` by what the model takes
    #[arg(long, value_enum, default_value_t = Fit::default())]
    fit: Fit,
    /// Which samples of the split, from 0, with commas between
    #[arg(long, value_delimiter = ',', default_value = "0", value_name = "N,…")]
    index: Vec<usize>,
    /// Which split
    #[arg(long, value_enum, default_value_t = Which::Test)]
    split: Which,
    /// How many classes to name, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Draw each sample as the model saw it
    #[arg(long)]
    show: bool,
    /// One JSON object a picture, a line each
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

/// What is to be classified.
struct Batch {
    /// What each sample is called.
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
            // Files are read first: whether they can be is known before a GPU is looked for.
            let Files { batch, code } = files::read(&self.files, self.fit, &description.item)?;
            if batch.names.is_empty() {
                return Ok(code);
            }
            (batch, code, self.engine.machine().await?)
        };
        let predictions = classify(&machine, &model, &description, batch.pixels.clone(), &batch.item).await?;
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

    /// The samples of the data set that were asked for.
    fn samples(&self, data: DataSet) -> Result<Batch, Error> {
        let (split, word) = match self.split {
            Which::Train => (&data.train, "train"),
            Which::Test => (&data.test, "test"),
        };
        if let Some(index) = self.index.iter().find(|&&index| index >= split.len()) {
            let samples = split.len();
            return Err(Error::Setting(format!("index is {index}, but the {word} split has {samples} samples")));
        }
        let inputs = data.inputs();
        let pixels = self.index.iter().flat_map(|index| &split.pixels[index * inputs..][..inputs]).copied().collect();
        let labels = self.index.iter().map(|&index| split.labels[index]).collect();
        let names = self.index.iter().map(|index| format!("{word} {index}")).collect();
        Ok(Batch { names, pixels, item: data.item, labels: Some(labels) })
    }

    /// Ranks and probabilities of the most probable classes.
    fn top(&self, predictions: &Predictions, sample: usize) -> impl Iterator<Item = (usize, f32)> {
        let row = predictions.row(sample);
        predictions.ranking(sample).into_iter().take(self.top_k as usize).map(|class| (class, row[class]))
    }

    fn line(&self, batch: &Batch, predictions: &Predictions, sample: usize) -> String {
        let best = self.top(predictions, sample).map(|(class, p)| format!("{class} {:.2} %", 100.0 * p));
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
