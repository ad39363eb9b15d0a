//! `gpu-mlp sweep`

mod words;

use super::processes;
use super::train::trials::Request;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::text::{nearest, plain};
use gpu_mlp::config::space::{MOST_TRIALS, Search};
use gpu_mlp::config::{Config, MOST_FOLDS};
use gpu_mlp::engine::machine::EngineName;
use gpu_mlp::run::settings::fields;
use gpu_mlp::run::sweep::table::Row;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml::Value;
use words::Words;

#[derive(Args)]
#[command(after_help = "\
Every setting takes several values: choices such as 0.5,0.8,1 (for lists such as --hidden, separated by |), or a range such as
0.01..1, or 0.01..1:log for a logarithmic one. Choices alone are a grid; with --trials, values are drawn at random.

Trials are judged by the validation score (--monitor) of the model that each saves, never by the test split. Each is a run
folder like any other, and is bit-identical to the same run on its own. A trial that diverges fails; the others continue.
The processes of mpirun or srun share the trials of the sweep in --out, also in a build without MPI.

Examples:
  gpu-mlp sweep --data digits --lr 0.05,0.1,0.2 --hidden \"64|128\"
  gpu-mlp sweep --lr 0.01..1:log --keep-prob 0.5,0.8,1 --trials 64 --epochs 9 --halving 3
  gpu-mlp sweep --space space.toml --trials 32 --folds 5   the mean over five folds
  gpu-mlp sweep --resume runs/7                            continue a sweep that was killed
  gpu-mlp sweep --lr 0.1,0.2 --out S --join                one of several processes

gpu-mlp report runs/7 writes a page. The folder has trials.jsonl, the table, and journal.log, which Optuna's JournalStorage and optuna-dashboard read.")]
pub struct Sweep {
    // Must be the first field: clap removes values from the matches as it fills the other fields.
    #[command(flatten)]
    words: Words,
    /// Number of random trials [default for choices alone: all combinations]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST_TRIALS), help_heading = "Sweep")]
    trials: Option<u64>,
    /// Try every combination, or draw values at random [default: grid if there are choices alone and no --trials]
    #[arg(long, value_enum, help_heading = "Sweep")]
    search: Option<Search>,
    /// Seed of the random values
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64), help_heading = "Sweep")]
    sweep_seed: u64,
    /// Successive halving: only the best 1/ETA of the trials get ETA times the epochs, again and again
    #[arg(long, value_name = "ETA", value_parser = clap::value_parser!(u64).range(2..=1000), help_heading = "Sweep")]
    halving: Option<u64>,
    /// Cross-validation: train each trial once per fold of the training split, and judge it by the mean
    #[arg(long, value_name = "K", value_parser = clap::value_parser!(u32).range(2..=i64::from(MOST_FOLDS)), help_heading = "Sweep")]
    folds: Option<u32>,
    /// TOML file with the values of settings: texts as on the command line, or arrays of choices
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    space: Option<PathBuf>,
    /// Folder of the sweep [default: the next free runs/N]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Continue the sweep in this folder, with its settings, data and engine; also joins one that is in progress
    #[arg(long, value_name = "DIR", conflicts_with_all = ["trials", "search", "halving", "folds", "space", "out", "join"], help_heading = "Output")]
    resume: Option<PathBuf>,
    /// Start the sweep in --out, or join it if another process has started it
    #[arg(long, requires = "out", help_heading = "Output")]
    join: bool,
    /// Print records, one JSON object per line, instead of text
    #[arg(long, help_heading = "Output")]
    json: bool,
}

impl Sweep {
    pub async fn run(mut self) -> anyhow::Result<ExitCode> {
        if processes::launched_rank().is_some() {
            if self.resume.is_none() && self.out.is_none() {
                let problem = "the processes of mpirun or srun share a sweep by its folder: name it with --out";
                return Err(Error::Setting(problem.into()).into());
            }
            self.join = true;
        }
        if let Some(folder) = &self.resume {
            self.words.refuse_settings()?;
            return self.words.train_resumed(folder).resume_sweep(folder, self.json).await;
        }
        let mut space = self.words.space.clone();
        let mut fixed = Vec::new();
        if let Some(path) = &self.space {
            for (name, text) in read(path)? {
                if self.words.names(&name) {
                    // The command line overrides the file.
                } else if text.varies {
                    space.push((name, text.text));
                } else {
                    fixed.push((name, text.text));
                }
            }
        }
        let train = self.words.train(&fixed);
        let request = Request {
            space,
            trials: self.trials,
            search: self.search,
            seed: self.sweep_seed,
            halving: self.halving,
            folds: self.folds,
            out: self.out,
            join: self.join,
            json: self.json,
        };
        train.sweep(request).await
    }
}

/// The command that repeats a trial; with folds, one that trains its settings on the whole training split. `folder`: that of
/// the sweep.
///
/// # Errors
/// [`Error::Setting`] if the values are not possible together.
pub fn repeat(sweep: &gpu_mlp::run::sweep::Sweep, base: &Config, row: &Row, folder: &Path) -> Result<String, Error> {
    let fold = sweep.folds.map(|_| 1);
    let config = sweep.config(base, &row.trial, fold)?;
    let mut command = format!("gpu-mlp train --config {}", row.trial.run(folder, fold).display());
    if fold.is_some() {
        // Early stopping and the like need a validation split.
        command += if config.check_choices(false).is_ok() { " --validation 0" } else { " --validation 0.1" };
    }
    if let Some(steps) = sweep.max_steps {
        command += &format!(" --max-steps {steps}");
    }
    // Another engine rounds differently, and `auto` may choose another one than the sweep was given.
    match sweep.engine.engine {
        // A sweep times no forms of products, which would change the rounding of a run.
        EngineName::Gpu => command += " --engine gpu --tune off",
        EngineName::Cpu | EngineName::Auto => command += " --engine cpu",
    }
    let names = [("adapter", &sweep.engine.adapter), ("backend", &sweep.engine.backend)];
    for (option, name) in names.into_iter().filter_map(|(option, name)| Some((option, name.as_ref()?))) {
        command += &format!(" --{option} {name:?}");
    }
    Ok(command)
}

/// The value of a key in the file of --space.
struct Text {
    text: String,
    /// Whether there are several.
    varies: bool,
}

/// Reads the file of --space.
fn read(path: &Path) -> Result<Vec<(String, Text)>, Error> {
    let refuse = |problem: String| Error::Config { path: path.into(), problem };
    let text = std::fs::read_to_string(path).map_err(|error| refuse(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| refuse(error.to_string()))?;
    let mut settings = Vec::new();
    for (key, value) in table {
        let name = key.replace('-', "_");
        if !fields().contains(&name.as_str()) {
            let same = fields().iter().copied().find(|known| plain(known) == plain(&name));
            let near = same.or_else(|| nearest(&name, fields()));
            let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
            return Err(refuse(format!("unknown setting `{key}`{near}")));
        }
        let text = match &value {
            Value::Array(choices) => {
                let words: Option<Vec<String>> = choices.iter().map(word).collect();
                let words = words.ok_or_else(|| {
                    refuse(format!("{key}: choices are numbers, texts or true and false, such as [0.5, 0.8, 1]"))
                })?;
                Text { varies: words.len() > 1, text: words.join("|") }
            }
            value => {
                let text = word(value).ok_or_else(|| {
                    refuse(format!("{key}: write a text such as \"0.01..1:log\", or an array of choices"))
                })?;
                let varies = value.is_str() && gpu_mlp::config::space::Space::varies(&name, &text);
                Text { varies, text }
            }
        };
        settings.push((name, text));
    }
    Ok(settings)
}

/// A value as an option has it; a list as `256,256`.
fn word(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(_) | Value::Float(_) | Value::Boolean(_) => Some(value.to_string()),
        Value::Array(list) => Some(list.iter().map(word).collect::<Option<Vec<_>>>()?.join(",")),
        _ => None,
    }
}
