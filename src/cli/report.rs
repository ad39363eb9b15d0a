//! `gpu-mlp report`

use super::data::DataOptions;
use super::engine::EngineOptions;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::base::hash;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::{self, Choice, DataSet, Places};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::assess;
use gpu_mlp::results::report::{MOST_RUNS, Results, Subject, page};
use gpu_mlp::run::folder::{METRICS, MODEL, REPORT, RunFolder};
use gpu_mlp::run::history::History;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::settings::{DataSettings, RunFile};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp report runs/1                            writes runs/1/report.html
  gpu-mlp report runs/1 runs/1 --out compare.html  two runs, overlaid
  gpu-mlp report runs/1 --engine cpu               evaluated on the CPU

The page is one file that needs neither a network nor scripts. It shows curves, gradients, confusion matrix, mistakes,
calibration, weights and settings. Nothing is downloaded: if the data set of a run is missing, the page says so and shows
the rest.")]
pub struct Report {
    /// Run folders, up to 8
    #[arg(required = true, value_name = "RUN", num_args = 1..)]
    runs: Vec<PathBuf>,
    /// Output file [default: report.html in the run folder, or in the current folder for several runs]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

impl Report {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        if self.runs.len() > MOST_RUNS {
            let problem = format!("{} runs were given, but a page shows at most {MOST_RUNS}", self.runs.len());
            return Err(Error::Setting(problem).into());
        }
        let histories = self.runs.iter().map(|run| History::read(run)).collect::<Result<Vec<_>, _>>()?;
        let machine = self.engine.machine().await?;
        let mut sets: Vec<Arc<DataSet>> = Vec::new();
        let mut subjects = Vec::new();
        for history in histories {
            subjects.push(self.subject(history, &machine, &mut sets).await);
        }
        let out = match (&self.out, &self.runs[..]) {
            (Some(out), _) => out.clone(),
            (None, [run]) => RunFolder::new(run).report(),
            (None, _) => REPORT.into(),
        };
        let page = page(&subjects);
        write_out(&out, page.as_bytes())?;
        say!("report: {} ({} kB)", out.display(), page.len().div_ceil(1000));
        Ok(ExitCode::SUCCESS)
    }

    /// Collects everything about a run. Missing parts are noted on stderr and on the page.
    async fn subject(&self, history: History, machine: &Machine, sets: &mut Vec<Arc<DataSet>>) -> Subject {
        let name = name(&history.folder);
        let path = RunFolder::new(&history.folder).model();
        let model = match &history.end {
            Some(end) if end.model_sha256.is_none() && !path.exists() => Err("the run wrote no model".into()),
            _ => model_file::read(&path).map_err(|error| error.to_string()),
        };
        let results = match &model {
            Err(problem) => Err(problem.clone()),
            Ok(model) => self.results(&history, model, machine, sets).await,
        };
        let mut notes = Vec::new();
        if history.torn > 0 {
            notes.push(format!("{} of {METRICS} could not be read and omitted", counted(history.torn, "line")));
        }
        let recorded = history.end.as_ref().and_then(|end| end.model_sha256.as_deref());
        if recorded.is_some_and(|recorded| sha256(&path).is_some_and(|found| found != recorded)) {
            notes.push(format!("{MODEL} was not written by this run: its hash differs from the record"));
        }
        if recorded.is_none() && model.is_ok() {
            let end = if history.end.is_some() { "wrote no model at its end" } else { "has not ended" };
            notes.push(format!("this run {end}: {MODEL} is from an earlier run, and so are its test results"));
        }
        notes.extend(history.changes.iter().map(|change| format!("this run was changed during training, {change}")));
        notes.iter().for_each(|note| say!("note: {name}: {note}"));
        if let Err(problem) = &results {
            say!("note: {name} was not evaluated: {problem}");
        }
        Subject { name, history, model, results, notes }
    }

    async fn results(
        &self,
        history: &History,
        (model, description): &(Mlp, Description),
        machine: &Machine,
        sets: &mut Vec<Arc<DataSet>>,
    ) -> Result<Results, String> {
        let data = self.data_of(history, sets)?;
        let assessment = assess(machine, model, description, &data.test, &data.item).await;
        Ok(Results { assessment: assessment.map_err(|error| error.to_string())?, data })
    }

    /// The data set of the run, or why it cannot be opened.
    fn data_of(&self, history: &History, sets: &mut Vec<Arc<DataSet>>) -> Result<Arc<DataSet>, String> {
        let header = &history.header;
        if let Some(data) = sets.iter().find(|data| data.sha256 == header.data_sha256) {
            return Ok(data.clone());
        }
        // Old run folders have no data settings: MNIST and the digits are found by name.
        let mut recorded = RunFile::read(&history.folder).map(|file| file.data).unwrap_or_default();
        let named = [Choice::Mnist, Choice::Digits].iter().any(|choice| choice.to_string() == header.data);
        recorded.data = recorded.data.or_else(|| named.then(|| header.data.clone()));
        let opened = self.data.clone().open_recorded(&recorded);
        let data = Arc::new(opened.map_err(|error| self.why_not(&error, &recorded))?);
        sets.push(data.clone());
        if data.sha256 != header.data_sha256 {
            return Err(format!(
                "the run was on {} (sha256 {:.16}), but the data found is {} (sha256 {:.16}); give the run's data with --data",
                header.data, header.data_sha256, data.name, data.sha256
            ));
        }
        Ok(data)
    }

    /// Why a data set could not be opened. Short if MNIST is missing, because a report downloads nothing.
    fn why_not(&self, error: &Error, recorded: &DataSettings) -> String {
        let mut options = self.data.clone();
        let mnist =
            options.take(recorded).is_ok() && options.settings(None, None).data == Some(Choice::Mnist.to_string());
        if mnist && let Ok(Err(_)) = data::mnist::open(&Places::from_env(), true, &mut |_| ()) {
            return "the data set mnist is not on this machine, and a report downloads nothing: give the folder of the \
                    MNIST files with --data DIR or GPU_MLP_DATA_DIR"
                .into();
        }
        format!("{error}: {}", super::next(error))
    }
}

/// The hash of a file, if it can be read.
fn sha256(path: &Path) -> Option<String> {
    std::fs::read(path).ok().map(|bytes| hash::sha256(&bytes))
}

/// The name of a run: its folder, preceded by the parent folder if the name is a number.
fn name(folder: &Path) -> String {
    let last = folder.file_name().map_or(folder.display().to_string(), |name| name.to_string_lossy().into_owned());
    let above = folder.parent().and_then(Path::file_name);
    match above {
        Some(above) if last.bytes().all(|byte| byte.is_ascii_digit()) => format!("{}/{last}", above.to_string_lossy()),
        _ => last,
    }
}
