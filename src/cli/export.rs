//! `gpu-mlp export`

use super::model::ModelsOptions;
use super::out::out;
use super::target;
use clap::{Args, ValueEnum};
use gpu_mlp::Error;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::folder::few;
use gpu_mlp::kernels::Precision;
use gpu_mlp::results::ensemble::Member;
use gpu_mlp::results::export::onnx::{onnx, onnx_ensemble};
use gpu_mlp::results::export::{csv::csv, sequential::Sequential};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp export runs/1/model.safetensors --format onnx --out net.onnx
  gpu-mlp export runs/1 runs/2 --format onnx --out ensemble.onnx    the mean of both
  gpu-mlp export runs/1/model.safetensors --format safetensors      for torch.nn.Sequential
  gpu-mlp export runs/1/model.safetensors --format csv --out -      layer,part,output,input,value")]
pub struct Export {
    #[command(flatten)]
    models: ModelsOptions,
    /// Format: `onnx` for any ONNX runtime, also for several models in one graph, `safetensors` for torch.nn.Sequential, `csv` as text
    #[arg(long, value_enum)]
    format: Format,
    /// Output file, `-` for stdout [default: next to the model, as .onnx, .torch.safetensors or .csv; for several models,
    /// ensemble.onnx in the current folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// For safetensors: the Sequential has an nn.Dropout after each activation
    #[arg(long)]
    dropout: bool,
    /// For safetensors: the Sequential starts with an nn.Dropout
    #[arg(long)]
    input_dropout: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Format {
    Onnx,
    Safetensors,
    Csv,
}

impl Export {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if (self.dropout || self.input_dropout) && self.format != Format::Safetensors {
            return Err(
                Error::Setting("--dropout and --input-dropout apply to --format safetensors only".into()).into()
            );
        }
        let ending = match self.format {
            Format::Onnx => "onnx",
            Format::Safetensors => "torch.safetensors",
            Format::Csv => "csv",
        };
        let models = self.models.read()?;
        if models.are_several() && self.format != Format::Onnx {
            let advice = "several models are one file only with --format onnx: export each by itself";
            return Err(Error::Setting(advice.into()).into());
        }
        let beside = || match models.are_several() {
            true => PathBuf::from("ensemble").with_extension(ending),
            false => models.path().with_extension(ending),
        };
        let path = self.out.clone().unwrap_or_else(beside);
        let to_stdout = path == Path::new("-");
        if !to_stdout {
            target::check(&path, self.force, models.paths.iter().map(PathBuf::as_path))?;
        }
        let Member { model, description, .. } = models.first();
        let sequential = Sequential { input_dropout: self.input_dropout, dropout: self.dropout };
        let mut note = None;
        let bytes = match self.format {
            Format::Onnx if models.are_several() => onnx_ensemble(&models.members)?,
            Format::Onnx => onnx(model, description)?,
            Format::Safetensors => {
                let inputs = match &description.features {
                    None => format!("{} of bytes p", description.inputs),
                    Some(features) => format!("these, normalised as the metadata say: {}", few(&features.names())),
                };
                note = Some(format!("for {}, whose inputs are {inputs}", sequential.python(model)));
                sequential.to_bytes(&path, model, description)?
            }
            Format::Csv => {
                let mut bytes = Vec::new();
                csv(model, &mut bytes)?;
                bytes
            }
        };
        if to_stdout {
            let mut out = out();
            out.write_all(&bytes)?;
            // Bytes after the last newline would otherwise be written at exit, where an error is lost.
            out.flush()?;
        } else {
            write_out(&path, &bytes)?;
            say!("written: {}, {}", path.display(), counted(bytes.len(), "byte"));
        }
        note.iter().for_each(|note| say!("{note}"));
        if models.members.iter().any(|member| member.description.precision == Some(Precision::Int8)) {
            say!(
                "note: the model was trained in integers, which rounds the outputs of each layer; the exported file computes in \
                 floats, so its outputs differ slightly"
            );
        }
        if description.was_transposed() == Some(true) {
            say!(
                "note: the training images were transposed on loading: their files store columns as rows. {}",
                match self.format {
                    Format::Onnx =>
                        "The graph does the same, so give it the bytes of the files; transpose an upright picture first",
                    Format::Safetensors | Format::Csv =>
                        "Transpose the images of the files before you give them to these weights",
                }
            );
        }
        Ok(ExitCode::SUCCESS)
    }
}
