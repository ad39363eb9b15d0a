//! The models that a command reads, from this program or another.

use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::config::{ActivationName, Config, Normalize};
use gpu_mlp::data::Samples;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::McDropout;
use gpu_mlp::results::ensemble::{Member, check};
use gpu_mlp::run::folder::{MODEL, RunFolder, model_in, runs_in, settings_beside};
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::recorded::check_recorded;
use gpu_mlp::run::settings::RunFile;
use gpu_mlp::run::state_dict::StateDict;
use gpu_mlp::train::input_map;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One or more models.
#[derive(Args)]
pub struct ModelsOptions {
    /// Safetensors file of this program, PyTorch state dict of linear layers, run folder, or folder of runs. Several are an
    /// ensemble: its answer is the mean of theirs
    #[arg(required = true, value_name = "MODEL", num_args = 1..)]
    models: Vec<PathBuf>,
    #[command(flatten)]
    other: StateDictOptions,
}

impl ModelsOptions {
    /// Reads the models.
    ///
    /// # Errors
    /// Those of [`StateDictOptions::members`].
    pub fn read(&self) -> Result<Models, Error> {
        self.other.members(&self.models)
    }
}

/// What a state dict does not contain.
#[derive(Args)]
pub struct StateDictOptions {
    /// For a PyTorch state dict: activation of the hidden layers [default: relu]
    #[arg(long, value_enum, help_heading = "Model of another program")]
    activation: Option<ActivationName>,
    /// For a PyTorch state dict: slope of leaky ReLU below zero [default: 0.01], or minus the lower limit of ELU [default: 1]
    #[arg(long, value_name = "SLOPE", help_heading = "Model of another program")]
    alpha: Option<f32>,
    /// For a PyTorch state dict: scaling of an input byte p: p/255 or (p/255 − MEAN)/DEVIATION [default: unit]
    #[arg(long, value_name = "unit|MEAN,DEVIATION", help_heading = "Model of another program")]
    normalize: Option<Normalize>,
}

/// Passes with dropout.
#[derive(Args)]
pub struct DropoutOptions {
    /// Predict with N passes of one model, each with other dropout masks, by the keep probabilities of its run; the answer is
    /// their mean, and their disagreement shows doubt
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_PASSES))]
    mc_dropout: Option<u32>,
    /// Seed of the masks of --mc-dropout [default: the seed of the run]
    #[arg(long, value_name = "N", requires = "mc_dropout")]
    mc_seed: Option<u64>,
}

/// Most passes with dropout. More take long and change nothing: the error of a mean of this many is below a thousandth.
const MOST_PASSES: i64 = 1_000_000;

impl DropoutOptions {
    /// The number of passes and the dropout, if it was asked for.
    ///
    /// # Errors
    /// Those of [`Models::dropout`].
    pub fn of(&self, models: &Models) -> Result<Option<(u32, McDropout)>, Error> {
        self.mc_dropout.map(|passes| Ok((passes, models.dropout(self.mc_seed)?))).transpose()
    }
}

/// The models that a command line names: files, and at least one.
pub struct Models {
    /// The files.
    pub paths: Vec<PathBuf>,
    /// The models in them. They fit each other.
    pub members: Vec<Member>,
}

impl Models {
    /// The first file.
    pub fn path(&self) -> &Path {
        &self.paths[0]
    }

    /// The first model.
    pub fn first(&self) -> &Member {
        &self.members[0]
    }

    /// Whether there are several.
    pub fn are_several(&self) -> bool {
        self.members.len() > 1
    }

    /// The dropout of the only model's run, for passes with dropout.
    ///
    /// # Errors
    /// [`Error::Setting`] if there are several models, or if the settings of the run are not known or have no dropout; those of
    /// reading the settings.
    pub fn dropout(&self, seed: Option<u64>) -> Result<McDropout, Error> {
        if self.are_several() {
            return Err(Error::Setting("--mc-dropout is for one model, but several are given: name one".into()));
        }
        let settings = settings_beside(self.path());
        let unknown = |why: &str| {
            let path = self.path().display();
            Error::Setting(format!(
                "--mc-dropout needs the keep probabilities of the training, but {path} {why}: name the folder of its run"
            ))
        };
        if !settings.is_file() {
            return Err(unknown("has no settings of a run beside it"));
        }
        let run = RunFile::read(&settings)?;
        let description = &self.first().description;
        let config = Config::default().with(&run.settings)?;
        let same_data = run.record.as_ref().is_none_or(|record| record.data_sha256 == description.data_sha256);
        if !same_data || config.widths(self.first().model.inputs(), self.first().model.classes()) != description.widths
        {
            return Err(unknown("lies beside the settings of another run"));
        }
        McDropout::of(&config, seed.unwrap_or(config.seed))
    }
}

impl StateDictOptions {
    /// Reads the models that paths name; a folder of runs names the models of its runs. Prints on stderr which runs are left
    /// out, and which paths name the same file.
    ///
    /// # Errors
    /// Those of reading the models; [`Error::Setting`] if they do not fit each other.
    pub fn members(&self, paths: &[PathBuf]) -> Result<Models, Error> {
        let mut models = Models { paths: Vec::new(), members: Vec::new() };
        let mut seen = BTreeSet::new();
        for path in runs(paths)? {
            let path = model_in(&path);
            if !seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())) {
                say!("note: {} was given more than once and counts once", path.display());
                continue;
            }
            let (model, description) = self.read(&path)?;
            models.members.push(Member { name: name(&path), model, description });
            models.paths.push(path);
        }
        distinguish(&mut models);
        check(&models.members)?;
        let data = |member: &Member| member.description.data_sha256.clone();
        if models.members.iter().any(|member| data(member) != data(models.first())) {
            say!(
                "note: the models were not all trained on the same data set: some may know the samples that others do not"
            );
        }
        Ok(models)
    }

    /// Reads a model, and compares it with the record of its run. Prints assumptions about a state dict on stderr.
    fn read(&self, path: &Path) -> Result<(Mlp, Description), Error> {
        let file = model_file::open(path)?;
        check_recorded(path, &file.sha256)?;
        let given = self.activation.is_some() || self.alpha.is_some() || self.normalize.is_some();
        if let Some(description) = file.description {
            if given {
                return Err(Error::Setting(format!(
                    "{} contains its activation and normalisation: leave out --activation, --alpha and \
                     --normalize",
                    path.display()
                )));
            }
            return Ok((Mlp { activation: description.activation, layers: file.state.layers }, description));
        }
        let activation = self.activation.unwrap_or(Config::default().activation);
        let config = Config {
            activation,
            alpha: self.alpha.unwrap_or(activation.default_alpha()),
            normalize: self.normalize.clone().unwrap_or(Normalize::OF_STATE_DICTS),
            ..Config::default()
        };
        config.check(usize::MAX)?;
        if config.normalize == Normalize::Standard {
            return Err(Error::Setting(
                "--normalize standard depends on what the model was trained on: give mean and deviation, for MNIST \
                 0.1307,0.3081"
                    .into(),
            ));
        }
        understood(path, &file.state, &config);
        Ok(file.with(config.activation(), input_map(&config.normalize, &Samples::default())))
    }
}

/// Prints on stderr how a state dict was understood, and what was assumed.
pub fn understood(path: &Path, state: &StateDict, config: &Config) {
    say!(
        "model: {} is a state dict of another program; layers, in order: {}; assumed: activation {}, inputs {} \
         (--activation, --normalize)",
        path.display(),
        state.sentence,
        config.activation(),
        config.normalize,
    );
}

/// The paths, with each folder of runs replaced by its runs that have a model. Names the others on stderr.
///
/// # Errors
/// [`Error::Data`] if a folder of runs has no model.
pub fn runs(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Error> {
    let mut found = Vec::new();
    for path in paths {
        let runs = runs_in(path);
        if runs.is_empty() {
            found.push(path.clone());
            continue;
        }
        let (with, without): (Vec<RunFolder>, Vec<RunFolder>) = runs.into_iter().partition(|run| run.model().exists());
        without.iter().for_each(|run| say!("note: {} has no model and is left out", run.path().display()));
        if with.is_empty() {
            return Err(Error::Data {
                path: path.clone(),
                problem: "holds runs, but none of them has a model".into(),
                next: "wait until a run has ended, or resume one with `gpu-mlp train --resume RUN`".into(),
            });
        }
        found.extend(with.iter().map(|run| run.path().to_path_buf()));
    }
    Ok(found)
}

/// The name of a model: its run's folder, preceded by the parent folder if the name is a number; or its file.
fn name(path: &Path) -> String {
    let folder = path.parent().filter(|folder| path.ends_with(MODEL) && folder.file_name().is_some());
    let path = folder.unwrap_or(path);
    let last = path.file_name().map_or(path.display().to_string(), |name| name.to_string_lossy().into_owned());
    match path.parent().and_then(Path::file_name) {
        Some(above) if last.bytes().all(|byte| byte.is_ascii_digit()) => format!("{}/{last}", above.to_string_lossy()),
        _ => last,
    }
}

/// Names models by their paths if others have the same names.
fn distinguish(models: &mut Models) {
    let names: Vec<String> = models.members.iter().map(|member| member.name.clone()).collect();
    for (member, path) in models.members.iter_mut().zip(&models.paths) {
        if names.iter().filter(|name| **name == member.name).count() > 1 {
            member.name = path.display().to_string();
        }
    }
}
