//! `gpu-mlp explain`

mod text;

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::model::StateDictOptions;
use super::out::out;
use super::predict::files::Files;
use super::predict::source::{Which, part};
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::text::nearest;
use gpu_mlp::data::images::Fit;
use gpu_mlp::data::{Split, Targets, Task};
use gpu_mlp::kernels::Precision;
use gpu_mlp::results::ensemble::Member;
use gpu_mlp::results::explain::Explainer;
use gpu_mlp::run::folder::model_in;
use gpu_mlp::run::model_file::Description;
use serde_json::json;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp explain runs/1                     the first test sample, layer by layer, and back
  gpu-mlp explain runs/1 --index 8 --all     every value of every layer
  gpu-mlp explain runs/1 7.png --label 7     a picture
  gpu-mlp explain runs/1 --index 3 --json > sample.json

It shows a sample on its way: the sums z and outputs h of each layer, the logits, softmax, the one-hot target y, p - y, and the
loss; then on the way back the error signal δ and the gradients of each layer. The values are those of a training step with
this one sample, by the kernels of the textbook (`gpu-mlp plan --plan plain`).")]
pub struct Explain {
    /// Safetensors file of this program, PyTorch state dict of linear layers, or run folder
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    state_dict: StateDictOptions,
    /// PNG or JPEG file; without it, a sample of the data set is explained
    #[arg(value_name = "FILE", conflicts_with_all = ["index", "split"])]
    file: Option<PathBuf>,
    /// How a picture is prepared: see `gpu-mlp predict --help`
    #[arg(long, value_enum, default_value_t = Fit::default())]
    fit: Fit,
    /// Number of the sample in the split, from 0
    #[arg(long, default_value_t = 0, value_name = "N")]
    index: usize,
    /// Split of the data set
    #[arg(long, value_enum, default_value_t = Which::Test)]
    split: Which,
    /// The true class: needed for a file, else the data set's. Another class shows how it would change the weights
    #[arg(long, value_name = "CLASS")]
    label: Option<String>,
    /// Print all values of each layer, not only the largest
    #[arg(long, conflicts_with = "json")]
    all: bool,
    /// Print one JSON object with all values
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

/// The sample to explain.
struct Subject {
    name: String,
    /// One encoded sample, with a target.
    sample: Split,
    /// Whether the target is known.
    known: bool,
    /// The sample as it is stored, if it is bytes.
    pixels: Vec<u8>,
    item: Vec<usize>,
}

impl Explain {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let models = self.state_dict.members(std::slice::from_ref(&self.model))?;
        if models.are_several() {
            let path = self.model.display();
            return Err(Error::Setting(format!("{path} holds several models, but one is explained: name one")).into());
        }
        let Member { model, description, .. } = models.first();
        let Some(mut subject) = self.subject(description)? else { return Ok(ExitCode::from(5)) };
        if let Some(class) = self.class(&description.task())? {
            (subject.sample.targets, subject.known) = (Targets::Classes(vec![class]), true);
        }
        let machine = self.engine.machine().await?;
        let mut explainer = Explainer::new(&machine, model, description).await?;
        let explanation = explainer.explain(&subject.sample, subject.known, 0).await?;
        if description.precision == Some(Precision::Int8) {
            say!(
                "note: the model predicts in integers; these are its values in single precision, which differ slightly"
            );
        }
        if self.json {
            let mut object = serde_json::to_value(&explanation)?;
            object["sample"] = json!(subject.name);
            object["names"] = json!(description.task().names());
            object["widths"] = json!(description.widths);
            object["activation"] = json!(description.activation.to_string());
            writeln!(out(), "{object}")?;
            return Ok(ExitCode::SUCCESS);
        }
        let text = text::Text { explanation: &explanation, model, task: description.task(), all: self.all };
        out().write_all(text.write(&subject.name, &subject.pixels, &subject.item).as_bytes())?;
        if !subject.known {
            say!("note: no label is known, so there is no loss and no way back: give the true class with --label");
        }
        Ok(ExitCode::SUCCESS)
    }

    /// The sample; `None` if the file could not be read, which was reported.
    fn subject(&self, description: &Description) -> anyhow::Result<Option<Subject>> {
        let Some(file) = &self.file else { return self.of_data(description).map(Some) };
        if description.features.is_some() {
            let advice = "the model takes rows of a table: give the number of a row of its data set with --index";
            return Err(Error::Setting(advice.into()).into());
        }
        let mut files = Files::find(std::slice::from_ref(file), self.fit, description);
        if files.paths().len() > 1 {
            return Err(Error::Setting(format!("{} names several files: give one", file.display())).into());
        }
        let batch = files.read(1)?;
        let (Some(name), true) = (batch.names.first(), files.all_read) else { return Ok(None) };
        files.say_notes();
        let outputs = description.task().outputs();
        let unknown = match description.task() {
            Task::Classes { .. } => Targets::Classes(vec![0]),
            _ => Targets::Values { width: outputs, values: vec![0.0; outputs] },
        };
        let (pixels, item) = (batch.pixels.clone(), description.item.clone());
        let sample = Split::new(batch.pixels, unknown);
        Ok(Some(Subject { name: name.clone(), sample, known: false, pixels, item }))
    }

    fn of_data(&self, description: &Description) -> anyhow::Result<Subject> {
        let data = self.data.clone().of_model(&model_in(&self.model), description)?;
        let ahead = data.ahead();
        let data = data.open(ahead)?;
        description.check_data(&data)?.iter().for_each(|note| say!("note: {note}"));
        let data = description.encode(data)?;
        description.check_shape(&data.item)?;
        let (word, split) = part(&data, self.split);
        if self.index >= split.len() {
            let (index, samples) = (self.index, split.len());
            let problem = format!("index is {index}, but the {word} split has {samples} samples, numbered from 0");
            return Err(Error::Setting(problem).into());
        }
        let sample = split.rows(&[self.index]);
        let outputs = description.task().outputs();
        // A data set may have more classes than the model.
        let known = sample.classes().iter().all(|class| (*class as usize) < outputs);
        let pixels = sample.samples.bytes().unwrap_or_default().to_vec();
        Ok(Subject { name: format!("{word} sample {}", self.index), sample, known, pixels, item: data.item.clone() })
    }

    /// The class of --label.
    fn class(&self, task: &Task) -> Result<Option<u32>, Error> {
        let Some(label) = &self.label else { return Ok(None) };
        if !task.is_classes() {
            let advice =
                format!("--label is for models of classes, but this one predicts {}: leave it out", task.counted());
            return Err(Error::Setting(advice));
        }
        let names: Vec<&str> = task.names().iter().map(String::as_str).collect();
        if let Some(class) = names.iter().position(|name| name == label) {
            return Ok(Some(class as u32));
        }
        let near = nearest(label, &names).map_or(String::new(), |near| format!("; did you mean {near}?"));
        Err(Error::Setting(format!("there is no class {label}: the classes are {}{near}", names.join(", "))))
    }
}
