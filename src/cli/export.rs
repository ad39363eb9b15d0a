//! `gpu-mlp export`

use super::model::ModelOptions;
use super::out::out;
use super::target;
use clap::{Args, ValueEnum};
use gpu_mlp::Error;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::folder::few;
use gpu_mlp::kernels::Precision;
use gpu_mlp::results::export::{csv::csv, onnx::onnx, sequential::Sequential};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp export runs/1/model.safetensors --format onnx --out net.onnx
  gpu-mlp export runs/1/model.safetensors --format safetensors      for torch.nn.Sequential
  gpu-mlp export runs/1/model.safetensors --format csv --out -      layer,part,output,input,value")]
pub struct Export {
    #[command(flatten)]
    model: ModelOptions,
    /// Format: `onnx` for any ONNX runtime, `safetensors` for torch.nn.Sequential, `csv` as text
    #[arg(long, value_enum)]
    format: Format,
    /// Output file, `-` for stdout [default: next to the model, as .onnx, .torch.safetensors or .csv]
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
        let path = self.out.clone().unwrap_or_else(|| self.model.path().with_extension(ending));
        let to_stdout = path == Path::new("-");
        if !to_stdout {
            target::check(&path, self.force, [self.model.path().as_path()])?;
        }
        let (model, description) = self.model.read()?;
        let sequential = Sequential { input_dropout: self.input_dropout, dropout: self.dropout };
        let mut note = None;
        let bytes = match self.format {
            Format::Onnx => onnx(&model, &description)?,
            Format::Safetensors => {
                let inputs = match &description.features {
                    None => format!("{} of bytes p", description.inputs),
                    Some(features) => format!("these, normalised as the metadata say: {}", few(&features.names())),
                };
                note = Some(format!("for {}, whose inputs are {inputs}", sequential.python(&model)));
                sequential.to_bytes(&path, &model, &description)?
            }
            Format::Csv => {
                let mut bytes = Vec::new();
                csv(&model, &mut bytes)?;
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
        if description.precision == Some(Precision::Int8) {
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
