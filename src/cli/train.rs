//! `gpu-mlp train`

use super::base::Base;
use super::from;
use super::limits::LimitOptions;
use super::options::{DataOptions, EngineOptions, TuneOptions, words};
use super::progress::Display;
use super::recorder::{Recorder, last_line, line, resume_line};
use super::resume::{ResumeOptions, Resumed, command_after, lock};
use super::settings::{ChoiceOptions, NetOptions};
use super::signals::Signals;
use super::sink::Sink;
use clap::Args;
use gpu_mlp::Error;
use gpu_mlp::checkpoint::{Checkpoints, Identity, Keeper, Saved};
use gpu_mlp::config::{Config, HealthName, file};
use gpu_mlp::data::Split;
use gpu_mlp::disk::{Os, write_whole};
use gpu_mlp::metrics::{Metrics, Record, SCHEMA};
use gpu_mlp::model_file::{self, Description};
use gpu_mlp::session::{Finish, Reason, Report, Session, Wish};
use gpu_mlp::tensorboard::Board;
use sha2::{Digest, Sha256};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

#[derive(Args)]
#[command(after_help = "\
Examples:
  gpu-mlp train
  gpu-mlp train --data digits --hidden 256 --activation tanh --epochs 3
  gpu-mlp train --hidden 512,512 --keep-prob 0.8 --batch-size 128 --optimizer adam --epochs 8
  gpu-mlp train --preset nielsen
  gpu-mlp train --config runs/1                            once more, to the bit
  gpu-mlp train --from runs/1/model.safetensors --lr 0.02 --epochs 2
  gpu-mlp train --batch-size full --lr 0.5 --epochs 50     full-batch gradient descent
  gpu-mlp train --resume runs/1                            go on where that run ended or was cut off")]
pub struct Train {
    #[command(flatten)]
    base: Base,
    /// Print all settings as a file for --config, and do nothing else
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
    /// Begin with the weights of a model: of this program, or a PyTorch state dict in safetensors. Its architecture and, if
    /// it says them, its activation and normalisation are adopted
    #[arg(long, value_name = "MODEL", help_heading = "Net")]
    from: Option<PathBuf>,
    /// Run folder: model.safetensors, config.toml, metrics.jsonl [default: the next free runs/N]
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Write scalars, confusion matrix and first-layer weights for TensorBoard too, each epoch; --resume goes on there
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    tensorboard: Option<PathBuf>,
    /// Replace the run in the folder, if there is one
    #[arg(long, help_heading = "Output")]
    force: bool,
    /// Print the records of metrics.jsonl, one a line, in place of lines for people
    #[arg(long, conflicts_with = "dry_run", help_heading = "Output")]
    json: bool,
}

/// The beginning of a run's config.toml.
const HEAD: &str = "# Repeats the run: `gpu-mlp train --config` with this file or its folder.\n";

/// What `--help` says of a setting.
fn help(key: &str) -> Option<String> {
    let command = super::command();
    let arg = command.find_subcommand("train")?.get_arguments().find(|arg| arg.get_id() == key)?;
    Some(arg.get_help()?.to_string().split(" [default: ").next()?.to_string())
}

impl Train {
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        let resumed = self.resume.find(self.out.as_deref())?;
        match &resumed {
            Some(resumed) => command_after(&resumed.found.generation.state.words).train(Some(resumed)).await,
            None => self.train(None).await,
        }
    }

    async fn train(mut self, resumed: Option<&Resumed>) -> anyhow::Result<ExitCode> {
        let start = Instant::now();
        let before = resumed.map(|resumed| &resumed.found.generation);
        let file = self.base.file()?;
        let from_is_of_file = self.from.is_none();
        self.from = self.from.take().or(file.data.from.as_ref().map(PathBuf::from));
        let base = self.base.config();
        let (mut config, first, ancestor) = match (before, &self.from) {
            // A run that goes on began with that model, or with none; and it keeps its forms, which decide its bits.
            (Some(generation), _) => {
                let saved = &generation.state.identity.config;
                let base = if self.base.is_preset() { base } else { saved.clone() };
                let said = base.with(&file.settings)?.with(self.net.settings())?;
                let ancestor = from::again(self.from.as_deref(), &generation.state)?;
                (Config { forms: saved.forms.clone(), ..said }, None, ancestor)
            }
            (None, Some(path)) => from::begin(path, base, &[&file.settings, self.net.settings()])
                .map(|(config, model, ancestor)| (config, Some(model), Some(ancestor)))?,
            (None, None) => (base.with(&file.settings)?.with(self.net.settings())?, None, None),
        };
        if let (true, Some(record), Some(ancestor)) = (from_is_of_file, &file.record, &ancestor) {
            self.base.compare_ancestor(record, ancestor)?;
        }
        config = config.with(self.choices.settings())?;
        let limits = self.limits.limits()?;
        self.limits.overfit(&mut config)?;
        let data_is_of_file = self.data.take(&file.data)?;
        // What can be refused is refused before anything is read, fetched or written.
        config.check(usize::MAX)?;
        config.check_choices(config.validation > 0)?;
        if self.print_config {
            let text = file::to_text(&config, &self.data.settings(None, self.from.as_deref()), None, help)?;
            std::io::stdout().write_all(text.as_bytes())?;
            return Ok(ExitCode::SUCCESS);
        }
        if resumed.is_none() {
            self.refuse_a_taken_folder()?;
        }
        let ahead = self.data.ahead();
        let machine = self.engine.machine_for(config.precision).await?;
        tracing::debug!("machine open");
        let data = self.limits.cut(config.divide(self.data.open(ahead)?)?);
        tracing::debug!("data open");
        let validation = data.validation.as_ref().map_or(0, Split::len);
        if config.validation > 0 || config.limit_train.is_some() {
            say!("split: {} samples to learn from, {validation} to choose by", data.train.len());
        }
        config.check(data.train.len())?;
        if let Some(record) = file.record.as_ref().filter(|_| data_is_of_file) {
            self.base.compare(record, &data, &machine)?;
        }
        if resumed.is_none() {
            self.tune.choose(&mut config, &data, &machine).await?;
        }
        let identity = Identity::new(&config, &data, &machine);
        resumed.map_or(Ok(()), |resumed| self.resume.check(resumed, &identity))?;

        let mut session = Session::open(&config, &data, &machine, limits).await?;
        first.iter().try_for_each(|model| session.begin_with(model))?;
        let net = session.trainer().net();
        let (widths, parameters) = (config.widths(data.inputs(), data.classes), net.parameters());
        say!("net: {widths:?}, {parameters} parameters, {} MB on the device", net.plan.bytes() >> 20);
        if let Some(because) = config.plain_because(data.train.len()) {
            say!("note: the plain plan is taken: {because}");
        }
        let description = Description::of(&config, &data, net);

        if self.limits.dry_run {
            return self.try_out(session, &config).await;
        }
        if let Some(generation) = before {
            session.resume(&generation.snapshot())?;
        }
        let folder = resumed.map_or_else(|| self.folder(), |resumed| Ok(resumed.folder.clone()))?;
        let _lock = lock(&folder)?;
        let checkpoints = Checkpoints::new(Arc::new(Os), &folder);
        let whole = before.map(|generation| generation.step);
        checkpoints.forget_after(whole.unwrap_or(0))?;
        let metrics = match before {
            Some(generation) => Metrics::resume(Arc::new(Os), &folder, generation.metrics_bytes)?,
            None => Metrics::create(Arc::new(Os), &folder)?,
        };
        let mut sink = Sink { metrics, json: self.json };
        let config_path = folder.join("config.toml");
        let record = file::Record::now(&data, &machine, ancestor.as_ref());
        let text =
            file::to_text(&config, &self.data.settings(Some(&data), self.from.as_deref()), Some(&record), |_| None)?;
        write_whole(&Os, &config_path, format!("{HEAD}{text}").as_bytes())?;
        let unix_time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let run = Record::Run {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION"),
            unix_time,
            data: &data.name,
            data_origin: &data.origin,
            data_sha256: &data.sha256,
            train_samples: data.train.len(),
            validation_samples: validation,
            test_samples: data.test.len(),
            widths: &widths,
            parameters,
            engine: machine.name(),
            device: &machine.description(),
            from: ancestor.as_ref(),
            evaluated_weights: if config.ema > 0.0 { "averaged" } else { "last" },
            config: &config,
        };
        sink.push(&whole.map_or(run, |step| Record::Resume { step, unix_time }))?;
        whole.iter().for_each(|step| eprintln!("resumed: {} after update {step}", folder.display()));

        let board = |folder: &PathBuf| match whole {
            Some(step) => Board::resume(folder, &data.item, step - step % session.trainer().updates_per_epoch()),
            None => Board::create(folder, &data.item),
        };
        let board = self.tensorboard.as_ref().map(board).transpose()?;
        let words = [self.data.words(&data), self.engine.words(&machine), self.words()].concat();
        let best = before.and_then(|generation| generation.state.best);
        let saved = Saved { identity, words, from: ancestor, best, session: Default::default() };
        let bytes = sink.metrics.bytes();
        let mut recorder = Recorder {
            display: Display::new(),
            board,
            sink,
            data: &data.name,
            epochs: config.epochs,
            show_health: config.health == HealthName::Show,
            keeper: Keeper::new(checkpoints, saved, self.resume.every(), bytes, whole),
            signals: Signals::listen()?,
        };
        let outcome = session.run(&mut recorder).await;
        let Recorder { mut display, mut board, mut sink, mut keeper, signals, .. } = recorder;
        display.clear();
        let kept = match &outcome {
            Ok(_) => session.snapshot().await.and_then(|last| keeper.save(&last)).and_then(|()| keeper.settle()),
            Err(_) => keeper.settle(),
        };
        if !matches!(outcome, Ok(Reason::Finished)) {
            eprintln!("{}", resume_line(&folder, keeper.whole(), &outcome));
        }
        let seconds = || start.elapsed().as_secs_f64();
        if let Err(Error::Diverged { .. }) = outcome {
            let (reason, seconds) = (Reason::Diverged, seconds());
            sink.push(&Record::End { seconds, reason, model_sha256: None, restored_epoch: None, test: None })?;
        }
        let reason = outcome?;
        kept?;
        let step = session.trainer().step();
        let finish = session.finish().await?;
        if data.validation.is_some() {
            sink.line(&last_line(&finish))?;
            board.iter_mut().try_for_each(|board| board.test(step, &finish.test))?;
        }
        let path = folder.join("model.safetensors");
        let bytes = model_file::to_bytes(&path, &finish.model, &description)?;
        write_whole(&Os, &path, &bytes)?;
        let hash = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let Finish { restored: restored_epoch, test, .. } = finish;
        sink.push(&Record::End {
            seconds: seconds(),
            reason,
            model_sha256: Some(&hash),
            restored_epoch,
            test: Some(test.into()),
        })?;
        if reason != Reason::Finished {
            say!("ended: {reason}");
        }
        say!("model: {} (sha256 {})", path.display(), &hash[..16]);
        Ok(signals.code().filter(|_| reason == Reason::Interrupted).unwrap_or(ExitCode::SUCCESS))
    }

    /// Words that name the same places again, from wherever the run is gone on with.
    fn words(&self) -> Vec<String> {
        let places = [("--from", &self.from), ("--tensorboard", &self.tensorboard)];
        words(places.into_iter().filter_map(|(option, path)| Some((option, file::from_root(path.as_ref()?)))))
    }

    /// A batch of everything, and nothing written.
    async fn try_out(&self, mut session: Session<'_>, config: &Config) -> anyhow::Result<ExitCode> {
        let mut lines = Vec::new();
        let mut heard = |report: &Report| {
            lines.push(line(report, config.epochs));
            Wish::Continue
        };
        session.run(&mut heard).await?;
        lines.push(last_line(&session.finish().await?));
        writeln!(
            std::io::stdout(),
            "{}\ndry run: one batch of everything was computed, nothing was written",
            lines.join("\n")
        )?;
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses a folder that holds a run, unless it is to be replaced.
    fn refuse_a_taken_folder(&self) -> Result<(), Error> {
        let Some(folder) = self.out.as_ref().filter(|_| !self.force) else { return Ok(()) };
        // A run that died before its first checkpoint has left a record, and nothing to go on with.
        let marks: &[&str] =
            if self.resume.asked() { &["model.safetensors"] } else { &["model.safetensors", "metrics.jsonl"] };
        if marks.iter().any(|name| folder.join(name).exists()) {
            return Err(Error::Setting(format!(
                "{} already holds a run: give another --out, or --force to replace it",
                folder.display()
            )));
        }
        Ok(())
    }

    /// The run folder: the one asked for, else the next free number.
    fn folder(&self) -> Result<PathBuf, Error> {
        let Some(folder) = &self.out else {
            return next_free(Path::new("runs"));
        };
        std::fs::create_dir_all(folder).map_err(Error::file(folder))?;
        Ok(folder.clone())
    }
}

/// Makes the first of runs/1, runs/2, … that is not there. Making it claims it, so two runs never share one.
fn next_free(runs: &Path) -> Result<PathBuf, Error> {
    std::fs::create_dir_all(runs).map_err(Error::file(runs))?;
    for number in 1u64.. {
        let folder = runs.join(number.to_string());
        match std::fs::create_dir(&folder) {
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
            result => return result.map_err(Error::file(&folder)).map(|()| folder),
        }
    }
    unreachable!("there are more numbers than folders")
}
