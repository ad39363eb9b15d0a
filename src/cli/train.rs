//! `gpu-mlp train`

mod end;
mod follow;
mod members;
mod notes;
mod run_folder;
mod seeds;
mod settle;
pub mod trials;

use super::base::BaseSettings;
use super::data::DataOptions;
use super::engine::{EngineOptions, TuneOptions};
use super::limits::LimitOptions;
use super::out::out;
use super::processes;
use super::progress::Waiting;
use super::rate;
use super::recorder::{last_line, line};
use super::resume::{ResumeOptions, Resumed, Said};
use super::settings::{ChoiceOptions, NetOptions};
use super::signals::Signals;
use super::sink::Voice;
use super::target;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::base::text::counted;
use gpu_mlp::config::{Amount, BatchSize, Config};
use gpu_mlp::data::survey::{Survey, lost_classes};
use gpu_mlp::data::{DataSet, Split, Task};
use gpu_mlp::kernels::Precision;
use gpu_mlp::measure::tune::still_sound;
use gpu_mlp::net::with_loss;
use gpu_mlp::run::checkpoint::{Identity, Setup};
use gpu_mlp::run::folder::RunFolder;
use gpu_mlp::run::model_file::Description;
use gpu_mlp::run::seeds::{SEEDS, Seeds};
use gpu_mlp::run::settings;
use gpu_mlp::run::settings::DataSettings;
use gpu_mlp::train::session::{EpochReport, Reason, Session, Wish};
use gpu_mlp::train::{divide, divide_as};
use members::Common;
use run_folder::Run;
use settle::Settled;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp train
  gpu-mlp train --data digits --hidden 256 --activation tanh --epochs 3
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --batch-size 128 --optimizer adam --epochs 8
  gpu-mlp train --data iris.csv --target species --test 0.2  a table
  gpu-mlp train --preset nielsen
  gpu-mlp train --config runs/1                            repeat that run, bit-identical
  gpu-mlp train --from runs/1/model.safetensors --lr 0.02 --epochs 2
  gpu-mlp train --from runs/1 --new-head --data digits     other classes
  gpu-mlp train --batch-size full --epochs 50              full-batch gradient descent
  gpu-mlp train --seeds 10                                 ten seeds, with mean and standard error
  gpu-mlp train --resume runs/1                            resume that run from its last checkpoint")]
pub struct Train {
    // Must be the first field: clap removes values from the matches as it fills the other fields.
    #[command(flatten)]
    said: Said,
    #[command(flatten)]
    base: BaseSettings,
    /// Print all settings as a file for --config, and exit
    #[arg(long, help_heading = "Settings")]
    print_config: bool,
    #[command(flatten)]
    net: NetOptions,
    #[command(flatten)]
    choices: ChoiceOptions,
    #[command(flatten)]
    limits: LimitOptions,
    #[command(flatten)]
    data: DataOptions,
    #[command(flatten)]
    engine: EngineOptions,
    #[command(flatten)]
    tune: TuneOptions,
    #[command(flatten)]
    resume: ResumeOptions,
    /// Start with the weights of a model: a file of this program, or a PyTorch state dict in safetensors; its architecture is
    /// adopted, and its activation and normalisation if the file names them
    #[arg(long, value_name = "MODEL", help_heading = "Net")]
    from: Option<PathBuf>,
    /// With --from: keep the hidden layers of the model and start with a new last layer, for other classes or targets; a
    /// table must have the columns that the model was trained on, and is encoded as then
    #[arg(long, help_heading = "Net")]
    new_head: bool,
    /// Run folder: model.safetensors, config.toml, metrics.jsonl [default: the next free runs/N]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Also write scalars, confusion matrix and first-layer weights for TensorBoard after each epoch, in this folder, or in a
    /// sub-folder of it if it holds another run; --resume continues in the same folder
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    tensorboard: Option<PathBuf>,
    /// Train N runs with the seeds S, S + 1, … side by side, each in a folder seed-S of the run folder, and print the mean of
    /// every metric with its standard error; S is --seed
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000), conflicts_with_all = ["dry_run", "at", "print_config"], help_heading = "Several runs")]
    seeds: Option<u64>,
    /// With --seeds: all runs see the samples in the order of seed S, so they differ in initial weights and dropout only
    #[arg(long, requires = "seeds", help_heading = "Several runs")]
    same_order: bool,
    /// Replace the run in the folder, if there is one
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print the records of metrics.jsonl, one per line, instead of text
    #[arg(long, conflicts_with = "dry_run", help_heading = "Output")]
    json: bool,
    /// The validation split if none is asked for.
    #[arg(skip)]
    default_validation: Option<Amount>,
}

/// The help text of a setting.
fn help(key: &str) -> Option<String> {
    let command = super::command();
    let arg = command.find_subcommand("train")?.get_arguments().find(|arg| arg.get_id() == key)?;
    Some(arg.get_help()?.to_string().split(" [default: ").next()?.to_string())
}

/// The model that determines how a table is encoded, and whether it also determines the targets; `None` if the training rows
/// do.
type Learned<'a> = Option<(&'a Description, bool)>;

/// Divides a data set, and encodes a table: by its own training rows, or by what a model has learned.
fn divided(config: &Config, data: DataSet, learned: Learned) -> Result<DataSet, Error> {
    let Some((description, with_targets)) = learned else { return divide(config, data) };
    description.check_samples(&data)?;
    divide_as(config, data, description.features.as_ref(), with_targets.then(|| description.task()).as_ref())
}

/// As [`divided`]. Says what is suspicious about the data.
fn surveyed(config: &Config, data: DataSet, learned: Learned) -> Result<DataSet, Error> {
    let survey = Survey::of(&data);
    let classes = &survey.train.classes;
    let data = divided(config, data, learned)?;
    tracing::debug!("data surveyed");
    let lost = lost_classes(&survey.names, classes, &data.train.counts(classes.len()));
    survey.notes().iter().chain(&lost).for_each(|note| say!("note: {note}"));
    if data.test.is_empty() {
        say!(
            "note: there is no test split, so the model is not scored on samples it has not seen: --test 0.2 keeps a part of the rows for it"
        );
    }
    Ok(data)
}

impl Train {
    pub async fn run(mut self) -> anyhow::Result<ExitCode> {
        let written = processes::is_first() && !(self.print_config || self.limits.dry_run);
        let (several, resumed) = match self.resume.seeds(self.out.as_deref())? {
            Some((folder, seeds, resumed)) => (Some((folder, seeds)), Some(resumed)),
            None => (None, self.resume.find(self.out.as_deref(), self.force, written)?),
        };
        if let (Some((folder, seeds)), Some(asked)) = (&several, self.seeds.filter(|_| self.resume.asked()))
            && seeds.seeds != asked
        {
            let path = folder.path().display();
            return Err(Error::Setting(format!(
                "{path} has runs of {} seeds, not {asked}: leave out --seeds",
                seeds.seeds
            ))
            .into());
        }
        if let Some(resumed) = &resumed {
            if several.is_none() && self.seeds.is_some() {
                let path = resumed.folder.path().display();
                return Err(
                    Error::Setting(format!("{path} is a single run, so it cannot be resumed with --seeds")).into()
                );
            }
            self.take(&resumed.setup)?;
        }
        self.train(resumed.as_ref(), several).await
    }

    /// Uses the setup of a resumed run, except for options given on the command line.
    fn take(&mut self, saved: &Setup) -> Result<(), Error> {
        self.data.resume(&self.said, &saved.data)?;
        self.engine.resume(&self.said, &saved.engine);
        self.said.or_saved("from", &mut self.from, saved.data.from.as_ref().map(PathBuf::from));
        self.new_head |= saved.data.new_head;
        let board = saved.tensorboard.as_ref().map(PathBuf::from);
        let given = self.tensorboard.as_deref().map(settings::from_root);
        // A run may have a folder of its own inside the one that it was given.
        match board.filter(|board| given.is_some_and(|given| board.starts_with(given))) {
            Some(board) => self.tensorboard = Some(board),
            None => {
                self.said.or_saved("tensorboard", &mut self.tensorboard, saved.tensorboard.as_ref().map(PathBuf::from))
            }
        }
        Ok(())
    }

    /// `several`: the folder of the runs to resume, if they are several, and their seeds; `resumed` is one of them then.
    async fn train(
        mut self,
        resumed: Option<&Resumed>,
        several: Option<(RunFolder, Seeds)>,
    ) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let mut settled = self.settle(resumed)?;
        if self.print_config {
            let config = match settled.config.batch_size {
                BatchSize::Samples(samples) => settled.config.with_learning_rate(samples),
                // The default rate depends on the data, which are not read here.
                BatchSize::Full => settled.config,
            };
            let text = settings::to_text(&config, &self.data_settings(None), None, help)?;
            if processes::is_first() {
                out().write_all(text.as_bytes())?;
            }
            return Ok(ExitCode::SUCCESS);
        }
        if resumed.is_none() && processes::is_first() {
            self.refuse_if_taken(self.out.as_deref())?;
        }
        let checkpoint = resumed.and_then(|resumed| resumed.checkpoint.as_ref());
        // A resumed run keeps the encoding that it began with. Only a model of this program describes its encoding.
        let resumed_model = checkpoint.and_then(|checkpoint| checkpoint.state.description.clone());
        let first = settled.first.take();
        let learned: Learned = match (&resumed_model, &first) {
            (Some(description), _) => Some((description, true)),
            (None, Some(first)) if first.described => Some((&first.description, !first.new_head)),
            _ => None,
        };
        self.data.like(match &first {
            Some(first) => first.header(),
            None => resumed_model.as_ref().and_then(|description| description.header.clone()),
        });
        // The first process downloads the data for all.
        let turns = self.data.may_download();
        if turns && !processes::is_first() {
            processes::wait();
        }
        let ahead = self.data.ahead();
        let machine = self.engine.machine_for(settled.config.precision).await?;
        tracing::debug!("machine open");
        let data = self.data.open(ahead)?;
        if turns && processes::is_first() {
            processes::wait();
        }
        let undivided = data.train.len();
        tracing::debug!("data open");
        // The record holds numbers, not shares.
        settled.config = settled.config.in_samples(undivided);
        let data = match resumed {
            None => surveyed(&settled.config, data, learned)?,
            Some(_) => divided(&settled.config, data, learned)?,
        };
        let data = self.limits.cut(data);
        if settled.config.validates() || settled.config.limit_train.is_some() {
            let validation = data.validation.as_ref().map_or(0, Split::len);
            let [train, validation] = [(data.train.len(), "training sample"), (validation, "validation sample")]
                .map(|(n, noun)| counted(n, noun));
            say!("split: {train}, {validation}");
        }
        if let Some(first) = &first {
            first.description.check_data(&data)?.iter().for_each(|note| say!("note: {note}"));
        }
        settled.config = with_loss(&settled.config, &data.task);
        if let BatchSize::Samples(batch) = settled.config.batch_size
            && resumed.is_none()
            && settled.config.batch_size == Config::default().batch_size
            && data.train.len() < batch
        {
            let samples = counted(data.train.len(), "training sample");
            say!("note: there are only {samples}, so the batch is all of them instead of {batch}");
            settled.config.batch_size = BatchSize::Full;
        }
        let exchange = processes::exchange();
        if exchange.is_some() && settled.config.shards.is_none() {
            settled.config.shards = Some(settled.config.default_shards(data.train.len()));
        }
        settled.config.check(data.train.len())?;
        if let Task::Values { scales, .. } = &data.task
            && !scales.is_empty()
        {
            say!(
                "note: losses and RMSE of the epochs are in standard deviations of the target; `gpu-mlp eval` gives its units"
            );
        }
        if settled.config.precision == Precision::Int8 {
            notes::in_integers(&settled.config, &data).iter().for_each(|note| say!("note: {note}"));
        }
        let rate = rate::line(&settled.config, data.train.len());
        settled.config = settled.config.with_learning_rate(data.train.len());
        // The data of the file's run: named by the file, or the same in another place.
        let same = |record: &&settings::Provenance| settled.data_is_of_file || record.data_sha256 == data.sha256;
        if let Some(record) = settled.record.as_ref().filter(same) {
            self.base.compare(record, &data, &machine, &settled.limits)?;
        }
        let waiting = Waiting::on(&machine);
        match resumed {
            Some(_) => {
                if self.tune.asked() {
                    say!("note: --tune has no effect on a resumed run, which keeps its forms: they determine rounding");
                }
                still_sound(&settled.config.forms, &machine).await?;
            }
            None => self.tune.choose(&mut settled.config, &data, &machine).await?,
        }
        settled.config.forms = run_folder::forms_of_first(&settled.config)?;
        let Settled { config, ancestor, mut limits, .. } = settled;
        let identity = Identity::new(&config, &data, &machine);
        run_folder::compare_processes(&identity, checkpoint.map(|checkpoint| checkpoint.step))?;
        let changed = resumed.map_or(Ok(Vec::new()), |resumed| self.resume.check(resumed, &identity))?;
        if let (Some(checkpoint), true) = (checkpoint, self.limits.dry_run) {
            limits.max_steps = Some(checkpoint.step + 1);
        }

        let signals = Signals::listen()?;
        let asked = self.seeds.map(|seeds| Seeds { seeds, first: config.seed });
        let order_seed = config.order_seed.or(self.same_order.then_some(config.seed));
        let config = Config { order_seed, ..config };
        if several.is_some() || asked.is_some() {
            say!("{rate}");
            config.without_effect().iter().for_each(|note| say!("note: {note}"));
            let common =
                Common { data: &data, machine: &machine, first: first.as_ref(), ancestor, signals: &signals, start };
            let (folder, seeds) = match (several, asked) {
                (Some(several), _) => several,
                (None, asked) => (RunFolder::make(self.out.as_deref())?, asked.expect("one of the two")),
            };
            drop(waiting);
            return self.train_seeds(&common, &config, limits, seeds, &folder).await;
        }
        let mut session = Session::open(&config, &data, &machine, limits).await?;
        if let Some(exchange) = exchange {
            let (processes, shards) = (exchange.size(), config.shards.unwrap_or(1));
            session.share(exchange)?;
            say!("processes: {processes}, with {}", counted(shards, "shard"));
        }
        if let Some(first) = first {
            session.begin_with(&first.model(&config, &data)?)?;
        }
        let net = session.trainer().net();
        let (widths, parameters) = (session.trainer().widths(), net.parameters());
        say!(
            "net: {widths:?}, {}, {:.1} MB of tensors",
            counted(parameters, "parameter"),
            net.plan.bytes() as f64 / 1e6
        );
        say!("{rate}");
        config.without_effect().iter().for_each(|note| say!("note: {note}"));
        if let Some(because) = config.plain_because(data.train.len()) {
            say!("note: the plain plan is used: {because}");
        }
        if let (Some(resumed), Some(checkpoint)) = (resumed, checkpoint) {
            session.resume(&checkpoint.snapshot())?;
            notes::before_resuming(&session, resumed, undivided, &changed);
        }
        if self.limits.dry_run {
            return self.try_out(session, &config, checkpoint.map(|checkpoint| checkpoint.step)).await;
        }

        if !processes::is_first() {
            return follow::follow(session).await;
        }
        let run = Run {
            data: &data,
            machine: &machine,
            identity,
            ancestor,
            resumed,
            changed: !changed.is_empty(),
            waiting,
            start,
            out: self.out.as_deref(),
            signals: signals.clone(),
            voice: if self.json { Voice::Json } else { Voice::Text },
            of_several: None,
        };
        let reason = self.write_run(session, run).await?;
        Ok(signals.code().filter(|_| reason == Reason::Interrupted).unwrap_or(ExitCode::SUCCESS))
    }

    /// The data settings of the run.
    fn data_settings(&self, opened: Option<&DataSet>) -> DataSettings {
        DataSettings { new_head: self.new_head, ..self.data.settings(opened, self.from.as_deref()) }
    }

    /// Refuses the folder of the model that the run starts with, and without --force a folder that holds a run.
    fn refuse_if_taken(&self, out: Option<&Path>) -> Result<(), Error> {
        let Some(out) = out.map(RunFolder::new) else { return Ok(()) };
        target::check(&out.model(), true, self.from.as_deref())?;
        if self.force || out.path().join(SEEDS).exists() && self.resume.asked() {
            return Ok(());
        }
        out.refuse_if_taken(self.resume.asked())
    }

    /// Computes one batch of everything, after update `resumed_at` if a run is resumed, and writes nothing.
    async fn try_out(
        &self,
        mut session: Session<'_>,
        config: &Config,
        resumed_at: Option<u64>,
    ) -> anyhow::Result<ExitCode> {
        let session_ended = session.ended().is_some();
        let mut lines = Vec::new();
        let mut collect = |report: &EpochReport| {
            lines.push(line(report, config.epochs));
            Wish::Continue
        };
        session.run(&mut collect).await?;
        lines.push(last_line(&session.finish().await?));
        let what = match (session_ended, resumed_at) {
            (true, _) => "nothing is left to train, the model was scored".to_string(),
            (false, Some(step)) => format!("one batch of everything was computed after update {step}"),
            (false, None) => "one batch of everything was computed".to_string(),
        };
        if processes::is_first() {
            writeln!(out(), "{}\ndry run: {what}, nothing was written", lines.join("\n"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
