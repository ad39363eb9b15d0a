//! `gpu-mlp report`

mod ensemble;
mod sweep;

use super::data::DataOptions;
use super::engine::EngineOptions;
use super::target;
use clap::Args;
use ensemble::MOST_MEMBERS;
use gpu_mlp::Error;
use gpu_mlp::base::disk::write_out;
use gpu_mlp::base::hash;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::{Choice, DataSet};
use gpu_mlp::engine::machine::Machine;
use gpu_mlp::net::mlp::Mlp;
use gpu_mlp::results::assess::{assess, importances};
use gpu_mlp::results::ensemble::Outcome;
use gpu_mlp::results::report::{MOST_RUNS, Results, Subject, page_with};
use gpu_mlp::run::folder::{METRICS, MODEL, REPORT, RunFolder, runs_in};
use gpu_mlp::run::history::History;
use gpu_mlp::run::model_file::{self, Description};
use gpu_mlp::run::recorded::check_recorded;
use gpu_mlp::run::settings::RunFile;
use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Most columns of a table whose importance a page shows.
const MOST_COLUMNS: usize = 100;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp report runs/1                            writes runs/1/report.html
  gpu-mlp report runs/1 runs/2 --out compare.html  two runs, overlaid
  gpu-mlp report runs/1 --engine cpu               evaluated on the CPU
  gpu-mlp report runs/7                            a sweep: which settings are good

Several runs are compared, and scored as an ensemble if they have the same test data. A folder of runs stands for its runs.
Runs that differ only in their seed are one line: the mean, and shaded the lowest to the highest. The page of more than 8 runs
has no details of each run, and their scores are those in the records.

The page is one file that needs neither a network nor scripts. It shows curves, gradients, confusion matrix, mistakes,
calibration, weights and settings, and for a table of at most 100 columns their importance. Nothing is downloaded: if the
data set of a run is missing, the page says so and shows the rest.")]
pub struct Report {
    /// Run folders, folders of runs, or the folder of a sweep
    #[arg(required = true, value_name = "RUN", num_args = 1..)]
    runs: Vec<PathBuf>,
    /// Output file [default: report.html in the run folder or the folder of runs; for several runs, the next free one of report.html,
    /// report-2.html, … in the current folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Replace the file of --out if it exists
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
}

impl Report {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let runs = self.each_once();
        let out = self.place(&runs)?;
        if let Some(page) = sweep::page(&self.runs)? {
            return write(&out, &page);
        }
        let histories = runs.iter().map(|run| History::read(run)).collect::<Result<Vec<_>, _>>()?;
        let mut subjects = Vec::new();
        let mut failure = None;
        if runs.len() <= MOST_RUNS {
            let machine = self.engine.machine().await?;
            let mut sets: Vec<Arc<DataSet>> = Vec::new();
            for history in histories {
                let (subject, error) = self.subject(history, &machine, &mut sets).await;
                subjects.push(subject);
                failure = failure.or(error);
            }
        } else {
            subjects.extend(histories.into_iter().map(recorded));
        }
        distinguish(&mut subjects);
        let together = self.together(&subjects).await?;
        write(&out, &page_with(&subjects, together.as_ref()))?;
        // The page has everything else about the runs.
        failure.map_or(Ok(ExitCode::SUCCESS), |error| Err(error.into()))
    }

    /// The run folders without repetitions.
    fn each_once(&self) -> Vec<PathBuf> {
        let mut seen = BTreeSet::new();
        let mut runs = Vec::new();
        let inside = |path: &PathBuf| match &runs_in(path)[..] {
            [] => vec![path.clone()],
            runs => runs.iter().map(|run| run.path().to_path_buf()).collect(),
        };
        for run in &self.runs.iter().flat_map(inside).collect::<Vec<_>>() {
            match seen.insert(run.canonicalize().unwrap_or(run.clone())) {
                true => runs.push(run.clone()),
                false => say!("note: {} was given more than once and is shown once", run.display()),
            }
        }
        runs
    }

    /// The file to write. The page of one run belongs to its folder and is replaced; other files are not.
    fn place(&self, runs: &[PathBuf]) -> Result<PathBuf, Error> {
        let page_of = match (&self.runs[..], runs) {
            ([one], _) | (_, [one]) => Some(RunFolder::new(one).report()),
            _ => None,
        };
        match (&self.out, page_of) {
            (Some(out), _) => {
                refuse_to_replace(out)?;
                target::check(out, self.force, [])?;
                Ok(out.clone())
            }
            (None, Some(out)) => {
                refuse_to_replace(&out)?;
                Ok(out)
            }
            (None, None) => {
                let (stem, ending) = REPORT.rsplit_once('.').unwrap_or((REPORT, ""));
                let numbered = (2..).map(|number: u32| PathBuf::from(format!("{stem}-{number}.{ending}")));
                let mut free = std::iter::once(PathBuf::from(REPORT)).chain(numbered).filter(|path| !path.exists());
                Ok(free.next().unwrap_or(REPORT.into()))
            }
        }
    }

    /// Collects everything about a run. Missing parts are noted on stderr and on the page. Also returns the error of a model that
    /// is not the run's, or that gives no answers.
    async fn subject(
        &self,
        history: History,
        machine: &Machine,
        sets: &mut Vec<Arc<DataSet>>,
    ) -> (Subject, Option<Error>) {
        let name = name(&history.folder);
        let path = RunFolder::new(&history.folder).model();
        let mut failure = None;
        let mut reason = |error: Error| {
            let reason = error.to_string();
            if matches!(error, Error::Altered { .. } | Error::NotFinite { .. }) {
                failure = Some(error);
            }
            reason
        };
        let model = match &history.end {
            Some(end) if end.model_sha256.is_none() && !path.exists() => Err("the run wrote no model".into()),
            _ => recorded_model(&path).map_err(&mut reason),
        };
        let results = match &model {
            Err(problem) => Err(problem.clone()),
            Ok((model, description)) => match self.data_of(&history, sets) {
                Err(problem) => Err(problem),
                Ok(data) => evaluated(&name, machine, model, description, data).await.map_err(&mut reason),
            },
        };
        let mut notes = Vec::new();
        if history.torn > 0 {
            notes.push(format!("{} of {METRICS} could not be read and omitted", counted(history.torn, "line")));
        }
        let recorded = history.end.as_ref().and_then(|end| end.model_sha256.as_deref());
        if recorded.is_none() && model.is_ok() {
            let end = if history.end.is_some() { "wrote no model at its end" } else { "has not ended" };
            notes.push(format!("this run {end}: {MODEL} is from an earlier run, and so are its test results"));
        }
        notes.extend(history.changes.iter().map(|change| format!("this run was changed during training, {change}")));
        notes.iter().for_each(|note| say!("note: {name}: {note}"));
        if let Err(problem) = &results {
            say!("note: {name} was not evaluated: {problem}");
        }
        (Subject { name, history, model, results, notes }, failure)
    }

    /// The ensemble of several runs, or why there is none.
    async fn together(&self, subjects: &[Subject]) -> Result<Option<Result<Outcome, String>>, Error> {
        if subjects.len() < 2 {
            return Ok(None);
        }
        if subjects.len() <= MOST_RUNS {
            return Ok(Some(ensemble::of_evaluated(subjects)));
        }
        if subjects.len() > MOST_MEMBERS {
            return Ok(Some(Err(format!("the page has more than {MOST_MEMBERS} runs"))));
        }
        let data = |subject: &Subject| subject.history.header.data_sha256.clone();
        if subjects.iter().any(|subject| data(subject) != data(&subjects[0])) {
            return Ok(Some(Err("the runs were trained on different data sets".into())));
        }
        let data = match self.data_of(&subjects[0].history, &mut Vec::new()) {
            Ok(data) => data,
            Err(reason) => return Ok(Some(Err(reason))),
        };
        let machine = self.engine.machine().await?;
        let runs: Vec<_> =
            subjects.iter().map(|subject| (subject.name.clone(), subject.history.folder.as_path())).collect();
        Ok(Some(ensemble::of_folders(&machine, &runs, &data).await))
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
        let data = Arc::new(opened.map_err(|error| why_not(&error))?);
        sets.push(data.clone());
        if data.sha256 != header.data_sha256 {
            return Err(format!(
                "the run was on {} (sha256 {:.16}), but the data found is {} (sha256 {:.16}); give the run's data with --data",
                header.data, header.data_sha256, data.name, data.sha256
            ));
        }
        Ok(data)
    }
}

/// Why a data set could not be opened. Short if MNIST is missing, because a report downloads nothing.
fn why_not(error: &Error) -> String {
    match error {
        Error::NoMnist { .. } => {
            "the data set mnist is not on this machine, and a report downloads nothing: give the folder of \
                                  the MNIST files with --data DIR or GPU_MLP_DATA_DIR"
                .into()
        }
        _ => format!("{error}: {}", super::next(error)),
    }
}

/// The model's results on the test split.
async fn evaluated(
    name: &str,
    machine: &Machine,
    model: &Mlp,
    description: &Description,
    data: Arc<DataSet>,
) -> Result<Results, Error> {
    description.check_data(&data)?.iter().for_each(|note| say!("note: {name}: {note}"));
    let data = encoded(description, data)?;
    let assessment = assess(machine, model, description, &data.test, &data.item).await?;
    let importance = match data.header.as_ref().map(|header| header.columns.len()) {
        None => None,
        Some(0..=MOST_COLUMNS) => {
            let found = importances(machine, model, description, &data.test).await;
            Some(found.map_err(|error| error.to_string()))
        }
        Some(columns) => Some(Err(format!("{columns} columns would take long: run gpu-mlp eval --importance"))),
    };
    Ok(Results { assessment, data, importance })
}

/// Writes the page.
fn write(out: &Path, page: &str) -> anyhow::Result<ExitCode> {
    let replaced = if out.is_file() { ", replaces the earlier page" } else { "" };
    write_out(out, page.as_bytes())?;
    say!("report: {} ({} kB{replaced})", out.display(), page.len().div_ceil(1000));
    Ok(ExitCode::SUCCESS)
}

/// The data set as the model takes it.
fn encoded(description: &Description, data: Arc<DataSet>) -> Result<Arc<DataSet>, Error> {
    if data.is_ready() { Ok(data) } else { Ok(Arc::new(description.encode((*data).clone())?)) }
}

/// A run of which the page shows only what is recorded.
fn recorded(history: History) -> Subject {
    let absent = || "the page has many runs".to_string();
    let name = name(&history.folder);
    Subject { name, history, model: Err(absent()), results: Err(absent()), notes: Vec::new() }
}

/// Names runs by their paths if other runs have the same names.
fn distinguish(subjects: &mut [Subject]) {
    let names: Vec<String> = subjects.iter().map(|subject| subject.name.clone()).collect();
    for subject in subjects {
        if names.iter().filter(|name| **name == subject.name).count() > 1 {
            subject.name = subject.history.folder.display().to_string();
        }
    }
}

/// Refuses to write the page over a file of another kind, such as a model or a record.
fn refuse_to_replace(out: &Path) -> Result<(), Error> {
    const PAGE: &[u8] = b"<!DOCTYPE html>";
    if !out.is_file() {
        return Ok(());
    }
    let mut start = Vec::new();
    File::open(out).and_then(|file| file.take(PAGE.len() as u64).read_to_end(&mut start)).map_err(Error::file(out))?;
    match start.is_empty() || start == PAGE {
        true => Ok(()),
        false => Err(Error::Setting(format!("{} exists and is not a report: give another --out", out.display()))),
    }
}

/// The model of a run, if it is the one that the run recorded.
fn recorded_model(path: &Path) -> Result<(Mlp, Description), Error> {
    let sha256 = hash::sha256(&std::fs::read(path).map_err(Error::file(path))?);
    check_recorded(path, &sha256)?;
    model_file::read(path)
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
