//! Options of the data set.

use super::resume::Said;
use super::table::TableOptions;
use clap::{Args, value_parser};
use gpu_mlp::Error;
use gpu_mlp::base::text::counted;
use gpu_mlp::data::digits::Options;
use gpu_mlp::data::{self, Choice, DataSet, Event, Header, Request};
use gpu_mlp::run::folder::settings_beside;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::run::settings::{DataSettings, RunFile};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::{Path, PathBuf};

/// Selects the data set.
#[derive(Args, Clone)]
#[command(next_help_heading = "Data")]
pub struct DataOptions {
    /// Data set: `mnist`, `digits` (built in, generated), `auto` (MNIST if it is found or can be downloaded, else digits), a
    /// table (CSV, TSV, NPY, NPZ or safetensors file; see --target), a folder of IDX files, of …train.csv and
    /// …test.csv with bytes, or of pictures as train/CLASS/1.png, or Keras' mnist.npz. GPU_MLP_DATA_DIR names the folder of the MNIST files [default: auto, or digits if a --digits option is given]
    #[arg(long, value_name = "auto|mnist|digits|PATH")]
    data: Option<Choice>,
    /// Never open a network connection
    #[arg(long)]
    offline: bool,
    #[arg(long, value_name = "N", help = digits_help("Number of generated training digits", |digits| digits.train as u64))]
    digits_train: Option<usize>,
    #[arg(long, value_name = "N", help = digits_help("Number of generated test digits", |digits| digits.test as u64))]
    digits_test: Option<usize>,
    #[arg(long, value_name = "N", value_parser = value_parser!(u64).range(..=i64::MAX as u64),
        help = digits_help("Seed of the generated digits", |digits| digits.seed))]
    digits_seed: Option<u64>,
    #[command(flatten)]
    table: TableOptions,
    /// The model to evaluate on its own data set, and the hash of that data set.
    #[arg(skip)]
    of_model: Option<(PathBuf, String)>,
    /// The columns of the table that the model was trained on.
    #[arg(skip)]
    header: Option<Header>,
}

fn digits_help(what: &str, which: fn(Options) -> u64) -> String {
    format!("{what} [default: {}]", which(Options::default()))
}

impl DataOptions {
    /// Selects the data set, if one is given.
    pub fn choose(&mut self, choice: Option<Choice>) {
        self.data = choice.or(self.data.take());
    }

    /// Uses the settings of a file for options that were not given. Returns whether the data set is the file's.
    pub fn take(&mut self, file: &DataSettings) -> Result<bool, Error> {
        let said = self.data.is_some() || self.names_digits();
        let choice = file.data.as_deref().map(str::parse).transpose().map_err(Error::Setting)?;
        // The digits of the file do not apply to another data set.
        if self.data.as_ref().is_none_or(Choice::may_be_digits) {
            self.digits_train = self.digits_train.or(file.digits_train);
            self.digits_test = self.digits_test.or(file.digits_test);
            self.digits_seed = self.digits_seed.or(file.digits_seed);
        }
        // The columns of the file do not apply to another data set.
        if self.data.is_none() || self.data == choice {
            self.table.take(&file.table, None).map_err(Error::Setting)?;
        }
        self.data = self.data.take().or(choice);
        self.check()?;
        Ok(!said)
    }

    /// Uses the data of a resumed run, except for options given on the command line.
    pub fn resume(&mut self, said: &Said, saved: &DataSettings) -> Result<(), Error> {
        let choice = saved.data.as_deref().map(str::parse).transpose().map_err(Error::Setting)?;
        said.or_saved("data", &mut self.data, choice);
        // The digits of the run do not apply to another data set.
        if self.data.as_ref().is_none_or(Choice::may_be_digits) {
            said.or_saved("digits_train", &mut self.digits_train, saved.digits_train);
            said.or_saved("digits_test", &mut self.digits_test, saved.digits_test);
            said.or_saved("digits_seed", &mut self.digits_seed, saved.digits_seed);
        }
        self.table.take(&saved.table, Some(said)).map_err(Error::Setting)
    }

    /// The data set to evaluate a model on: the given one, else the one used for training.
    ///
    /// # Errors
    /// [`Error::Data`] if the model was trained on a folder whose path is not recorded.
    pub fn of_model(mut self, path: &Path, description: &Description) -> Result<DataOptions, Error> {
        let Description { data, data_sha256, .. } = description;
        self.header.clone_from(&description.header);
        if self.data.is_some() || data.is_empty() {
            return Ok(self);
        }
        let same_data = !self.names_digits();
        // The settings of the run are in the folder of its model.
        let beside = settings_beside(path);
        let run = beside.is_file().then(|| RunFile::read(&beside)).transpose()?;
        let run = run.filter(|run| run.record.as_ref().is_some_and(|record| record.data_sha256 == *data_sha256));
        let settings = match (run, data.parse()) {
            (Some(run), _) => run.data,
            (None, Ok(Choice::Mnist | Choice::Digits)) => {
                DataSettings { data: Some(data.clone()), ..Default::default() }
            }
            _ if !same_data => return Ok(self),
            _ => {
                let (path, problem) =
                    (path.into(), format!("was trained on a data set named {data}, whose folder is not recorded"));
                let next = "give its folder, or another data set to evaluate on, with --data DIR".into();
                return Err(Error::Data { path, problem, next });
            }
        };
        // Options of the digits replace single options of the recorded digits, but not another data set.
        let choice = settings.data.as_deref().map(str::parse::<Choice>).transpose().map_err(Error::Setting)?;
        if same_data || choice.is_some_and(|choice| choice.may_be_digits()) {
            self.take(&settings)?;
        }
        self.of_model = same_data.then(|| (path.into(), data_sha256.clone()));
        Ok(self)
    }

    /// Sets the columns that a table must have: those of the table that a model was trained on. `None`: any columns.
    pub fn like(&mut self, header: Option<Header>) {
        self.header = header;
    }

    /// How to read a table.
    pub fn table_options(&self) -> gpu_mlp::data::table::Options {
        self.table.options()
    }

    /// The files of the data set, if its folder was given.
    pub fn files(&self) -> Vec<PathBuf> {
        let Some(Choice::Dir(folder)) = &self.data else { return Vec::new() };
        let sets = data::folder::find(folder).unwrap_or_default();
        sets.into_iter().flat_map(|set| set.files).flatten().collect()
    }

    /// Whether an option of the digits was given.
    fn names_digits(&self) -> bool {
        self.digits_train.is_some() || self.digits_test.is_some() || self.digits_seed.is_some()
    }

    /// Refuses options of the digits for another data set.
    fn check(&self) -> Result<(), Error> {
        match &self.data {
            Some(choice) if self.names_digits() && !choice.may_be_digits() => Err(Error::Setting(format!(
                "data is {choice}, but --digits-train, --digits-test and --digits-seed apply only to generated digits: \
                 leave them out, or give --data digits"
            ))),
            None | Some(Choice::Auto | Choice::Mnist | Choice::Digits) => match &self.table.given()[..] {
                [] => Ok(()),
                [option, ..] => Err(Error::Setting(format!(
                    "{option} is for a table, but the data set is {}: name the file of the table with --data",
                    self.request().choice
                ))),
            },
            _ => Ok(()),
        }
    }

    /// The data settings. If the data set is open, `auto` is replaced by what was found. `from` is the model that the run starts with.
    pub fn settings(&self, opened: Option<&DataSet>, from: Option<&Path>) -> DataSettings {
        let Request { choice, digits, .. } = self.request();
        let found = opened.filter(|_| choice == Choice::Auto).and_then(|data| data.name.parse().ok());
        DataSettings::of(&found.unwrap_or(choice), &digits, self.table.settings(), from)
    }

    /// Whether opening the data set may download it.
    pub fn may_download(&self) -> bool {
        let Request { choice, offline, .. } = self.request();
        !offline && matches!(choice, Choice::Auto | Choice::Mnist)
    }

    fn request(&self) -> Request {
        let default = Options::default();
        let digits = Options {
            train: self.digits_train.unwrap_or(default.train),
            test: self.digits_test.unwrap_or(default.test),
            seed: self.digits_seed.unwrap_or(default.seed),
        };
        // An option of the digits selects the digits.
        let default = if self.names_digits() { Choice::Digits } else { Choice::default() };
        Request {
            choice: self.data.clone().unwrap_or(default),
            offline: self.offline,
            digits,
            table: self.table.options(),
            test: self.table.test().cloned(),
            header: self.header.clone(),
        }
    }

    /// Refuses a file whose data settings differ from those of the resumed run.
    pub fn refuse_another(&self, file: &DataSettings) -> Result<(), Error> {
        let entries = |of: &DataSettings| toml::Table::try_from(of).unwrap_or_default();
        let (run, file) = (entries(&self.settings(None, None)), entries(file));
        // One folder may have several paths.
        let folder = |value: &toml::Value| value.as_str().and_then(|path| Path::new(path).canonicalize().ok());
        let same = |name: &str, run: &toml::Value, file: &toml::Value| {
            let auto = name == "data" && file.as_str() == Some("auto");
            auto || run == file || name == "data" && folder(run).is_some_and(|run| folder(file) == Some(run))
        };
        match file.iter().find(|(name, value)| run.get(*name).is_some_and(|run| !same(name, run, value))) {
            None => Ok(()),
            Some((name, value)) => Err(Error::Setting(format!(
                "the file of --config has {name} = {value}, but the resumed run has {}: remove {name} from the file",
                run[name]
            ))),
        }
    }

    /// Starts to read the data set while the adapter is chosen. Reads only local MNIST or the named data set: nothing
    /// is downloaded or substituted before all settings are accepted.
    pub fn ahead(&self) -> Ahead {
        let mut request = Request { offline: true, ..self.request() };
        if request.choice == Choice::Auto {
            request.choice = Choice::Mnist;
        }
        let possible = request.digits.train > 0 && request.digits.test > 0;
        Ahead(std::thread::spawn(move || {
            let mut notes = Vec::new();
            // `open` tries again and reports the error.
            let data = possible.then(|| data::open(&request, &mut |event| notes.push(event)).ok()).flatten();
            data.filter(|_| notes.is_empty())
        }))
    }

    /// Opens the data set. Notes and the progress of a download go to stderr.
    pub fn open(&self, ahead: Ahead) -> Result<DataSet, Error> {
        self.check()?;
        // If the reader panics in the thread, it panics here too.
        let data = match ahead.0.join().ok().flatten() {
            Some(data) => data,
            None => self.read()?,
        };
        say!(
            "data: {}, {} + {} of {:?}, {}: {}",
            data.name,
            data.train.len(),
            counted(data.test.len(), "sample"),
            data.item,
            data.task.counted(),
            data.origin
        );
        match &self.of_model {
            Some((path, sha256)) if data.sha256 != *sha256 => {
                let was = sha256.get(..16).unwrap_or(sha256);
                let is = &data.sha256[..16];
                let problem = format!("was trained on data with the hash {was}, but {} has {is}", data.name);
                let next = "name the data set to evaluate on with --data; for generated digits, also \
                     give --digits-train, --digits-test and --digits-seed"
                    .into();
                Err(Error::Data { path: path.clone(), problem, next })
            }
            _ => Ok(data),
        }
    }

    /// Opens the data set recorded by a run, unless another one is given. Nothing is downloaded.
    pub fn open_recorded(mut self, recorded: &DataSettings) -> Result<DataSet, Error> {
        self.take(recorded)?;
        let request = Request { offline: true, ..self.request() };
        data::open(&request, &mut |event| {
            if let Event::Note(note) = event {
                say!("note: {note}");
            }
        })
    }

    fn read(&self) -> Result<DataSet, Error> {
        let request = self.request();
        // More digits would take gigabytes.
        const MOST: usize = 10_000_000;
        if [request.digits.train, request.digits.test].iter().any(|digits| !(1..=MOST).contains(digits)) {
            return Err(Error::Setting(format!("digits-train and digits-test must be at least 1 and at most {MOST}")));
        }
        let mut bar: Option<(String, ProgressBar)> = None;
        data::open(&request, &mut |event| match event {
            Event::Note(note) => say!("note: {note}"),
            Event::Fetch { file, done, total } => {
                if bar.as_ref().is_none_or(|(name, _)| *name != file) {
                    bar = Some((file.clone(), download_bar(&file)));
                }
                if let Some((_, bar)) = &bar {
                    total.iter().for_each(|&total| bar.set_length(total));
                    bar.set_position(done);
                }
            }
            _ => {}
        })
    }
}

/// A data set that is being read on another thread.
pub struct Ahead(std::thread::JoinHandle<Option<DataSet>>);

fn download_bar(file: &str) -> ProgressBar {
    if super::quiet() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::no_length().with_message(file.to_string());
    let style = ProgressStyle::with_template("{msg} {bar:30} {bytes}/{total_bytes} {bytes_per_sec}");
    style.into_iter().for_each(|style| bar.set_style(style));
    bar
}
