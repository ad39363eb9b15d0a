//! `gpu-mlp predict`

mod answer;
mod doubt;
pub mod files;
mod index;
pub mod show;
pub mod source;
mod table;

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::eval::share;
use super::model::{DropoutOptions, Models, StateDictOptions};
use super::out::out;
use super::progress::Waiting;
use super::target;
use answer::{Answers, Format, Style};
use clap::Args;
use doubt::Extra;
use files::Files;
use gpu_mlp::Error;
use gpu_mlp::base::disk::{Growing, write_out};
use gpu_mlp::data::images::Fit;
use gpu_mlp::data::shape::picture_size;
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::EVAL_BATCH;
use gpu_mlp::results::assess::{McDropout, Predictions};
use gpu_mlp::results::ensemble::Ensemble;
use gpu_mlp::run::folder::RunFolder;
use gpu_mlp::run::model_file;
use index::Index;
use indicatif::ProgressBar;
use source::{Batch, Source, Which};
use std::io::{BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use table::Tables;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp predict runs/1/model.safetensors 7.png photo.jpg --show
  gpu-mlp predict runs/1 . --out answers.csv --force  every picture in a folder, as a table
  gpu-mlp predict runs/1/model.safetensors '*.png' --threshold 0.9
  gpu-mlp predict runs/1/model.safetensors *.png --json --top-k 10 > answers.jsonl
  gpu-mlp predict runs/1/model.safetensors - < 7.png
  gpu-mlp predict runs/1/model.safetensors --index 0,1,10-19  samples of the test split
  gpu-mlp predict runs/1/model.safetensors --split train --index all
  gpu-mlp predict runs/iris new.csv --out predictions.csv  rows of a table
  gpu-mlp predict runs/1 runs/2 7.png  an ensemble: the mean of both, and how many agree
  gpu-mlp predict runs/dropout 7.png --mc-dropout 20

A picture shows one digit, dark or light, in any colours; shadows, ruled lines and frames are allowed. It is brought to the
layout of the model's training pictures: for MNIST cropped, scaled to 20×20 and centred by its centre of mass. A picture that
already has that layout is not changed. Notes say what was done and what is unsure, such as a picture that is unlike the
training pictures; --show draws the result.")]
pub struct Predict {
    /// Safetensors file of this program, PyTorch state dict of linear layers, run folder, or folder of runs, which are an
    /// ensemble
    #[arg(value_name = "MODEL")]
    model: PathBuf,
    #[command(flatten)]
    other: StateDictOptions,
    /// First the further members of an ensemble, if any: run folders and model files of this program. For a model of a table: files with the same columns. For a model of pictures: PNG or JPEG files of any size, folders of
    /// them (without the folders in them), patterns such as '*.png' or 'a/**/*.png', `-` for standard input; without files,
    /// samples of the data set are classified
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// How pictures are prepared: `auto` like the training pictures, `mnist` like MNIST's, `plain` only in grey and resized
    #[arg(long, value_enum, default_value_t = Fit::default())]
    fit: Fit,
    /// Samples of the split: numbers from 0, ranges such as 0-99, or `all` [default: 0]
    #[arg(long, value_delimiter = ',', value_name = "all|N|N-M,…")]
    index: Vec<Index>,
    /// Split of the data set [default: test]
    #[arg(long, value_enum)]
    split: Option<Which>,
    /// Number of classes to print, the most probable first
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    top_k: u32,
    /// Answer "none of these" if no class has at least this probability (0 to 1)
    #[arg(long, value_name = "SHARE", value_parser = share)]
    threshold: Option<f64>,
    /// Draw each sample as the model sees it
    #[arg(long)]
    show: bool,
    /// Print one JSON object per picture, one per line
    #[arg(long)]
    json: bool,
    /// Write a CSV file (`-` for stdout): name, class or `none`, probability, and a column for each class
    #[arg(long, value_name = "FILE", conflicts_with_all = ["json", "show"])]
    out: Option<PathBuf>,
    /// Replace the CSV file if it exists
    #[arg(long, requires = "out")]
    force: bool,
    #[command(flatten)]
    dropout: DropoutOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

/// Number of samples that are read, classified and printed at a time. It does not depend on the number of files: a product's
/// rounding depends on its size, and an answer must not depend on the other files.
const BATCH: usize = 64;

impl Predict {
    pub async fn run(mut self) -> anyhow::Result<ExitCode> {
        let further = self.files.iter().take_while(|path| is_model(path)).count();
        let named: Vec<PathBuf> = std::iter::once(self.model.clone()).chain(self.files.drain(..further)).collect();
        if !(self.files.is_empty() || self.index.is_empty() && self.split.is_none()) {
            let advice =
                "--index and --split select samples of the data set, but files are given: leave out one of them";
            return Err(Error::Setting(advice.into()).into());
        }
        let models = self.other.members(&named)?;
        let dropout = self.dropout.of(&models)?;
        let description = &models.first().description;
        if description.features.is_some() {
            return self.tables(&models, dropout).await;
        }
        let task = description.task();
        if !task.is_classes() {
            let predicted = task.counted();
            let advice = format!("the model predicts {predicted} from bytes, not classes: use it with the library");
            return Err(Error::Setting(advice).into());
        }
        let path = models.path();
        let mut source;
        let mut machine = None;
        if self.files.is_empty() {
            self.check_out(&models, &self.data.files())?;
            let data = self.data.clone().of_model(path, description)?;
            let ahead = data.ahead();
            machine = Some(self.engine.machine().await?);
            let data = data.open(ahead)?;
            description.check_data(&data)?.iter().for_each(|note| say!("note: {note}"));
            let data = description.encode(data)?;
            let index: &[Index] = if self.index.is_empty() { &[Index::Range(0, 0)] } else { &self.index };
            source = Source::split(data, self.split.unwrap_or(Which::Test), index)?;
        } else {
            if models.members.iter().any(|member| member.description.layout != description.layout) {
                let name = &models.first().name;
                say!(
                    "note: the models' training pictures differ in layout: pictures are prepared like those of {name}"
                );
            }
            let files = Files::find(&self.files, self.fit, description);
            self.check_out(&models, files.paths())?;
            source = Source::Files(files);
        }
        let item = source.item(&description.item).to_vec();
        description.check_shape(&item)?;
        let style = self.style(item);
        let csv = style.format == Format::Csv;
        let mut table = Vec::new();
        let mut ensemble: Option<Ensemble> = None;
        let mut waiting = None;
        let (mut all, mut none) = (0, 0);
        let bar = self.bar(source.left());
        while source.left() > 0 {
            // Files are read first, so that an unreadable one is reported before a GPU is opened.
            let mut batch = source.read(BATCH)?;
            if batch.names.is_empty() {
                continue;
            }
            batch.compare(description.novelty.as_ref(), &style.item, !self.files.is_empty());
            if ensemble.is_none() {
                let machine = match machine.take() {
                    Some(machine) => machine,
                    None => self.engine.machine().await?,
                };
                waiting = Some(Waiting::on(&machine));
                ensemble = Some(load(&machine, &models, dropout, BATCH).await?);
            }
            let ensemble = ensemble.as_mut().expect("made above");
            let pooled = ensemble.predict(&batch.pixels[..]).await.map_err(|error| in_batch(error, &batch))?;
            let predictions = Predictions { classes: task.outputs(), probabilities: pooled.answers.clone() };
            drop(waiting.take());
            none += (0..batch.names.len()).filter(|&sample| style.class(&predictions, sample).is_none()).count();
            let mut stdout = out();
            let to: &mut dyn Write = if csv { &mut table } else { &mut stdout };
            let extra = Extra::of(ensemble, &task, dropout.is_some(), true);
            let answers = Answers { predictions: &predictions, pooled: &pooled, extra: &extra };
            style.write(to, &batch, &answers, all == 0)?;
            all += batch.names.len();
            bar.inc(batch.names.len() as u64);
        }
        bar.finish_and_clear();
        source.say_notes();
        if all > 0
            && let Some(out) = &self.out
        {
            self.write(out, &table, all)?;
        }
        if let Some(threshold) = self.threshold.filter(|_| none > 0) {
            say!("note: {none} of {all} have no class with a probability of at least {threshold}");
        }
        Ok(source.code())
    }

    /// Predicts the rows of tables.
    async fn tables(&self, models: &Models, dropout: Option<(u32, McDropout)>) -> anyhow::Result<ExitCode> {
        if self.files.is_empty() {
            return Err(Error::Setting("the model predicts rows of tables: name a file, such as new.csv".into()).into());
        }
        self.check_out(models, &self.files)?;
        let machine = self.engine.machine().await?;
        let waiting = Waiting::on(&machine);
        let mut ensemble = load(&machine, models, dropout, EVAL_BATCH).await?;
        drop(waiting);
        let options = self.data.table_options();
        let tables = Tables {
            files: &self.files,
            options: &options,
            description: &models.first().description,
            format: self.format(),
            top_k: self.top_k as usize,
            threshold: self.threshold.unwrap_or_default() as f32,
            dropout: dropout.is_some(),
        };
        match self.out.as_deref().filter(|out| *out != "-") {
            None => {
                let mut stdout = BufWriter::new(out());
                tables.run(&mut ensemble, &mut stdout, Path::new("standard output")).await?;
                stdout.flush()?;
            }
            Some(path) => {
                let mut file = BufWriter::new(Growing::create(path)?);
                let rows = tables.run(&mut ensemble, &mut file, path).await?;
                file.into_inner().map_err(|error| Error::file(path)(error.into_error()))?.keep()?;
                say!("written: {}, samples: {rows}", path.display());
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    fn format(&self) -> Format {
        match (self.json, &self.out) {
            (true, _) => Format::Json,
            (_, Some(_)) => Format::Csv,
            _ => Format::Text,
        }
    }

    /// Refuses an output file that exists or is read.
    fn check_out(&self, models: &Models, inputs: &[PathBuf]) -> Result<(), Error> {
        let inputs = inputs.iter().chain(&models.paths).map(PathBuf::as_path);
        self.out.iter().filter(|out| *out != "-").try_for_each(|out| target::check(out, self.force, inputs.clone()))
    }

    fn style(&self, item: Vec<usize>) -> Style {
        if self.show && !self.json && picture_size(&item).is_none() {
            say!("note: --show draws nothing, because samples of shape {item:?} are not grey pictures");
        }
        let format = self.format();
        let threshold = self.threshold.unwrap_or_default() as f32;
        Style { top_k: self.top_k as usize, threshold, show: self.show, format, item }
    }

    /// A bar on stderr, unless the answers appear on the terminal as they are found.
    fn bar(&self, samples: usize) -> ProgressBar {
        let answers_on_terminal = self.out.is_none() && std::io::stdout().is_terminal();
        if super::quiet() || answers_on_terminal || samples <= BATCH {
            return ProgressBar::hidden();
        }
        ProgressBar::new(samples as u64)
    }

    /// Writes the table.
    fn write(&self, to: &Path, table: &[u8], rows: usize) -> anyhow::Result<()> {
        if to == "-" {
            out().write_all(table)?;
            out().flush()?;
        } else {
            write_out(to, table)?;
            say!("written: {}, samples: {rows}", to.display());
        }
        Ok(())
    }
}

/// Whether a path names a further member of an ensemble: a run folder without pictures, or a model file of this program. A
/// table may be a safetensors file too.
fn is_model(path: &Path) -> bool {
    if path.is_dir() {
        return RunFolder::new(path).model().exists() && !files::has_pictures(path);
    }
    path.extension().is_some_and(|ending| ending == "safetensors")
        && model_file::open(path).is_ok_and(|file| file.description.is_some())
}

/// Loads the models, or one with dropout.
async fn load(
    machine: &Machine,
    models: &Models,
    dropout: Option<(u32, McDropout)>,
    batch: usize,
) -> Result<Ensemble, Error> {
    match dropout {
        Some((passes, dropout)) => Ensemble::with_dropout(machine, models.first(), &dropout, passes, batch).await,
        None => Ensemble::new(machine, &models.members, batch).await,
    }
}

/// Gives the sample of an error its name.
fn in_batch(error: Error, batch: &Batch) -> Error {
    match error {
        Error::NotFinite { index, class, value, .. } => {
            Error::NotFinite { sample: batch.names[index].clone(), index, class, value }
        }
        error => error,
    }
}
